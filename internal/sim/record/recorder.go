package record

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Recorder takes the events of one run, in the order of time. Peers are indices of the population. Not safe for
// concurrent use. Calls cost O(1) and allocate nothing; a peer costs 56 bytes, and M/8 more where peers may fail with M pieces.
//
// What a simulator has to report:
//   - Joined for every peer that comes. Servers are there from the start with all pieces: it is not called for them.
//   - Got once for each piece that a peer has, those that it came with included, right after Joined.
//   - Transferred when payload arrives, in any portions.
//   - Unchoked for each change of state of a directed link; for the open ones of a peer that leaves too, in both directions,
//     before Left.
//   - Done once, when the last piece is there.
//   - Left when a peer or server goes.
type Recorder struct {
	sc     *scenario.Scenario
	peers  []scenario.Peer
	groups int // classes and the servers, who are group 0

	list   []peer
	copies []int32  // of each piece in the swarm, servers included
	has    []uint64 // of each peer, words each; nil where nobody can leave with a part
	words  int

	flow     []flow // from group x to group: [from*groups+to]
	done     int
	here     int // peers present, servers included
	leeching int // of those, how many are not complete

	line timeline
	use  use
	last time.Duration // the latest event
}

// peer is what is kept of each. Its times are -1 until they come.
type peer struct {
	up, down           int64 // bytes
	lent               int64 // up when it was complete: what it gave while it took
	joined, done, left time.Duration
	group              int32
	failed             bool
}

// flow is what went from one group to another.
type flow struct {
	bytes, wasted int64
	// unchoked is a sum of microseconds: minus the time when a link is unchoked, plus that when it is choked again. It may wrap
	// around on the way; only its value when all open ones are closed counts.
	unchoked int64
	open     int64
}

// New returns the recorder of a run of sc with its population.
func New(sc *scenario.Scenario, peers []scenario.Peer) *Recorder {
	groups := len(sc.Classes) + 1
	r := &Recorder{sc: sc, peers: peers, groups: groups, list: make([]peer, len(peers)), copies: make([]int32, sc.Pieces()),
		flow: make([]flow, groups*groups), line: newTimeline(groups)}
	partial := false
	for i := range peers {
		r.list[i] = peer{joined: -1, done: -1, left: -1, group: peers[i].Class + 1}
		partial = partial || peers[i].Fail != scenario.Forever
	}
	if partial {
		r.words = (len(r.copies) + 63) / 64
		r.has = make([]uint64, r.words*len(peers))
	}
	for s := range sc.Servers() {
		r.list[s].joined, r.list[s].done = 0, 0
		r.here++
		r.capacityBy(0, r.offers(s))
		for k := range r.copies {
			r.copies[k]++
		}
	}
	return r
}

// Joined says that a peer came, with nothing until Got says more.
func (r *Recorder) Joined(now time.Duration, peer int) {
	r.at(now)
	r.list[peer].joined = now
	r.here++
	r.leeching++
	if !r.use.started {
		r.use.started, r.use.sentFirst, r.use.capableFirst = true, r.use.sent, r.capableAt(now)
	}
	r.capacityBy(now, r.offers(peer))
}

// Transferred says that to received n bytes of payload from from. wasted bytes of them were of no use (received twice, or bad).
func (r *Recorder) Transferred(now time.Duration, from, to int, n, wasted int64) {
	r.at(now)
	a, b := &r.list[from], &r.list[to]
	a.up += n
	b.down += n
	r.use.sent += n
	f := &r.flow[int(a.group)*r.groups+int(b.group)]
	f.bytes += n
	f.wasted += wasted
}

// Carried is Transferred for n bytes that came evenly from a time on until now, where a simulator does not tell each block: the samples
// in between get their share.
func (r *Recorder) Carried(since, now time.Duration, from, to int, n int64) {
	r.Transferred(now, from, to, n, 0)
	r.line.spread(since, now, int(r.list[from].group), n)
}

// Got says that a piece is verified.
func (r *Recorder) Got(now time.Duration, peer, piece int) {
	r.at(now)
	r.copies[piece]++
	if r.has != nil {
		r.has[peer*r.words+piece>>6] |= 1 << (piece & 63)
	}
}

// Unchoked says that from lets to take blocks, or no longer.
func (r *Recorder) Unchoked(now time.Duration, from, to int, on bool) {
	r.at(now)
	f := &r.flow[int(r.list[from].group)*r.groups+int(r.list[to].group)]
	if on {
		f.open++
		f.unchoked -= now.Microseconds()
	} else {
		f.open--
		f.unchoked += now.Microseconds()
	}
}

// Done says that a peer is complete.
func (r *Recorder) Done(now time.Duration, peer int) {
	r.at(now)
	p := &r.list[peer]
	p.done, p.lent = now, p.up
	r.use.sentLast, r.use.capableLast = r.use.sent, r.capableAt(now)
	r.done++
	r.leeching--
}

// Left says that a peer or server is gone; failed: without a word.
func (r *Recorder) Left(now time.Duration, peer int, failed bool) {
	r.at(now)
	p := &r.list[peer]
	p.left, p.failed = now, failed
	r.here--
	r.capacityBy(now, -r.offers(peer))
	if p.done < 0 {
		r.leeching--
	}
	for k := range r.copies {
		if p.done >= 0 || r.has != nil && r.has[peer*r.words+k>>6]>>(k&63)&1 == 1 {
			r.copies[k]--
		}
	}
}

// Finished is how many peers are complete so far.
func (r *Recorder) Finished() int { return r.done }

// Complete reports whether a peer is complete.
func (r *Recorder) Complete(peer int) bool { return r.list[peer].done >= 0 }

// Life returns when a peer came and when it was complete; -1 = not so far.
func (r *Recorder) Life(peer int) (joined, done time.Duration) {
	return r.list[peer].joined, r.list[peer].done
}

// offers is the upload rate that a peer brings to the swarm; one who does not share counts for nothing.
func (r *Recorder) offers(peer int) float64 {
	p := &r.peers[peer]
	if p.Strategy != scenario.Honest {
		return 0
	}
	return float64(p.Up)
}

// at takes the samples that are due before an event.
func (r *Recorder) at(now time.Duration) {
	r.last = now
	if now >= r.line.next {
		r.sample(now)
	}
}
