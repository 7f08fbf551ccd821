package cli

import (
	"sync"
	"time"
)

// maxCompletions bounds how many peers of one torrent are remembered: ids cost nothing to make up.
const maxCompletions = 1 << 16

// completions are the peers that became complete by what they told the embedded tracker, each once. The zero value is ready.
// Safe for concurrent use.
type completions struct {
	mu    sync.Mutex
	peers map[[20]byte]*announced // by infohash as trackers know it
}

// announced is what the peers of one torrent said.
type announced struct {
	complete map[[20]byte]bool // by peer id; false = it lacked something when it announced last
	done     int               // of these true

	came, finished time.Time // when the first that lacked something announced, and the last that became complete; zero = none
}

// hear is tracker.ServerConfig.Announced. Nothing left counts if the peer says that it has just become complete, or lacked
// something before: who was complete from the start is no copy of ours.
func (c *completions) hear(hash, peerID [20]byte, left int64, completed bool) {
	c.hearAt(time.Now(), hash, peerID, left, completed)
}

func (c *completions) hearAt(now time.Time, hash, peerID [20]byte, left int64, completed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers == nil {
		c.peers = make(map[[20]byte]*announced)
	}
	t := c.peers[hash]
	if t == nil {
		t = &announced{complete: make(map[[20]byte]bool)}
		c.peers[hash] = t
	}
	done, known := t.complete[peerID]
	switch {
	case done, !known && len(t.complete) == maxCompletions:
	case left > 0:
		t.complete[peerID] = false
		t.came = earlier(t.came, now)
	case known, completed:
		t.complete[peerID] = true
		t.done++
		t.came, t.finished = earlier(t.came, now), now
	}
}

// count returns how many distinct peers of a torrent have become complete.
func (c *completions) count(hash [20]byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.peers[hash]; t != nil {
		return t.done
	}
	return 0
}

// times returns when the first receiver of a torrent announced itself, and when the last one did that had become complete; zero
// where none did.
func (c *completions) times(hash [20]byte) (came, finished time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.peers[hash]; t != nil {
		return t.came, t.finished
	}
	return time.Time{}, time.Time{}
}
