package eddy

import (
	"net/netip"
	"time"
)

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
