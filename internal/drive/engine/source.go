package engine

import (
	"context"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// Source knows who takes part in a torrent, as a tracker does, but is none: a ring, say. It is announced to at the start, regularly,
// at completion and at the end, in the rhythm that trackers are; its methods may be called from any goroutine.
type Source interface {
	// Name is what problems with it are told under.
	Name() string

	// Announce tells that we take part, and returns others who do, ourselves among them or not; and when it wants to hear of us
	// again, 0 for whenever. It is given 45 s, and when we leave 3 s.
	Announce(ctx context.Context, a Announcement) (peers []netip.AddrPort, again time.Duration, err error)
}

// Announcement is what a Source is told.
type Announcement struct {
	InfoHash [20]byte
	Port     uint16 // where we accept peers
	Left     int64  // bytes that we miss; 0 as a seeder
	Leaving  bool   // we take part no longer; peers are not wanted
	Want     int    // peers that are enough
}

// askAgain is how soon a source is asked again that named nobody, or while there are few peers. It bears that better than a tracker
// of thousands of torrents.
const askAgain = 5 * time.Second

// sourceTransport lets an announcer speak to a source.
type sourceTransport struct{ Source }

// Announce implements tracker.Transport. The URL is the source's name.
func (s sourceTransport) Announce(ctx context.Context, _ string, req *announce.Request) (announce.Response, error) {
	addrs, again, err := s.Source.Announce(ctx, Announcement{
		InfoHash: req.InfoHash, Port: req.Port, Left: req.Left, Leaving: req.Event == announce.Stopped, Want: req.NumWant,
	})
	if err != nil {
		return announce.Response{}, err
	}
	r := announce.Response{Interval: again, MinInterval: askAgain, Complete: -1, Incomplete: -1, Downloaded: -1}
	for _, a := range addrs {
		r.Peers = append(r.Peers, announce.Peer{Addr: a})
	}
	return r, nil
}
