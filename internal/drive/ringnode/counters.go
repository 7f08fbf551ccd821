package ringnode

import "sync/atomic"

// counters count what happened since New.
type counters struct {
	ringSent, ringReceived   atomic.Uint64 // messages
	dataSent, dataReceived   atomic.Uint64
	sentBytes, receivedBytes atomic.Uint64 // of frames
	dropped, dataDropped     atomic.Uint64 // messages for which there was no connection, or no room in its queue
	refused                  atomic.Uint64 // connections and requests that were not let in
	refusedMessages          atomic.Uint64 // of members, about hosts or positions that are not as it says
	malformed                atomic.Uint64 // frames that make no sense
	dialFailures             atomic.Uint64
	commits, committed       atomic.Uint64 // transactions, and the changes in them
	commitFailures           atomic.Uint64
	cacheDropped             atomic.Uint64
	panics                   atomic.Uint64
	violations               atomic.Uint64 // of the ring's invariant, as this host sees it
}

func (c *counters) sent(n int) { c.sentBytes.Add(uint64(n)) }
