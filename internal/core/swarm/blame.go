package swarm

import "errors"

// credit is how far we trust a peer's blocks.
type credit struct {
	verified int  // verified pieces that it had a part in
	parole   bool // it had a part in a bad piece, and it is not known whose fault that was
}

// alone reports whether the peer is to work alone on one piece at a time, so that a bad piece has one culprit: until a
// first piece of it was verified, and on parole. A peer that corrupts from its first block costs one piece.
func (p *peer) alone() bool { return p.credit.verified == 0 || p.credit.parole }

// errCorrupt is wrapped in no error: it is the reason of a ban.
var errCorrupt = &PeerError{Reason: "it sent corrupt data"}

// IsCorrupt reports whether err, of a Close, says that the peer sent corrupt data.
func IsCorrupt(err error) bool {
	var e *PeerError
	return errors.As(err, &e) && e == errCorrupt
}

// attempt is a piece that failed: who sent which block, and what.
type attempt struct {
	from    []int32
	digests [][20]byte
}

// maxAttempts bounds what is remembered of one piece's failures.
const maxAttempts = 8

// blame keeps failed pieces until a good copy tells whose blocks were bad.
type blame struct {
	failed map[int32][]attempt // by piece; looked up, never ranged over
}

func (b *blame) init() { b.failed = make(map[int32][]attempt) }

// suspect reports whether the digests of piece i will be needed even when it is good.
func (b *blame) suspect(i int) bool { return len(b.failed[int32(i)]) > 0 }

// bad handles a failed piece: its only contributor is banned at once; several are put on parole.
func (b *blame) bad(s *Swarm, pt *partial, digests [][20]byte) {
	sole := true
	for _, from := range pt.from {
		sole = sole && from == pt.from[0]
	}
	if sole {
		if p := s.bySerial(pt.from[0]); p != nil {
			s.close(p, true, errCorrupt)
		}
		return
	}
	for _, p := range s.list {
		if pt.contributed(p.serial) {
			p.credit.parole = true
			if p.down.own != nil && !p.down.own.solo {
				s.abandon(p) // from now on whole pieces only
			}
		}
	}
	if len(digests) != len(pt.from) {
		return
	}
	list := b.failed[pt.piece]
	if len(list) == maxAttempts {
		list = list[1:]
	}
	b.failed[pt.piece] = append(list, attempt{from: append([]int32(nil), pt.from...), digests: append([][20]byte(nil), digests...)})
}

// good handles a verified piece: its contributors gain trust, and who sent a different block for it before is banned; the
// others of those attempts are off parole.
func (b *blame) good(s *Swarm, pt *partial, digests [][20]byte) {
	for _, p := range s.list {
		if !pt.contributed(p.serial) {
			continue
		}
		p.credit.verified++
		p.down.wary = false
		if pt.sole() {
			p.credit.parole = false
		}
	}
	list := b.failed[pt.piece]
	if len(list) == 0 {
		return
	}
	delete(b.failed, pt.piece)
	if len(digests) != len(pt.from) {
		return
	}
	for _, a := range list {
		for _, p := range append([]*peer(nil), s.list...) {
			part, guilty := false, false
			for k, from := range a.from {
				if from == p.serial {
					part = true
					guilty = guilty || a.digests[k] != digests[k]
				}
			}
			switch {
			case guilty:
				s.close(p, true, errCorrupt)
			case part:
				p.credit.parole = false
			}
		}
	}
}

func (pt *partial) contributed(serial int32) bool {
	for _, from := range pt.from {
		if from == serial {
			return true
		}
	}
	return false
}

func (pt *partial) sole() bool {
	for _, from := range pt.from {
		if from != pt.from[0] {
			return false
		}
	}
	return true
}

func (s *Swarm) bySerial(serial int32) *peer {
	for _, p := range s.list {
		if p.serial == serial {
			return p
		}
	}
	return nil
}
