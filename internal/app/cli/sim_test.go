package cli

import (
	"bytes"
	"context"
	"math"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// sameDigest implements "samedigest FILE FILE": whether two documents of sim run have the same digest.
func sameDigest(ts *testscript.TestScript, neg bool, args []string) {
	digest := func(name string) string {
		match := regexp.MustCompile(`"digest": "([0-9a-f]{16})"`).FindStringSubmatch(ts.ReadFile(name))
		if match == nil {
			ts.Fatalf("no digest in %s", name)
		}
		return match[1]
	}
	if a, b := digest(args[0]), digest(args[1]); (a == b) == neg {
		ts.Fatalf("digests %s and %s", a, b)
	}
}

// Ctrl-C ends a simulation in the middle, without a result, and one line says so; --json has a document.
func TestSimInterrupted(t *testing.T) {
	for _, args := range [][]string{
		{"sim", "run", "--scenario", "flash-crowd", "--fidelity", "engine"},
		{"sim", "sweep", "--scenario", "flash-crowd", "--seeds", "100"},
	} {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGINT // waits there already: the command must notice however soon it comes
		var out, stderr bytes.Buffer
		code := Run(context.Background(), Stdio{Args: args, Out: &out, Err: &stderr, Environ: []string{"HOME=" + t.TempDir()}, Signals: signals})
		if code != exitInterrupted || out.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), ": no result, and nothing was lost\n") {
			t.Errorf("%v: code %d, wrote %q and %q", args, code, out.String(), stderr.String())
		}
		signals <- syscall.SIGTERM
		stderr.Reset()
		code = Run(context.Background(), Stdio{Args: append(args, "--json"), Out: &out, Err: &stderr, Environ: []string{"HOME=" + t.TempDir()}, Signals: signals})
		if code != exitTerminated || !strings.Contains(out.String(), `"type": "error"`) || !strings.Contains(out.String(), `"code": 143`) {
			t.Errorf("%v: code %d, wrote %q", args, code, out.String())
		}
	}
}

// A curve of many peers has few points, ends with all of them, and never falls.
func TestCompletionChart(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000, 1001, 123456} {
		res := &record.Result{Peers: max(n, 1), Complete: n, Bound: record.Bound{Seconds: 1}, End: 90 * time.Second}
		for i := range n {
			res.All = append(res.All, time.Duration(i+1)*time.Second)
		}
		c := completionChart(res)
		if n == 0 {
			// Of nobody there is no curve, and the panel says so.
			if len(c.Series) > 0 || c.Empty != "nobody was complete when it ended at 1m30s" {
				t.Errorf("%d series, %q", len(c.Series), c.Empty)
			}
			continue
		}
		s := c.Series[0]
		if len(s.X) > 1001 || len(s.X) != len(s.Y) {
			t.Fatalf("%d peers: %d points", n, len(s.X))
		}
		for i := 1; i < len(s.X); i++ {
			if s.X[i] <= s.X[i-1] || s.Y[i] <= s.Y[i-1] || math.Abs(s.Y[i]-s.X[i]/float64(n)) > 1e-9 {
				t.Fatalf("%d peers: point %d is %v, %v", n, i, s.X[i], s.Y[i])
			}
		}
		if n > 0 && s.Y[len(s.Y)-1] != 1 {
			t.Errorf("%d peers: ends at %v", n, s.Y[len(s.Y)-1])
		}
	}
}

// Rows of the map are shares of a class's time; one that unchoked nobody has none.
func TestUnchokeMap(t *testing.T) {
	h := unchokeMap(&record.Result{Flow: record.Matrix{Names: []string{"server", "a", "b"},
		Unchoked: [][]float64{{0, 1, 3}, {0, 6, 2}, {0, 0, 0}}}})
	want := [][]float64{{25, 75}, {75, 25}}
	for i, row := range want {
		for k, v := range row {
			if h.Values[i][k] != v {
				t.Errorf("row %d is %v, want %v", i, h.Values[i], row)
			}
		}
	}
	if !math.IsNaN(h.Values[2][0]) {
		t.Errorf("of one who unchoked nobody: %v", h.Values[2])
	}
	var _ plot.Panel = h
}

