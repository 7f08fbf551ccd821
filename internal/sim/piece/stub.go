package piece

// stub is a piece of a peer that was cut off: how much of it is still missing. A peer has few at a time.
type stub struct {
	piece, next int32
	left        int64 // bytes
}

// addStub notes that left bytes are missing of piece i of q, and that nobody works on it.
func (s *swarm) addStub(q int32, i int, left int64) {
	n := &s.node[q]
	k := s.unused
	if k == none {
		k = int32(len(s.stubs))
		s.stubs = append(s.stubs, stub{})
	} else {
		s.unused = s.stubs[k].next
	}
	s.stubs[k] = stub{piece: int32(i), next: n.stub, left: left}
	n.stub = k
	n.begun++
}

// takeStub returns how many bytes are missing of piece i of q, and forgets it; 0 when it was not begun.
func (s *swarm) takeStub(q int32, i int) int64 {
	n := &s.node[q]
	for at := &n.stub; *at != none; at = &s.stubs[*at].next {
		k := *at
		if s.stubs[k].piece != int32(i) {
			continue
		}
		*at = s.stubs[k].next
		s.stubs[k].next, s.unused = s.unused, k
		n.begun--
		return s.stubs[k].left
	}
	return 0
}

// dropStubs forgets what q, which left, had begun.
func (s *swarm) dropStubs(q int32) {
	for n := &s.node[q]; n.stub != none; {
		s.takeStub(q, int(s.stubs[n.stub].piece))
	}
}
