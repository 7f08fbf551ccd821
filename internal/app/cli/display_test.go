package cli

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eddy-p2p/eddy"
)

// Whatever the width, the bar keeps its columns, what matters most stays, and the rest gives way from the end.
func TestTextBesideTheBar(t *testing.T) {
	s := eddy.Stats{State: eddy.Downloading, Wanted: 200e6, Have: 80e6, DownRate: 40e6, UpRate: 1e6, Peers: 12, Seeds: 3}
	v := view{label: "x", done: s.Have, total: s.Wanted, parts: downloadParts(&s)}
	if got := v.beside(200); got != "  40.0 %, 40.0 MB/s, 3 s left, 12 peers (3 seeds), up 1.0 MB/s, of 200.0 MB" {
		t.Errorf("with all room: %q", got)
	}
	if got := v.beside(45); got != "  40.0 %, 40.0 MB/s, 3 s left" {
		t.Errorf("in 45 columns: %q", got)
	}
	for room := 32; room < 200; room++ {
		if got := v.beside(room); utf8.RuneCountInString(got) > room-minBar || !strings.Contains(got, "40.0 MB/s") {
			t.Errorf("in %d columns: %q", room, got)
		}
	}
	v.total = 0
	if got := v.beside(24); got != "40.0 MB/s, 3 s left" {
		t.Errorf("without an end: %q", got)
	}
}

// A frame replaces the one before, and is not written again while it stays the same.
func TestFrames(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	screen := &terminal{file: f}
	for _, frame := range []struct {
		text  string
		lines int
	}{{"a\nb\n", 2}, {"a\nb\n", 2}, {"log\nc\n", 1}, {"", 0}} {
		screen.WriteString(frame.text)
		if err := screen.Flush(frame.lines); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(f.Name())
	if want := "\r\x1b[Ja\nb\n" + "\r\x1b[2A\x1b[Jlog\nc\n" + "\r\x1b[1A\x1b[J"; err != nil || string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}
