package engine

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// State is what a torrent is doing.
type State uint8

// The states, in the usual order.
const (
	Checking    State = iota // looking at what is on disk
	Downloading              // fetching wanted pieces
	Seeding                  // complete
	Paused                   // waiting for disk space; goes on by itself
	Failed                   // ended by an error
)

// String returns the state's name in lower case.
func (s State) String() string {
	return [...]string{"checking", "downloading", "seeding", "paused", "failed"}[s]
}

// Stats is a snapshot of a torrent. Sizes are in bytes, rates in bytes/s of blocks.
type Stats struct {
	State          State
	Problem        string // why Paused or Failed
	TrackerProblem string // the last announce's error; "" = none

	Size    int64 // of the content
	Wanted  int64 // of the wanted pieces
	Have    int64 // verified among the wanted
	Checked int64 // looked at while Checking

	Pieces     int
	PiecesHave int

	DownRate, UpRate     int64
	Downloaded, Uploaded int64 // blocks since the start, wasted ones included
	Wasted               int64 // received twice, unasked for, or in pieces that failed their hash
	HashFailures         int
	Banned               int

	Peers, Seeds int // connected; connected and complete
	Contributors int // peers that gave blocks
	Copies       int // peers that became complete while connected to us
	Needy        int // connected peers that lack something we have
	Known        int // addresses

	Started   time.Time
	Completed time.Time // zero until verified
	Elapsed   time.Duration
}

// Stats returns a snapshot.
func (t *Torrent) Stats() Stats {
	known := t.book.size()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.progress
	s := Stats{
		State: p.state, Problem: p.problem, TrackerProblem: p.tracker,
		Size: t.layout.Size, Wanted: p.total, Have: p.bytes, Checked: p.checked, Pieces: t.layout.NumPieces(),
		Banned: t.session.banned, Copies: len(t.session.copied), Known: known,
		Started: p.since, Completed: p.finished, Elapsed: time.Since(p.since),
	}
	if !p.finished.IsZero() {
		s.Elapsed = p.finished.Sub(p.since)
	}
	if t.sw == nil {
		return s
	}
	sw := t.sw.Stats()
	s.PiecesHave = p.verified.Count()
	if len(t.links) > 0 { // without peers the brain's clock stands still, and its rates with it
		s.DownRate, s.UpRate = sw.DownRate, sw.UpRate
	}
	s.Downloaded, s.Uploaded, s.Wasted, s.HashFailures = sw.Downloaded, sw.Uploaded, sw.Wasted, sw.HashFailures
	s.Peers = len(t.links)
	s.Contributors = len(t.session.contributors)
	for id, l := range t.links {
		ps, ok := t.sw.PeerStats(id)
		if !ok {
			continue
		}
		if ps.Complete {
			s.Seeds++
		} else if ps.Interested {
			s.Needy++
		}
		if ps.Downloaded > 0 && !t.session.contributors[l.peerID] {
			s.Contributors++
		}
	}
	return s
}

// account remembers what a leaving connection did; t.mu is held.
func (t *Torrent) account(l *link) {
	if t.sw == nil {
		return
	}
	ps, _ := t.sw.PeerStats(l.id)
	if ps.Downloaded > 0 {
		t.session.contributors[l.peerID] = true
	}
	switch {
	case ps.Complete && t.sw.Complete():
		l.worth = needless
	case ps.Downloaded+ps.Uploaded > 0:
		l.worth = worthwhile
	default:
		l.worth = fruitless
	}
}

// PeerStats is a snapshot of one connection. Sizes are in bytes, rates in bytes/s of blocks.
type PeerStats struct {
	Addr     netip.AddrPort
	Client   string // as it calls itself; "" = it did not say
	Outgoing bool   // we connected to it
	Have     int64  // of the content that it has
	Complete bool

	DownRate, UpRate     int64
	Downloaded, Uploaded int64

	Interested     bool // we want something of it
	Choking        bool // we don't serve it
	PeerInterested bool // it wants something of us
	PeerChoking    bool // it doesn't serve us
	Optimistic     bool // it has our optimistic slot
	Snubbed        bool // it unchoked us and sent nothing for a minute
}

// Peers returns a snapshot of the connections, in the order in which they were made.
func (t *Torrent) Peers() []PeerStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sw == nil {
		return nil
	}
	out := make([]PeerStats, 0, len(t.links))
	links := slices.SortedFunc(maps.Values(t.links), func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.id, b.id))
	})
	for _, l := range links {
		ps, ok := t.sw.PeerStats(l.id)
		if !ok {
			continue
		}
		out = append(out, PeerStats{
			Addr: l.addr, Client: l.client, Outgoing: l.outgoing, Complete: ps.Complete,
			Have:     min(int64(ps.Pieces)*t.layout.PieceLength, t.layout.Size),
			DownRate: ps.DownRate, UpRate: ps.UpRate, Downloaded: ps.Downloaded, Uploaded: ps.Uploaded,
			Interested: ps.Interesting, Choking: ps.Choked, PeerInterested: ps.Interested, PeerChoking: ps.Choking,
			Optimistic: ps.Optimistic, Snubbed: ps.Snubbed,
		})
	}
	return out
}
