package ring

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "One-hop lookups": with the whole membership at hand the owner is asked directly.
func TestOneHop(t *testing.T) {
	w := newTestNet(t, 11, Config{Cache: true})
	for h := range Host(200) {
		w.add(h, 1)
	}
	w.ideal()
	all := w.refs()
	for i := range 200 {
		key := Space{}.Hash("test key", []byte{byte(i)})
		n := w.nodes[Host(i)]
		r := w.lookup(n, key, Recursive)
		if want := successorOf(all, key); r.Err != nil || r.Owner != want || r.Hops > 1 {
			t.Fatalf("key %d: %+v, want %v in one hop", i, r, want)
		}
	}
}

// "Entries are hints, a non-owner answers NotMine; fingers are the fallback": lookups stay right when the cache is stale in both directions.
func TestStaleCache(t *testing.T) {
	w := newTestNet(t, 12, Config{Cache: true})
	for h := range Host(60) {
		w.add(h, 1)
	}
	w.ideal()
	all := w.refs()
	for h := range Host(60) { // some hosts are unknown to the cache, others only the cache knows
		if h%3 == 0 {
			for _, n := range w.live() {
				n.members.set(Member{Host: h, Incarnation: 1, State: ringwire.Dead})
			}
		}
	}
	for i := range 100 {
		key := Space{}.Hash("test key", []byte{byte(i)})
		n := w.nodes[Host(i%60)]
		if r := w.lookup(n, key, Recursive); r.Err != nil || r.Owner != successorOf(all, key) {
			t.Fatalf("key %d: %+v, want %v", i, r, successorOf(all, key))
		}
	}
	notMine := uint64(0)
	for _, n := range w.live() {
		notMine += n.stats.NotMine
	}
	if notMine == 0 {
		t.Error("no stale entry was met")
	}
}

// News of a death, and of a newcomer, reach everybody within seconds, and the traffic stays in the budget.
func TestNewsSpread(t *testing.T) {
	w := newTestNet(t, 13, Config{Cache: true})
	const hosts = 150
	for h := range Host(hosts) {
		w.add(h, 1)
	}
	w.ideal()
	w.run(time.Minute)
	w.kill(17)
	n := w.add(500, 1)
	if err := n.Join(w.now, w.refs()[5]); err != nil {
		t.Fatal(err)
	}
	w.drain(n)
	w.run(90 * time.Second)
	for _, n := range w.live() {
		if v := n.View(); !v.Complete || v.Members != hosts || n.members.state(17) != ringwire.Dead && n.cfg.Self != 500 || n.members.state(500) != ringwire.Alive {
			t.Errorf("host %d: %d members (%t), 17 is %v, 500 is %v", n.cfg.Self, v.Members, v.Complete, n.members.state(17), n.members.state(500))
		}
	}
}

// "A budget above which the cache is dropped and that is reported": and lookups go on by fingers.
func TestCacheDropped(t *testing.T) {
	w := newTestNet(t, 14, Config{Cache: true, CacheBudget: 100})
	for h := range Host(100) {
		w.add(h, 1)
	}
	w.ideal()
	all := w.refs()
	for h := range Host(40) { // a storm of news
		w.places[1000+h] = []ID{Space{}.Hash("storm", []byte{byte(h)})}
		w.nodes[0].Receive(w.now, 1, &Message{Kind: News, Members: []Member{{Host: 1000 + h, State: ringwire.Left}}})
	}
	w.drain(w.nodes[0])
	dropped := 0
	for _, k := range w.actions[0] {
		if k == CacheDropped {
			dropped++
		}
	}
	if dropped != 1 || w.nodes[0].View().Complete {
		t.Errorf("reported %d times, complete %t", dropped, w.nodes[0].View().Complete)
	}
	key := Space{}.Hash("test key")
	if r := w.lookup(w.nodes[0], key, Recursive); r.Err != nil || r.Owner != successorOf(all, key) {
		t.Errorf("%+v", r)
	}
}

// Rumours of the own death are refuted by the next incarnation, which everybody believes, whichever incarnation the rumour is about.
func TestRefute(t *testing.T) {
	for _, rumour := range []uint32{0, 1<<31 - 2, 1<<32 - 1} {
		w := newTestNet(t, 15, Config{Cache: true})
		for h := range Host(30) {
			w.add(h, 1)
		}
		w.ideal()
		n := w.nodes[0]
		for _, step := range []uint32{1<<31 - 1, 1<<32 - 2} { // more than half around is no step forward
			if step < rumour {
				n.Receive(w.now, 1, &Message{Kind: News, Members: []Member{{Host: 9, Incarnation: step, State: ringwire.Alive}}})
			}
		}
		n.Receive(w.now, 1, &Message{Kind: News, Members: []Member{{Host: 9, Incarnation: rumour, State: ringwire.Dead}}})
		if n.members.state(9) != ringwire.Dead {
			t.Fatal("the rumour was not believed")
		}
		w.drain(n)
		w.run(2 * time.Minute)
		for _, n := range w.live() {
			if m, _ := n.members.get(9); m.State != ringwire.Alive || rumour == 0 && m.Incarnation != 1 {
				t.Errorf("host %d believes of 9, said to have died as %d: %v", n.cfg.Self, rumour, m)
			}
		}
	}
}
