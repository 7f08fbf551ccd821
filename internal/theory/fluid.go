package theory

import "math"

// QiuSrikant is the fluid model of a swarm in which peers come and go: Qiu and Srikant, "Modeling and Performance Analysis of
// BitTorrent-Like Peer-to-Peer Networks" (2004). With x leechers and y seeds,
//
//	x' = Lambda - Theta x - min(C x, Mu (Eta x + y))
//	y' = min(C x, Mu (Eta x + y)) - Gamma y
//
// All are rates in the same unit of time; the content is the unit of data.
type QiuSrikant struct {
	Lambda float64 // peers that come, a unit of time
	Theta  float64 // leechers that give up: 1/Theta is how long one waits; 0 = none gives up
	C      float64 // copies of the content that a peer downloads in a unit of time; +Inf = not a limit
	Mu     float64 // copies that a peer uploads in a unit of time
	Eta    float64 // how well leechers use their upload, 0..1; near 1 with more than a few dozen pieces
	Gamma  float64 // seeds that leave: 1/Gamma is how long one stays; +Inf = at completion
}

// Steady returns the leechers x, the seeds y and the time T that a leecher spends in the swarm once numbers no longer change:
//
//	1/beta = max(1/C, (1/Mu - 1/Gamma)/Eta)
//	x = Lambda/(beta (1 + Theta/beta)), y = Lambda/(Gamma (1 + Theta/beta)), T = 1/(Theta + beta)
//
// Where seeds stay so long that they alone carry the swarm (Gamma <= Mu), the downloads set the pace. Results are +Inf where the
// swarm grows without end, as with nobody leaving (Gamma = 0).
func (q QiuSrikant) Steady() (x, y, T float64) {
	slow := max(1/q.C, 0) // 1/beta
	if lack := 1/q.Mu - 1/q.Gamma; lack > 0 {
		slow = max(slow, lack/q.Eta)
	}
	// Written by 1/beta, so that an infinitely fast download (slow = 0) and a stuck swarm (slow = +Inf) come out right.
	stay := 1 + q.Theta*slow
	switch {
	case !math.IsInf(slow, 1):
		x, T = q.Lambda*slow/stay, slow/stay
	case q.Theta > 0:
		x, T, stay = q.Lambda/q.Theta, 1/q.Theta, math.Inf(1)
	default:
		x, T, stay = math.Inf(1), math.Inf(1), math.Inf(1)
	}
	return x, q.Lambda / stay / q.Gamma, T
}

// Sharing returns the Eta that Qiu and Srikant estimate for content of that many pieces and k connections that a leecher downloads
// over: the chance that at least one of them has something of use, 1 - (ln M / M)^k.
func Sharing(pieces, k int) float64 {
	if pieces < 1 || k < 1 {
		return 0
	}
	m := float64(pieces)
	return 1 - math.Pow(math.Log(m)/m, float64(k))
}

// FreeRiderShare returns the part of a contributor's download rate that a peer which uploads nothing gets from peers that play
// tit-for-tat with that many regular slots: one optimistic slot's worth.
func FreeRiderShare(slots int) float64 { return 1 / float64(slots+1) }

// MissingPiece returns the rate of arrivals, in peers a unit of time, up to which a swarm stays stable when pieces are exchanged at
// random: Hajek and Zhu, "The Missing Piece Syndrome in Peer-to-Peer Communication" (2010). Above it the swarm fills with peers that all lack the
// same piece. server and up are pieces a unit of time that the seed and each peer upload, gamma the rate at which complete peers leave (+Inf = at
// once). Peers that stay for one more piece on average (gamma <= up) make it stable at any rate: +Inf.
func MissingPiece(server, up, gamma float64) float64 {
	if gamma <= up {
		return math.Inf(1)
	}
	return server / (1 - up/gamma)
}
