package history_test

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// sleep stops a process with all that it has in memory, as SIGSTOP does, or a machine that is suspended.
func (h *host) sleep() {
	h.asleep = true
	h.c.news(h)
}

// wake lets it go on. What has waited comes after what the caller does next: nothing says which of a machine's inputs is first.
func (h *host) wake() {
	h.asleep = false
	missed := h.missed
	h.missed = nil
	h.c.at(0, func() {
		for _, do := range missed {
			do()
		}
	})
	h.c.news(h)
}

func (h *host) whenAwake(do func()) {
	if h.asleep {
		h.missed = append(h.missed, do)
		return
	}
	do()
}

// TestAsleep: two of a key's holders fall asleep, one after the other, and the ring goes on without them, as it must. When they wake up, each believes that
// it answers for the key, and that the other does: together they would be a quorum of the past.
func TestAsleep(t *testing.T) {
	for _, m := range [...]mutant{sound, neverWakes} {
		t.Run(mutants[m], func(t *testing.T) {
			c := newCluster(options{seed: 2, hosts: 9, vnodes: 1, replicas: 3, write: 2, read: 2, mutant: m})
			c.calm = true
			c.run(2 * time.Minute)
			l := &load{c: c, keys: 1}
			order := c.hosts[0].holders("key0", 9)
			sleepers := order[:2]
			c.record(t, l, order[2], history.Put, "v1", replica.OK)
			c.run(time.Minute)
			for _, h := range sleepers {
				h.sleep()
				c.run(2 * time.Minute)
			}
			c.record(t, l, order[2], history.Put, "v2", replica.OK)
			c.record(t, l, order[3], history.Get, "", replica.OK)
			for _, h := range sleepers {
				h.wake()
			}
			var got replica.Result
			i := l.log.Invoke(history.Op{Node: "sleeper", Kind: history.Get, Key: "key0", Invoke: int64(c.now)})
			got = c.get(t, int(sleepers[0].id), "key0")
			l.log.End(i, int64(c.now), outcomeOf(got.Status), valuesOf(got.Record), got.Version.String())
			err := history.Linearizable(l.log.Ops(), 20*time.Second)
			if m != sound {
				if err == nil {
					t.Error("not caught")
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			if s := sleepers[0].r.Stats(); s.Overslept != 1 {
				t.Errorf("overslept %d times", s.Overslept)
			}
			c.run(2 * time.Minute)
			c.awaitSure(t, c.hosts...)
			for _, err := range append(history.Check(l.log.Ops(), l.finals()), c.replicas(1)...) {
				t.Error(err)
			}
		})
	}
}
