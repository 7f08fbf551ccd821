package scenario

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
)

// The streams of chance, so that a draw more in one place changes nothing in the others.
const (
	streamArrival  = 1 << 40 // + class
	streamTopology = 2 << 40 // + peer
	streamRefill   = 3 << 40
)

// MaxPeers is the largest population: indices are int32, and memory is finite.
const MaxPeers = 20_000_000

// Population returns all peers that ever come, in the order in which they do: the servers first, at time 0. Peers that come at the same
// instant stand in random order, so that no class is always the first to dial. It depends on the scenario and its seed alone.
// The scenario must be valid.
func (sc *Scenario) Population() []Peer {
	servers := sc.Servers()
	out := make([]Peer, servers, servers+sc.expected())
	for i := range out {
		out[i] = Peer{Class: -1, Up: sc.Server.Up, Down: sc.Server.Down, Stay: orForever(sc.Server.Stay), Fail: Forever, Degree: sc.Degree, Have: 1}
	}
	var ties []uint64
	for c := range sc.Classes {
		out, ties = sc.Classes[c].populate(sc, int32(c), out, ties)
	}
	peers := out[servers:]
	order := make([]int32, len(peers))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(peers[a].Arrive, peers[b].Arrive), cmp.Compare(ties[a], ties[b]), cmp.Compare(a, b))
	})
	sorted := make([]Peer, 0, len(out))
	sorted = append(sorted, out[:servers]...)
	for _, i := range order {
		sorted = append(sorted, peers[i])
	}
	return sorted
}

// populate appends the peers of one class, each with a random number that orders those who come at the same instant.
func (c *Class) populate(sc *Scenario, index int32, out []Peer, ties []uint64) ([]Peer, []uint64) {
	rng := rand.New(rand.NewPCG(sc.Seed, streamArrival+uint64(index)))
	for _, at := range c.arrivals(sc, rng) {
		p := Peer{Class: index, Up: c.Up, Down: c.Down, Arrive: at, Fail: Forever, Degree: cmp.Or(c.Degree, sc.Degree),
			Strategy: c.Strategy, Have: c.Have, Stay: Forever}
		switch c.Leave.Kind {
		case AtCompletion:
			p.Stay = 0
		case AfterTime:
			p.Stay = c.Leave.Stay
			if c.Leave.Random {
				p.Stay = scaled(rng.ExpFloat64(), c.Leave.Stay)
			}
		}
		if c.Fail > 0 {
			p.Fail = later(at, rng.ExpFloat64()/c.Fail)
		}
		out, ties = append(out, p), append(ties, rng.Uint64())
	}
	return out, ties
}

// arrivals returns when the peers of the class come, in any order.
func (c *Class) arrivals(sc *Scenario, rng *rand.Rand) []time.Duration {
	a := c.Arrive
	if a.Kind == Trace {
		at := a.Trace
		if c.Count > 0 && c.Count < len(at) {
			at = at[:c.Count]
		}
		return at
	}
	out := make([]time.Duration, 0, c.Count)
	for now := a.At; c.Count == 0 || len(out) < c.Count; {
		switch a.Kind {
		case Poisson: // the times between arrivals are exponential
			now = later(now, rng.ExpFloat64()/a.Rate)
			if sc.Until > 0 && now >= sc.Until {
				return out
			}
			out = append(out, now)
		case FlashCrowd: // a rate that decays exponentially is a Poisson process whose points are exponential
			out = append(out, later(a.At, rng.ExpFloat64()*a.Within.Seconds()))
		default:
			out = append(out, a.At+time.Duration(float64(a.Within)*float64(len(out))/float64(c.Count)))
		}
	}
	return out
}

// expected is about how many peers the classes bring.
func (sc *Scenario) expected() int {
	n := 0
	for i := range sc.Classes {
		n += sc.Classes[i].expected(sc)
	}
	return n
}

func (c *Class) expected(sc *Scenario) int {
	switch {
	case c.Arrive.Kind == Trace && c.Count == 0:
		return len(c.Arrive.Trace)
	case c.Arrive.Kind == Poisson && sc.Until > 0:
		n := min(max(0, (sc.Until-c.Arrive.At).Seconds())*c.Arrive.Rate, 2*MaxPeers)
		if c.Count > 0 {
			n = min(n, float64(c.Count))
		}
		return int(n)
	}
	return c.Count
}

// Servers is how many seeds are there from the start: the first so many of the population.
func (sc *Scenario) Servers() int { return max(sc.Server.Count, 1) }

// Pieces is the number of pieces of the content.
func (sc *Scenario) Pieces() int { return int((sc.Size + sc.PieceLength - 1) / sc.PieceLength) }

// PolicyOf returns by what a peer of the class decides, with its gaps filled; class -1 is the servers'.
func (sc *Scenario) PolicyOf(class int32) policy.Policy {
	p := sc.Policy
	if class >= 0 && !unset(sc.Classes[class].Policy) {
		p = sc.Classes[class].Policy
	}
	if unset(p) {
		p = policy.TitForTat
	}
	return p.WithDefaults()
}

// unset reports whether p is the zero value.
func unset(p policy.Policy) bool {
	return p.Name == "" && p.Order == nil && p.Rank == nil && p.SeedRank == nil && !p.RevealAll && !p.Wide
}

// later returns t + seconds, and Forever where that is too long.
func later(t time.Duration, seconds float64) time.Duration {
	if x := float64(t) + seconds*float64(time.Second); x < math.MaxInt64 {
		return time.Duration(x)
	}
	return Forever
}

// scaled returns by*d, and Forever where that is too long.
func scaled(by float64, d time.Duration) time.Duration { return later(0, by*d.Seconds()) }

// orForever reads 0 as never.
func orForever(d time.Duration) time.Duration { return cmp.Or(d, Forever) }
