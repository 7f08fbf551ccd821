package replica

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestBounds: what other members can make this one remember is bounded, however many they are.
func TestBounds(t *testing.T) {
	n := newNet()
	h := n.add(10)
	h.start()
	h.drain()
	n.hosts = append(n.hosts, make([]*host, maxClaims+100)...) // that are never asked anything
	for i := range maxClaims + 100 {
		arc := ringwire.Arc{Lo: space.Hash("lo", []byte{byte(i)}), Hi: space.Hash("hi", []byte{byte(i)})}
		for _, claim := range [...]bool{true, false} {
			h.r.Receive(time.Minute, ringwire.Host(2+i), &ringwire.Data{Kind: ringwire.DataTree, Op: 1, Arc: arc, Claim: claim})
		}
		for _, more := h.r.Next(); more; _, more = h.r.Next() {
		}
	}
	if len(h.r.sync.givers) > maxGivers || len(h.r.arcs.claims) > maxClaims || len(h.r.asked) > 0 {
		t.Errorf("%d givers, %d claims, %d questions", len(h.r.sync.givers), len(h.r.arcs.claims), len(h.r.asked))
	}
}

// TestWatchReadsOncePerPeriod: a watch reads its key every WatchEvery, for as long as it lasts, and keeps no more than the timers of one reading.
func TestWatchReadsOncePerPeriod(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 90, 170} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	reads := 0
	n.log = func(line string) {
		if strings.HasSuffix(line, " read k") {
			reads++
		}
	}
	h := n.hosts[0]
	h.r.Watch(n.now, 1, Watch{Key: "k"})
	h.drain()
	const periods = 60
	n.run(periods * time.Second)
	if reads < periods-5 || reads > 2*periods+2 { // Q = 2: of at most two others
		t.Errorf("%d reads in %d periods", reads, periods)
	}
	if len(h.r.order.h.items) > 4 {
		t.Errorf("%d timers for one watch", len(h.r.order.h.items))
	}
}

// TestRefreshedKeyIsDueOnce: a key that is refreshed again and again before its time is over takes one place among what is due, and still
// ends when its last time is over.
func TestRefreshedKeyIsDueOnce(t *testing.T) {
	n := newNet()
	h := n.add(10)
	h.start()
	n.run(time.Minute)
	h.r.cfg.Replicas, h.r.cfg.Write, h.r.cfg.Read = 1, 1, 1
	put := func(op uint64, ttl time.Duration) {
		h.r.Put(n.now, op, Put{Key: "k", Value: []byte("v"), TTL: ttl, Deadline: n.now + time.Minute})
		h.drain()
		n.run(10 * time.Second)
	}
	for op := range uint64(100) {
		put(op, 10*time.Minute)
		if len(h.r.expiry.h.items) > 1 {
			t.Fatalf("%d places after %d writes", len(h.r.expiry.h.items), op+1)
		}
	}
	put(100, 0) // for ever: what was due finds nothing to do
	n.run(time.Hour)
	if h.r.index.byKey["k"] == nil {
		t.Fatal("a value for ever is gone")
	}
	put(101, time.Minute)
	if h.r.load("k").Live() == nil {
		t.Fatal("the value is gone before its time")
	}
	n.run(time.Minute)
	if h.r.load("k").Live() != nil || h.r.stats.Expired == 0 {
		t.Errorf("its time is over, and it is still there; %d expired", h.r.stats.Expired)
	}
}

// TestManyLargeSiblings: more values written at the same time than a record can hold do not break the hosts that hold the key, and no value is acknowledged
// that no W of them have. Who writes afterwards settles it.
func TestManyLargeSiblings(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 60, 110, 160, 210} {
		n.add(pos).start()
	}
	n.run(2 * time.Minute)
	value := func(h *host) []byte { return bytes.Repeat([]byte{byte(h.id)}, ringwire.MaxValueBytes) }
	for _, h := range n.hosts {
		h.r.Put(n.now, 1, Put{Key: "k", Value: value(h), Deadline: n.now + 10*time.Second})
		h.drain()
	}
	n.run(time.Minute)
	refused := 0
	for _, h := range n.hosts {
		copies := 0
		for _, o := range n.hosts {
			if slices.ContainsFunc(o.disk["k"].Live(), func(v ringwire.Version) bool { return bytes.Equal(v.Value, value(h)) }) {
				copies++
			}
		}
		if h.ended[1].Status != OK {
			refused++
		} else if copies < 2 {
			t.Errorf("%d hosts have what host %d was told is stored", copies, h.id)
		}
		if h.r.broken {
			t.Errorf("host %d is broken", h.id)
		}
	}
	if refused == 0 {
		t.Error("everything was acknowledged: the test tests nothing")
	}
	h := n.hosts[0]
	h.r.Get(n.now, 4, Get{Key: "k", Deadline: n.now + 10*time.Second})
	h.drain()
	n.run(10 * time.Second)
	if got := h.ended[4].Status; got != TooLarge { // what two holders have is more than can be told
		t.Errorf("a read of it: %v", got)
	}
	h.r.Put(n.now, 2, Put{Key: "k", Value: []byte("settled"), Deadline: n.now + 10*time.Second})
	h.drain()
	n.run(time.Minute)
	for _, h := range n.hosts {
		h.r.Get(n.now, 3, Get{Key: "k", Deadline: n.now + 10*time.Second})
		h.drain()
	}
	n.run(10 * time.Second)
	for _, h := range n.hosts {
		if got := h.ended[3]; got.Status != OK || text(got.Record) != "[settled]" {
			t.Errorf("host %d reads: %v %.60s", h.id, got.Status, text(got.Record))
		}
	}
}
