package history_test

import (
	"testing"
	"time"
)

// TestGrowth: a ring of one host becomes one of twenty within seconds, and a minute later each arc has its R sure holders. The hosts that came first
// soon hold other arcs; nobody may wait for them.
func TestGrowth(t *testing.T) {
	for seed := range uint64(8) {
		c := newCluster(options{seed: seed, hosts: 1, vnodes: 4, replicas: 3, write: 2 + int(seed%2), read: 2})
		c.run(5 * time.Second)
		for range 19 {
			h := c.addHost()
			h.member = true
			h.start()
			c.run(c.between(0, 400*time.Millisecond))
		}
		began := c.now
		unsure := func() (n int) {
			for _, h := range c.hosts {
				n += h.r.Stats().Unsure
			}
			return n
		}
		for unsure() > 0 && c.now < began+time.Minute {
			c.run(time.Second)
		}
		if n := unsure(); n > 0 {
			t.Errorf("seed %d: %d arcs have a holder that is not sure after a minute", seed, n)
			continue
		}
		t.Logf("seed %d: all sure after %v", seed, c.now-began)
	}
}
