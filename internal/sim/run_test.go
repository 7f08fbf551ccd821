package sim

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/piece"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// small is ten peers for 4 MiB.
func small() *scenario.Scenario {
	sc := scenario.FromFlags()
	sc.Size, sc.PieceLength, sc.Server.Up, sc.Latency = 4<<20, 64<<10, 1<<20, 10*time.Millisecond
	sc.Classes[0].Count, sc.Classes[0].Up, sc.Classes[0].Down = 10, 512<<10, 2<<20
	return sc
}

// The same seed gives the same digest, another seed another one, at both fidelities; and a run comes near the bound without beating it.
func TestRunIsDeterministic(t *testing.T) {
	for _, f := range []Fidelity{Engine, Fast} {
		seen := map[string]uint64{}
		for _, seed := range []uint64{1, 2, 3, 1} {
			sc := small()
			sc.Seed = seed
			res, err := Run(t.Context(), sc, Options{Fidelity: f})
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[res.Digest]; ok != (seed == 1 && len(seen) == 3) || ok && other != seed {
				t.Errorf("%s: seed %d has digest %s, so has %v", f, seed, res.Digest, seen)
			}
			seen[res.Digest] = seed
			if res.Complete != 10 || res.Ratio < 1 || res.Ratio > 1.5 || res.Fidelity != string(f) || res.Model == "" {
				t.Errorf("%s: %d complete, ratio %.3f, model %q", f, res.Complete, res.Ratio, res.Model)
			}
			if res.Sent < 10*sc.Size || res.FromServer < sc.Size || res.UploadUse <= 0.5 || res.UploadUse > 1 {
				t.Errorf("%s: sent %d, %d of it by the server, upload use %.3f", f, res.Sent, res.FromServer, res.UploadUse)
			}
		}
	}
}

// perfect is a simulator that knows no links: everybody has everything at a time.
func perfect(at time.Duration) simulate {
	return func(_ context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, _ Options) error {
		for i := sc.Servers(); i < len(peers); i++ {
			rec.Joined(peers[i].Arrive, i)
		}
		for i := sc.Servers(); i < len(peers); i++ {
			rec.Done(at, i)
		}
		return nil
	}
}

// A simulator that claims less than the bound is caught, by each term of it; one that attains it is not.
func TestCheatsAreCaught(t *testing.T) {
	none := func(int64) int64 { return 0 }
	for _, row := range []struct {
		name   string
		change func(sc *scenario.Scenario)
		bound  float64 // seconds
		tells  string
	}{
		{"server", func(sc *scenario.Scenario) { sc.Server.Up, sc.Classes[0].Up = 1<<20, 1<<30 }, 4, "10 peers were complete"},
		{"download", func(sc *scenario.Scenario) { sc.Classes[0].Up, sc.Classes[0].Down = 1<<20, 512<<10 }, 8, "peer 1 was complete"},
		{"aggregate", func(sc *scenario.Scenario) { sc.Server.Up, sc.Classes[0].Up = 1<<20, 128<<10 }, 40 / 2.25, "10 peers were complete"},
		{"free riders give nothing", func(sc *scenario.Scenario) { sc.Classes[0].Strategy, sc.Classes[0].Down = scenario.FreeRider, 0 }, 40, "10 peers were complete"},
		{"alone", func(sc *scenario.Scenario) { sc.Server.Up, sc.Classes[0].Count = 128<<10, 1 }, 32, "peer 1 was complete"},
	} {
		sc := small()
		row.change(sc)
		peers := sc.Population()
		at := func(share float64) time.Duration { return time.Duration(row.bound * share * float64(time.Second)) }
		_, err := run(t.Context(), sc, peers, Options{}, perfect(at(0.999)), none)
		if !errors.Is(err, ErrBoundBeaten) || !strings.Contains(err.Error(), row.tells) {
			t.Errorf("%s: beaten by a thousandth, and told %v", row.name, err)
		}
		res, err := run(t.Context(), sc, peers, Options{}, perfect(at(1)), none)
		if err != nil || res.Ratio < 0.999999 || res.Ratio > 1.000001 {
			t.Errorf("%s: the bound itself gives %v", row.name, err)
		}
	}
	// A server that leaves, or a peer that fails, never excuses it.
	sc := small()
	sc.Classes[0].Fail, sc.Server.Copies = 0.001, 2
	if _, err := run(t.Context(), sc, sc.Population(), Options{}, perfect(time.Second), none); !errors.Is(err, ErrBoundBeaten) {
		t.Errorf("with failures: %v", err)
	}
	// Who brings pieces along may be faster.
	sc.Classes[0].Have = 0.9
	if _, err := run(t.Context(), sc, sc.Population(), Options{}, perfect(time.Second), none); err != nil {
		t.Errorf("with pieces: %v", err)
	}
}

