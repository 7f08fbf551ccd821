package history_test

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
)

// terms are those that a node counts by.
var terms = ring.Terms{Remember: replica.DefaultGiveUp, Fresh: replica.DefaultAbsence / 3}

// enrol begins to count the ring, as core/ring does when a host becomes a member.
func (h *host) enrol() {
	c := h.c
	h.census = ring.NewCensus(terms, h.id, c.rng)
	for _, o := range c.hosts {
		if h.knew[o.id] {
			h.census.Knew(c.now, o.id)
		}
	}
	h.census.Begin(c.now, c.now == 0 || h.life > 1)
	for _, o := range c.hosts {
		if o == h || !h.sees[o.id] {
			continue
		}
		h.census.Alive(c.now, o.id, false)
		h.knew[o.id] = true
		for _, dead := range c.hosts { // as it tells a newcomer
			if o.census != nil && o.census.Mourned(c.now, dead.id) && !h.sees[dead.id] {
				h.census.Dead(c.now, dead.id)
			}
		}
	}
}

// note takes what o has learned of h into its census.
func (o *host) note(h *host) {
	switch {
	case o.sees[h.id]:
		o.census.Alive(o.c.now, h.id, true)
		o.knew[h.id] = true
	case h.member:
		o.census.Dead(o.c.now, h.id)
	default:
		o.census.Left(h.id)
		delete(o.knew, h.id)
	}
}

// ping has every host hear from those that it can reach, once a second: when somebody asks, a census is as old as it can be.
func (c *cluster) ping() {
	for _, h := range c.hosts {
		h.hearAll()
	}
	c.at(time.Second, c.ping)
}

func (h *host) hearAll() {
	for _, o := range h.c.hosts {
		if h.up() && o.up() && o != h && o.member && o.side == h.side && !o.cut && !h.cut && !o.asleep && !h.asleep {
			h.census.Heard(h.c.now, o.id)
		}
	}
}

// Majority is core/ring's: asking has the others pinged, and those that can answer do so at once here.
func (h *host) Majority(now time.Duration) (yes, counts bool) {
	h.census.Majority(now)
	h.hearAll()
	return h.census.Majority(now), true
}
