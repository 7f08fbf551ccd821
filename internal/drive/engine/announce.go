package engine

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/tracker"
)

const (
	fewPeers   = 10 // below which a torrent asks for more as soon as its trackers allow
	peerReview = 5 * time.Second
)

// announce tells the trackers and the sources of the torrent and takes the peers that they name, until ctx is done and they were
// told that we leave. Trackers stand in for each other (BEP 12); a source is asked whatever they answer.
func (t *Torrent) announce(ctx context.Context) {
	var others sync.WaitGroup
	defer others.Wait()
	for _, s := range t.spec.Sources {
		others.Go(func() {
			t.contain("announcing to "+s.Name(), func() { t.announceThrough(ctx, sourceTransport{s}, [][]string{{s.Name()}}) })
		})
	}
	if len(t.spec.Trackers) > 0 {
		t.announceThrough(ctx, t.e.trackers, t.spec.Trackers)
	}
}

// announceThrough keeps the torrent announced to tiers, until ctx is done and they were told that we leave.
func (t *Torrent) announceThrough(ctx context.Context, through tracker.Transport, tiers [][]string) {
	a, err := tracker.NewAnnouncer(tracker.AnnouncerConfig{
		Transport: through, Tiers: tiers,
		InfoHash: t.wireID(), PeerID: t.e.peerID, Port: t.e.Addr().Port(), Key: t.e.key,
		Counters: t.counters, Notify: t.onAnnounced,
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Logger: t.log,
	})
	if err != nil {
		t.fail(err)
		return
	}
	t.mu.Lock()
	t.seeking.announcers = append(t.seeking.announcers, a)
	t.mu.Unlock()
	if err := a.Run(ctx); err != nil {
		t.log.Warn("announcing", "err", err)
	}
}

// reviewRegularly has the torrents that could do with more peers ask for some, until ctx is done. One goroutine sees to
// all of them.
func (e *Engine) reviewRegularly(ctx context.Context) {
	ticker := time.NewTicker(peerReview)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, t := range e.list() {
			t.review()
		}
	}
}

// review asks the trackers for peers if the torrent has few. A seeder needs not ask: it can be found by those who need it.
func (t *Torrent) review() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.links) >= fewPeers || t.sw == nil || t.sw.Complete() {
		return
	}
	for _, a := range t.seeking.announcers {
		a.WantPeers()
	}
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
