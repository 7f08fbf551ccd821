package ring

import (
	"errors"
	"fmt"
	"math"
	"time"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// Routing is how lookups travel in a simulated ring.
type Routing string

// The routings; RoutingNames lists them for flags, the default first.
const (
	ByFingers   Routing = "fingers"   // shortcuts and the successor list
	BySuccessor Routing = "successor" // the immediate successor alone: the circular DHT
	ByCache     Routing = "cache"     // everybody knows everybody as well as gossip lets them
)

// RoutingNames are the values of a Routing as text.
var RoutingNames = []string{string(ByFingers), string(BySuccessor), string(ByCache)}

// Bounds of a simulation.
const (
	MaxNodes   = 4_000_000
	MaxLookups = 100_000_000
	MaxVnodes  = 1000
	maxKeys    = 10_000_000
)

// Config is one simulation. The zero value of a field is its default.
type Config struct {
	Nodes   int // hosts; required
	Lookups int // by random hosts for random keys, evenly over Window; 0 = none
	Seed    uint64

	Routing    Routing       // "" = fingers
	Successors int           // r; 0 = 8
	Vnodes     int           // positions of a host; 0 = 1
	Join       bool          // the ring is built by joins; else it begins ideal
	Fail       float64       // this share of the hosts fails at once, before the first lookup: 0 up to 1
	Churn      time.Duration // mean time until a host fails, to be replaced by a new one that joins; 0 = none do
	Replicas   int           // a key is lost when its owner and the next Replicas-1 hosts failed; 0 = Successors

	KeysPerNode int           // to be spread over the hosts; 0 = 1000, but 10 million in all at most
	Latency     time.Duration // mean one way between two hosts, each pair has its own at 0.5 to 1.5 times it; 0 = 25 ms
	Warm        time.Duration // from the start, or the end of joins, to the first lookup; 0 = 2 min with churn, 10 s before failures, else none
	Window      time.Duration // in which lookups begin; 0 = 1 s after failures, 2 min with churn, else 10 s, or 2 s in rings of a million

	// Progress is told now and then how far a phase is. May be nil.
	Progress func(Progress)
}

// Progress is how far a simulation is.
type Progress struct {
	Phase       string // "building", "joining", "settling", "warming up", "looking up", "repairing"
	Done, Total int    // of the phase: hosts or lookups; Total 0 = unknown
	At          time.Duration
	Events      uint64
}

// Validate reports what is wrong with a configuration, in words for the command line.
func (c *Config) Validate() error {
	switch {
	case c.Nodes < 1 || c.Nodes > MaxNodes:
		return fmt.Errorf("%d nodes: want 1 to %d", c.Nodes, MaxNodes)
	case c.Lookups < 0 || c.Lookups > MaxLookups:
		return fmt.Errorf("%d lookups: want 0 to %d", c.Lookups, MaxLookups)
	case c.Successors < 0 || c.Successors > core.MaxList/2:
		return fmt.Errorf("%d successors: want 1 to %d", c.Successors, core.MaxList/2)
	case c.Vnodes < 0 || c.Vnodes > MaxVnodes:
		return fmt.Errorf("%d virtual nodes: want 1 to %d", c.Vnodes, MaxVnodes)
	case c.Nodes*max(c.Vnodes, 1) > 2*MaxNodes:
		return fmt.Errorf("%d nodes with %d virtual nodes each are more than %d positions", c.Nodes, c.Vnodes, 2*MaxNodes)
	case !(c.Fail >= 0 && c.Fail < 1):
		return errors.New("a share of failing nodes must be 0 or more and less than 1: somebody has to ask")
	case c.Fail > 0 && int(math.Round(c.Fail*float64(c.Nodes))) >= c.Nodes:
		return errors.New("all nodes would fail: somebody has to ask")
	case c.Churn < 0 || c.Churn > 0 && c.Churn < time.Minute:
		return errors.New("a mean session must be a minute or more: nodes would fail before they have joined")
	case c.Fail > 0 && c.Churn > 0:
		return errors.New("failures at once and churn are two experiments: give one of them")
	case c.Replicas < 0:
		return fmt.Errorf("%d replicas: want 1 or more, or 0 for as many as successors", c.Replicas)
	case c.KeysPerNode < 0:
		return fmt.Errorf("%d keys a node: want 1 or more, or 0 for the default", c.KeysPerNode)
	case c.Latency < 0 || c.Warm < 0 || c.Window < 0:
		return errors.New("a time is negative: latency, warm-up and window must be 0 or more")
	}
	switch c.Routing {
	case "", ByFingers, BySuccessor, ByCache:
		return nil
	}
	return fmt.Errorf("no such routing: %s", c.Routing)
}

// setDefaults fills what was left open.
func (c *Config) setDefaults() {
	def := func(v *int, value int) {
		if *v == 0 {
			*v = value
		}
	}
	during := func(v *time.Duration, value time.Duration) {
		if *v == 0 {
			*v = value
		}
	}
	if c.Routing == "" {
		c.Routing = ByFingers
	}
	def(&c.Successors, 8)
	def(&c.Vnodes, 1)
	def(&c.Replicas, c.Successors)
	def(&c.KeysPerNode, min(1000, max(1, maxKeys/c.Nodes)))
	during(&c.Latency, 25*time.Millisecond)
	switch {
	case c.Churn > 0:
		during(&c.Warm, 2*time.Minute)
		during(&c.Window, 2*time.Minute)
	case c.Fail > 0:
		during(&c.Warm, 10*time.Second) // nodes have measured their neighbours
		during(&c.Window, time.Second)
	default:
		during(&c.Window, max(2*time.Second, min(10*time.Second, time.Duration(2_000_000/c.Nodes)*time.Second)))
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
}

// node is the configuration of a simulated host's core.
func (c *Config) node() core.Config {
	cfg := core.Config{Successors: c.Successors, Incarnation: 1}
	switch c.Routing {
	case BySuccessor:
		cfg.Routing = core.Successor
		cfg.LookupTimeout = 5*time.Second + 2*time.Duration(c.Nodes)*c.Latency // more than once around
	case ByCache:
		cfg.Cache = true
	}
	return cfg
}

// ExpectedHops is the mean number of forwardings that theory gives for a ring of n hosts without virtual nodes and without failures: n/2 by
// the successor alone; 0.5 log2 n - 0.5 log2 r + 1 by fingers and a successor list of r (Stoica et al. 2001, section 6.2: 0.5 log2 n without the list; the
// list saves the last 0.5 log2 r of them, and a final hop is made to the owner); 1 by the cache.
func ExpectedHops(routing Routing, n, r int) float64 {
	switch {
	case n < 2:
		return 0
	case routing == BySuccessor:
		return float64(n) / 2
	case routing == ByCache || n <= r+1:
		return 1 - 1/float64(n) // whom a host doesn't ask is itself
	}
	return max(0.5*math.Log2(float64(n))-0.5*math.Log2(float64(r))+1, 1)
}