// The token bucket's burst is all that the engine's peers get for nothing.
func TestBurstIsForBucketsOnly(t *testing.T) {
	sc := small()
	if b := burstOf(sc, Engine)(1 << 20); b != 64<<10 {
		t.Errorf("burst of the engine: %d", b)
	}
	if b := burstOf(sc, Fast)(1 << 20); b != 0 {
		t.Errorf("burst of fast: %d", b)
	}
	sc.Shaping = scenario.ByLink
	if b := burstOf(sc, Engine)(1 << 20); b != 0 {
		t.Errorf("burst of a link: %d", b)
	}
}

func TestChoose(t *testing.T) {
	for _, row := range []struct {
		opt   Options
		peers int
		want  Fidelity
	}{
		{Options{}, 200, Engine}, {Options{}, 201, Fast}, {Options{Fidelity: Fast}, 2, Fast}, {Options{Fidelity: Engine}, 2000, Engine},
		{Options{Trace: func(block.Event) {}}, 2000, Engine},
	} {
		if got := Choose(row.opt, row.peers); got != row.want {
			t.Errorf("%+v with %d peers: %s", row.opt, row.peers, got)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	for _, f := range []Fidelity{Engine, Fast} {
		sc := small()
		sc.Classes[0].Count = 500 // long enough for a simulator to look at its context
		if _, err := Run(ended, sc, Options{Fidelity: f}); !errors.Is(err, why) {
			t.Errorf("%s: cancelled, and told %v", f, err)
		}
	}
	for tells, row := range map[string]struct {
		change func(sc *scenario.Scenario)
		opt    Options
	}{
		"size":        {func(sc *scenario.Scenario) { sc.Size = 0 }, Options{}},
		"no fidelity": {func(*scenario.Scenario) {}, Options{Fidelity: "slow"}},
		"exchange":    {func(sc *scenario.Scenario) { sc.Exchange = scenario.Rounds }, Options{Fidelity: Engine}},
		"no events":   {func(*scenario.Scenario) {}, Options{Fidelity: Fast, Trace: func(block.Event) {}}},
		"nobody comes": {func(sc *scenario.Scenario) {
			sc.Until, sc.Classes[0].Count = time.Second, 0
			sc.Classes[0].Arrive = scenario.Arrival{Kind: scenario.Poisson, Rate: 1e-9}
		}, Options{}},
	} {
		sc := small()
		row.change(sc)
		if _, err := Run(t.Context(), sc, row.opt); err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("%s: %v", tells, err)
		}
	}
}

// What the engine has no way for is the fast simulator's, without being asked, and names its own model.
func TestExchangeIsFast(t *testing.T) {
	sc := small()
	sc.Exchange = scenario.Serial
	res, err := Run(t.Context(), sc, Options{})
	if err != nil || res.Fidelity != string(Fast) || res.Model != piece.SerialModel {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestProgress(t *testing.T) {
	sc := small()
	sc.Classes[0].Count = 60
	for _, f := range []Fidelity{Engine, Fast} {
		calls, last := 0, time.Duration(-1)
		_, err := Run(t.Context(), sc, Options{Fidelity: f, Progress: func(now time.Duration, done, peers int) {
			if calls++; peers != 60 || done > 60 || now < last {
				t.Errorf("%s: %v, %d of %d", f, now, done, peers)
			}
			last = now
		}})
		if err != nil || f == Engine && calls == 0 {
			t.Errorf("%s: %d calls, %v", f, calls, err)
		}
	}
}