func TestWrapped(t *testing.T) {
	for text, want := range map[string][]string{
		"": {""}, "one": {"one"}, "one two": {"one two"}, "one two three": {"one two", "three"}, "immeasurable a b": {"immeasurable", "a b"}, "äöü äöü äöü": {"äöü äöü", "äöü"},
	} {
		if d := cmp.Diff(want, wrapped(text, 7)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

func TestPeakMemory(t *testing.T) {
	if peak := peakMemory(); peak < 1<<20 || peak > 1<<40 {
		t.Errorf("%d bytes", peak)
	}
}

// What stands in help is what ships.
func TestScenarioList(t *testing.T) {
	if text := scenarioList(); !strings.Contains(text, "  course        the course's figure") || strings.Count(text, "\n") < 10 {
		t.Error(text)
	}
}

// The page about sim shows a scenario with every key: it has to be one, and to leave none out.
func TestScenarioPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```toml\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no TOML on the page")
	}
	sc, err := scenario.Parse("page", []byte(text), nil)
	if err == nil {
		err = sc.Validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range scenario.Keys() {
		if !regexp.MustCompile(`(?m)(^|[ {])` + key + ` += `).MatchString(text) {
			t.Errorf("the page lacks %s", key)
		}
	}
}

// Every flag reaches its field, beside a scenario as well as alone; what is not given stays as it is.
func TestSimFlags(t *testing.T) {
	made := func(args ...string) *scenario.Scenario {
		r := &simRun{inv: newInvocation(Stdio{})}
		cmd := &cobra.Command{}
		r.defineAll(cmd.Flags())
		if err := cmd.Flags().Parse(args); err != nil {
			t.Fatal(err)
		}
		sc, err := r.scenarioOf(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return sc
	}
	all := []string{"--peers", "30", "--size", "1MiB", "--piece-size", "16KiB", "--server", "7", "--up", "5", "--down", "6", "--degree", "9", "--slots", "3",
		"--policy", "classic", "--latency", "3ms", "--seed", "4", "--shaping", "link"}
	for _, sc := range []*scenario.Scenario{made(all...), made(append(all, "--scenario", "classes")...)} {
		peers := 0
		for _, c := range sc.Classes {
			peers += c.Count
			if c.Up != 5 || c.Down != 6 {
				t.Errorf("%s: class %+v", sc.Name, c)
			}
		}
		if peers != 30 || sc.Size != 1<<20 || sc.PieceLength != 16<<10 || sc.Server.Up != 7 || sc.Degree != 9 || sc.Slots != 3 ||
			sc.PolicyOf(0).Name != "classic" || sc.Latency != 3*time.Millisecond || sc.Seed != 4 || sc.Shaping != scenario.ByLink {
			t.Errorf("%+v", sc)
		}
	}
	if own, other := made("--scenario", "data-centre"), made("--scenario", "data-centre", "--shaping", "limit"); own.Shaping != scenario.ByLink || other.Shaping != scenario.ByLimit {
		t.Errorf("shaping of a scenario that says link: %q, with --shaping limit: %q", own.Shaping, other.Shaping)
	}
	plain, flags := made("--scenario", "free-riders"), made("--peers", "3", "--size", "64MiB", "--server", "1", "--up", "1")
	want, err := scenario.Load("free-riders")
	if err != nil {
		t.Fatal(err)
	}
	byName := cmp.Comparer(func(a, b policy.Policy) bool { return a.Name == b.Name })
	if diff := cmp.Diff(want, plain, byName); diff != "" {
		t.Errorf("a scenario alone: %s", diff)
	}
	if flags.Latency != defaultLatency || flags.Seed != 1 || flags.PieceLength == 0 || flags.PolicyOf(0).Name != "tit-for-tat" {
		t.Errorf("the defaults: %+v", flags)
	}
}
