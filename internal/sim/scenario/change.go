package scenario

import (
	"fmt"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/metainfo"
)

// FromFlags returns the scenario that consists of nothing but values: one server, and one class of equal peers. The rest is for
// the caller to fill in.
func FromFlags() *Scenario {
	return &Scenario{Name: "flags", Seed: 1, Classes: []Class{{Name: "peers"}}}
}

// Clone returns a copy that can be changed without the original. Traces are shared: nobody changes them.
func (sc *Scenario) Clone() *Scenario {
	out := *sc
	out.Classes = append([]Class(nil), sc.Classes...)
	return &out
}

// SetPeers makes n peers come in all, the classes in the proportion of their counts; what is left over by rounding goes to the classes
// that lost most by it. A class that has peers keeps one at least while n allows.
func (sc *Scenario) SetPeers(n int) error {
	if n < 1 || n > MaxPeers {
		return fmt.Errorf("peers: want 1 to %d, got %d", MaxPeers, n)
	}
	if len(sc.Classes) == 1 {
		sc.Classes[0].Count = n
		return nil
	}
	total := 0
	for i := range sc.Classes {
		c := &sc.Classes[i]
		if c.Count == 0 && c.Arrive.Kind == Trace {
			c.Count = len(c.Arrive.Trace)
		}
		if c.Count == 0 {
			return fmt.Errorf("peers: class %q has no count that could be scaled to %d", c.Name, n)
		}
		total += c.Count
	}
	if n < len(sc.Classes) {
		return fmt.Errorf("peers: %d are too few for %d classes", n, len(sc.Classes))
	}
	counts, lost, given := make([]int, len(sc.Classes)), make([]int, len(sc.Classes)), 0
	for i := range sc.Classes {
		exact := sc.Classes[i].Count * n // at most MaxPeers squared: fits
		counts[i], lost[i] = exact/total, exact%total
		if counts[i] == 0 {
			counts[i], lost[i] = 1, -1
		}
		given += counts[i]
	}
	for ; given < n; given++ {
		i := largest(lost)
		counts[i]++
		lost[i] = -1
	}
	for ; given > n; given-- { // the minimum of one took more than there was
		counts[largest(counts)]--
	}
	for i := range sc.Classes {
		if t := sc.Classes[i].Arrive.Trace; len(t) > 0 && counts[i] > len(t) {
			return fmt.Errorf("peers: the trace of class %q has %d arrivals, %d are too many", sc.Classes[i].Name, len(t), counts[i])
		}
		sc.Classes[i].Count = counts[i]
	}
	return nil
}

// largest returns the index of the largest, the first of equal ones.
func largest(of []int) int {
	best := 0
	for i, v := range of {
		if v > of[best] {
			best = i
		}
	}
	return best
}

// SetPolicy lets the servers and all classes that name none of their own decide by the policy of that name.
func (sc *Scenario) SetPolicy(name string) (err error) {
	sc.Policy, err = policy.Named(name)
	return err
}

// PolicyNames lists the policies with what they do, the default first.
func PolicyNames() (names, about []string) {
	for _, p := range policy.All() {
		names, about = append(names, p.Name), append(about, p.About)
	}
	return names, about
}

// SetUp gives all classes an upload rate in bytes/s.
func (sc *Scenario) SetUp(rate int64) {
	for i := range sc.Classes {
		sc.Classes[i].Up = rate
	}
}

// SetDown gives all classes a download rate in bytes/s; 0 = no limit.
func (sc *Scenario) SetDown(rate int64) {
	for i := range sc.Classes {
		sc.Classes[i].Down = rate
	}
}

// SetPieceLength sets the bytes of a piece when they are given, and otherwise, where nothing says them yet, to what a torrent of that
// size would have.
func (sc *Scenario) SetPieceLength(n int64, given bool) {
	switch {
	case given:
		sc.PieceLength = n
	case sc.PieceLength == 0:
		sc.PieceLength = metainfo.PieceLengthFor(sc.Size)
	}
}
