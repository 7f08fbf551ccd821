package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/metainfo"
)

// ErrBoundBeaten is the error of a run that was faster than any swarm can be: the simulator that it came from has a bug.
var ErrBoundBeaten = errors.New("sim: bound beaten")

// burstOf returns how many bytes a link of some rate may carry beyond rate x time, counted from any moment after the start: what the live token
// bucket, with which the engine's peers limit themselves, saves while it is idle. It starts empty, so from the start on there is no burst.
func burstOf(sc *scenario.Scenario, f Fidelity) func(rate int64) int64 {
	if f == Engine && sc.Shaping == scenario.ByLimit {
		return rate.Burst
	}
	return noBurst
}

func noBurst(int64) int64 { return 0 }

// supply is what some links together can carry: rate x time + burst.
type supply struct{ rate, burst float64 }

func (s *supply) add(bps int64, burst func(int64) int64) {
	if s.rate += scenario.Rate(bps); bps > 0 {
		s.burst += float64(burst(bps))
	}
}

// least is the time that it takes to carry so many bytes, which clocks of whole nanoseconds may shorten by one a block.
func (s supply) least(bytes float64) float64 {
	if s.rate <= 0 {
		return math.Inf(1)
	}
	t := max(0, bytes-s.burst) / s.rate
	return t * (1 - 1e-9 - s.rate/metainfo.BlockSize*1e-9)
}

// checkBound reports whether anybody was complete sooner than links allow: all together by the three terms of the fluid bound,
// and each alone by its own download and by what all others can upload. It holds in every scenario in which peers start
// with nothing: who leaves or fails only makes it longer.
func checkBound(sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, burst func(rate int64) int64) error {
	var server, all supply
	for i := range peers {
		p := &peers[i]
		if p.Have > 0 && p.Class >= 0 {
			return nil
		}
		if p.Class < 0 {
			server.add(p.Up, burst)
		}
		if p.Class < 0 || p.Strategy == scenario.Honest {
			all.add(p.Up, burst)
		}
	}
	n, first, last := 0, scenario.Forever, time.Duration(0)
	size := float64(sc.Size)
	for i := sc.Servers(); i < len(peers); i++ {
		joined, done := rec.Life(i)
		if joined < 0 {
			continue
		}
		first = min(first, joined)
		if done < 0 {
			continue
		}
		n++
		last = max(last, done)
		var own supply
		own.add(peers[i].Down, burst)
		others := all
		if joined == 0 {
			own.burst, others.burst = 0, 0
		}
		if peers[i].Strategy == scenario.Honest {
			others.rate -= float64(peers[i].Up)
		}
		least := max(own.least(size), others.least(size))
		if took := (done - joined).Seconds(); took < least-tick {
			return fmt.Errorf("%w: peer %d was complete after %.6f s, and its links need %.6f s", ErrBoundBeaten, i, took, least)
		}
	}
	if n == 0 {
		return nil
	}
	if first == 0 {
		server.burst, all.burst = 0, 0
	}
	least := max(server.least(size), all.least(float64(n)*size))
	if took := (last - first).Seconds(); took < least-tick {
		return fmt.Errorf("%w: %d peers were complete after %.6f s, and the links need %.6f s", ErrBoundBeaten, n, took, least)
	}
	return nil
}

// tick is the clock's error at the two ends of a time, in seconds.
const tick = 2e-6
