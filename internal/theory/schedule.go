package theory

import (
	"iter"
	"math"
)

// Schedule is who sends what to whom so that all receivers finish at the P2P bound, with content that flows like a fluid: Kumar and
// Ross (2006). It is a tree of depth two for each receiver i: the server sends i a stream of its own, which i copies to all the
// others as it arrives; a common stream goes from the server to everybody. All receive at Rate for Bound.Seconds.
type Schedule struct {
	Bound   Bound
	Rate    float64 // bytes/s at which every receiver receives
	Common  float64 // bytes/s of the stream that the server sends to everybody; 0 where the peers' uploads carry all
	Streams []Stream
}

// Stream is the part of a schedule that the members of one class play alike, in the order of the classes given.
type Stream struct {
	Class
	Own float64 // bytes/s of the stream that the server sends to each member, and each member copies to every other receiver
}

// Flow is one sender's stream to one receiver.
type Flow struct {
	From, To int     // 0 is the server, the receivers count from 1 in the order of the classes
	Via      int     // the receiver whose own stream it carries; 0 = the common stream
	Rate     float64 // bytes/s
}

// Fluid returns the schedule that attains P2P(size, server, classes...): the receivers' rate is
//
//	rho = min(d_min, u_s, (u_s + U)/N),   a = min(rho, U/(N-1)),   b = rho - a
//
// and i's own stream has the rate a u_i/U, the common stream b. With one receiver, or without uploads, b = rho. server must be finite.
// Where nobody wants anything, or the server sends nothing, there are no streams.
func Fluid(size, server float64, classes ...Class) Schedule {
	s := Schedule{Bound: P2P(size, server, classes...)}
	n, up, slowest := sum(classes)
	for _, c := range classes {
		if c.Peers > 0 {
			s.Streams = append(s.Streams, Stream{Class: c})
		}
	}
	if n == 0 || server <= 0 || math.IsInf(server, 1) {
		return s
	}
	s.Rate = min(slowest, server, (server+up)/n)
	copied := 0.0
	if n > 1 && up > 0 {
		copied = min(s.Rate, up/(n-1))
		for i := range s.Streams {
			s.Streams[i].Own = copied * (s.Streams[i].Up / up)
		}
	}
	s.Common = s.Rate - copied
	return s
}

// Receivers returns how many there are.
func (s Schedule) Receivers() int {
	n := 0
	for _, st := range s.Streams {
		n += st.Peers
	}
	return n
}

// ServerRate returns the bytes/s that the server sends in all.
func (s Schedule) ServerRate() float64 {
	total := s.Common * float64(s.Receivers())
	for _, st := range s.Streams {
		total += st.Own * float64(st.Peers)
	}
	return total
}

// Flows yields every flow of the schedule that is not 0, those of the server first: about N*N of them.
func (s Schedule) Flows() iter.Seq[Flow] {
	return func(yield func(Flow) bool) {
		n := s.Receivers()
		for to := 1; s.Common > 0 && to <= n; to++ {
			if !yield(Flow{To: to, Rate: s.Common}) {
				return
			}
		}
		for i, st := range s.each() {
			if st.Own > 0 && !yield(Flow{To: i, Via: i, Rate: st.Own}) {
				return
			}
		}
		for i, st := range s.each() {
			for to := 1; st.Own > 0 && to <= n; to++ {
				if to != i && !yield(Flow{From: i, To: to, Via: i, Rate: st.Own}) {
					return
				}
			}
		}
	}
}

// each yields the number of each receiver, from 1, with its stream.
func (s Schedule) each() iter.Seq2[int, Stream] {
	return func(yield func(int, Stream) bool) {
		i := 0
		for _, st := range s.Streams {
			for range st.Peers {
				if i++; !yield(i, st) {
					return
				}
			}
		}
	}
}
