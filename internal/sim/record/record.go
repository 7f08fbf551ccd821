// Package record takes down what happens in a simulated swarm and sums it up: who finished when, how well the uploads were
// used, how diverse the pieces were, who served whom. Both simulators report to it in the same words, so that their results
// compare.
package record

import "time"

// Recorder takes the events of one run, in the order of time. Peers are indices of the population; the servers come first.
// Not safe for concurrent use. Calls cost O(1) and allocate nothing once a peer is known.
type Recorder interface {
	Joined(now time.Duration, peer int)
	// Transferred says that to received n bytes of payload from from. wasted bytes were of no use (received twice, or bad).
	Transferred(now time.Duration, from, to int, n, wasted int64)
	Got(now time.Duration, peer, piece int) // a piece is verified
	Unchoked(now time.Duration, from, to int, on bool)
	Done(now time.Duration, peer int)
	Left(now time.Duration, peer int, failed bool)
}
