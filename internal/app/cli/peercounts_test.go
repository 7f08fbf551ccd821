package cli

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCounts(t *testing.T) {
	for text, want := range map[string][]int{
		"7": {7}, "0": {0}, "0..3": {0, 1, 2, 3}, " 2 .. 4 ": {2, 3, 4}, "5..5": {5}, "0..10/4": {0, 4, 8, 10}, "0..8/4": {0, 4, 8},
		"1,5,10..12": {1, 5, 10, 11, 12}, "9, 3..5, 4,9": {3, 4, 5, 9}, "0..35/10,5": {0, 5, 10, 20, 30, 35},
	} {
		got, err := parseCounts(text, 0, 100)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

func TestParseCountsRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":              `"" is not a number of peers: want N, LO..HI, LO..HI/STEP, or a list of these like 1,5,10..20`,
		"1,":            `"" is not a number`,
		"1,x":           `"x" is not a number of peers`,
		"0":             "0 is too few: at least 1",
		"1,0..5":        "0 is too few: at least 1",
		"5,1000001":     "1000001 is too many: at most 1000000",
		"1..2..3":       `"2..3" is not a number`,
		"4,9..3":        "9..3 counts down: write 3..9",
		"1..9/0":        "a step of 0 never gets there",
		"3,1..100000":   "100001 rows are too many, at most 10001: give a step, like 1..100000/10",
		"1..9999,1,1,1": "10002 rows are too many, at most 10001",
	} {
		if got, err := parseCounts(text, 1, 1_000_000); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// plan, sim sweep and lab take the same numbers of peers, and refuse the same with the same words.
func TestOneGrammarOfCounts(t *testing.T) {
	var lab counts
	if err := lab.Set("1,5,10..12"); err != nil || !slices.Equal(lab, []int{1, 5, 10, 11, 12}) || lab.String() != "1,5,10,11,12" {
		t.Errorf("lab: %v, %v", lab, err)
	}
	common := " --size 64KiB --server 1MB --up 1MB"
	for _, command := range []string{"plan", "sim sweep"} {
		out := planOutput(t, command+" --peers 1,3..4"+common)
		for _, row := range []string{"\n +1  ", "\n +3  ", "\n +4  "} {
			if !regexp.MustCompile(row).MatchString(out) {
				t.Errorf("%s has no row %q:\n%s", command, row, out)
			}
		}
	}
	for _, command := range []string{"plan", "sim sweep", "lab"} {
		args := strings.Fields(command + " --peers 1,3..y" + common)
		code, stderr := runHere(t, &strings.Builder{}, args...)
		if code != exitUsage || !strings.Contains(stderr, `"y" is not a number of peers: want N, LO..HI, LO..HI/STEP, or a list of these like 1,5,10..20`) {
			t.Errorf("%s: code %d, %s", command, code, stderr)
		}
	}
}

func FuzzParseCounts(f *testing.F) {
	for _, s := range []string{"5", "0..35", "0..100/7", "9..1", "..", "1..2..3", "1/2", "-1", "0..1000000000", "1e3", "+1..2", "1,5,10..20", "1,,2", "3,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		counts, err := parseCounts(s, 0, maxPlanPeers)
		if err != nil {
			return
		}
		if len(counts) == 0 || len(counts) > maxCounts || counts[0] < 0 || counts[len(counts)-1] > maxPlanPeers {
			t.Fatalf("%q: %d counts", s, len(counts))
		}
		for i := 1; i < len(counts); i++ {
			if counts[i] <= counts[i-1] {
				t.Fatalf("%q: %v", s, counts)
			}
		}
	})
}
