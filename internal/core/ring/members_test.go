package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// The membership is every host's positions, ascending, in whatever order they became known, and finds each host again.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	places := directory{}
	table := newTable(places)
	var want []Ref
	for h := range Host(200) {
		for range 1 + r.IntN(20) {
			var id ID
			binary.BigEndian.PutUint64(id[:], r.Uint64())
			places[h], want = append(places[h], id), append(want, Ref{ID: id, Host: h})
		}
		m := Member{Host: h, Incarnation: uint32(h), State: ringwire.Alive}
		if !table.set(m) || table.set(m) {
			t.Fatalf("host %d is news not once", h)
		}
		slices.SortFunc(want, func(a, b Ref) int { return a.ID.Compare(b.ID) })
		if !slices.Equal(table.refs(), want) {
			t.Fatalf("after host %d: %v, want %v", h, table.refs(), want)
		}
		for known := range h + 1 {
			if got, ok := table.get(known); !ok || got.Incarnation != uint32(known) {
				t.Fatalf("host %d: %+v, %t", known, got, ok)
			}
		}
	}
	for i, e := range table.entries {
		if places[e.host][e.index] != want[i].ID {
			t.Fatalf("entry %d, position %d of host %d, is not at %x", i, e.index, e.host, want[i].ID)
		}
	}
}
