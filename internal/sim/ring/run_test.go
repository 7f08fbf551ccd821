package ring

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// simulate runs a configuration and holds what every run has to keep: nobody gets a wrong or no answer, and the invariant holds.
func simulate(t *testing.T, cfg Config) *Result {
	t.Helper()
	res, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Done+res.Failed+res.Excused != cfg.Lookups {
		t.Errorf("%d lookups done, %d failed and %d excused are not the %d that were begun", res.Done, res.Failed, res.Excused, cfg.Lookups)
	}
	if res.Failed > 0 || res.Violations > 0 {
		t.Errorf("%d failed lookups (%d wrong), %d violations", res.Failed, res.Wrong, res.Violations)
	}
	return res
}

// within reports an error unless got is within a share of want.
func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got/want-1) > share {
		t.Errorf("%s: %.3f, want %.3f within %g %%", what, got, want, 100*share)
	}
}

// "Mean hops = 0.5 log2 N - 0.5 log2 r + 1 within 3 % at 2^10, 2^14, 2^20 for r = 8 and 20." The largest is bench's case sim-ring.
func TestHops(t *testing.T) {
	for _, c := range []struct{ nodes, successors int }{{1 << 10, 8}, {1 << 10, 20}, {1 << 14, 8}, {1 << 14, 20}} {
		if testing.Short() && c.nodes > 1<<10 {
			continue
		}
		res := simulate(t, Config{Nodes: c.nodes, Successors: c.successors, Lookups: 20000, Window: 2 * time.Second, KeysPerNode: 10, Seed: 1})
		want := 0.5*math.Log2(float64(c.nodes)) - 0.5*math.Log2(float64(c.successors)) + 1
		within(t, "hops", res.Hops.Mean, want, 0.03)
		if res.Expected != want {
			t.Errorf("theory gives %v, not %v", res.Expected, want)
		}
		if !res.IsRepaired || res.Timeouts > 0 || res.AssumptionBroken > 0 {
			t.Errorf("a quiet ring of %d is out of order: %+v", c.nodes, res)
		}
	}
}

// "Each peer knows only its immediate successor and predecessor; a query takes O(N) messages, about N/2."
func TestHopsBySuccessor(t *testing.T) {
	nodes := 1 << 10
	if testing.Short() {
		nodes = 1 << 7
	}
	res := simulate(t, Config{Nodes: nodes, Routing: BySuccessor, Lookups: 5000, KeysPerNode: 10, Seed: 1})
	within(t, "hops", res.Hops.Mean, float64(nodes)/2, 0.03)
}

// "With the cache, mean session 1 h: <= 1.2 hops." Newcomers learn of everybody, and nobody drops the cache.
func TestCacheUnderChurn(t *testing.T) {
	cfg := Config{Nodes: 1 << 10, Routing: ByCache, Churn: time.Hour, Lookups: 5000, KeysPerNode: 10, Seed: 1}
	if testing.Short() {
		cfg.Nodes, cfg.Warm, cfg.Window = 1<<7, time.Minute, time.Minute
		cfg.Churn = 10 * time.Minute
	}
	res := simulate(t, cfg)
	if res.Hops.Mean > 1.2 {
		t.Errorf("%.3f hops", res.Hops.Mean)
	}
	if res.Came == 0 || res.Went != res.Came {
		t.Errorf("%d came and %d went", res.Came, res.Went)
	}
	if res.CachesDropped > 0 {
		t.Errorf("%d caches were dropped", res.CachesDropped)
	}
}

// "50 % of 1,000 nodes failing at once, r = 20: 0 failed lookups among keys with a living replica." Lookups begin at once, before anybody can know
// of the failures, so they meet time-outs.
func TestHalfFails(t *testing.T) {
	res := simulate(t, Config{Nodes: 1000, Successors: 20, Fail: 0.5, Replicas: 3, Lookups: 10000, KeysPerNode: 10, Seed: 1})
	if res.Timeouts == 0 {
		t.Error("no lookup met a failed node")
	}
	if !res.IsRepaired || res.Repaired <= 0 {
		t.Errorf("the ring is not in order again: %v", res.Repaired)
	}
}

