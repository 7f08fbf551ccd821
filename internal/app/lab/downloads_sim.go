package lab

import (
	"container/heap"
	"math"
)

// Downloads are simulated by the segments of their TCP connections. The server's link sends one segment at a time, in the order
// in which they came to it; a receiver's link does the same. A connection may have so many segments under way: ten at first, one
// more for each that is acknowledged (slow start), up to a receive window; so early on, and for one receiver far away, the link is
// not full. Nothing is lost, so there is no congestion control beyond that: a shaper's queue is longer than what TCP keeps in it.

const (
	simSegment  = 1448    // bytes
	simWindow   = 10      // segments under way at first
	simReceive  = 1 << 20 // bytes under way at most
	simSegments = 250_000 // to simulate at most: with more the segments are larger
)

// download is one connection of the simulation. Counts are segments.
type download struct {
	unsent   int // not yet given to the server's link
	missing  int // not yet received
	window   int
	underway int
	rate     float64 // of the receiver's link, segments/s; +Inf = not limited
	free     float64 // when that link has sent what came to it
}

// simEvent is something that happens to a download at a time.
type simEvent struct {
	at   float64
	seq  int // of events at the same time the earlier first
	flow int
	kind simKind
}

type simKind int

const (
	simRequest  simKind = iota // reaches the server
	simThrough                 // a segment is through the server's link
	simReceived                // it is through the receiver's link
	simAcked                   // the server knows
)

type simEvents []simEvent

func (h simEvents) Len() int { return len(h) }
func (h simEvents) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}
func (h simEvents) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *simEvents) Push(x any)   { *h = append(*h, x.(simEvent)) }
func (h *simEvents) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}

// downloads is the simulation of one server's downloads.
type downloads struct {
	flows   []download
	events  simEvents
	seq     int
	latency float64
	perSeg  float64 // seconds of the server's link for a segment
	queue   []int   // the flows whose segments wait at the server's link, in order
	sending bool
	most    int // segments under way at most
}

// simulateDownloads returns when the last of len(down) receivers has size bytes from a server that uploads at up bytes/s. down
// are the rates of their links, 0 = not limited; latency is one way, in seconds.
func simulateDownloads(size, up float64, down []float64, latency float64) float64 {
	segment := max(simSegment, size*float64(len(down))/simSegments)
	s := &downloads{latency: latency, perSeg: segment / up, most: max(2*simWindow, int(simReceive/segment))}
	count := int(math.Ceil(size / segment))
	s.perSeg *= size / (float64(count) * segment) // the last segment is shorter; shared out over all
	for i, rate := range down {
		if rate == 0 {
			rate = math.Inf(1)
		}
		s.flows = append(s.flows, download{unsent: count, missing: count, window: simWindow, rate: rate / segment})
		s.after(3*latency, i, simRequest, 0) // SYN, SYN-ACK, and the request with the ACK
	}
	last := 0.0
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(simEvent)
		if s.happen(e) {
			last = e.at
		}
	}
	return last
}

// after schedules an event.
func (s *downloads) after(delay float64, flow int, kind simKind, now float64) {
	s.seq++
	heap.Push(&s.events, simEvent{now + delay, s.seq, flow, kind})
}

// happen carries out an event and reports whether it completed a download.
func (s *downloads) happen(e simEvent) (complete bool) {
	f := &s.flows[e.flow]
	switch e.kind {
	case simRequest:
		s.fill(e.flow, e.at)
	case simThrough:
		s.queue, s.sending = s.queue[1:], false
		arrives := e.at + s.latency
		f.free = max(f.free, arrives) + 1/f.rate
		s.after(f.free-e.at, e.flow, simReceived, e.at)
		s.send(e.at)
	case simReceived:
		s.after(s.latency, e.flow, simAcked, e.at)
		f.missing--
		return f.missing == 0
	case simAcked:
		f.underway--
		f.window = min(f.window+1, s.most)
		s.fill(e.flow, e.at)
	}
	return false
}

// fill gives the server's link what a connection may have under way.
func (s *downloads) fill(flow int, now float64) {
	f := &s.flows[flow]
	for f.unsent > 0 && f.underway < f.window {
		f.unsent--
		f.underway++
		s.queue = append(s.queue, flow)
	}
	s.send(now)
}

// send puts the next segment on the server's link if that is idle.
func (s *downloads) send(now float64) {
	if s.sending || len(s.queue) == 0 {
		return
	}
	s.sending = true
	s.after(s.perSeg, s.queue[0], simThrough, now)
}
