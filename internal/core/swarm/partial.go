package swarm

// partial is a piece that was started: some of its blocks are asked for or here, or it waits for its verification.
type partial struct {
	piece   int32
	owner   *peer   // the connection that works on it; nil = up for adoption, or nothing left to ask for
	solo    bool    // owner is not trusted yet and works alone: others join only in the end-game
	free    int     // blocks that are not here and that nobody was asked for
	missing int     // blocks that are not here; 0 = waiting for PieceDone
	next    int     // no free block before it
	bytes   int64   // received
	state   []int8  // a block's requests under way, or received
	from    []int32 // serial of who sent a received block
	late    bool    // released requests may still be answered: look for them when a block arrives
}

const received = -1 // in partial.state

// start makes piece i a partial one without an owner. It is taken out of the pickable ones.
func (s *Swarm) start(i int) *partial {
	d := &s.down
	d.pieces.Remove(i)
	var pt *partial
	if k := len(d.spare); k > 0 {
		pt, d.spare = d.spare[k-1], d.spare[:k-1]
	} else {
		blocks := s.layout.BlocksPerPiece()
		pt = &partial{state: make([]int8, blocks), from: make([]int32, blocks)}
	}
	n := s.layout.NumBlocks(i)
	state, from := pt.state[:n], pt.from[:n]
	clear(state)
	clear(from)
	*pt = partial{piece: int32(i), free: n, missing: n, state: state, from: from}
	d.at[i] = int32(len(d.partial))
	d.partial = append(d.partial, pt)
	d.free += n
	return pt
}

// partialOf returns the partial of piece i, or nil.
func (s *Swarm) partialOf(i int) *partial {
	if at := s.down.at[i]; at >= 0 {
		return s.down.partial[at]
	}
	return nil
}

// drop forgets pt. No request of it may be under way. The caller says with Insert whether it is to be fetched again.
func (s *Swarm) drop(pt *partial) {
	d := &s.down
	d.pieces.Remove(int(pt.piece))
	at, last := d.at[pt.piece], d.partial[len(d.partial)-1]
	d.partial[at] = last
	d.at[last.piece] = at
	d.at[pt.piece] = -1
	d.partial = d.partial[:len(d.partial)-1]
	d.free -= pt.free
	d.bytes -= pt.bytes
	if pt.owner != nil {
		pt.owner.down.own = nil
	}
	pt.owner = nil
	pt.state, pt.from = pt.state[:cap(pt.state)], pt.from[:cap(pt.from)]
	d.spare = append(d.spare, pt)
}

// adopt makes p the owner of pt.
func (s *Swarm) adopt(p *peer, pt *partial) {
	s.down.pieces.Remove(int(pt.piece))
	pt.owner, p.down.own = p, pt
	pt.solo = p.alone()
}

// abandon ends p's work on its own piece. What nobody was asked for is up for adoption.
func (s *Swarm) abandon(p *peer) {
	pt := p.down.own
	if pt == nil {
		return
	}
	p.down.own, pt.owner = nil, nil
	s.offer(pt)
}

// offer makes pt pickable if it has blocks to ask for and no owner.
func (s *Swarm) offer(pt *partial) {
	if pt.owner == nil && pt.free > 0 && pt.missing > 0 && !s.down.pieces.Pickable(int(pt.piece)) {
		pt.solo = false
		s.down.pieces.InsertStarted(int(pt.piece))
	}
}

// asked counts one more request of block b.
func (s *Swarm) askedFor(pt *partial, b int) {
	if pt.state[b] == 0 {
		pt.free--
		s.down.free--
		if pt.free == 0 && pt.owner == nil {
			s.down.pieces.Remove(int(pt.piece))
		}
	}
	pt.state[b]++
}

// unask takes back one request of block b, which was rejected, dropped or given up.
func (s *Swarm) unask(pt *partial, b int) {
	if pt.state[b] <= 0 {
		return
	}
	pt.state[b]--
	if pt.state[b] == 0 {
		pt.free++
		s.down.free++
		pt.next = min(pt.next, b)
		s.offer(pt)
	}
}

// got notes that block b is here.
func (s *Swarm) got(pt *partial, b int, serial int32, n int64) {
	if pt.state[b] == 0 {
		pt.free--
		s.down.free--
		if pt.free == 0 && pt.owner == nil {
			s.down.pieces.Remove(int(pt.piece))
		}
	}
	pt.state[b] = received
	pt.from[b] = serial
	pt.missing--
	pt.bytes += n
	s.down.bytes += n
}

// firstFree returns the first block that nobody was asked for; there is one.
func (pt *partial) firstFree() int {
	for pt.state[pt.next] != 0 {
		pt.next++
	}
	return pt.next
}

// lastFree returns the last block that nobody was asked for; there is one. Who helps starts from the end.
func (pt *partial) lastFree() int {
	b := len(pt.state) - 1
	for pt.state[b] != 0 {
		b--
	}
	return b
}

// request is one block that a peer was asked for.
type request struct {
	piece, block int32
	at           int64 // time.Duration of the request
	state        int8
}

const (
	pending   int8 = iota
	released       // given to others after a time-out; still welcome
	cancelled      // cancelled, and still to be answered (BEP 6)
	dead           // answered out of order; the entry waits to be dropped
)

// asked is the requests of one peer that wait for an answer, oldest first. Answers come nearly always in order, so that
// the entry is at the head. The buffer is reused: nothing is allocated per block.
type asked struct {
	buf   []request
	head  int
	dead  int
	stale int // released or cancelled
}

// unanswered is what counts against the peer's reqq.
func (a *asked) unanswered() int { return len(a.buf) - a.head - a.dead }

// live is the requests whose blocks we count on.
func (a *asked) live() int { return a.unanswered() - a.stale }

func (a *asked) add(r request) {
	if a.head > 0 && len(a.buf) == cap(a.buf) {
		n := copy(a.buf, a.buf[a.head:])
		a.buf, a.head = a.buf[:n], 0
	}
	a.buf = append(a.buf, r)
}

// find returns the index in buf of the oldest entry of that block, or -1.
func (a *asked) find(piece, block int32) int {
	for k := a.head; k < len(a.buf); k++ {
		if r := &a.buf[k]; r.piece == piece && r.block == block && r.state != dead {
			return k
		}
	}
	return -1
}

// remove takes out entry k and returns it.
func (a *asked) remove(k int) request {
	r := a.buf[k]
	if r.state == released || r.state == cancelled {
		a.stale--
	}
	a.buf[k].state = dead
	a.dead++
	for a.head < len(a.buf) && a.buf[a.head].state == dead {
		a.head++
		a.dead--
	}
	if a.head == len(a.buf) {
		a.buf, a.head = a.buf[:0], 0
	}
	return r
}

// entries returns the buffer from the oldest entry on; dead ones are among them.
func (a *asked) entries() []request { return a.buf[a.head:] }

func (a *asked) clear() { a.buf, a.head, a.dead, a.stale = a.buf[:0], 0, 0, 0 }
