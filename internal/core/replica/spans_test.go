package replica

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// small makes positions whose first byte alone differs, so that sets of them can be checked one by one.
func small(n int) (id ringwire.ID) {
	id[0] = byte(n)
	return id
}

func anySpans(t *rapid.T, label string) (s spans) {
	for range rapid.IntRange(0, 4).Draw(t, label) {
		s = s.union(spansOf(ringwire.Arc{Lo: small(rapid.IntRange(0, 255).Draw(t, "lo")), Hi: small(rapid.IntRange(0, 255).Draw(t, "hi"))}))
	}
	return s
}

// TestSpans holds the set operations against membership, position by position.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySpans(t, "a"), anySpans(t, "b")
		union, both, less, not := a.union(b), a.intersect(b), a.minus(b), a.not()
		covers := true
		for n := range 256 {
			x := small(n)
			for _, y := range []ringwire.ID{x, x.Add(one)} {
				in, other := a.has(y), b.has(y)
				if union.has(y) != (in || other) || both.has(y) != (in && other) || less.has(y) != (in && !other) || not.has(y) == in {
					t.Fatalf("position %x of %v and %v", y, a, b)
				}
				covers = covers && (in || !other)
			}
		}
		if a.covers(b) != covers {
			t.Fatalf("%v covers %v: %v", a, b, !covers)
		}
		var back spans
		for _, arc := range a.arcs() {
			back = back.union(spansOf(arc))
		}
		if fmt.Sprint(back) != fmt.Sprint(a) {
			t.Fatalf("%v became %v", a, back)
		}
	})
}

// TestIndex holds the tree against a plain list: sums of any branch within any arc, and the order of entries.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newIndex()
		want := map[string]*entry{}
		for range rapid.IntRange(0, 200).Draw(t, "changes") {
			key := fmt.Sprint(rapid.IntRange(0, 120).Draw(t, "key"))
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				x.remove(key)
				delete(want, key)
				continue
			}
			e := &entry{pos: ringwire.Space{}.Hash(ringwire.KeyTag, []byte(key)), key: key, size: 1,
				digest: hash([]byte{byte(rapid.IntRange(0, 255).Draw(t, "state"))})}
			x.put(e)
			want[key] = e
		}
		if int(x.bytes) != len(want) || len(x.byKey) != len(want) {
			t.Fatalf("%d bytes and %d keys of %d", x.bytes, len(x.byKey), len(want))
		}
		s := anySpans(t, "arc")
		p := ringwire.Prefix{}
		for range rapid.IntRange(0, 2).Draw(t, "depth") {
			p = child(p, rapid.IntRange(0, 15).Draw(t, "digit"))
		}
		var sum ringwire.Sum
		count := 0
		for _, e := range want {
			if s.has(e.pos) && (spans{cut(p)}).has(e.pos) {
				addSum(&sum, e.digest)
				count++
			}
		}
		if got := x.sum(p, s); got != sum {
			t.Fatalf("sum %v, want %v", got, sum)
		}
		var last *entry
		x.each(s.intersect(spans{cut(p)}), func(e *entry) bool {
			if last != nil && compareEntries(last, e) >= 0 {
				t.Fatalf("%s after %s", e.key, last.key)
			}
			last = e
			count--
			return true
		})
		if count != 0 {
			t.Fatalf("%d entries too few", count)
		}
	})
}
