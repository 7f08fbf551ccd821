package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/metainfo"
)

func TestSelectFiles(t *testing.T) {
	info := &metainfo.Info{Name: "disc"}
	for _, p := range []string{"readme.txt", ".pad/5", "music/a.flac", "music/b.flac", "music/live/c.flac", "7"} {
		info.Files = append(info.Files, metainfo.File{Path: strings.Split(p, "/"), Pad: strings.HasPrefix(p, ".pad")})
	}
	for selection, want := range map[string][]int{
		"1":               {0},
		"1,3-4":           {0, 2, 3},
		"1-3":             {0, 2}, // padding is never wanted
		"5-":              {4, 5},
		"-1":              {0},
		"*.flac":          {2, 3, 4},
		"music":           {2, 3, 4},
		"music/live":      {4},
		"music/*.fla?, 6": {2, 3, 5},
		"4,4,3-4":         {2, 3},
	} {
		got, err := selectFiles(info, selection)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("--select %s: %v %s", selection, err, diff)
		}
	}
	for selection, code := range map[string]int{
		"": exitUsage, "1,,2": exitUsage, "0": exitNotFound, "7": exitNotFound, "4-2": exitNotFound, "2": exitNotFound, // 2 is padding
		"*.ogg": exitNotFound, "99999999999999999999": exitNotFound, "[": exitNotFound,
	} {
		got, err := selectFiles(info, selection)
		var f *Failure
		if !errors.As(err, &f) || f.Code != code {
			t.Errorf("--select %q: got %v, %v; want code %d", selection, got, err, code)
		}
	}
}
