package engine

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/tracker"
)

const (
	fewPeers   = 10 // below which a torrent asks for more as soon as its trackers allow
	peerReview = 5 * time.Second
)

// announce tells the trackers of the torrent and takes the peers that they name, until ctx is done and they were told that we leave.
func (t *Torrent) announce(ctx context.Context) {
	if len(t.spec.Trackers) == 0 {
		return
	}
	a, err := tracker.NewAnnouncer(tracker.AnnouncerConfig{
		Transport: t.e.trackers, Tiers: t.spec.Trackers,
		InfoHash: t.wireID, PeerID: t.e.peerID, Port: t.e.Addr().Port(), Key: t.e.key,
		Counters: t.counters, Notify: t.onAnnounced,
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Logger: t.log,
	})
	if err != nil {
		t.fail(err)
		return
	}
	go t.reviewPeers(ctx, a)
	if err := a.Run(ctx); err != nil {
		t.log.Warn("announcing", "err", err)
	}
}

// reviewPeers tells the announcer when the torrent is complete, and when it wants more peers.
func (t *Torrent) reviewPeers(ctx context.Context, a *tracker.Announcer) {
	ticker := time.NewTicker(peerReview)
	defer ticker.Stop()
	done := t.done
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			a.Completed()
			done = nil
		case <-ticker.C:
			if t.lonely() {
				a.WantPeers()
			}
		}
	}
}

// lonely reports whether the torrent could do with more peers: a seeder can be found by those who need it.
func (t *Torrent) lonely() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.links) < fewPeers && t.sw != nil && !t.sw.Complete()
}

// counters are what announces report (BEP 3).
func (t *Torrent) counters() tracker.Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := tracker.Counters{Left: t.progress.total - t.progress.bytes}
	if t.sw != nil {
		c.Downloaded, c.Uploaded = t.sw.Totals()
	}
	return c
}

// onAnnounced takes an answer of a tracker.
func (t *Torrent) onAnnounced(o tracker.Outcome) {
	t.mu.Lock()
	t.progress.tracker = ""
	if o.Err != nil {
		t.progress.tracker = o.Err.Error()
	}
	t.mu.Unlock()
	if o.Err != nil {
		t.log.Warn("tracker", "event", o.Event, "err", o.Err)
		return
	}
	t.log.Debug("tracker answered", "peers", len(o.Response.Peers), "seeders", o.Response.Complete)
	addrs := make([]netip.AddrPort, 0, len(o.Response.Peers))
	for _, p := range o.Response.Peers {
		addrs = append(addrs, p.Addr)
	}
	t.AddPeers(addrs...)
}
