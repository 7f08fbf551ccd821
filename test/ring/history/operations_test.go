package history_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// quiet is five hosts at rest, without faults.
func quiet() *cluster {
	c := newCluster(options{seed: 7, hosts: 5, vnodes: 3, replicas: 3, write: 2, read: 2})
	c.calm = true
	c.run(30 * time.Second)
	return c
}

// do runs one operation to its end at host h.
func (c *cluster) do(t *testing.T, h *host, begin func(r *replica.Replica, id uint64, deadline time.Duration)) (res replica.Result) {
	t.Helper()
	ended := false
	c.op(h, func(r replica.Result, _ bool) { res, ended = r, true }, func(id uint64) { begin(h.r, id, c.now+3*time.Second) })
	for range 500 {
		if ended {
			return res
		}
		c.run(10 * time.Millisecond)
	}
	t.Fatal("an operation does not end")
	return res
}

func (c *cluster) put(t *testing.T, h int, p replica.Put) replica.Result {
	t.Helper()
	return c.do(t, c.hosts[h], func(r *replica.Replica, id uint64, d time.Duration) { p.Deadline = d; r.Put(c.now, id, p) })
}

func (c *cluster) get(t *testing.T, h int, key string) replica.Result {
	t.Helper()
	return c.do(t, c.hosts[h], func(r *replica.Replica, id uint64, d time.Duration) {
		r.Get(c.now, id, replica.Get{Key: key, Deadline: d})
	})
}

func (c *cluster) delete(t *testing.T, h int, key string) replica.Result {
	t.Helper()
	return c.do(t, c.hosts[h], func(r *replica.Replica, id uint64, d time.Duration) {
		r.Delete(c.now, id, replica.Delete{Key: key, Deadline: d})
	})
}

func want(t *testing.T, res replica.Result, s replica.Status, values ...string) {
	t.Helper()
	if res.Status != s || fmt.Sprint(valuesOf(res.Record)) != fmt.Sprint(values) {
		t.Fatalf("%s %v, want %s %v", res.Status, valuesOf(res.Record), s, values)
	}
}

// TestSets: "a set (members with their own TTL, union on merge, <= 1,000 members)".
func TestSets(t *testing.T) {
	c := quiet()
	for i := range 3 {
		want(t, c.put(t, i, replica.Put{Key: "film", Value: fmt.Append(nil, "peer", i), Set: true}), replica.OK, fmt.Sprint("peer", i))
	}
	want(t, c.put(t, 3, replica.Put{Key: "film", Value: []byte("brief"), Set: true, TTL: 10 * time.Second}), replica.OK, "brief")
	want(t, c.get(t, 4, "film"), replica.OK, "brief", "peer0", "peer1", "peer2")
	c.run(11 * time.Second)
	want(t, c.get(t, 4, "film"), replica.OK, "peer0", "peer1", "peer2")
	if res := c.put(t, 0, replica.Put{Key: "film", Value: []byte("x")}); res.Status != replica.Conflict {
		t.Fatalf("a register in place of a set: %s", res.Status)
	}
	if res := c.delete(t, 1, "film"); res.Status != replica.OK {
		t.Fatalf("delete: %s", res.Status)
	}
	want(t, c.get(t, 2, "film"), replica.NotFound)
	want(t, c.delete(t, 3, "film"), replica.NotFound)
	want(t, c.put(t, 0, replica.Put{Key: "film", Value: []byte("peer1"), Set: true}), replica.OK, "peer1")
	want(t, c.get(t, 2, "film"), replica.OK, "peer1")
	if testing.Short() {
		return
	}
	for i := range 999 {
		if res := c.put(t, i%5, replica.Put{Key: "film", Value: fmt.Append(nil, "many", i), Set: true}); res.Status != replica.OK {
			t.Fatalf("member %d: %s", i, res.Status)
		}
	}
	if res := c.put(t, 0, replica.Put{Key: "film", Value: []byte("one too many"), Set: true}); res.Status != replica.TooLarge {
		t.Fatalf("member 1001: %s", res.Status)
	}
	if res := c.put(t, 0, replica.Put{Key: "film", Value: []byte("many3"), Set: true}); res.Status != replica.OK {
		t.Fatalf("a member again: %s", res.Status)
	}
}

