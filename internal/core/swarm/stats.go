package swarm

import (
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
)

// counters is what Stats reports and no decision needs.
type counters struct {
	down, up rate.Meter
	wasted   int64
	failures int
}

// Standing is what the choker makes of a peer, and by what.
type Standing struct {
	Slot     Slot
	Down, Up int64 // bytes/s of blocks from and to it over 20 s: what the ranks compare
}

// Standing returns how a peer stands with the choker; the zero Standing when it has not joined.
func (s *Swarm) Standing(id Peer) Standing {
	p := s.lookup(id)
	if p == nil {
		return Standing{}
	}
	return Standing{Slot: p.up.slot, Down: p.down.meter.Rate(s.now), Up: p.up.meter.Rate(s.now)}
}

// Stats is the state of the torrent at one moment.
type Stats struct {
	DownRate, UpRate     int64   // bytes/s of blocks, about 5 s
	Downloaded, Uploaded int64   // bytes of blocks since New
	Wasted               int64   // bytes received for nothing: not requested, twice, or of bad pieces
	Unverified           int64   // bytes received and not yet PieceDone
	HashFailures         int     // pieces
	Missing              int     // wanted pieces not yet verified
	Peers, Seeds         int     // connected; Seeds are among Peers
	Copies               float64 // copies of the content among the peers and us: whole ones, and the share of pieces beyond
}

// statsWindow is what rates in Stats and PeerStats are averaged over.
const statsWindow = 5 * time.Second

// Stats returns the present numbers. O(pieces).
func (s *Swarm) Stats() Stats {
	st := Stats{
		DownRate: s.count.down.Over(s.now, statsWindow), UpRate: s.count.up.Over(s.now, statsWindow),
		Downloaded: s.count.down.Total(), Uploaded: s.count.up.Total(),
		Wasted: s.count.wasted, Unverified: s.down.bytes, HashFailures: s.count.failures,
		Missing: s.down.missing, Peers: len(s.list), Seeds: s.down.pieces.Seeds(),
	}
	n := s.full.Len()
	if n == 0 {
		return st
	}
	copies := func(i int) int {
		c := s.down.pieces.Availability(i)
		if s.have.Has(i) {
			c++
		}
		return c
	}
	least, beyond := copies(0), 0
	for i := range n {
		least = min(least, copies(i))
	}
	for i := range n {
		if copies(i) > least {
			beyond++
		}
	}
	st.Copies = float64(least) + float64(beyond)/float64(n)
	return st
}

// Rates returns the present rates in bytes/s of blocks, as Stats does but in O(1).
func (s *Swarm) Rates() (down, up int64) {
	return s.count.down.Over(s.now, statsWindow), s.count.up.Over(s.now, statsWindow)
}

// Totals returns the bytes of blocks received and sent since New, as Stats does but in O(1).
func (s *Swarm) Totals() (down, up int64) { return s.count.down.Total(), s.count.up.Total() }

// PeerStats is the state of one connection.
type PeerStats struct {
	Addr                 netip.AddrPort
	Outgoing             bool
	Choked               bool  // we choke it
	Choking              bool  // it chokes us
	Interested           bool  // it is interested in us
	Interesting          bool  // we are interested in it
	Optimistic           bool  // it has the optimistic slot
	Snubbed              bool  // it unchoked us and sent nothing for a minute
	Stalled              bool  // its requests timed out
	Parole               bool  // it had a part in a bad piece
	Complete             bool  // it has every piece
	Pieces               int   // it has
	Requests             int   // of ours, unanswered
	Queue                int   // of its, not yet served
	DownRate, UpRate     int64 // bytes/s of blocks, about 5 s
	Downloaded, Uploaded int64 // bytes of blocks
}

// PeerStats returns the numbers of one connection; false when it has not joined.
func (s *Swarm) PeerStats(id Peer) (PeerStats, bool) {
	p := s.lookup(id)
	if p == nil {
		return PeerStats{}, false
	}
	return PeerStats{
		Addr: p.info.Addr, Outgoing: p.info.Outgoing,
		Choked: p.up.choked, Choking: p.remote.choking, Interested: p.remote.interested, Interesting: p.interest,
		Optimistic: s.slots.trying == p, Snubbed: p.snubbed(s.now), Stalled: p.down.stalled, Parole: p.credit.parole,
		Complete: p.seed, Pieces: p.has.Count(), Requests: p.down.ask.unanswered(), Queue: p.up.waiting(),
		DownRate: p.down.meter.Over(s.now, statsWindow), UpRate: p.up.meter.Over(s.now, statsWindow),
		Downloaded: p.down.meter.Total(), Uploaded: p.up.meter.Total(),
	}, true
}
