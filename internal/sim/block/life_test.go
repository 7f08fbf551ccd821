package block

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// small is a scenario of one class that takes some seconds of virtual time.
func small(n int, change func(*scenario.Scenario)) *scenario.Scenario {
	sc := &scenario.Scenario{Size: 4 * mib, PieceLength: 64 * kib, Seed: 7, Server: scenario.Server{Up: mib}, Latency: wan,
		Classes: []scenario.Class{{Name: "peers", Count: n, Up: 512 * kib}}}
	change(sc)
	return sc
}

// history runs sc and returns its events besides the result.
func history(t *testing.T, sc *scenario.Scenario) ([]Event, *record.Result) {
	t.Helper()
	var events []Event
	r := simulate(t, sc, Options{Trace: func(e Event) { events = append(events, e) }})
	for k := range events[1:] {
		if events[k+1].At < events[k].At {
			t.Fatalf("time runs backwards: %+v, %+v", events[k], events[k+1])
		}
	}
	return events, r
}

// times returns when each peer had an event of a kind; absent = never.
func times(events []Event, kind EventKind) map[int32]time.Duration {
	at := map[int32]time.Duration{}
	for _, e := range events {
		if e.Kind == kind {
			at[e.Peer] = e.At
		}
	}
	return at
}

func TestSameSeedSameResult(t *testing.T) {
	for _, shaping := range []scenario.Shaping{scenario.ByLimit, scenario.ByLink} {
		sc := small(12, func(sc *scenario.Scenario) {
			sc.Shaping, sc.Degree, sc.Tracker = shaping, 6, time.Second
			sc.Classes[0].Fail, sc.Classes[0].Arrive = 0.02, scenario.Arrival{Kind: scenario.FlashCrowd, Within: time.Second}
		})
		first := simulate(t, sc, Options{}).Digest
		was := runtime.GOMAXPROCS(1)
		again := simulate(t, sc, Options{Trace: func(Event) {}}).Digest
		runtime.GOMAXPROCS(was)
		if again != first {
			t.Errorf("shaping %q: digest %s, then %s, on one processor and traced", shaping, first, again)
		}
		sc.Seed++
		if other := simulate(t, sc, Options{}).Digest; other == first {
			t.Errorf("shaping %q: another seed gives the same digest", shaping)
		}
	}
}

func TestCancelledContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	sc := small(20, func(*scenario.Scenario) {})
	peers := sc.Population()
	looks := 0
	err := Run(ctx, sc, peers, record.New(sc, peers), Options{Progress: func(time.Duration, int) {
		if looks++; looks == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || looks != 3 {
		t.Errorf("%v after %d looks: want the context's error at the next look", err, looks)
	}
}

func TestUntilEndsTheRun(t *testing.T) {
	sc := small(4, func(sc *scenario.Scenario) { sc.Until = 3 * time.Second })
	if r := simulate(t, sc, Options{}); r.Complete != 0 || r.End > sc.Until || r.End < sc.Until*9/10 {
		t.Errorf("ended at %v with %d complete; 4 MiB at 1 MiB/s take 4 s, and the end is at %v", r.End, r.Complete, sc.Until)
	}
}

func TestArrivals(t *testing.T) {
	trace := []time.Duration{time.Second, 2 * time.Second, 9 * time.Second}
	sc := small(0, func(sc *scenario.Scenario) {
		sc.Classes[0].Arrive = scenario.Arrival{Kind: scenario.Trace, Trace: trace}
	})
	events, r := history(t, sc)
	joined := times(events, Joined)
	for k, at := range trace {
		if got := joined[int32(k+1)]; got != at {
			t.Errorf("peer %d joined at %v, want %v", k+1, got, at)
		}
	}
	if r.Complete != len(trace) {
		t.Errorf("%d of %d complete", r.Complete, len(trace))
	}
}

// Everybody can be gone before the others come: the server serves them all the same.
func TestLeaving(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave scenario.Leave
		stay  time.Duration
	}{
		{"at completion", scenario.Leave{Kind: scenario.AtCompletion}, 0},
		{"after a time", scenario.Leave{Kind: scenario.AfterTime, Stay: 700 * time.Millisecond}, 700 * time.Millisecond},
	} {
		for _, shaping := range []scenario.Shaping{scenario.ByLimit, scenario.ByLink} {
			sc := small(3, func(sc *scenario.Scenario) {
				sc.Shaping, sc.Classes[0].Leave = shaping, c.leave
				sc.Classes = append(sc.Classes, scenario.Class{Name: "late", Count: 2, Up: 512 * kib, Arrive: scenario.Arrival{At: 30 * time.Second}})
			})
			events, r := history(t, sc)
			done, left := times(events, Completed), times(events, Left)
			for i := int32(1); i <= 3; i++ {
				if left[i] != done[i]+c.stay {
					t.Errorf("%s: peer %d was complete at %v and left at %v", c.name, i, done[i], left[i])
				}
			}
			if r.Complete != 5 || len(left) != 3 {
				t.Errorf("%s: %d complete, %d left", c.name, r.Complete, len(left))
			}
			if from := r.Classes[1].FromServer; from < sc.Size {
				t.Errorf("%s: the late ones had %d bytes from the server, though everybody else was gone", c.name, from)
			}
		}
	}
}

// Who stays hears of those who go, and nobody is ever said to serve one who is gone.
func TestGoneIsHeardOf(t *testing.T) {
	for _, shaping := range []scenario.Shaping{scenario.ByLimit, scenario.ByLink} {
		sc := small(5, func(sc *scenario.Scenario) {
			sc.Shaping, sc.Classes[0].Leave = shaping, scenario.Leave{Kind: scenario.AtCompletion}
			sc.Classes = append(sc.Classes, scenario.Class{Name: "shaky", Count: 3, Up: 512 * kib, Fail: 0.1}, scenario.Class{Name: "slow", Count: 5, Up: 512 * kib, Down: 64 * kib})
		})
		peers := sc.Population()
		var m *simulation
		closed := 0
		m, err := newSimulation(sc, peers, record.New(sc, peers), Options{Trace: func(ev Event) {
			for e := range m.ends {
				// Once it is complete it closes such a connection by itself.
				if ev.Kind == Completed && peers[ev.Peer].Down > 0 && m.ends[e].node == ev.Peer && !m.nodes[m.ends[e^1].node].there {
					if closed++; m.ends[e].open {
						t.Errorf("shaping %q: peer %d still has a connection to %d, which is gone", shaping, ev.Peer, m.ends[e^1].node)
					}
				}
				if other := m.ends[e^1].node; m.ends[e].unchoked && !m.nodes[other].there {
					t.Fatalf("%v: peer %d is said to serve %d, which is gone", m.now, m.ends[e].node, other)
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if closed < 25 {
			t.Errorf("shaping %q: only %d ends lost their other side", shaping, closed)
		}
	}
}

// Failing peers are gone at once, and those who stay finish in spite of them.
func TestFailures(t *testing.T) {
	for _, shaping := range []scenario.Shaping{scenario.ByLimit, scenario.ByLink} {
		sc := small(6, func(sc *scenario.Scenario) {
			sc.Shaping = shaping
			sc.Classes = append(sc.Classes, scenario.Class{Name: "shaky", Count: 6, Up: 512 * kib, Fail: 0.5})
		})
		events, r := history(t, sc)
		peers := sc.Population()
		for i, at := range times(events, Left) {
			if at != peers[i].Fail {
				t.Errorf("peer %d was gone at %v, not at %v", i, at, peers[i].Fail)
			}
		}
		if r.Classes[0].Complete != 6 || r.Classes[1].Failed == 0 {
			t.Errorf("%d of 6 complete, %d failed", r.Classes[0].Complete, r.Classes[1].Failed)
		}
	}
}

// A server goes when it has sent its copies; what it sent suffices when it is one for each piece and more.
func TestServerLeavesAfterCopies(t *testing.T) {
	for _, shaping := range []scenario.Shaping{scenario.ByLimit, scenario.ByLink} {
		sc := small(5, func(sc *scenario.Scenario) { sc.Shaping, sc.Server.Copies = shaping, 1.2 })
		events, r := history(t, sc)
		at, left := times(events, Left)[0]
		if !left || r.FromServer < sc.Size*12/10 || r.FromServer > sc.Size*12/10+2*mib {
			t.Errorf("the server left: %v at %v after sending %.3f copies, want 1.2", left, at, float64(r.FromServer)/float64(sc.Size))
		}
		if r.Complete != 5 {
			t.Errorf("%d of 5 complete", r.Complete)
		}
	}
}

// With servers that stay for some time only, those that come later have what the peers have.
func TestServersStayForATime(t *testing.T) {
	sc := small(2, func(sc *scenario.Scenario) {
		sc.Server.Count, sc.Server.Stay = 2, 20*time.Second
		sc.Classes = append(sc.Classes, scenario.Class{Name: "late", Count: 1, Arrive: scenario.Arrival{At: 25 * time.Second}})
	})
	events, r := history(t, sc)
	left := times(events, Left)
	if left[0] != sc.Server.Stay || left[1] != sc.Server.Stay {
		t.Errorf("the servers left at %v", left)
	}
	if late := r.Classes[1]; late.Complete != 1 || late.FromServer != 0 {
		t.Errorf("the late one: %+v", late)
	}
}

func TestStartingWithPieces(t *testing.T) {
	sc := small(4, func(sc *scenario.Scenario) {
		sc.Server.Up = 8 * kib // as good as none
		sc.Classes[0].Have = 0.5
		sc.Classes = append(sc.Classes, scenario.Class{Name: "seeds", Count: 1, Up: mib, Have: 1})
	})
	events, r := history(t, sc)
	atStart := map[int32]bool{}
	for i, at := range times(events, Completed) {
		atStart[i] = at == 0
	}
	peers := sc.Population()
	for i := 1; i < len(peers); i++ {
		if full := peers[i].Have == 1; atStart[int32(i)] != full {
			t.Errorf("peer %d, who comes with %v of the content, was complete at once: %v", i, peers[i].Have, atStart[int32(i)])
		}
	}
	if down := r.Classes[0].Down - r.Wasted; down != 4*sc.Size/2 {
		t.Errorf("4 peers with half of the content fetched %d useful bytes, want %d", down, 4*sc.Size/2)
	}
}

// Peers that lose neighbours get others from the tracker, so that fewer are left alone when everybody goes at completion.
func TestTrackerRefills(t *testing.T) {
	complete := func(tracker time.Duration) (total int) {
		sc := small(20, func(sc *scenario.Scenario) {
			sc.Degree, sc.Tracker = 4, tracker
			sc.Classes[0].Leave = scenario.Leave{Kind: scenario.AtCompletion}
		})
		for sc.Seed = range 5 {
			total += simulate(t, sc, Options{}).Complete
		}
		return total
	}
	with, without := complete(2*time.Second), complete(0)
	t.Logf("complete of 100: %d with a tracker, %d without", with, without)
	if with < without+20 {
		t.Errorf("complete of 100: %d with a tracker, %d without", with, without)
	}
}

// Free riders and thieves take and do not give.
func TestCheatsUploadNothing(t *testing.T) {
	for _, how := range []scenario.Strategy{scenario.FreeRider, scenario.Thief} {
		sc := small(20, func(sc *scenario.Scenario) {
			sc.Degree = 6
			sc.Classes = append(sc.Classes, scenario.Class{Name: "cheats", Count: 4, Up: 512 * kib, Strategy: how})
		})
		events, r := history(t, sc)
		cheat := map[int32]bool{}
		for i, p := range sc.Population() {
			cheat[int32(i)] = p.Strategy == how
		}
		links := map[bool]int{}
		for _, e := range events {
			switch e.Kind {
			case Unchoked, Moved:
				if cheat[e.Peer] {
					t.Fatalf("a %s unchokes: %+v", how, e)
				}
			case Connected:
				links[cheat[e.Peer]]++
				links[cheat[e.Other]]++
			}
		}
		if r.Classes[1].Up != 0 || r.Classes[1].Complete != 4 {
			t.Errorf("%s: %+v", how, r.Classes[1])
		}
		if each := links[true] / 4; how == scenario.Thief && each < 20 || how == scenario.FreeRider && each > 12 {
			t.Errorf("a %s has %d connections", how, each)
		}
	}
}
