package cli

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy"
)

func TestReport(t *testing.T) {
	stats := eddy.Stats{
		Wanted: 64_000_000, Have: 64_000_000, Downloaded: 64_300_000, Wasted: 300_000, HashFailures: 1, Contributors: 4, Elapsed: 33 * time.Second,
	}
	// max(64/4, N*64/(4+10*2)) = 640/24 s
	r := newReport(&stats, &knownRates{server: 4e6, peer: 2e6, peers: 10}, 0)
	e := r.event("/srv/x", "ab")
	if e.Bytes != 64_000_000 || e.Wall != 33 || e.Peers != 4 || e.Wasted != 300_000 || e.HashFailures != 1 {
		t.Errorf("event: %+v", e)
	}
	if math.Abs(*e.Bound-640.0/24) > 1e-9 || math.Abs(*e.Ratio-33/(640.0/24)) > 1e-9 || math.Abs(e.MeanBPS-64e6/33) > 1e-6 {
		t.Errorf("bound %v ratio %v mean %v", *e.Bound, *e.Ratio, e.MeanBPS)
	}
	text := strings.Join(r.lines("x"), "\n")
	for _, part := range []string{"64.0 MB in 33.0 s", "mean 1.9 MB/s", "from 4 peers", "300.0 kB wasted", "1 piece failed", "26.7 s", "sum of all uploads", "= 1.24"} {
		if !strings.Contains(text, part) {
			t.Errorf("the report lacks %q:\n%s", part, text)
		}
	}
	if strings.Contains(text, "burst") {
		t.Errorf("a word on bursts where there was none:\n%s", text)
	}
	// What is printed as 1.00 is not said to be less than 1.
	rates := &knownRates{server: 4e6, peer: 2e6, peers: 10}
	stats.Elapsed = time.Duration(newReport(&stats, rates, 0).bound.Seconds * 0.998 * float64(time.Second))
	if text := strings.Join(newReport(&stats, rates, 0).lines("x"), "\n"); !strings.Contains(text, "= 1.00") || strings.Contains(text, "burst") {
		t.Errorf("as fast as the minimum:\n%s", text)
	}
	// Faster than the minimum there is something to explain.
	stats.Elapsed = 26 * time.Second
	if text := strings.Join(newReport(&stats, &knownRates{server: 4e6, peer: 2e6, peers: 10}, 0).lines("x"), "\n"); !strings.Contains(text, "= 0.97 (less than 1: limited peers that were idle may send a burst") {
		t.Error(text)
	}
}

// Unknown is null, not 0: a script must not take it for a perfect result.
func TestReportWithoutRates(t *testing.T) {
	stats := eddy.Stats{Wanted: 100, Downloaded: 100, Elapsed: time.Second}
	text, err := json.Marshal(newReport(&stats, &knownRates{}, 0).event("p", "h"))
	if err != nil || !strings.Contains(string(text), `"bound_s":null,"ratio":null`) {
		t.Errorf("%s, %v", text, err)
	}
	// Its own limit bounds it even if nothing is known of the others.
	if r := newReport(&stats, &knownRates{}, 50); r.bound == nil || r.bound.Seconds != 2 {
		t.Errorf("bound by --limit-down: %+v", r.bound)
	}
	stats.Downloaded = 0
	if r := newReport(&stats, &knownRates{server: 10}, 50); r.bound != nil || !strings.Contains(r.lines("x")[0], "there already") {
		t.Errorf("nothing was fetched: %+v %v", r.bound, r.lines("x"))
	}
}

func TestKnownRatesGoTogether(t *testing.T) {
	for _, k := range []knownRates{{peer: 1}, {peers: 3}, {server: 1, peer: 1}, {server: 1, peers: -1}} {
		if k.check() == nil {
			t.Errorf("%+v is accepted", k)
		}
	}
	for _, k := range []knownRates{{}, {server: 1}, {server: 1, peers: 2}, {1, 1, 1}} {
		if err := k.check(); err != nil {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// Each of share, get and seed gives its --policy to the library.
func TestPolicyReachesTheClient(t *testing.T) {
	inv := newInvocation(Stdio{})
	for _, p := range []string{"tit-for-tat", cooperative} {
		if got := inv.clientConfig(&swarmFlags{policy: p, limitUp: 5}); got.Policy != p || got.UploadLimit != 5 {
			t.Errorf("%s: %+v", p, got)
		}
	}
}
