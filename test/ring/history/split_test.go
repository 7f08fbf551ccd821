package history_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// holders are the hosts that a key belongs to, as h sees it.
func (h *host) holders(key string, n int) (out []*host) {
	refs, _ := h.Holders(ringwire.Space{}.Hash(ringwire.KeyTag, []byte(key)), n, nil)
	for _, x := range refs {
		out = append(out, h.c.hosts[x.Host])
	}
	return out
}

// split puts some hosts on a side of their own.
func (c *cluster) split(away ...*host) {
	for _, h := range c.hosts {
		h.side = 0
		if slices.Contains(away, h) {
			h.side = 1
		}
	}
	c.news(c.hosts...)
}

// TestSmallerSide: with W = R each holder has all that was acknowledged, so that the side of any one could go on. It must be the side of most of the ring: it
// writes, while the smaller side can neither read nor delete what it has missed. A host that took itself for the ring would.
func TestSmallerSide(t *testing.T) {
	for _, m := range [...]mutant{sound, alwaysMajority} {
		for kept := 1; kept <= 2; kept++ { // of the three holders, by the smaller side
			t.Run(fmt.Sprintf("%s/%d holders", mutants[m], kept), func(t *testing.T) {
				bad := smallerSide(t, m, kept)
				if m == sound && len(bad) > 0 {
					t.Errorf("%v", bad)
				} else if m == alwaysMajority && lost(bad) == nil {
					t.Errorf("not caught: %v", bad)
				}
			})
		}
	}
}

func smallerSide(t *testing.T, m mutant, kept int) []error {
	c := newCluster(options{seed: 1, hosts: 9, vnodes: 1, replicas: 3, write: 3, read: 2, mutant: m})
	c.calm = true
	c.run(2 * time.Minute)
	l := &load{c: c, keys: 1}
	order := c.hosts[0].holders("key0", 9)
	small, large := slices.Concat(order[:kept], order[3:7-kept]), slices.Concat(order[kept:3], order[7-kept:])
	c.record(t, l, large[0], history.Put, "v1", replica.OK)
	c.split(small...)
	c.run(time.Minute)
	c.record(t, l, large[0], history.Put, "v2", replica.OK)
	for _, h := range small {
		if m == sound {
			c.record(t, l, h, history.Get, "", replica.TooFew)
			c.record(t, l, h, history.Delete, "", replica.TooFew)
		}
	}
	if m != sound {
		c.record(t, l, small[0], history.Delete, "", replica.OK)
	}
	for _, h := range large {
		c.record(t, l, h, history.Get, "", replica.OK)
	}
	c.calmDown(time.Minute)
	return append(history.Check(l.log.Ops(), l.finals()), c.replicas(1)...)
}

// record does an operation on key0 through h, and logs it.
func (c *cluster) record(t *testing.T, l *load, h *host, kind history.Kind, value string, wanted replica.Status) {
	t.Helper()
	c.run(time.Second) // after the one before, by the clock
	i := l.log.Invoke(history.Op{Node: fmt.Sprint(h.id), Kind: kind, Key: "key0", Value: value, Invoke: int64(c.now)})
	var res replica.Result
	switch kind {
	case history.Get:
		res = c.get(t, int(h.id), "key0")
	case history.Put:
		res = c.put(t, int(h.id), replica.Put{Key: "key0", Value: []byte(value)})
	case history.Delete:
		res = c.delete(t, int(h.id), "key0")
	}
	var values []string
	if kind == history.Get {
		values = valuesOf(res.Record)
	}
	l.log.End(i, int64(c.now), outcomeOf(res.Status), values, res.Version.String())
	if res.Status != wanted {
		t.Errorf("host %d: %s %s is %s, want %s", h.id, kind, value, res.Status, wanted)
	}
}