// TestConditions: --if-version with a version, and with none.
func TestConditions(t *testing.T) {
	c := quiet()
	absent := replica.Condition{Absent: true}
	first := c.put(t, 0, replica.Put{Key: "k", Value: []byte("a"), If: absent})
	want(t, first, replica.OK, "a")
	want(t, c.put(t, 1, replica.Put{Key: "k", Value: []byte("b"), If: absent}), replica.Conflict, "a")
	want(t, c.put(t, 2, replica.Put{Key: "k", Value: []byte("b"), If: replica.Condition{Version: first.Version}}), replica.OK, "b")
	want(t, c.put(t, 3, replica.Put{Key: "k", Value: []byte("c"), If: replica.Condition{Version: first.Version}}), replica.Conflict, "b")
	madeUp := ringwire.Context{{Writer: ringwire.Writer{1}, Epoch: 1, Counter: 1}}
	if res := c.put(t, 3, replica.Put{Key: "k", Value: []byte("c"), If: replica.Condition{Version: madeUp}}); res.Status != replica.Conflict {
		t.Fatalf("a version that never was: %s", res.Status)
	}
	want(t, c.get(t, 4, "k"), replica.OK, "b")
}

// TestTTL: a value ends, and what it overwrote does not come back, on any host.
func TestTTL(t *testing.T) {
	c := quiet()
	want(t, c.put(t, 0, replica.Put{Key: "k", Value: []byte("old")}), replica.OK, "old")
	want(t, c.put(t, 1, replica.Put{Key: "k", Value: []byte("brief"), TTL: 5 * time.Second}), replica.OK, "brief")
	c.run(6 * time.Second)
	for i := range c.hosts {
		want(t, c.get(t, i, "k"), replica.NotFound)
	}
}

// TestEndlessTTL: a time to live beyond what the codec takes never makes a record that cannot be read again.
func TestEndlessTTL(t *testing.T) {
	c := quiet()
	res := c.put(t, 0, replica.Put{Key: "k", Value: []byte("kept"), TTL: math.MaxInt64})
	want(t, res, replica.OK, "kept")
	if _, err := ringwire.ParseRecord(res.Record.Append(nil)); err != nil {
		t.Fatalf("the record that was made: %v", err)
	}
}

// TestWatch: each change is reported once, and an unchanged key not at all.
func TestWatch(t *testing.T) {
	c := quiet()
	var seen []string
	c.op(c.hosts[4], func(replica.Result, bool) {}, func(id uint64) {
		c.done[id] = func(res replica.Result) { seen = append(seen, fmt.Sprint(res.Status, valuesOf(res.Record))) }
		c.hosts[4].r.Watch(c.now, id, replica.Watch{Key: "k"})
	})
	c.run(5 * time.Second)
	c.put(t, 0, replica.Put{Key: "k", Value: []byte("a")})
	c.run(5 * time.Second)
	c.put(t, 1, replica.Put{Key: "k", Value: []byte("b")})
	c.run(5 * time.Second)
	c.delete(t, 2, "k")
	c.run(5 * time.Second)
	if got := fmt.Sprint(seen); got != "[ok [a] ok [b] not found []]" {
		t.Fatal(got)
	}
}

// TestTooFew: "Holders unreachable or too few: exit 6, never a false 'not found'".
func TestTooFew(t *testing.T) {
	c := quiet()
	want(t, c.put(t, 0, replica.Put{Key: "k", Value: []byte("a")}), replica.OK, "a")
	holders, _ := c.hosts[0].Holders(ringwire.Space{}.Hash(ringwire.KeyTag, []byte("k")), 3, nil)
	for _, h := range holders[:2] {
		c.hosts[h.Host].crash()
	}
	for range 30 {
		if s := c.get(t, int(holders[2].Host), "k").Status; s != replica.TooFew {
			t.Fatalf("with one of three holders at %v: %s", c.now, s)
		}
		c.run(5 * time.Second)
	}
	for _, h := range holders[:2] {
		c.hosts[h.Host].start()
	}
	c.run(time.Minute)
	want(t, c.get(t, int(holders[2].Host), "k"), replica.OK, "a")
}

// TestBrokenDisk: an error of the disk is never retried and assumed; the host answers for nothing any more, and the others go on.
func TestBrokenDisk(t *testing.T) {
	c := quiet()
	want(t, c.put(t, 0, replica.Put{Key: "k", Value: []byte("a")}), replica.OK, "a")
	holders, _ := c.hosts[0].Holders(ringwire.Space{}.Hash(ringwire.KeyTag, []byte("k")), 3, nil)
	bad := c.hosts[holders[0].Host]
	bad.failing = errors.New("no space left on device")
	want(t, c.put(t, int(holders[1].Host), replica.Put{Key: "k", Value: []byte("b")}), replica.OK, "b")
	c.run(time.Second)
	if !bad.r.Stats().BrokenStore {
		t.Fatal("the disk's error was not noticed")
	}
	want(t, c.get(t, int(holders[1].Host), "k"), replica.OK, "b")
	if s := c.put(t, int(bad.id), replica.Put{Key: "k", Value: []byte("c")}).Status; s != replica.Broken {
		t.Fatalf("a put at the host with the broken disk: %s", s)
	}
}
