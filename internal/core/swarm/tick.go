package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/metainfo"
)

// housekeeping is how often time-outs are looked for.
const housekeeping = 500 * time.Millisecond

// refillAt is when to look at an empty bucket again.
func (s *Swarm) refillAt(b *rate.Bucket) time.Duration {
	return max(b.At(metainfo.BlockSize), s.now+pour)
}

// pour is the least time between two wake-ups for a limited rate: several blocks then go out in one write.
const pour = 4 * time.Millisecond

// Tick does what has become due. To be called at NextTick; early or late calls are harmless.
func (s *Swarm) Tick(now time.Duration) {
	s.advance(now)
	if len(s.list) == 0 {
		return
	}
	if s.down.retry > 0 && s.now >= s.down.retry {
		s.down.retry = 0
		s.fillAll()
	}
	if s.now >= s.tick {
		s.tick = s.now + housekeeping
		s.checkTimeouts()
		s.grantTick()
		s.useIdle()
		s.closeAllRedundant()
	}
	if s.now >= s.slots.round {
		s.slots.round = s.now + choke.Round
		s.rechoke()
	}
}

// NextTick returns when Tick is due. ok is false when nothing is: a Swarm without peers needs no timer.
func (s *Swarm) NextTick() (at time.Duration, ok bool) {
	if len(s.list) == 0 {
		return 0, false
	}
	at = min(s.tick, s.slots.round)
	if s.down.retry > 0 {
		at = min(at, s.down.retry)
	}
	if s.up.retry > 0 {
		at = min(at, s.up.retry)
	}
	return at, true
}

// checkTimeouts gives the blocks of peers that do not answer to others.
func (s *Swarm) checkTimeouts() {
	for _, p := range s.list {
		if p.gone {
			continue
		}
		if p.down.wait > 0 && s.now >= p.down.wait {
			p.down.wait = 0
			s.markFill(p)
		}
		if p.down.forgive > 0 && s.now >= p.down.forgive {
			s.forgive(p)
		}
		if p.down.ask.live() > 0 && s.now-p.down.heard > p.timeout() {
			if s.releaseSkipped(p); p.down.ask.live() > 0 {
				s.release(p)
			}
		} else {
			s.releaseSkipped(p)
		}
		if p.useful > 0 && p.down.ask.live() == 0 {
			s.markFill(p) // time alone may have opened something
		}
	}
}

// closeAllRedundant ends the connections to other complete peers some time after we became complete ourselves. It leaves
// the first move to them: a seed that hears of our last piece knows that a copy is delivered, while one whose connection
// breaks does not.
func (s *Swarm) closeAllRedundant() {
	if !s.Complete() || s.now-s.down.since < redundantAfter {
		return
	}
	for _, p := range s.list {
		s.closeRedundant(p)
	}
}

const redundantAfter = 3 * time.Second
