package replica

import (
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// span is the positions from..to, both included, which never pass zero.
type span struct{ from, to ringwire.ID }

var (
	one    = func() (id ringwire.ID) { id[len(id)-1] = 1; return id }()
	lastID = ringwire.ID{}.Sub(one)
)

// spans is a set of positions: sorted, disjoint and not touching.
type spans []span

// spansOf is the set of an arc's positions.
func spansOf(a ringwire.Arc) spans {
	from := a.Lo.Add(one)
	switch {
	case a.Lo == a.Hi:
		return spans{{ringwire.ID{}, lastID}}
	case from.Compare(a.Hi) <= 0:
		return spans{{from, a.Hi}}
	}
	return spans{{ringwire.ID{}, a.Hi}, {from, lastID}}
}

// arcs is the inverse of spansOf.
func (s spans) arcs() (out []ringwire.Arc) {
	for _, x := range s {
		a := ringwire.Arc{Lo: x.from.Sub(one), Hi: x.to}
		out = append(out, a)
	}
	return out
}

func (s spans) has(id ringwire.ID) bool {
	i, found := slices.BinarySearchFunc(s, id, func(x span, id ringwire.ID) int { return x.from.Compare(id) })
	return found || i > 0 && id.Compare(s[i-1].to) <= 0
}

// union is the positions in s or o.
func (s spans) union(o spans) (out spans) {
	all := slices.Concat(s, o)
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	for _, x := range all {
		if n := len(out); n > 0 && (x.from.Compare(out[n-1].to) <= 0 || x.from == out[n-1].to.Add(one)) {
			if x.to.Compare(out[n-1].to) > 0 {
				out[n-1].to = x.to
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// not is the positions that are not in s.
func (s spans) not() (out spans) {
	var from ringwire.ID
	for _, x := range s {
		if x.from.Compare(from) > 0 {
			out = append(out, span{from, x.from.Sub(one)})
		}
		if x.to == lastID {
			return out
		}
		from = x.to.Add(one)
	}
	return append(out, span{from, lastID})
}

// intersect is the positions in both, minus those in s but not in o.
func (s spans) intersect(o spans) spans { return s.not().union(o.not()).not() }
func (s spans) minus(o spans) spans     { return s.not().union(o).not() }

// covers reports whether all of o is in s.
func (s spans) covers(o spans) bool {
	for _, x := range o {
		i, found := slices.BinarySearchFunc(s, x.from, func(y span, id ringwire.ID) int { return y.from.Compare(id) })
		if !found {
			i--
		}
		if i < 0 || x.to.Compare(s[i].to) > 0 {
			return false
		}
	}
	return true
}
