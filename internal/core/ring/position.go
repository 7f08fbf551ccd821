package ring

import (
	"math/bits"
	"slices"
	"time"
)

// Status is what a position is waiting for.
type Status uint8

const (
	// Idle: it may begin a step and answers everything.
	Idle Status = iota
	// Stabilizing: it asked its successor, or the predecessor of its successor, for its state.
	Stabilizing
	// Rectifying: it pinged its predecessor, because somebody else claims the place.
	Rectifying
	// Entering: it is not in the ring yet and looks for its place.
	Entering
)

func (s Status) String() string {
	return [...]string{"idle", "stabilizing", "rectifying", "entering"}[s]
}

// position is the state of the protocol at one place of the ring (Zave 2017, section 4). Its slices are never written to,
// only replaced, because messages and views share them.
type position struct {
	self         Ref
	in           bool // in the ring
	hasPred      bool
	status       Status
	fromPred     bool // Stabilizing: the question went to the successor's predecessor (StabilizeFromPredecessor)
	hasNotify    bool
	hasCandidate bool
	predAnswered bool // the predecessor answered since p's last step: until the next only a closer one's claim counts
	pred         Ref
	succ         []Ref
	preds        []Ref // pred and those before it, as pred tells: a hint for Arcs, never for the protocol
	fingers      []Ref // ascending by distance, at most one to each doubling of it

	asked       Ref // whom the outstanding question went to
	notifier    Ref // Rectifying: who claims to be the predecessor
	notify      Ref // the closest predecessor that notified while it waited
	candidate   Ref // from the merging of rings: to be asked when idle
	askSeq      uint64
	missed      int           // repetitions of the outstanding question
	askedAt     time.Duration // the last of them
	deadline    time.Duration // of the outstanding question
	stabilizeAt time.Duration
	entryHops   uint8 // Entering: hosts asked in this attempt
	fixed       uint8 // the finger that was looked up last
}

// successor is the immediate one, or the position itself when it knows of no other.
func (p *position) successor() Ref {
	if len(p.succ) == 0 {
		return p.self
	}
	return p.succ[0]
}

// list makes a successor list for p of refs in ring order: up to the ring's end at p, until r distinct hosts other than p's own are in
// it, strictly ordered (what does not go on clockwise is left out). It allocates a new slice, never longer than needed.
func (p *position) list(r int, heads ...[]Ref) []Ref {
	size := 0
	for _, h := range heads {
		size += len(h)
	}
	out := make([]Ref, 0, min(size, r+8))
	last, hosts := ID{}, 0
	for _, head := range heads {
		for _, x := range head {
			d := distance(p.self.ID, x.ID)
			if d.Compare(last) <= 0 { // itself, a repetition, or around the ring
				if d == (ID{}) || len(out) > 0 && x != out[len(out)-1] {
					return out
				}
				continue
			}
			if x.Host != p.self.Host && !hasHost(out, x.Host) {
				hosts++
			}
			out, last = append(out, x), d
			if hosts == r || len(out) == MaxList {
				return out
			}
		}
	}
	return out
}

// hasHost reports whether one of the refs is of host h.
func hasHost(refs []Ref, h Host) bool {
	return slices.ContainsFunc(refs, func(x Ref) bool { return x.Host == h })
}

// distinctHosts counts the hosts in refs other than self.
func distinctHosts(refs []Ref, self Host) int {
	n := 0
	for i, x := range refs {
		if x.Host != self && !hasHost(refs[:i], x.Host) {
			n++
		}
	}
	return n
}

// topBit is the number of the highest set bit of a distance, counted from the ring's unit 2^0 in a space of 160 bits: finger i's reach begins where
// topBit is i + 160 - Bits. It is -1 for 0.
func topBit(d ID) int {
	for i, b := range d {
		if b != 0 {
			return (len(d)-1-i)*8 + bits.Len8(b) - 1
		}
	}
	return -1
}
