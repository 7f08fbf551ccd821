package theory

import (
	"math"
	"sort"
)

// Answer is what it takes to meet a deadline.
type Answer struct {
	Value float64 // a rate in bytes/s, or a number of receivers; +Inf = any number
	// Blocked is empty where the deadline can be met; else the limit that no value of what was asked for lifts.
	Blocked Limit
}

// ServerFor returns the least server upload with which all receivers have size bytes within deadline seconds, when only the server
// uploads and when receivers pass on.
func ServerFor(size, deadline float64, classes ...Class) (clientServer, p2p Answer) {
	n, up, slowest := sum(classes)
	switch {
	case n == 0 || size <= 0:
		return Answer{}, Answer{}
	case !within(seconds(size, slowest), deadline):
		return Answer{Blocked: LimitDownload}, Answer{Blocked: LimitDownload}
	}
	// One copy has to leave the server, and what the peers' uploads do not carry.
	return Answer{Value: n * size / deadline}, Answer{Value: max(size/deadline, n*size/deadline-up)}
}

// UploadFor returns the least upload of each of equal receivers with which P2P meets the deadline; peers.Up is ignored.
func UploadFor(size, deadline, server float64, peers Class) Answer {
	peers.Up = 0
	switch needed := P2P(size, math.Inf(1), peers); {
	case peers.Peers <= 0 || size <= 0:
		return Answer{}
	case !within(seconds(size, server), deadline): // a server that cannot send one copy in time is beyond help
		return Answer{Blocked: LimitServer}
	case !within(needed.Seconds, deadline):
		return Answer{Blocked: LimitDownload}
	}
	return Answer{Value: max(0, size/deadline-server/float64(peers.Peers))}
}

// PeersFor returns the most equal receivers that can have size bytes within the deadline; peers.Peers is ignored. The values are whole
// numbers or +Inf: with P2P, receivers that upload a copy within the deadline carry any number of others.
func PeersFor(size, deadline, server float64, peers Class) (clientServer, p2p Answer) {
	peers.Peers = 1
	switch {
	case !within(ClientServer(size, math.Inf(1), peers).Seconds, deadline):
		return Answer{Blocked: LimitDownload}, Answer{Blocked: LimitDownload}
	case !within(seconds(size, server), deadline):
		return Answer{Blocked: LimitServer}, Answer{Blocked: LimitServer}
	case size <= 0 || math.IsInf(server, 1):
		return Answer{Value: math.Inf(1)}, Answer{Value: math.Inf(1)}
	}
	clientServer.Value = most(deadline*server/size, func(n float64) bool { return within(n*size/server, deadline) })
	rest := size - deadline*peers.Up // what a receiver needs that no receiver's upload makes up for
	if rest <= size*slack {
		return clientServer, Answer{Value: math.Inf(1)}
	}
	p2p.Value = most(deadline*server/rest, func(n float64) bool { return within(n*size/(server+n*peers.Up), deadline) })
	return clientServer, p2p
}

// slack is the part of a deadline that rounding may take.
const slack = 1e-12

// within reports whether a time keeps a deadline.
func within(seconds, deadline float64) bool { return seconds <= deadline*(1+slack) }

// most returns the greatest whole number that fits, which is estimate rounded down but for rounding errors.
func most(estimate float64, fits func(n float64) bool) float64 {
	n := math.Floor(estimate)
	if fits(n + 1) {
		n++
	}
	if n > 0 && !fits(n) {
		n--
	}
	return n
}

// Crossover returns from how many receivers on P2P takes less time than client-server, when they come in the order of the classes; false
// if it never does with those given. A class of math.MaxInt peers stands for as many as it takes.
//
// P2P wins at n receivers if and only if the server's n copies are what takes longest without it, and somebody uploads:
// n > 1, n > u_s/d_min and U > 0.
func Crossover(server float64, classes ...Class) (n int, ok bool) {
	if math.IsInf(server, 1) {
		return 0, false
	}
	before, up, slowest := 0, 0.0, math.Inf(1)
	for _, c := range classes {
		if c.Peers <= 0 {
			continue
		}
		if c.Down > 0 {
			slowest = min(slowest, c.Down)
		}
		up += c.Up // of its first member: it is only asked whether there is any
		last := c.Peers
		if last <= math.MaxInt-before {
			last += before
		}
		at := max(2, float64(before)+1, math.Floor(server/slowest)+1)
		if up > 0 && at <= float64(last) {
			return int(min(at, float64(1<<62))), true
		}
		before = last
	}
	return 0, false
}

// FirstWithin returns how many of the receivers of classes, counted in their order, can have size bytes within the deadline: the
// greatest number for which all up to it meet it together, for the server alone and for P2P. In between a smaller number may
// miss a deadline that a greater one meets, where those who come later upload more.
func FirstWithin(size, deadline, server float64, classes ...Class) (clientServer, p2p int) {
	slowest := math.Inf(1)
	var n, up float64
	for _, c := range classes {
		if c.Peers <= 0 {
			continue
		}
		if c.Down > 0 {
			slowest = min(slowest, c.Down)
		}
		if !within(seconds(size, min(server, slowest)), deadline) {
			break // and all who come later wait for the slowest as well
		}
		if k := firstOf(c.Peers, func(k float64) bool { return within((n+k)*size/server, deadline) }); k > 0 {
			clientServer = int(n) + k
		}
		if k := firstOf(c.Peers, func(k float64) bool { return within((n+k)*size/(server+up+k*c.Up), deadline) }); k > 0 {
			p2p = int(n) + k
		}
		n, up = n+float64(c.Peers), up+float64(c.Peers)*c.Up
	}
	return clientServer, p2p
}

// firstOf returns the greatest k of 1 to most that fits, or 0, where fits changes once at the most.
func firstOf(most int, fits func(k float64) bool) int {
	if fits(float64(most)) {
		return most
	}
	return sort.Search(most, func(k int) bool { return !fits(float64(k + 1)) })
}
