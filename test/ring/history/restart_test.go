package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestRollingRestart: "Rolling restart: no failed read after one retry". Each host is stopped and comes back with what it had synced, and the next one
// follows as soon as it is sure of its arcs again, which takes moments: nobody may wait for somebody who waits as well.
func TestRollingRestart(t *testing.T) {
	for seed := range uint64(16) {
		opt := options{seed: seed, hosts: 5 + int(seed%4), vnodes: 1 + 3*int(seed/4%2), replicas: 3, write: 2 + int(seed/8%2), read: 2, gradual: true}
		for _, idle := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed=%d,hosts=%d,vnodes=%d,W=%d,idle=%v", seed, opt.hosts, opt.vnodes, opt.write, idle), func(t *testing.T) {
				rollingRestart(t, opt, idle)
			})
		}
	}
}

func rollingRestart(t *testing.T, opt options, idle bool) {
	c := young(opt)
	kept := make([]string, 6) // written once, before the first restart; the load's keys have other names
	for i := range kept {
		kept[i] = fmt.Sprint("kept", i)
	}
	c.awaitSure(t, c.hosts...)
	for _, k := range kept {
		want(t, c.put(t, 0, replica.Put{Key: k, Value: []byte(k)}), replica.OK, k)
	}
	l := &load{c: c}
	if !idle {
		l = c.startLoad(4, 8, 60*time.Millisecond, 10*time.Minute)
	}
	for _, h := range c.hosts {
		h.crash()
		end := c.now + c.between(200*time.Millisecond, 3*time.Second)
		for i := 0; c.now < end; i++ {
			c.readTwice(t, kept[i%len(kept)])
		}
		h.start()
		c.readTwice(t, kept[int(h.id)%len(kept)])
		c.awaitSure(t, h)
	}
	c.awaitSure(t, c.hosts...)
	l.until = c.now
	c.run(time.Minute)
	for _, k := range kept {
		for i := range c.hosts {
			want(t, c.get(t, i, k), replica.OK, k)
		}
	}
	for _, err := range history.Check(l.log.Ops(), l.finals()) {
		t.Error(err)
	}
}

// awaitSure waits until hosts are sure of all their arcs.
func (c *cluster) awaitSure(t *testing.T, hosts ...*host) {
	t.Helper()
	began := c.now
	for _, h := range hosts {
		for h.r.Stats().Unsure > 0 {
			c.run(100 * time.Millisecond)
			if c.now-began > 20*time.Second {
				t.Fatalf("host %d is not sure of %d arcs after %v", h.id, h.r.Stats().Unsure, c.now-began)
			}
		}
	}
}

// readTwice reads a key through a host that runs, and if that fails through another.
func (c *cluster) readTwice(t *testing.T, key string) {
	t.Helper()
	first := c.someHost()
	if c.get(t, int(first.id), key).Status == replica.OK {
		return
	}
	second := c.someHost()
	for second == first {
		second = c.someHost()
	}
	want(t, c.get(t, int(second.id), key), replica.OK, key)
}
