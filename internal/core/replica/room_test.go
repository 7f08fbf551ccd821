package replica

import (
	"testing"
	"time"
)

// "3. A full disk cannot lose the list, settings or progress" (trust.md, Promises), for a ring: a holder whose disk is full refuses, others take the
// write, and when there is room again it catches up by itself. Nothing breaks, and what was acknowledged is read throughout.
func TestFullDisk(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 60, 110, 160, 210} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	full := n.hosts[2]
	full.broken = ErrNoRoom
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for i, key := range keys {
		n.hosts[i%2].r.Put(n.now, uint64(100+i), Put{Key: key, Value: []byte(key), Deadline: n.now + 10*time.Second})
		n.hosts[i%2].drain()
	}
	n.run(20 * time.Second)
	for i, key := range keys {
		if got := n.hosts[i%2].ended[uint64(100+i)].Status; got != OK {
			t.Errorf("with one full disk of five, the write of %s: %v", key, got)
		}
	}
	if full.r.stats.NoRoom == 0 {
		t.Fatal("the full disk was asked for nothing: the test tests nothing")
	}
	read := func(op uint64, hosts ...*host) {
		t.Helper()
		for i, key := range keys {
			for _, h := range hosts {
				h.r.Get(n.now, op+uint64(i), Get{Key: key, Deadline: n.now + 20*time.Second})
				h.drain()
			}
		}
		n.run(20 * time.Second)
		for i, key := range keys {
			for _, h := range hosts {
				if got := h.ended[op+uint64(i)]; got.Status != OK || text(got.Record) != "["+key+"]" {
					t.Errorf("host %d reads %s: %v %s", h.id, key, got.Status, text(got.Record))
				}
			}
		}
	}
	read(200, n.hosts...)
	n.run(5 * time.Minute)
	if full.r.broken {
		t.Error("a full disk broke its host")
	}
	full.broken = nil
	n.run(5 * time.Minute)
	read(300, n.hosts...)
	for _, key := range keys {
		refs, _ := full.Holders(full.r.position(key), 3, nil)
		mine := false
		for _, ref := range refs {
			mine = mine || ref.Host == full.id
		}
		if mine && text(full.disk[key]) != "["+key+"]" {
			t.Errorf("with room again, the host does not have %s", key)
		}
	}
	if full.r.Stats().Unsure > 0 {
		t.Errorf("with room again, the host is unsure of %d arcs", full.r.Stats().Unsure)
	}
}

// Where no W holders have room the writer is told so, at once, and can write when there is room.
func TestAllDisksFull(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 100, 200} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	h := n.hosts[0]
	put := func(op uint64, value string) Status {
		h.r.Put(n.now, op, Put{Key: "k", Value: []byte(value), Deadline: n.now + time.Hour})
		h.drain()
		n.run(5 * time.Second)
		return h.ended[op].Status
	}
	if got := put(1, "before"); got != OK {
		t.Fatal(got)
	}
	for _, o := range n.hosts[1:] {
		o.broken = ErrNoRoom
	}
	h.broken = ErrNoRoom
	if got := put(2, "lost"); got != Full {
		t.Errorf("a write that nobody has room for: %v, want full", got)
	}
	n.run(time.Minute)
	h.r.Get(n.now, 3, Get{Key: "k", Deadline: n.now + 10*time.Second})
	h.drain()
	n.run(10 * time.Second)
	if got := h.ended[3]; got.Status != OK || text(got.Record) != "[before]" {
		t.Errorf("a read while all disks are full: %v %s", got.Status, text(got.Record))
	}
	for _, o := range n.hosts {
		o.broken = nil
	}
	if got := put(4, "after"); got != OK {
		t.Errorf("a write when there is room again: %v", got)
	}
}

// A record whose time is over goes from the disk when there is room for the transaction that drops it.
func TestExpiryOnAFullDisk(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 100, 200} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	h := n.hosts[0]
	h.r.Put(n.now, 1, Put{Key: "k", Value: []byte("v"), TTL: time.Minute, Deadline: n.now + time.Hour})
	h.drain()
	n.run(10 * time.Second)
	for _, h := range n.hosts {
		h.broken = ErrNoRoom
	}
	n.run(2 * time.Minute)
	for _, h := range n.hosts {
		if h.disk["k"] == nil || h.r.stats.NoRoom == 0 {
			t.Fatal("it was dropped without room: the test tests nothing")
		}
		h.broken = nil
	}
	n.run(5 * time.Minute)
	for _, h := range n.hosts {
		if h.disk["k"] != nil {
			t.Errorf("host %d: it is still on the disk", h.id)
		}
		if len(h.r.kept) > 0 {
			t.Errorf("host %d: %d kept in memory", h.id, len(h.r.kept))
		}
	}
}

// A newcomer whose disk is full never says that it is sure of what it could not take: "an unsynced owner answers unsure" (issue 4, Records).
func TestNewcomerWithFullDisk(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 100, 200} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	h := n.hosts[0]
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for i, key := range keys {
		h.r.Put(n.now, uint64(1+i), Put{Key: key, Value: []byte(key), Deadline: n.now + time.Hour})
		h.drain()
	}
	n.run(10 * time.Second)
	late := n.add(50)
	late.broken = ErrNoRoom
	late.start()
	n.run(10 * time.Minute)
	if late.r.stats.NoRoom == 0 {
		t.Fatal("the newcomer took nothing: the test tests nothing")
	}
	for _, key := range keys {
		if late.r.sure(late.r.position(key)) && late.disk[key] == nil {
			t.Errorf("it is sure of %s, which it does not have", key)
		}
	}
	late.broken = nil
	n.run(10 * time.Minute)
	if u := late.r.Stats().Unsure; u > 0 {
		t.Errorf("with room it is unsure of %d arcs", u)
	}
}
