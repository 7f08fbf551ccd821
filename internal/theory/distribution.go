package theory

import (
	"cmp"
	"math"
)

// Limit names the resource that sets a bound.
type Limit string

// The resources that can set a distribution time.
const (
	LimitServer    Limit = "server"    // the server's upload
	LimitDownload  Limit = "download"  // the slowest receiver's download
	LimitAggregate Limit = "aggregate" // all uploads together
)

// Class is a number of receivers with equal links.
type Class struct {
	Peers int     // how many; a class of 0 or fewer counts for nothing
	Up    float64 // bytes/s that each uploads; 0 = it only takes
	Down  float64 // bytes/s that each downloads; 0 = not a limit
}

// Bound is a least time and what sets it.
type Bound struct {
	Seconds float64 // +Inf where the content can never arrive
	Limit   Limit
}

// ClientServer returns the least time to bring size bytes to all receivers when only the server uploads:
// max(N*F/u_s, F/d_min). It grows linearly in N. An unlimited server has the rate +Inf.
func ClientServer(size, server float64, classes ...Class) Bound {
	n, _, slowest := sum(classes)
	return greatest(
		Bound{seconds(n*size, server), LimitServer},
		Bound{seconds(size, slowest), LimitDownload},
	)
}

// P2P returns the least time to bring size bytes to all receivers when they upload to each other as well:
// max(F/u_s, F/d_min, N*F/(u_s + sum u_i)). Numerator and denominator of the last term both grow with N, so it levels off.
// An unlimited server has the rate +Inf.
func P2P(size, server float64, classes ...Class) Bound {
	n, up, slowest := sum(classes)
	if n == 0 {
		return Bound{0, LimitServer}
	}
	return greatest(
		Bound{seconds(size, server), LimitServer},
		Bound{seconds(size, slowest), LimitDownload},
		Bound{seconds(n*size, server+up), LimitAggregate},
	)
}

// sum returns the number of receivers, the sum of their uploads, and the slowest download (+Inf when none is limited).
func sum(classes []Class) (n, up, slowest float64) {
	slowest = math.Inf(1)
	for _, c := range classes {
		if c.Peers <= 0 {
			continue
		}
		n += float64(c.Peers)
		up += float64(c.Peers) * c.Up
		if c.Down > 0 {
			slowest = min(slowest, c.Down)
		}
	}
	return n, up, slowest
}

// seconds is bytes/rate, where nothing takes no time at any rate, and something takes for ever at rate 0.
func seconds(bytes, rate float64) float64 {
	if bytes <= 0 {
		return 0
	}
	return bytes / rate // rate 0 gives +Inf, rate +Inf gives 0
}

// greatest returns the longest bound; of equal ones the first, so that a single receiver is limited by the server.
func greatest(bounds ...Bound) Bound {
	worst := bounds[0]
	for _, b := range bounds[1:] {
		if cmp.Compare(b.Seconds, worst.Seconds) > 0 {
			worst = b
		}
	}
	return worst
}
