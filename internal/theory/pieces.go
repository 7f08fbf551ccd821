package theory

import "math"

// Pieces returns the least time to bring size bytes, cut into pieces of piece bytes, to n equal receivers when
//
//   - a receiver passes on only pieces that it has whole, as BitTorrent does;
//   - each copy of a piece comes from one sender (BitTorrent may fetch a piece from several at once and so be a little faster);
//   - the receivers' uploads are equal.
//
// It is the greater of P2P and of the time in which the piece that leaves the server last can reach everybody: the server has sent
// each piece once at F/u_s at the earliest; from then on, the holders of that last piece (of size P) make a copy each P/u, and the
// server one each P/u_s. Since both are bounds, so is their maximum; it is not always attained.
//
// For u_s = u and unlimited downloads it is exactly (F/u)(1 + floor(log2 N)/M) with M pieces, which Mundinger, Weber and Weiss prove
// to be the minimum ("Optimal scheduling of peer-to-peer file dissemination", 2008). Pieces of no size (piece <= 0) give P2P.
func Pieces(size, piece, server float64, peers Class) Bound {
	fluid := P2P(size, server, peers)
	if piece <= 0 || size <= 0 || peers.Peers < 1 || server <= 0 || math.IsInf(server, 1) {
		return fluid
	}
	piece = min(piece, size)
	whole := math.Floor(size/piece+1e-9) * piece // the pieces of full length
	last := fluid
	// A short last piece is the best one to send last, so it makes a bound of its own; the full ones without it make another.
	lengths := [][2]float64{{whole, piece}, {size, size - whole}}
	for _, l := range lengths {
		if sent, length := l[0], l[1]; length > 0 {
			spread := Bound{sent/server + spreadTime(length, server, peers), LimitAggregate}
			last = greatest(last, spread)
		}
	}
	return last
}

// spreadTime returns how long after the first copy of a piece the last of the receivers can have it. In units of length/up, with
// k = server/up: the server makes a copy each 1/k, and a copy made at s has become 2^floor(t-s) copies at t.
func spreadTime(length, server float64, peers Class) float64 {
	n := float64(peers.Peers)
	alone := (n - 1) * length / server // the server serves everybody
	if peers.Up <= 0 {
		return alone
	}
	unit, k := length/peers.Up, server/peers.Up
	low, high := -1.0, min(alone/unit, math.Ceil(math.Log2(n))) // copies(low) < n <= copies(high)
	for range 60 {
		middle := (low + high) / 2
		if copies(max(middle, 0), k) >= n && middle >= 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return high * unit
}

// copies returns how many copies can be there at t, in units of one receiver's time to make one; at 0 the first is.
func copies(t, k float64) float64 {
	// born is how many the server has made by t. The slack keeps rounding from hiding one that is made at that very moment.
	born := func(t float64) float64 {
		if t < -1e-9 {
			return 0
		}
		return 1 + math.Floor(k*t+1e-9)
	}
	total := 0.0
	for age := 0.0; age <= t+1e-9; age++ {
		total += math.Exp2(age) * (born(t-age) - born(t-age-1))
	}
	return total
}
