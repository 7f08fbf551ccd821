package history_test

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestFaultFree holds promise 5 of the issue: "fault-free runs linearizable". The network still delays and reorders.
func TestFaultFree(t *testing.T) {
	for seed := range uint64(20) {
		c := newCluster(options{seed: seed, hosts: 5, vnodes: 3, replicas: 3, write: 2, read: 2})
		c.run(20 * time.Second) // the hosts that join the first one synchronise
		l := c.startLoad(5, 3, 5*time.Millisecond, time.Second)
		c.run(10 * time.Second)
		ops := l.log.Ops()
		counts := map[history.Outcome]int{}
		for _, op := range ops {
			counts[op.Outcome]++
		}
		if counts[history.Unknown] > 0 {
			t.Errorf("seed %d: %d of %d operations failed without a fault", seed, counts[history.Unknown], len(ops))
		}
		if len(ops) < 300 {
			t.Errorf("seed %d: %d operations prove little", seed, len(ops))
		}
		if err := history.Linearizable(ops, 20*time.Second); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		c.run(time.Minute)
		for _, err := range append(history.Check(ops, l.finals()), c.replicas(l.keys)...) {
			t.Errorf("seed %d: %v", seed, err)
		}
		if t.Failed() {
			return
		}
		t.Logf("seed %d: %d operations %v", seed, len(ops), counts)
	}
}
