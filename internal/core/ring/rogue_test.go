package ring

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// One member that says of nearly all others that they are dead changes nobody's lists, and makes no mesh of a large ring; who was spoken ill of hears it, and takes
// it back.
func TestRumoursOfDeath(t *testing.T) {
	for _, state := range []ringwire.MemberState{ringwire.Dead, ringwire.Left} {
		w := newTestNet(t, 31, Config{Mesh: true, Cache: true})
		for h := range Host(30) {
			w.add(h, 1)
		}
		w.ideal()
		w.run(time.Minute)
		n := w.nodes[0]
		before := n.View().Positions[0]
		var lies []Member
		for h := Host(1); h < 29; h++ {
			m, _ := n.members.get(h)
			m.State = state
			lies = append(lies, m)
		}
		w.check = func(n *Node) {
			v := n.View()
			if v.Mesh || n.stats.Dead > 0 {
				t.Fatalf("%v: host %d: mesh %t, %d thought dead", w.now, n.cfg.Self, v.Mesh, n.stats.Dead)
			}
			if p := v.Positions[0]; n.cfg.Self == 0 && (!slices.Equal(p.Successors, before.Successors) || p.Predecessor != before.Predecessor) {
				t.Fatalf("%v: lists are now %v", w.now, p)
			}
			for _, x := range before.Successors {
				if n.cfg.Self == 0 && !n.Alive(x.Host) {
					t.Fatalf("%v: host %d is not alive by hearsay", w.now, x.Host)
				}
			}
		}
		n.Receive(w.now, 29, &Message{Kind: News, Members: lies})
		w.drain(n)
		w.run(5 * time.Minute)
		for _, n := range w.live() {
			if v := n.View(); v.Members != 30 || !v.Complete {
				t.Errorf("%v: host %d knows %d members in the end, complete %t", state, n.cfg.Self, v.Members, v.Complete)
			}
		}
	}
}

// A true rumour leads to an own verdict; who is said to have left is not mourned then.
func TestTrueRumour(t *testing.T) {
	for _, state := range []ringwire.MemberState{ringwire.Dead, ringwire.Left} {
		w := countedRing(t, 32, 5, 8)
		n := w.nodes[0]
		w.kill(2)
		m, _ := n.members.get(2)
		m.State = state
		n.Receive(w.now, 3, &Message{Kind: News, Members: []Member{m}})
		w.drain(n)
		w.run(20 * time.Second)
		if n.Alive(2) || n.knows(2) || n.census.Mourned(w.now, 2) != (state == ringwire.Dead) {
			t.Errorf("%v: alive %t, known %t, mourned %t", state, n.Alive(2), n.knows(2), n.census.Mourned(w.now, 2))
		}
	}
}

// "It answers no host with more than it asked for": a pong that nobody asked for moves nothing, and one for a ping of the memory begins one search.
func TestUnaskedPong(t *testing.T) {
	n := node20(t)
	stranger := at(130)[0]
	n.rememberRef(stranger)
	pong := func() []Action {
		n.Receive(1, stranger.Host, &Message{Kind: Pong, Seq: n.seq})
		return sent(n)
	}
	if got := pong(); len(got) > 0 {
		t.Errorf("an unasked pong leads to %+v", got)
	}
	n.probeMemory()
	one(t, n, Ping, stranger.Host)
	if got := pong(); len(got) == 0 {
		t.Error("an answer leads to nothing")
	}
	if got := pong(); len(got) > 0 {
		t.Errorf("its repetition leads to %+v", got)
	}
}

// Whom to mourn is told from the latest deaths, within the budget, and is not looked for in all that a host knows.
func TestMournedIsBounded(t *testing.T) {
	w := newTestNet(t, 33, Config{Cache: true, Census: terms, CacheBudget: 100})
	for h := range Host(200) {
		w.add(h, 1)
	}
	w.ideal()
	w.run(2 * time.Minute)
	n := w.nodes[0]
	for h := Host(100); h < 199; h++ {
		n.members.set(Member{Host: h, State: ringwire.Dead})
		n.census.Dead(w.now, h)
	}
	if k := len(n.census.mourned); k != maxMourned {
		t.Fatalf("%d deaths are kept", k)
	}
	if got := n.mourned(10); len(got) != 10 || got[0].Host != 198 || got[9].Host != 189 {
		t.Errorf("mourned are %v", got)
	}
	sent(n)
	bytes := 0
	for range 50 {
		n.Receive(w.now, 1, &Message{Kind: Digest, Digests: slices.Clone(n.members.sums)})
		for _, a := range sent(n) {
			bytes += len(a.Message.Members)*memberBytes + len(a.Message.Digests)*8
		}
	}
	if bytes == 0 || bytes > 60*100 {
		t.Errorf("%d bytes of membership at once on a budget of 100 a second", bytes)
	}
}

// "When news come faster, the cache is dropped": with it the rest of the message that was one piece too much.
func TestDroppedInTheMiddle(t *testing.T) {
	w := newTestNet(t, 34, Config{Cache: true, CacheBudget: 8})
	for h := range Host(10) {
		w.add(h, 1)
	}
	w.ideal()
	var comers []Member
	for h := Host(100); h < 100+MaxMembers; h++ {
		w.places[h] = []ID{Space{}.Hash("comer", []byte{byte(h)})}
		comers = append(comers, Member{Host: h, State: ringwire.Alive})
	}
	n := w.nodes[0]
	n.Receive(w.now, 1, &Message{Kind: News, Members: comers})
	if !n.members.off || len(n.members.entries) > 0 || len(n.members.news) > 0 {
		t.Errorf("off %t, yet %d entries and %d news", n.members.off, len(n.members.entries), len(n.members.news))
	}
}

// A host with too many lookups under way says so, and what to do.
func TestTooManyLookups(t *testing.T) {
	n := node20(t)
	for i := range uint64(maxLookups + 1) {
		n.Lookup(1, ID{25}, i, Recursive)
	}
	var errs []error
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == LookupDone {
			errs = append(errs, a.Result.Err)
		}
	}
	if len(errs) != 1 || !errors.Is(errs[0], ErrTooMany) {
		t.Errorf("ended with %v", errs)
	}
}

// Messages count hops in 16 bits.
func TestMaxHopsFits(t *testing.T) {
	cfg := Config{Positions: []ID{{1}}, Rand: newTestNet(t, 1, Config{}).rand, MaxHops: math.MaxUint16 + 1}
	if _, err := New(cfg); err == nil {
		t.Error("65,536 hops are accepted")
	}
	cfg.MaxHops--
	if _, err := New(cfg); err != nil {
		t.Error(err)
	}
}
