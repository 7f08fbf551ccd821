package tracker

import "sync/atomic"

// counters are a server's, since its start.
type counters struct {
	httpAnnounces, udpAnnounces, udpConnects, scrapes atomic.Uint64
	refused, unlisted, malformed, badConnIDs          atomic.Uint64
	unsent, panics, storeErrors                       atomic.Uint64
}

// Stats is a server's state and what it has done since its start.
type Stats struct {
	Peers  int64 `json:"peers"`
	Swarms int64 `json:"swarms"`
	Conns  int   `json:"connections"` // HTTP connections open now

	HTTPAnnounces uint64 `json:"http_announces"`
	UDPAnnounces  uint64 `json:"udp_announces"`
	UDPConnects   uint64 `json:"udp_connects"`
	Scrapes       uint64 `json:"scrapes"`

	Refused    uint64 `json:"refused"`            // announces of torrents that are not served
	Unlisted   uint64 `json:"unlisted"`           // announces answered, but a limit kept the peer off the list
	Malformed  uint64 `json:"malformed"`          // requests that could not be read
	BadConnIDs uint64 `json:"bad_connection_ids"` // UDP packets from unproven addresses
	Unsent     uint64 `json:"unsent"`             // UDP replies that the system did not take
	Panics     uint64 `json:"panics"`             // UDP packets that a fault of ours left unanswered

	StoreErrors uint64 `json:"store_errors"` // announces and scrapes refused because the store did not answer
}

// Stats returns the present numbers. It is safe at any time.
func (s *Server) Stats() Stats {
	c := &s.counters
	peers, swarms := s.store.totals()
	return Stats{
		Peers: peers, Swarms: swarms, Conns: s.gate.open(),
		HTTPAnnounces: c.httpAnnounces.Load(), UDPAnnounces: c.udpAnnounces.Load(), UDPConnects: c.udpConnects.Load(),
		Scrapes: c.scrapes.Load(), Refused: c.refused.Load(), Unlisted: c.unlisted.Load(), Malformed: c.malformed.Load(),
		BadConnIDs: c.badConnIDs.Load(), Unsent: c.unsent.Load(), Panics: c.panics.Load(),
		StoreErrors: c.storeErrors.Load(),
	}
}
