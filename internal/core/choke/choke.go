// Package choke decides to whom a peer uploads: BEP 3's choking algorithm ("reciprocation and number of uploads capped",
// "optimistic unchoke") over a plain list of candidates. A policy is a comparison function (Rank).
//
// It knows nothing of connections or clocks: candidates come with their durations, so that tests can choke in virtual time.
package choke

import (
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"
)

// Times of the algorithm (BEP 3, and section 2 of what eddy is for).
const (
	Round           = 10 * time.Second // the regular slots are re-evaluated
	OptimisticRound = 30 * time.Second // another peer is tried
	SnubAfter       = 60 * time.Second // unchoked us and sent nothing for so long: no regular slot
	NewFor          = 60 * time.Second // a connection counts as new, and is 3x as likely to be tried
)

// Candidate is a connected peer in the eyes of the choker.
type Candidate struct {
	ID         int32 // the caller's handle
	Interested bool  // it wants something that we have
	Unchoked   bool  // it has a slot now
	Snubbed    bool  // it unchoked us and sent nothing for SnubAfter
	New        bool  // it connected less than NewFor ago
	Slow       bool  // it has had a slot for a while and took far less than its share: nobody gains by serving it
	Down       int64 // bytes/s that it sends to us, 20 s average
	Up         int64 // bytes/s that we send to it, 20 s average
	Complete   int   // thousandths of the content that it has
	Held       time.Duration
	Waited     time.Duration // since it last had a slot

	Slot bool // result of Select: it gets a regular slot or is unchoked beside them

	tie uint64
}

// Rank compares two candidates for the regular slots: negative when a comes before b, 0 when they tie; ties are broken at
// random.
type Rank func(a, b *Candidate) int

// Reciprocal is tit-for-tat, the rank of a leecher: who sends us most; among those who send about the same, who has least of
// the content, so that all finish together even if each leaves when it is done. A snubbing peer comes last.
func Reciprocal(a, b *Candidate) int {
	if a.Snubbed != b.Snubbed {
		return flag(a.Snubbed) - flag(b.Snubbed)
	}
	if x, y := grade(a.Down), grade(b.Down); x != y {
		return y - x
	}
	if x, y := a.Complete/20, b.Complete/20; x != y {
		return x - y
	}
	return descending(a.Down, b.Down)
}

// grade puts rates into steps of about a quarter. Over 20 s and a few pieces, rates that differ by less do not tell who sends
// more.
func grade(rate int64) int {
	n := bits.Len64(uint64(max(rate, 0)))
	if n < 3 {
		return n * 4
	}
	return n*4 + int(rate>>(n-3)&3)
}

// LeastComplete is the default rank of a peer that has finished: who has least, in steps of a twentieth so that two
// peers do not swap slots at every round; then who has waited longest. Peers that take far less than their share come last.
func LeastComplete(a, b *Candidate) int {
	if a.Slow != b.Slow {
		return flag(a.Slow) - flag(b.Slow)
	}
	if x, y := a.Complete/50, b.Complete/50; x != y {
		return x - y
	}
	return descending(int64(a.Waited), int64(b.Waited))
}

// FastestUpload ranks by who takes most from us, as old seeds did: it empties the uplink and serves the rich.
func FastestUpload(a, b *Candidate) int { return descending(a.Up, b.Up) }

// RoundRobin lets a peer keep its slot for a minute and then gives it to who has waited longest.
func RoundRobin(a, b *Candidate) int {
	keepA, keepB := a.Unchoked && a.Held < time.Minute, b.Unchoked && b.Held < time.Minute
	if keepA != keepB {
		return flag(keepB) - flag(keepA)
	}
	return descending(int64(a.Waited), int64(b.Waited))
}

