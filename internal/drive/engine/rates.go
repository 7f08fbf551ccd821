package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// share divides the engine's limits among its torrents; e.mu is held.
func (e *Engine) share() {
	n := int64(max(len(e.torrents), 1))
	for _, t := range e.torrents {
		t.limit(part(e.cfg.UploadLimit, n), part(e.cfg.DownloadLimit, n))
	}
}

// part is an n-th of a limit, where 0 means none.
func part(limit, n int64) int64 {
	if limit == 0 {
		return 0
	}
	return max(limit/n, 1)
}

// limit sets the torrent's rates, bytes/s of blocks.
func (t *Torrent) limit(up, down int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up, t.down = up, down
	if t.sw != nil && !t.stopping {
		now := t.e.now()
		t.sw.SetRates(now, up, down)
		t.drain(now)
	}
}

// wall is the time of day, for what outlives a run or is compared with other clocks.
func (e *Engine) wall() time.Time { return time.Now() }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
