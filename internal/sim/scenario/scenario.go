// Package scenario describes a swarm to simulate: the content, the server, classes of peers with their links, when they come
// and go, and what they decide by. A Scenario is plain data, read from a TOML file or made of flags; Population
// turns it into the list of peers that both simulators run.
package scenario

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
)

// Scenario is one swarm. Rates are bytes/s of content, 0 = no limit; sizes are bytes.
type Scenario struct {
	Name  string // of the file, or "flags"
	Title string // one line for people

	Size        int64 // of the content
	PieceLength int64
	Seed        uint64 // of all chance: the same scenario and seed give the same digest

	Server  Server
	Classes []Class

	Degree   int           // neighbours that a peer has on average, 0 = everybody
	Slots    int           // regular unchokes, 0 = 4; one optimistic comes on top
	Policy   policy.Policy // of classes that name none, and of the server
	Latency  time.Duration // one way, between any two peers
	Tracker  time.Duration // how often a peer that lost neighbours asks for others; 0 = never again after joining
	Shaping  Shaping       // who keeps to the rates
	Exchange Exchange      // to whom a peer sends
	Until    time.Duration // the end at the latest; 0 = 20 times the bound, or when all are done
	Story    bool          // the scenario is meant to be told step by step
}

// Shaping says who keeps a peer's traffic to its rates.
type Shaping string

// The kinds of shaping; the zero value is ByLimit.
const (
	ByLimit Shaping = ""     // the peer itself, by --limit-up and --limit-down: it knows its rates
	ByLink  Shaping = "link" // the link: the peer writes into sockets whose buffers drain at that rate, shared by its connections
)

// Exchange says to whom peers send.
type Exchange string

// The ways to exchange pieces; the zero value is BySlots.
const (
	BySlots Exchange = ""       // to those whom the live choker unchokes
	Serial  Exchange = "serial" // one whole piece at a time, each to a random neighbour that wants one; fast only
	Rounds  Exchange = "rounds" // Serial where all know the copies in the whole swarm, as simulations in rounds have it; fast only
)

// Server is the seeds that are there from the start: one, unless Count says more.
type Server struct {
	Count  int // 0 = 1
	Up     int64
	Down   int64
	Copies float64       // each leaves after sending so many copies of the content; 0 = never
	Stay   time.Duration // each leaves at this time; 0 = never
}

// Class is a number of peers with equal links and manners.
type Class struct {
	Name     string
	Count    int // how many come in all; with Poisson arrivals 0 = as many as come until Until
	Up       int64
	Down     int64
	Arrive   Arrival
	Leave    Leave
	Fail     float64 // abrupt failures: the chance in a second that a peer is gone for ever, at any stage
	Strategy Strategy
	Policy   policy.Policy // the zero value is the scenario's
	Degree   int           // neighbours, 0 = the scenario's
	Have     float64       // share of the pieces, drawn at random, that each has when it comes
}

// Arrival says when the peers of a class come.
type Arrival struct {
	Kind   ArrivalKind
	At     time.Duration   // of the first
	Within time.Duration   // AtOnce: spread evenly over it; FlashCrowd: the decay time of the rate
	Rate   float64         // Poisson: peers/s
	Trace  []time.Duration // Trace: the time of each
}

// ArrivalKind names a process of arrivals.
type ArrivalKind string

// The kinds of arrival; the zero value is AtOnce.
const (
	AtOnce     ArrivalKind = "at-once"
	Poisson    ArrivalKind = "poisson"
	FlashCrowd ArrivalKind = "flash-crowd" // exponentially fewer with time
	Trace      ArrivalKind = "trace"
)

// Leave says what a peer does when it is complete.
type Leave struct {
	Kind LeaveKind
	Stay time.Duration // AfterTime: how long, the mean of an exponential when Random
	// Random makes Stay a mean, as the models of Qiu and Srikant and of Hajek and Zhu have it.
	Random bool
}

// LeaveKind names a manner of leaving.
type LeaveKind string

// The manners of leaving; the zero value is Never.
const (
	Never        LeaveKind = "never"       // altruistic for ever
	AtCompletion LeaveKind = "at-complete" // selfish
	AfterTime    LeaveKind = "after"       // altruistic for a time
)

// Strategy is how a peer cheats, if it does.
type Strategy string

// The strategies; the zero value is Honest.
const (
	Honest    Strategy = ""
	FreeRider Strategy = "free-rider" // uploads nothing
	Thief     Strategy = "thief"      // uploads nothing, and connects to as many as it can (BitThief)
)

// Peer is one member of a population. Times are since the start of the simulation.
type Peer struct {
	Class    int32 // index in Scenario.Classes, or -1: a server
	Up, Down int64
	Arrive   time.Duration
	Stay     time.Duration // after completion; Forever = does not leave
	Fail     time.Duration // when it is gone without a word; Forever = never
	Degree   int
	Strategy Strategy
	Have     float64
}

// Forever is a time that does not come.
const Forever = time.Duration(1<<63 - 1)
