package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestTwoLost: "W=3, any 2 adjacent ones: no acknowledged write lost, full replication again within 60 s", under load. A minute later every host answers
// for all of its arcs, and every key that was written is read through every host: the one holder of three that is left need not wait for the others.
func TestTwoLost(t *testing.T) {
	for seed := uint64(1); seed <= *seedsFlag/2; seed++ {
		opt := options{seed: seed, hosts: 5 + int(seed%4)*5, vnodes: 1 + int(seed%3)*3, replicas: 3, write: 3, read: 2}
		t.Run(fmt.Sprintf("seed=%d,hosts=%d,vnodes=%d", seed, opt.hosts, opt.vnodes), func(t *testing.T) { twoLost(t, opt) })
	}
}

func twoLost(t *testing.T, opt options) {
	c := young(opt)
	c.awaitSure(t, c.hosts...)
	l := c.startLoad(4, 8, 60*time.Millisecond, time.Hour)
	c.run(c.between(20*time.Second, time.Minute))
	order := c.hosts[0].ring()
	at := c.rng.IntN(len(order))
	first, second := c.hosts[order[at].Host], c.hosts[order[at].Host]
	for i := 1; second == first; i++ {
		second = c.hosts[order[(at+i)%len(order)].Host]
	}
	began := c.now
	first.lose()
	c.run(c.between(0, 2*time.Second))
	second.lose()
	whole := time.Duration(0)
	for c.now < began+time.Minute {
		c.run(time.Second)
		if bad := c.unsure() + c.underReplicated(); bad > 0 {
			whole = 0
		} else if whole == 0 {
			whole = c.now - began
		}
	}
	if t.Logf("whole after %v", whole); whole == 0 {
		t.Errorf("after a minute %d arcs are unsure, %d records have too few copies", c.unsure(), c.underReplicated())
	}
	l.until = c.now
	c.run(10 * time.Second)
	for _, err := range append(history.Check(l.log.Ops(), l.finals()), c.replicas(l.keys)...) {
		t.Error(err)
	}
}

// lose ends a host for ever.
func (h *host) lose() {
	h.lost = true
	h.crash()
}

// unsure counts the arcs of which their holders are not sure.
func (c *cluster) unsure() (n int) {
	for _, h := range c.hosts {
		if h.up() {
			n += h.r.Stats().Unsure
		}
	}
	return n
}

// underReplicated counts the keys of the load that are not on all disks where they should be.
func (c *cluster) underReplicated() (n int) {
	for k := range 8 {
		key, have := fmt.Sprint("key", k), 0
		holders := c.someHost().holders(key, c.opt.replicas)
		for _, h := range holders {
			if h.disk.read(key) != nil {
				have++
			}
		}
		if have > 0 && have < len(holders) {
			n++
		}
	}
	return n
}
