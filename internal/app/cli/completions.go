package cli

import "sync"

// maxCompletions bounds how many peers of one torrent are remembered: ids cost nothing to make up.
const maxCompletions = 1 << 16

// completions are the peers that told the embedded tracker that they have become complete, each once. The zero value is
// ready. Safe for concurrent use.
type completions struct {
	mu  sync.Mutex
	ids map[[20]byte]map[[20]byte]bool // by infohash as trackers know it
}

// add is tracker.ServerConfig.Completed.
func (c *completions) add(hash, peerID [20]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = make(map[[20]byte]map[[20]byte]bool)
	}
	if c.ids[hash] == nil {
		c.ids[hash] = make(map[[20]byte]bool)
	}
	if len(c.ids[hash]) < maxCompletions {
		c.ids[hash][peerID] = true
	}
}

// count returns how many distinct peers of a torrent are complete.
func (c *completions) count(hash [20]byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ids[hash])
}
