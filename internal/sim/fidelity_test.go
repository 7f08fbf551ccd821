package sim

import (
	"context"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// The two simulators have nothing in common but the scenario, the neighbours and the live code's decisions. That they come to the same
// times is what makes the fast one's word count where the other is too slow to be asked.
func TestFidelitiesAgree(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a long simulation, of which nothing runs beside anything else")
	}
	const mib = 1 << 20
	honest := []scenario.Class{{Name: "peers", Up: mib}}
	for _, c := range []struct {
		name    string
		n       int
		degree  int
		classes []scenario.Class // Count is a share of n in hundredths; 0 = all
		tracker time.Duration
	}{
		{name: "100 peers, degree 50", n: 100, degree: 50, classes: honest},
		{name: "100 peers, full mesh", n: 100, classes: honest},
		{name: "1000 peers, degree 50", n: 1000, degree: 50, classes: honest},
		{name: "100 peers, half of them fast", n: 100, degree: 50,
			classes: []scenario.Class{{Name: "slow", Count: 50, Up: mib}, {Name: "fast", Count: 50, Up: 4 * mib}}},
		{name: "100 peers, a fifth free riders", n: 100, degree: 50,
			classes: []scenario.Class{{Name: "peers", Count: 80, Up: mib}, {Name: "free riders", Count: 20, Up: mib, Strategy: scenario.FreeRider}}},
		{name: "100 selfish peers", n: 100, degree: 50, tracker: 10 * time.Second,
			classes: []scenario.Class{{Name: "peers", Up: mib, Leave: scenario.Leave{Kind: scenario.AtCompletion}}}},
		{name: "100 peers with downlinks", n: 100, degree: 50, classes: []scenario.Class{{Name: "peers", Up: mib, Down: 2 * mib}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := &scenario.Scenario{Name: c.name, Size: 64 * mib, PieceLength: 256 << 10, Server: scenario.Server{Up: 10 * mib}, Degree: c.degree,
				Latency: 20 * time.Millisecond, Tracker: c.tracker, Seed: 1}
			for _, class := range c.classes {
				if class.Count *= c.n / 100; class.Count == 0 {
					class.Count = c.n
				}
				sc.Classes = append(sc.Classes, class)
			}
			engine, fast := both(t, sc)
			compare(t, "the last", engine.LastDone, fast.LastDone)
			compare(t, "the median", engine.Own.Median, fast.Own.Median)
			for k := range sc.Classes {
				compare(t, "the median of the "+sc.Classes[k].Name, engine.Classes[k].Own.Median, fast.Classes[k].Own.Median)
			}
		})
	}
}

// both runs sc at both fidelities.
func both(t *testing.T, sc *scenario.Scenario) (engine, fast *record.Result) {
	t.Helper()
	var err error
	if engine, err = Run(context.Background(), sc, Options{Fidelity: Engine}); err != nil {
		t.Fatal(err)
	}
	if fast, err = Run(context.Background(), sc, Options{Fidelity: Fast}); err != nil {
		t.Fatal(err)
	}
	if engine.Complete != engine.Peers || fast.Complete != engine.Peers {
		t.Fatalf("of %d peers %d are complete in the engine, %d in fast", engine.Peers, engine.Complete, fast.Complete)
	}
	return engine, fast
}

// agreement is how far apart the two may be.
const agreement = 0.05

func compare(t *testing.T, what string, engine, fast time.Duration) {
	t.Helper()
	off := fast.Seconds()/engine.Seconds() - 1
	t.Logf("%s: engine %.2f s, fast %.2f s, %+.1f %%", what, engine.Seconds(), fast.Seconds(), 100*off)
	if max(off, -off) > agreement {
		t.Errorf("%s: engine %v, fast %v, %+.1f %%", what, engine, fast, 100*off)
	}
}
