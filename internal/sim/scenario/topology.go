package scenario

import (
	"math/rand/v2"
	"slices"
)

// thiefDegree is how many neighbours a Thief dials that names no degree: all it can get.
const thiefDegree = 500

// Topology says who knows whom. A peer that joins dials about half its degree of random present peers and is dialled by later
// ones, so that swarms which come at once have that degree on average; a degree of 0, or one that the whole population does not
// exceed, is a full mesh. Those who come at the same instant know each other too: the later one in the order
// of the population dials, whoever of the two drew the other.
//
// Both simulators take their neighbours from here, so that for the same scenario they run the same graph: while nobody leaves,
// what Join returns depends on seed and peer alone. Not safe for concurrent use. A connection belongs to both ends; who dials does
// not matter.
type Topology struct {
	sc      *Scenario
	peers   []Peer
	servers int
	mesh    bool // everybody knows everybody

	present []int32 // in no order
	where   []int32 // of each peer in present, -1 = not there
	stamp   []int32 // of each peer: the last call in which it was drawn
	call    int32
	refills *rand.Rand

	// The group of peers that come at the same instant, drawn when its first one joins. A draw hangs at the later of its two.
	group      [2]int  // indices, from and to
	head       []int32 // of each member: offset in drawn
	drawn      []int32
	everywhere []int32 // members so far that dial everybody

	early []int // by server: how many of the first arrivals still have to dial it
	out   []int32
}

// NewTopology returns the topology of a population in which the servers are present and nobody else is.
func NewTopology(sc *Scenario, peers []Peer) *Topology {
	n := len(peers)
	t := &Topology{sc: sc, peers: peers, servers: sc.Servers(), where: make([]int32, n), stamp: make([]int32, n),
		refills: rand.New(rand.NewPCG(sc.Seed, streamRefill))}
	t.mesh = sc.Degree == 0 || n-1 <= sc.Degree
	for i := range t.where {
		t.where[i] = -1
	}
	for i := range t.servers {
		t.enter(i)
		t.early = append(t.early, (sc.Degree+1)/2)
	}
	return t
}

// Join lets peer i enter and returns the present peers to connect it with, each once. Peers have to join in the order of the
// population. The slice is valid until the next call.
func (t *Topology) Join(i int) []int32 {
	if i >= t.group[1] {
		t.drawGroup(i)
	}
	t.begin(i)
	if t.wants(i) < 0 {
		t.takePresent(t.present)
	} else {
		k := i - t.group[0]
		t.takePresent(t.drawn[t.head[k]:t.head[k+1]])
		t.takePresent(t.everywhere)
	}
	for s := range t.early {
		if t.early[s] > 0 && t.where[s] >= 0 {
			t.early[s]--
			t.take(int32(s))
		}
	}
	if t.wants(i) < 0 {
		t.everywhere = append(t.everywhere, int32(i))
	}
	t.enter(i)
	return t.out
}

// Refill returns peers for i to dial, which has lost some of its neighbours: as many as bring it back to its degree, none of those that
// it has. The slice is valid until the next call.
func (t *Topology) Refill(i int, neighbours []int32) []int32 {
	t.begin(i)
	for _, j := range neighbours {
		t.stamp[j] = t.call
	}
	want := len(t.present)
	if t.wants(i) >= 0 {
		want = t.peers[i].Degree - len(neighbours)
	}
	t.draw(t.refills, want, t.present)
	return t.out
}

// Leave takes a peer or server out.
func (t *Topology) Leave(i int) {
	at := t.where[i]
	if at < 0 {
		return
	}
	last := len(t.present) - 1
	moved := t.present[last]
	t.present[at], t.where[moved] = moved, at
	t.present, t.where[i] = t.present[:last], -1
}

// Present reports whether a peer is there.
func (t *Topology) Present(i int) bool { return t.where[i] >= 0 }

// Len is how many are there, servers included.
func (t *Topology) Len() int { return len(t.present) }

func (t *Topology) enter(i int) {
	if t.where[i] < 0 {
		t.where[i] = int32(len(t.present))
		t.present = append(t.present, int32(i))
	}
}

// wants is how many peers i dials when it joins; -1 = all.
func (t *Topology) wants(i int) int {
	p := &t.peers[i]
	switch {
	case p.Strategy == Thief && p.Degree == t.sc.Degree:
		return thiefDegree
	case p.Degree == 0, t.mesh && p.Degree >= t.sc.Degree:
		return -1
	}
	return (p.Degree + 1) / 2
}

// begin starts a call: nothing is taken, and i never is.
func (t *Topology) begin(i int) {
	t.call++
	t.stamp[i] = t.call
	t.out = t.out[:0]
}

// take adds j to the result unless it is there already.
func (t *Topology) take(j int32) {
	if t.stamp[j] != t.call {
		t.stamp[j] = t.call
		t.out = append(t.out, j)
	}
}

// takePresent takes all of from that are there: a member of the group may have left in the instant in which it came.
func (t *Topology) takePresent(from []int32) {
	for _, j := range from {
		if t.where[j] >= 0 {
			t.take(j)
		}
	}
}

// draw takes n at random of those in from that are not taken yet, or all when there are no more.
func (t *Topology) draw(rng *rand.Rand, n int, from []int32) {
	if n <= 0 {
		return
	}
	goal := len(t.out) + n
	// While most of them are free, guessing is cheaper than listing them.
	if len(from) > 4*n {
		for tries := 0; len(t.out) < goal && tries < 8*n; tries++ {
			t.take(from[rng.IntN(len(from))])
		}
	}
	if len(t.out) >= goal {
		return
	}
	free := make([]int32, 0, len(from))
	for _, j := range from {
		if t.stamp[j] != t.call {
			free = append(free, j)
		}
	}
	for k := range min(goal-len(t.out), len(free)) {
		r := k + rng.IntN(len(free)-k)
		free[k], free[r] = free[r], free[k]
		t.take(free[k])
	}
}

// drawGroup draws the neighbours of all who come at the same instant as i. A draw of two members hangs at the later one: when
// it joins, both are there.
func (t *Topology) drawGroup(first int) {
	end := first + 1
	for end < len(t.peers) && t.peers[end].Arrive == t.peers[first].Arrive {
		end++
	}
	t.group, t.everywhere = [2]int{first, end}, t.everywhere[:0]
	n := end - first
	var later, earlier []int32
	pool := slices.Clone(t.present)
	for i := first; i < end; i++ {
		pool = append(pool, int32(i))
	}
	for i := first; i < end; i++ {
		want := t.wants(i)
		if want < 0 {
			continue
		}
		rng := rand.New(rand.NewPCG(t.sc.Seed, streamTopology+uint64(i)))
		t.begin(i)
		t.draw(rng, want, pool)
		for _, j := range t.out {
			later, earlier = append(later, max(int32(i), j)), append(earlier, min(int32(i), j))
		}
	}
	t.head = make([]int32, n+1)
	for _, l := range later {
		t.head[int(l)-first+1]++
	}
	for k := range n {
		t.head[k+1] += t.head[k]
	}
	t.drawn = make([]int32, len(later))
	at := slices.Clone(t.head)
	for k, l := range later {
		t.drawn[at[int(l)-first]] = earlier[k]
		at[int(l)-first]++
	}
}