// The answer to a lookup for a key whose replicas have all failed is no failure of the ring, whatever it is.
func TestLostKeys(t *testing.T) {
	res := simulate(t, Config{Nodes: 500, Successors: 16, Fail: 0.5, Replicas: 1, Lookups: 4000, KeysPerNode: 10, Seed: 1})
	within(t, "share of keys without a replica", float64(res.LostKeys)/4000, 0.5, 0.1)
}

// "Keys a node: 99th percentile / mean <= 2.5 at 5 virtual nodes, <= 1.35 at 100." And 4.6 without (Stoica et al. 2001, figure 8b).
func TestKeysPerNode(t *testing.T) {
	for _, c := range []struct {
		vnodes   int
		low, top float64
	}{{1, 4.2, 5}, {5, 2, 2.5}, {100, 1.1, 1.35}} {
		if testing.Short() && c.vnodes > 5 {
			continue
		}
		nodes := 2000
		if c.vnodes == 100 {
			nodes = 1000
		}
		res := simulate(t, Config{Nodes: nodes, Vnodes: c.vnodes, Lookups: 0, Window: time.Millisecond, Seed: 1})
		if got := res.Keys.P99 / res.Keys.Mean; got < c.low || got > c.top {
			t.Errorf("%d virtual nodes: 1 %% of the nodes have %.2f times the mean or more, want %.2f to %.2f", c.vnodes, got, c.low, c.top)
		}
		sum := 0
		for _, n := range res.Keys.Counts {
			sum += int(n)
		}
		if sum != res.Keys.Total || sum != nodes*1000 {
			t.Errorf("%d keys on the nodes, %d spread", sum, res.Keys.Total)
		}
	}
}

// A ring that was built by joins is no worse than an ideal one.
func TestStartByJoins(t *testing.T) {
	res := simulate(t, Config{Nodes: 200, Join: true, Lookups: 5000, KeysPerNode: 10, Seed: 1})
	if !res.IsRepaired {
		t.Error("the ring is not in order")
	}
	within(t, "hops", res.Hops.Mean, ExpectedHops(ByFingers, 200, 8), 0.05)
}

// The same seed gives the same run, another seed another.
func TestDigest(t *testing.T) {
	cfg := Config{Nodes: 100, Fail: 0.3, Lookups: 500, KeysPerNode: 10, Seed: 7}
	a, b := simulate(t, cfg), simulate(t, cfg)
	if diff := cmp.Diff(a, b, cmpopts.EquateComparable()); diff != "" {
		t.Errorf("two runs of one seed: %s", diff)
	}
	cfg.Seed = 8
	if c := simulate(t, cfg); c.Digest == a.Digest {
		t.Error("two seeds have one digest")
	}
}

// Ctrl-C ends a simulation within a moment, with the reason.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	cfg := Config{Nodes: 500, Lookups: 1_000_000, Window: 100 * time.Hour, Seed: 1}
	cfg.Progress = func(p Progress) {
		if p.Phase == "looking up" {
			cancel(enough)
		}
	}
	if _, err := Run(ctx, cfg); !errors.Is(err, enough) {
		t.Errorf("the run ended with %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{Config{}, "0 nodes"},
		{Config{Nodes: 1 << 30}, "nodes: want"},
		{Config{Nodes: 10, Lookups: -1}, "-1 lookups"},
		{Config{Nodes: 10, Successors: 1000}, "1000 successors"},
		{Config{Nodes: 10, Vnodes: 5000}, "5000 virtual nodes"},
		{Config{Nodes: 4_000_000, Vnodes: 1000}, "more than 8000000 positions"},
		{Config{Nodes: 10, Fail: 1}, "less than 1"},
		{Config{Nodes: 10, Fail: math.NaN()}, "less than 1"},
		{Config{Nodes: 10, Fail: 0.99}, "somebody has to ask"},
		{Config{Nodes: 10, Churn: time.Second}, "a minute or more"},
		{Config{Nodes: 10, Churn: time.Hour, Fail: 0.1}, "give one of them"},
		{Config{Nodes: 10, Routing: "pigeons"}, "no such routing: pigeons"},
	} {
		if err := c.cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.says)
		}
	}
	for _, nodes := range []int{1, 2, 3, 9} {
		if res := simulate(t, Config{Nodes: nodes, Lookups: 100, KeysPerNode: 10, Seed: 1}); res.Hops.Mean > 1 {
			t.Errorf("a ring of %d: %.2f hops", nodes, res.Hops.Mean)
		}
	}
}

