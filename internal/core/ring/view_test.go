package ring

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// truth is the first count distinct hosts from key on.
func truth(all []Ref, key ID, count int) (out []Ref) {
	at := seek(all, key)
	for i := range all {
		x := all[(at+i)%len(all)]
		if len(out) < count && !hasHost(out, x.Host) {
			out = append(out, x)
		}
	}
	return out
}

// In a ring at rest, Holders tells the truth where it says that it knows, which it does for every key that it holds; and Arcs are exactly the keys of
// whose holders this host is one.
func TestHoldersAndArcs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cache := rapid.Bool().Draw(t, "cache")
		w := newTestNet(t, rapid.Uint64().Draw(t, "seed"), Config{Successors: rapid.IntRange(3, 6).Draw(t, "successors"), Cache: cache, Mesh: cache})
		for h := range Host(rapid.IntRange(1, 14).Draw(t, "hosts")) {
			w.add(h, rapid.IntRange(1, 5).Draw(t, "positions"))
		}
		w.ideal()
		all := w.refs()
		for range 20 {
			key := all[rapid.IntRange(0, len(all)-1).Draw(t, "near")].ID
			if rapid.Bool().Draw(t, "off") {
				key = key.Add(Space{}.Unit(rapid.IntRange(0, 159).Draw(t, "bit")))
			}
			count := rapid.IntRange(1, 3).Draw(t, "count")
			want := truth(all, key, count)
			for _, n := range w.live() {
				got, ok := n.Holders(key, count, nil)
				holds := hasHost(want, n.cfg.Self)
				if ok && !slices.Equal(got, want) {
					t.Fatalf("host %d: holders of %x are %v, want %v", n.cfg.Self, key, got, want)
				}
				if !ok && (cache || n.Owns(key)) {
					t.Fatalf("host %d does not know the holders of %x: %v, want %v", n.cfg.Self, key, got, want)
				}
				arcs, sure := n.Arcs(count)
				in := slices.ContainsFunc(arcs, func(a Arc) bool { return within(a.Lo, key, a.Hi) })
				if !sure || in != holds {
					t.Fatalf("host %d of %v holds %x (%t), but its arcs %x say %t", n.cfg.Self, want, key, sure, arcs, in)
				}
			}
		}
	})
}

// After time has passed the predecessors of predecessors, which only notifies carry, are still right.
func TestArcsInMotion(t *testing.T) {
	w := newTestNet(t, 9, Config{Successors: 4})
	for h := range Host(20) {
		w.add(h, 2)
	}
	w.ideal()
	w.kill(3, 7)
	n := w.add(30, 2)
	if err := n.Join(w.now, w.refs()[5]); err != nil {
		t.Fatal(err)
	}
	w.drain(n)
	w.settle(2 * time.Minute)
	w.run(30 * time.Second) // the news goes back one predecessor a period
	all := w.refs()
	for i := range 200 {
		key := Space{}.Hash("test key", []byte{byte(i)})
		for _, n := range w.live() {
			arcs, sure := n.Arcs(3)
			in := slices.ContainsFunc(arcs, func(a Arc) bool { return within(a.Lo, key, a.Hi) })
			if !sure || in != hasHost(truth(all, key, 3), n.cfg.Self) {
				t.Fatalf("host %d, key %d: %t, sure %t", n.cfg.Self, i, in, sure)
			}
		}
	}
}
