package cli

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/internal/theory"
)

// mission, section 1: F/u = 1 hour, us = 10u. "D_cs = N/10 h: 3.5 h at N=35. D_p2p = 0.3333 at 5, 0.5 at 10, 0.6667 at 20, 0.75 at
// 30, 0.7778 at 35; below 1 h for ever. For N = 1 both are 0.1 h."
func TestPlanCourse(t *testing.T) {
	out := planOutput(t, "plan --size 360MB --server 1MB --up 100kB --peers 0..35 --json")
	var doc struct {
		Rows []struct {
			Peers        int     `json:"peers"`
			ClientServer float64 `json:"client_server_s"`
			P2P          float64 `json:"p2p_s"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Rows) != 36 {
		t.Fatalf("%d rows", len(doc.Rows))
	}
	want := map[int]float64{1: 0.1, 5: 0.3333, 10: 0.5, 20: 0.6667, 30: 0.75, 35: 0.7778}
	for n, r := range doc.Rows {
		if r.Peers != n || math.Abs(r.ClientServer/3600-float64(n)/10) > 1e-12 {
			t.Errorf("row %d: %+v", n, r)
		}
		if h, told := want[n]; told && math.Abs(r.P2P/3600-h) > 5e-5 {
			t.Errorf("%d peers by P2P: %v h, want %v", n, r.P2P/3600, h)
		}
	}
}

// What --peers takes for a number, and what for a file.
func TestCountsLike(t *testing.T) {
	for text, want := range map[string]bool{
		"35": true, "-1": true, "1.5": true, "1,000": true, "0..35": true, "0..": true, "..9": true, "0..x": true, "x..9": true, "1..2/3": true,
		"1,5,10..20": true, "5, 0..35/5, 40": true, "1,,2": true, "2024/05": false, "1,x": true, "1,3..y": true, "1,5.csv": false, "0..35.csv": false,
		"peers.csv": false, "../peers.csv": false, "./7": false, "-": false, "35.csv": false, "a..b": false, "..": false,
	} {
		if got := countsLike(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPrefix(t *testing.T) {
	cs := []theory.Class{{Peers: 2, Up: 1}, {Peers: 3, Up: 2}}
	for n, want := range [][]theory.Class{{{Peers: 0, Up: 1}}, {{Peers: 1, Up: 1}}, {{Peers: 2, Up: 1}, {Peers: 0, Up: 2}},
		{{Peers: 2, Up: 1}, {Peers: 1, Up: 2}}, {{Peers: 2, Up: 1}, {Peers: 2, Up: 2}}, cs, cs} {
		if d := cmp.Diff(want, prefix(cs, n)); d != "" {
			t.Errorf("%d: %s", n, d)
		}
	}
	if cs[0].Peers != 2 || cs[1].Peers != 3 {
		t.Error("the list was changed")
	}
}

func TestFormatLong(t *testing.T) {
	for s, want := range map[float64]string{0.5: "0.50 s", 2800: "46m40s", 99 * 3600: "99h00m", 10 * 86400: "10.0 days", 1e9: "31.7 years", 1e30: "3.2e+22 years"} {
		if got := formatLong(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}

// Spreadsheets put a byte order mark in front, end lines with CR LF, and write headers as they like.
func TestPlanCSVOfSpreadsheets(t *testing.T) {
	got, err := readPlanCSV(strings.NewReader("\ufeffDown,UP\r\n2MB/s, 8Mbit\r\n\r\n,0\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]theory.Class{{Peers: 1, Up: 1e6, Down: 2e6}, {Peers: 1}}, got); d != "" {
		t.Error(d)
	}
}

func FuzzPlanCSV(f *testing.F) {
	for _, s := range []string{"up,down\n1MB,2MB\n", "up\n0\n", "\ufeffDown,UP,count\n,1,3\n", "# x\n\nup,down\n", "up,down\n\"1\n", "up,down\n1,2,3\n", "up,count\n1,-1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		classes, err := readPlanCSV(strings.NewReader(s))
		if err != nil {
			if len(classes) > 0 || err.Error() == "" {
				t.Fatalf("%v with %v", classes, err)
			}
			return
		}
		total := 0
		for _, c := range classes {
			if c.Up < 0 || c.Down < 0 || c.Peers < 0 {
				t.Fatalf("%+v", c)
			}
			total += c.Peers
		}
		if total < 1 || total > maxPlanPeers {
			t.Fatalf("%d peers", total)
		}
		// Whatever was read can be planned, and its JSON holds only numbers.
		q := &planQuestion{size: 1e9, server: 1e6, listed: classes, deadline: 60, schedule: true}
		if _, err := json.Marshal(q.answer()); err != nil {
			t.Fatal(err)
		}
	})
}

// docs/plan.md shows what the command prints, and its figure is what the command draws.
func TestPlanPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	figure, err := os.ReadFile("../../../docs/img/plan-course.svg")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	peers := regexp.MustCompile("(?s)```csv\n(.*?)```").FindSubmatch(page)
	if peers == nil {
		t.Fatal("the page shows no peers.csv")
	}
	if err := os.WriteFile("peers.csv", peers[1], 0o600); err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```console\n\\$ eddy (.*?)\n(.*?)```").FindAllSubmatch(page, -1)
	if len(shown) < 5 {
		t.Fatalf("the page shows %d commands", len(shown))
	}
	for _, m := range shown {
		if d := cmp.Diff(string(m[2]), planOutput(t, string(m[1]))); d != "" {
			t.Errorf("eddy %s: %s", m[1], d)
		}
	}
	planOutput(t, "plan --size 360MB --server 1MB --up 100kB --peers 0..35 --plot f.svg")
	if drawn, err := os.ReadFile("f.svg"); err != nil || !bytes.Equal(drawn, figure) {
		t.Errorf("the figure is another one (%v): draw it again", err)
	}
}

// planOutput runs a command line that must succeed.
func planOutput(t *testing.T, line string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Run(t.Context(), Stdio{Args: strings.Fields(line), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("%s: code %d: %s", line, code, errs.String())
	}
	return out.String()
}