// A newcomer with several places answers for those that it has, while it looks for the others: that is no wrong answer.
func TestVnodesUnderChurn(t *testing.T) {
	if res := simulate(t, Config{Nodes: 60, Vnodes: 8, Churn: 2 * time.Minute, Lookups: 4000, Seed: 1}); res.Came < 60 {
		t.Errorf("%d nodes came: the test does not test", res.Came)
	}
}

// An owner is right when it was alive as the lookup began, and nobody who has been a member for a while lies between the key and it.
func TestRight(t *testing.T) {
	second := time.Second.Microseconds()
	const dead = 1 << 40 // in the future: alive
	for _, c := range []struct {
		name       string
		owner      int
		born, died [4]int64 // of hosts at 10, 20, 30 and 40; in seconds
		want       bool
	}{
		{"the successor", 1, [4]int64{}, [4]int64{dead, dead, dead, dead}, true},
		{"one too far", 2, [4]int64{}, [4]int64{dead, dead, dead, dead}, false},
		{"before the key", 0, [4]int64{}, [4]int64{dead, dead, dead, dead}, false},
		{"past one that is dead", 2, [4]int64{}, [4]int64{dead, 50, dead, dead}, true},
		{"past a newcomer", 2, [4]int64{0, 95, 0, 0}, [4]int64{dead, dead, dead, dead}, true},
		{"past one that is new no more", 2, [4]int64{0, 85, 0, 0}, [4]int64{dead, dead, dead, dead}, false},
		{"a newcomer", 1, [4]int64{0, 95, 0, 0}, [4]int64{dead, dead, dead, dead}, true},
		{"died while it was asked", 1, [4]int64{}, [4]int64{dead, 99, dead, dead}, true},
		{"died before", 1, [4]int64{}, [4]int64{dead, 97, dead, dead}, false},
	} {
		r := &run{net: &network{now: 100 * second}}
		for i := range 4 {
			id := at(t, Space{}, uint64(10*(i+1)))
			if _, err := r.net.add(core.Config{}, []core.ID{id}); err != nil {
				t.Fatal(err)
			}
			r.refs = append(r.refs, core.Ref{ID: id, Host: core.Host(i)})
			r.born, r.died = append(r.born, c.born[i]*second), append(r.died, c.died[i]*second)
			if c.died[i] != dead {
				r.net.fail(core.Host(i))
			}
		}
		// And one that has one of its places, at 18: it counts among the members when it has all.
		comer, err := r.net.add(core.Config{}, []core.ID{at(t, Space{}, 18)})
		if err != nil {
			t.Fatal(err)
		}
		r.born, r.died = append(r.born, never), append(r.died, never)
		if to := (core.Ref{ID: r.net.positions[comer][0], Host: comer}); !r.right(question{key: at(t, Space{}, 15), began: 98 * second}, to) {
			t.Errorf("%s: a newcomer nearer to the key is not right", c.name)
		} else if r.right(question{key: at(t, Space{}, 5), began: 98 * second}, to) {
			t.Errorf("%s: a newcomer beyond another member is right", c.name)
		}
		if got := r.right(question{key: at(t, Space{}, 15), began: 98 * second}, r.refs[c.owner]); got != c.want {
			t.Errorf("%s: right is %t", c.name, got)
		}
	}
}

// The queue gives events by time, then host, then the host's count, in whatever order they came.
func TestQueueOrder(t *testing.T) {
	var q queue
	want := []event{}
	for at := range int64(20) {
		for host := range uint32(5) {
			for seq := range uint32(3) {
				want = append(want, event{at: at, host: host, seq: seq})
			}
		}
	}
	for i := range want {
		q.push(want[i*97%len(want)])
	}
	for i, w := range want {
		if got := q.pop(); got != w {
			t.Fatalf("event %d: %+v, want %+v", i, got, w)
		}
	}
}