// Select sorts c by rank and sets Slot for the peers to unchoke: the first slots interested ones, and every uninterested
// one that ranks before the last of them ("peers which have a better upload rate but aren't interested get unchoked", BEP 3),
// so that it is served at once when it becomes interested. Snubbed peers get no slot. It returns how many interested ones
// got a slot.
func Select(rng *rand.Rand, c []Candidate, slots int, rank Rank) int {
	for i := range c {
		c[i].tie, c[i].Slot = rng.Uint64(), false
	}
	sort.Sort(&ranked{c, rank})
	used := 0
	for i := range c {
		if used == slots {
			break
		}
		switch {
		case c[i].Snubbed:
		case c[i].Interested:
			c[i].Slot = true
			used++
		case c[i].Down > 0:
			c[i].Slot = true
		}
	}
	return used
}

// ranked sorts candidates in place: handed to a Rank by value, they would be copied to the heap for each comparison.
type ranked struct {
	c    []Candidate
	rank Rank
}

func (r *ranked) Len() int      { return len(r.c) }
func (r *ranked) Swap(i, j int) { r.c[i], r.c[j] = r.c[j], r.c[i] }

func (r *ranked) Less(i, j int) bool {
	a, b := &r.c[i], &r.c[j]
	if by := r.rank(a, b); by != 0 {
		return by < 0
	}
	return a.tie < b.tie
}

// Nobody is no candidate's ID.
const Nobody = -1

// Rechoke is the round of 10 s over c: the regular slots go to the best, as Select deals them, and the optimistic one stays with
// its holder, the candidate of that ID or Nobody, until it earned a regular slot, wants nothing more, or due says that its 30 s are
// over. Then another is tried; without another who wants it, the holder keeps it. It sets Slot and returns who is
// tried now, and whether its 30 s begin anew.
func Rechoke(rng *rand.Rand, c []Candidate, slots int, rank Rank, holder int32, due bool) (trying int32, anew bool) {
	Select(rng, c, slots, rank)
	kept := -1 // where the holder is, if it has nothing but the optimistic slot
	for i := range c {
		if c[i].ID == holder && holder != Nobody && !c[i].Slot && c[i].Interested {
			c[i].Slot, kept = true, i
		}
	}
	if kept >= 0 && !due {
		return holder, false
	}
	i := Optimistic(rng, c) // the old holder has Slot set and is not drawn
	switch {
	case i >= 0:
		if kept >= 0 {
			c[kept].Slot = false
		}
		c[i].Slot = true
		return c[i].ID, true
	case kept >= 0:
		return holder, true
	}
	return Nobody, true
}

// Capacity is how many interested peers are unchoked at once: the regular slots, the optimistic one, and the extra ones that were
// opened for an idle uplink; or, where everybody is to be served, up to forty.
func Capacity(slots, extra int, everybody bool) int {
	if everybody {
		return max(slots+1, everybodySlots)
	}
	return slots + 1 + extra
}

// DefaultSlots is the regular slots where nobody says otherwise: the four of BEP 3.
const DefaultSlots = 4

const everybodySlots = 40

// MarkSlow marks the candidates that have held a slot for two rounds and took less than a tenth of the mean: a peer that has
// finished ranks them last.
func MarkSlow(c []Candidate) {
	var sum, n int64
	for i := range c {
		if c[i].Unchoked && c[i].Interested {
			sum, n = sum+c[i].Up, n+1
		}
	}
	for i := range c {
		c[i].Slow = n > 1 && c[i].Unchoked && c[i].Held >= 2*Round && c[i].Up*10*n < sum
	}
}

// Optimistic returns the index of the peer to try next, or -1: an interested one without a slot, at random, new
// connections three times as likely. Of two draws the less complete one is taken: it has most to gain and soonest
// something to give.
func Optimistic(rng *rand.Rand, c []Candidate) int {
	a, b := draw(rng, c), draw(rng, c)
	if a >= 0 && c[b].Complete < c[a].Complete {
		return b
	}
	return a
}

func draw(rng *rand.Rand, c []Candidate) int {
	best, total := -1, 0
	for i := range c {
		if !c[i].Interested || c[i].Slot {
			continue
		}
		weight := 1
		if c[i].New {
			weight = 3
		}
		total += weight
		if rng.IntN(total) < weight {
			best = i
		}
	}
	return best
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func descending(a, b int64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}
