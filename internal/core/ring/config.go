package ring

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// The ring's values under their short names.
type (
	ID    = ringwire.ID
	Host  = ringwire.Host
	Ref   = ringwire.Ref
	Space = ringwire.Space
)

// Routing says which of the known hosts a lookup may be handed to.
type Routing uint8

const (
	// Fingers: the closest known predecessor of the key among fingers and successors, about 0.5 log2 N - 0.5 log2 r + 1 hops.
	Fingers Routing = iota
	// Successor: the immediate successor alone, the circular DHT of about N/2 hops.
	Successor
	// Links: the immediate successor and Config.Links, a lecturer's own shortcuts.
	Links
)

// Directory is the driver's host table as far as the Node needs it. Positions returns where the host stands, in any order, always the same for
// one handle; nil when the host is unknown. The slice is not written to.
type Directory interface {
	Positions(h Host) []ID
}

// Lives is what a Directory may tell besides: the incarnation that a host's latest papers bear, which grows with each of its starts and with nothing else. Then a
// host that was thought dead and is heard of again is known to have restarted, or else never to have been dead.
type Lives interface {
	Incarnation(h Host) uint32
}

// Config is what a Node is made of. Self, Positions and Rand are required; a Directory too for Cache or Mesh.
type Config struct {
	Space       Space
	Self        Host
	Positions   []ID   // where this host stands; copied
	Incarnation uint32 // greater after every restart: the seconds of a clock, or a counter of starts
	Directory   Directory
	Rand        *rand.Rand // the only source of chance: the same seed and inputs give the same actions

	Successors int     // r: distinct hosts in a successor list, 0 = 8
	Routing    Routing // for lookups that the cache doesn't answer
	Links      []Ref   // Routing Links: where this host's shortcuts lead
	Cache      bool    // keep the whole membership, for one-hop lookups
	Mesh       bool    // up to Successors hosts: everybody knows everybody

	// CacheBudget bounds the membership traffic that the node sends, bytes/s on the wire; 0 = 4000. When news come faster for a minute, the cache is
	// dropped, which Action CacheDropped reports, and fingers serve the lookups.
	CacheBudget int

	// Periods, each drawn anew from 0.5 to 1.5 times its value (timers in step make load in bursts). 0 = the default.
	Stabilize   time.Duration // a position asks its successor, 2 s
	Probe       time.Duration // all listed successors and predecessors are pinged, 5 s
	FixFingers  time.Duration // one finger of each position is looked up, 10 s
	Remember    time.Duration // hosts of the long-term memory are probed, 10 s
	AntiEntropy time.Duration // memberships are compared with one random host, 60 s

	// Time-outs of one message: mean + 4 deviations of the host's round trips (Jacobson 1988), doubled for each repetition.
	FirstTimeout time.Duration // before anything is known of the host, 1 s
	MinTimeout   time.Duration // 100 ms
	MaxTimeout   time.Duration // 3 s

	// LookupTimeout is the time for one attempt of a lookup, 5 s. One by successors alone takes as many hops as half the ring has hosts.
	LookupTimeout time.Duration

	// Census says how Majority counts; it needs a membership. The zero value: Majority is always false, and nothing is counted.
	Census Terms

	// Scratch is shared by the Nodes of one simulation, which are fed and drained one at a time: a million of them then share one queue of actions
	// instead of keeping a million empty ones. nil = the Node has its own.
	Scratch *Scratch

	MaxHops int // a lookup that was forwarded more often is dropped; 0 = 128, with Successor and Links 65,000
}

// Scratch is memory that a Node needs only between an input and the drain of its actions. The zero value is ready.
type Scratch struct{ out []Action }

// Suspicion: a host is dead after this many probes without an answer (Zave's proof needs that no live host is thought dead).
const missedProbes = 3

func (c *Config) validate() error {
	switch {
	case c.Space.Bits < 0 || c.Space.Bits > ringwire.MaxBits:
		return fmt.Errorf("ring: a space of %d bits: use 1 to %d", c.Space.Bits, ringwire.MaxBits)
	case len(c.Positions) == 0:
		return errors.New("ring: no positions")
	case c.Rand == nil:
		return errors.New("ring: no Rand")
	case c.Successors < 0 || c.CacheBudget < 0 || c.MaxHops < 0:
		return errors.New("ring: negative limit")
	case c.MaxHops > math.MaxUint16: // as messages count them
		return fmt.Errorf("ring: %d hops: use at most %d", c.MaxHops, math.MaxUint16)
	case (c.Cache || c.Mesh) && c.Directory == nil:
		return errors.New("ring: cache and mesh need a Directory")
	case c.Census.Remember < 0 || c.Census.Fresh < 0:
		return errors.New("ring: a negative period in Census")
	case c.Routing > Links:
		return fmt.Errorf("ring: unknown routing %d", c.Routing)
	}
	for _, d := range []time.Duration{c.Stabilize, c.Probe, c.FixFingers, c.Remember, c.AntiEntropy, c.FirstTimeout, c.MinTimeout, c.MaxTimeout, c.LookupTimeout} {
		if d < 0 {
			return errors.New("ring: negative period")
		}
	}
	ids := slices.SortedFunc(slices.Values(c.Positions), ID.Compare)
	if len(slices.Compact(ids)) != len(c.Positions) {
		return errors.New("ring: one position twice")
	}
	return nil
}

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Stabilize, 2*time.Second)
	def(&c.Probe, 5*time.Second)
	def(&c.FixFingers, 10*time.Second)
	def(&c.Remember, 10*time.Second)
	def(&c.AntiEntropy, time.Minute)
	def(&c.FirstTimeout, time.Second)
	def(&c.MinTimeout, 100*time.Millisecond)
	def(&c.MaxTimeout, 3*time.Second)
	def(&c.LookupTimeout, 5*time.Second)
	if c.Successors == 0 {
		c.Successors = 8
	}
	if c.CacheBudget == 0 {
		c.CacheBudget = 4000
	}
	if c.MaxHops == 0 {
		c.MaxHops = 128
		if c.Routing != Fingers {
			c.MaxHops = 65000
		}
	}
}
