package lab

import (
	"time"
)

// Config says what a lab measures. Rates are bytes/s of payload, sizes are bytes.
type Config struct {
	Peers       []int  // how many receivers, a row of each for every architecture
	Archs       []Arch // what to measure; nil = both
	Size        int64
	PieceLength int64 // 0 = what eddy chooses
	Server      int64 // the server's upload
	Up          int64 // each receiver's upload
	Down        int64 // each receiver's download; 0 = not limited
	Repeat      int   // how often a swarm is measured; the median counts. 0 = DefaultRepeat
	Client      string
	Policy      string // of eddy, as its --policy; "" = its default
	Shaping     Shaping
	Executable  string // eddy
	Keep        string // a directory for what the members print; "" = nowhere

	// Progress hears of every step, from the goroutine of Run; nil = nobody does.
	Progress func(Step)
}

// DefaultRepeat is how often a swarm is measured.
const DefaultRepeat = 3

// Shaping says what keeps the members to their rates.
type Shaping string

// The ways of shaping; the zero value is NetNS where that is possible.
const (
	NetNS    Shaping = "netns"    // the links of network namespaces
	Internal Shaping = "internal" // the members limit themselves
)

// Arch is an architecture of distribution.
type Arch string

// The two architectures.
const (
	ClientServer Arch = "client_server"
	P2P          Arch = "p2p"
)

// Step is one thing that a lab does: the beginning of something, the end of a run, or a warning.
type Step struct {
	What     string        // "calibrating 36 links"
	Warning  string        // what the reader of the figures has to know; all else is empty then
	Arch     Arch          // of a run, else ""
	Peers    int           // of a run
	Repeat   int           // of Repeats, from 1
	Repeats  int           //
	Expected time.Duration // at the least; 0 = unknown
	Measured time.Duration // of a run that ended; 0 = it begins
	Left     time.Duration // for all that follows, at the least
}
