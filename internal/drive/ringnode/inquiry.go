package ringnode

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Bounds of what strangers' tokens may have the ring asked. A round reads the three system records, each from a quorum, and tells all who
// wait for it: so strangers cost at most what the rate of rounds costs, however many they are and whatever they show.
const (
	roundEvery    = 500 * time.Millisecond // between rounds, after
	roundBurst    = 8                      // that may follow each other
	roundRate     = 512 << 10              // bytes/s of system records; larger ones are read less often
	roundTime     = 2 * time.Second        // of one round
	roundWait     = 3 * time.Second        // of a hello for a round
	deniedFor     = 5 * time.Second        // a token that the ring denied is not asked about again
	maxDenied     = 1024                   // tokens remembered as denied
	guessEvery    = 2 * time.Second        // between denied tokens of one /24 or /64, after
	guessBurst    = 32                     // that it may show
	maxGuessers   = 4096                   // networks remembered
	undecidedWait = 100 * time.Millisecond // of who was told to ask again, at first
	undecidedMost = 500 * time.Millisecond // and at last
)

// inquiry makes sure of tokens that the cache of the system records does not know. Somebody who holds a token that another member has
// just made must not be turned away; and somebody who makes tokens up must not have the ring asked for each.
type inquiry struct {
	mu       sync.Mutex
	next     *round                                  // that has not begun; nil = none
	denied   map[ringwire.TokenID]time.Time          // until when a token is known to be none
	guessers map[netip.Prefix]allowance              // of tokens that were none
	rounds   allowance                               // of rounds
	counts   struct{ rounds, denied, spared uint64 } // rounds, tokens that were none, and answers without a round

	turn sync.Mutex // held by the round under way
}

// round is one reading of the system records, which began after all who wait for it had come.
type round struct {
	done    chan struct{}
	certain bool // the ring answered: what it did not tell does not exist; valid once done
}

// allowance allows burst events at once and one more every period.
type allowance struct {
	full time.Time // when all burst events are allowed again
}

// wait returns for how long the next event has to wait.
func (a *allowance) wait(now time.Time, period time.Duration, burst int) time.Duration {
	if a.full.Before(now) {
		return 0
	}
	return a.full.Sub(now) - time.Duration(burst-1)*period
}

// spend takes events that take so long to be allowed again.
func (a *allowance) spend(now time.Time, cost time.Duration) {
	if a.full.Before(now) {
		a.full = now
	}
	a.full = a.full.Add(cost)
}

// judge decides on a token that somebody at an address shows. What the cache does not know is looked for in the ring, by a reading that
// begins now: a token's record is on W hosts before its maker hands it out, so that Q hosts that deny it are right. As long as they
// cannot be asked nothing is decided. That a token was revoked meanwhile is told by a kick, or found within a minute: a ring
// whose holders are away must let the hosts in that would mend it.
func (n *Node) judge(ctx context.Context, id ringwire.TokenID, from netip.Addr) (tokenRecord, verdict) {
	now := time.Now()
	t, v := n.trust.judge(id, now)
	if v != unknown {
		return t, v
	}
	if v, decided := n.inquiry.recall(id, from, now); decided {
		return t, v
	}
	ctx, cancel := context.WithTimeout(ctx, roundWait)
	defer cancel()
	certain := n.makeSure(ctx)
	if t, v = n.trust.judge(id, time.Now()); v != unknown {
		return t, v
	}
	if !certain {
		return t, undecided
	}
	n.inquiry.deny(id, from, time.Now())
	return t, unknown
}

// recall answers for a token without the ring: one that was denied just now, or shown by who has shown too many of these.
func (q *inquiry) recall(id ringwire.TokenID, from netip.Addr, now time.Time) (v verdict, decided bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if until, ok := q.denied[id]; ok && now.Before(until) {
		q.counts.spared++
		return unknown, true
	}
	if g, ok := q.guessers[network(from)]; ok && g.wait(now, guessEvery, guessBurst) > 0 {
		q.counts.spared++
		return undecided, true
	}
	return unknown, false
}

// deny remembers that a token is none, and who showed it. When there is no more room, those whose time is over go, and then all: the rate
// of rounds holds even so.
func (q *inquiry) deny(id ringwire.TokenID, from netip.Addr, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.denied++
	if q.denied == nil {
		q.denied, q.guessers = make(map[ringwire.TokenID]time.Time), make(map[netip.Prefix]allowance)
	}
	if len(q.denied) >= maxDenied {
		maps.DeleteFunc(q.denied, func(_ ringwire.TokenID, until time.Time) bool { return now.After(until) })
	}
	if len(q.denied) >= maxDenied {
		clear(q.denied)
	}
	q.denied[id] = now.Add(deniedFor)
	p := network(from)
	g, known := q.guessers[p]
	if !known && len(q.guessers) >= maxGuessers {
		maps.DeleteFunc(q.guessers, func(_ netip.Prefix, g allowance) bool { return now.After(g.full) })
		if len(q.guessers) >= maxGuessers {
			clear(q.guessers)
		}
	}
	g.spend(now, guessEvery)
	q.guessers[p] = g
}

// network is the /24 or /64 of an address: what one stranger may well have all of.
func network(addr netip.Addr) netip.Prefix {
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// makeSure has the system records read by a round that begins after the call, and reports whether the cache then has all that the ring
// had acknowledged before it. Those who come while a round is under way share the next.
func (n *Node) makeSure(ctx context.Context) bool {
	if !n.isReady() {
		return false
	}
	q := &n.inquiry
	q.mu.Lock()
	r := q.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		q.next = r
		n.links.wg.Go(func() {
			defer n.recovered("reading the system records", nil)
			n.hold(r)
		})
	}
	q.mu.Unlock()
	select {
	case <-r.done:
		return r.certain
	case <-ctx.Done():
		return false
	}
}

// hold does a round, when it is its turn.
func (n *Node) hold(r *round) {
	defer close(r.done)
	q := &n.inquiry
	q.turn.Lock()
	defer q.turn.Unlock()
	n.links.mu.Lock()
	ctx := n.links.ctx
	n.links.mu.Unlock()
	q.mu.Lock()
	pause := q.rounds.wait(time.Now(), roundEvery, roundBurst)
	q.mu.Unlock()
	if pause > 0 {
		sleep(ctx, pause)
	}
	q.mu.Lock()
	q.next = nil
	q.counts.rounds++
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	size, certain := n.refresh(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rounds.spend(time.Now(), max(roundEvery, time.Duration(size)*time.Second/roundRate))
	// A host that has never seen another has all that there is, even where it is too few to answer as a ring.
	r.certain = certain || n.hosts.len() == 1
}
