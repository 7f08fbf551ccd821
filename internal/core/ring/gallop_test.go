package ring

import (
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

// gallop finds what halving finds, in even rings and in the most uneven ones.
func TestGallop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SliceOfN(rapid.Byte(), 0, 60)
		if rapid.Bool().Draw(t, "uneven") {
			first = rapid.SliceOfN(rapid.ByteRange(250, 255), 0, 60)
		}
		var all []Ref
		for i, b := range first.Draw(t, "positions") {
			all = append(all, Ref{ID: ID{b, byte(i)}})
		}
		slices.SortFunc(all, func(a, b Ref) int { return a.ID.Compare(b.ID) })
		id := ID{rapid.Byte().Draw(t, "id"), rapid.ByteRange(0, 60).Draw(t, "second")}
		want := sort.Search(len(all), func(i int) bool { return all[i].ID.Compare(id) >= 0 })
		if got := seek(all, id); got != want {
			t.Fatalf("%d of %d, want %d", got, len(all), want)
		}
	})
}
