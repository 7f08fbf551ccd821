package engine

import (
	"context"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/session"
)

// shareEvery is how often the limits are divided anew.
const shareEvery = time.Second

// shareRegularly divides the limits again while there are several torrents, since their demands change, until ctx is done.
func (e *Engine) shareRegularly(ctx context.Context) {
	if e.cfg.UploadLimit == 0 && e.cfg.DownloadLimit == 0 {
		return
	}
	ticker := time.NewTicker(shareEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		e.mu.Lock()
		if len(e.torrents) > 1 {
			e.share()
		}
		e.mu.Unlock()
	}
}

// share divides the engine's limits among its torrents by what they can use; e.mu is held.
func (e *Engine) share() {
	var torrents []*Torrent
	var up, down []session.Demand
	for _, t := range e.torrents {
		u, d := t.demand()
		torrents, up, down = append(torrents, t), append(up, u), append(down, d)
	}
	ups := session.Divide(nil, e.cfg.UploadLimit, up)
	downs := session.Divide(nil, e.cfg.DownloadLimit, down)
	for i, t := range torrents {
		t.limit(ups[i], downs[i])
	}
}

// demand estimates what the torrent could move: what it moves, with room to grow; all it can get when it is at its limit.
func (t *Torrent) demand() (up, down session.Demand) {
	t.mu.Lock()
	defer t.mu.Unlock()
	up.Want, down.Want = -1, -1
	switch {
	case t.sw == nil:
	case len(t.links) == 0: // the brain's clock stands still, and its rates with it
		up.Want, down.Want = 0, 0
	default:
		downRate, upRate := t.sw.Rates()
		up.Want, down.Want = want(upRate, t.limits.up), want(downRate, t.limits.down)
	}
	return up, down
}

func want(rate, limit int64) int64 {
	if limit == 0 || rate > limit*9/10 {
		return -1
	}
	return rate + rate/4
}

// limit sets the torrent's rates, bytes/s of blocks.
func (t *Torrent) limit(up, down int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.up == up && t.limits.down == down {
		return
	}
	t.limits.up, t.limits.down = up, down
	if !t.stopping {
		t.tellLocked("changing limits", func(now time.Duration) { t.sw.SetRates(now, up, down) })
	}
}

// wall is the time of day, for what outlives a run or is compared with other clocks.
func (e *Engine) wall() time.Time { return time.Now() }
