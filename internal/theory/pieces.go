package theory

import "math"

// Pieces returns the least time to bring size bytes, cut into pieces of piece bytes, to n equal receivers when
//
//   - a receiver passes on only pieces that it has whole, as BitTorrent does;
//   - each copy of a piece comes from one sender (BitTorrent may fetch a piece from several at once and so be a little faster);
//   - the receivers' uploads are equal.
//
// It is the greatest of three bounds, and so a bound itself, though not always attained:
//
//   - P2P, which is for content that flows;
//   - the end: the piece that leaves the server last does so at F/u_s at the earliest; from then on its holders make a copy each P/u, and
//     the server one each P/u_s;
//   - the start: a receiver's upload is idle until it has its first piece. With a fast server this costs about N P/(2 u_s) U/(u_s+U).
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
	worst := greatest(fluid, startUp(whole, piece, server, peers))
	// A short last piece is the best one to send last, so it makes a bound of its own; the full ones without it make another.
	for _, l := range [][2]float64{{whole, piece}, {size, size - whole}} {
		if sent, length := l[0], l[1]; length > 0 {
			spread := Bound{sent/server + spreadTime(length, server, peers), LimitAggregate}
			worst = greatest(worst, spread)
		}
	}
	return worst
}

// startUp is the aggregate bound without the uploads of receivers that have nothing yet:
//
//	N F <= u_s T + u (integral to T of the number of receivers that have a piece)
//
// That number grows at most as the copies of a single piece would.
func startUp(size, length, server float64, peers Class) Bound {
	if peers.Up <= 0 {
		return Bound{}
	}
	n, unit, k := float64(peers.Peers), length/peers.Up, server/peers.Up
	grown := spreadTime(length, server, peers)
	all := length/server + grown // everybody has a piece
	idle := n*all - held(grown/unit, k)*unit
	t := (n*size + peers.Up*idle) / (server + n*peers.Up)
	if t < all { // the integral was over more than T: with so few pieces the other bounds say more
		return Bound{}
	}
	return Bound{t, LimitAggregate}
}

// held is the integral of copies from 0 to t. A copy that the server made at s has become 2^floor(t-s) at t; over time,
// (2^m - 1) + (t-s-m) 2^m with m = floor(t-s). Those of one m are summed at once: they are an arithmetic series.
func held(t, k float64) float64 {
	total := 0.0
	for m := 0.0; m <= t+1e-9; m++ {
		last := math.Floor(k*(t-m) + 1e-9) // the server's copies first..last, from 0, are m whole units old
		first := math.Floor(k*(t-m-1)+1e-9) + 1
		if t-m-1 < -1e-9 {
			first = 0
		}
		count := last - first + 1
		ages := count*(t-m) - count*(first+last)/2/k // the sum of t-s-m over them
		total += count*(math.Exp2(m)-1) + ages*math.Exp2(m)
	}
	return total
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
