package swarm

import (
	"fmt"
	"slices"

	"github.com/eddy-p2p/eddy/metainfo"
)

// check verifies the invariants: every derived number against what it is derived from. It is called after each step.
func (s *Swarm) check() error {
	for _, f := range []func() error{s.checkPieces, s.checkPartials, s.checkPeers, s.checkUploads, s.checkGrants} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Swarm) checkPieces() error {
	missing := 0
	for i := range s.full.Len() {
		avail := 0
		for _, p := range s.list {
			if p.has.Has(i) {
				avail++
			}
		}
		if got := s.down.pieces.Availability(i); got != avail {
			return fmt.Errorf("piece %d: availability %d, peers with it %d", i, got, avail)
		}
		pt := s.partialOf(i)
		if s.wants(i) {
			missing++
			if pt == nil && !s.down.pieces.Pickable(i) {
				return fmt.Errorf("piece %d is wanted, not started and not pickable", i)
			}
		} else if s.down.pieces.Pickable(i) {
			return fmt.Errorf("piece %d is pickable and not wanted", i)
		}
		if s.have.Has(i) && pt != nil {
			return fmt.Errorf("piece %d is verified and partial", i)
		}
	}
	if missing != s.down.missing {
		return fmt.Errorf("missing %d, counted %d", s.down.missing, missing)
	}
	return nil
}

func (s *Swarm) checkPartials() error {
	free, bytes := 0, int64(0)
	for k, pt := range s.down.partial {
		if s.down.at[pt.piece] != int32(k) {
			return fmt.Errorf("partial %d is not at its place", pt.piece)
		}
		asked := make([]int8, len(pt.state))
		for _, p := range s.list {
			for _, r := range p.down.ask.entries() {
				if r.state == pending && r.piece == pt.piece {
					asked[r.block]++
				}
			}
		}
		f, missing, got := 0, 0, int64(0)
		for b, c := range pt.state {
			switch {
			case c == received:
				got += s.layout.BlockLength(int(pt.piece), b)
				if asked[b] != 0 {
					return fmt.Errorf("piece %d block %d is here and still asked for", pt.piece, b)
				}
				continue
			case c == 0:
				f++
				if b < pt.next {
					return fmt.Errorf("piece %d block %d is free before next %d", pt.piece, b, pt.next)
				}
			}
			missing++
			if asked[b] != c {
				return fmt.Errorf("piece %d block %d: %d requests counted, %d under way", pt.piece, b, c, asked[b])
			}
			if c > maxCopies {
				return fmt.Errorf("piece %d block %d: asked for %d times", pt.piece, b, c)
			}
		}
		if f != pt.free || missing != pt.missing || got != pt.bytes {
			return fmt.Errorf("piece %d: free %d/%d missing %d/%d bytes %d/%d", pt.piece, pt.free, f, pt.missing, missing, pt.bytes, got)
		}
		if pt.owner != nil && pt.owner.down.own != pt {
			return fmt.Errorf("piece %d: its owner works on another", pt.piece)
		}
		if up := s.down.pieces.Pickable(int(pt.piece)); up != (pt.owner == nil && pt.free > 0) {
			return fmt.Errorf("piece %d: pickable %v, owner %v, free %d", pt.piece, up, pt.owner != nil, pt.free)
		}
		free, bytes = free+f, bytes+got
	}
	if free != s.down.free || bytes != s.down.bytes {
		return fmt.Errorf("free %d/%d, bytes %d/%d", s.down.free, free, s.down.bytes, bytes)
	}
	return nil
}

func (s *Swarm) checkPeers() error {
	seeds := 0
	for _, p := range s.list {
		if s.lookup(p.id) != p {
			return fmt.Errorf("peer %d is not at its handle", p.id)
		}
		useful := 0
		for i := p.has.NextNotIn(s.have, 0); i >= 0; i = p.has.NextNotIn(s.have, i+1) {
			if s.down.wanted.Has(i) {
				useful++
			}
		}
		if useful != p.useful {
			return fmt.Errorf("peer %d: useful %d, counted %d", p.id, p.useful, useful)
		}
		if !p.gone && p.interest != (useful > 0) {
			return fmt.Errorf("peer %d: interest %v with %d useful pieces", p.id, p.interest, useful)
		}
		if p.seed {
			seeds++
		}
		if own := p.down.own; own != nil && own.owner != p {
			return fmt.Errorf("peer %d works on piece %d, which it does not own", p.id, own.piece)
		}
		if p.up.choked != (p.up.slot == NoSlot) {
			return fmt.Errorf("peer %d: choked %v with slot %v", p.id, p.up.choked, p.up.slot)
		}
		gaps, stale := 0, 0
		for _, r := range p.down.ask.entries() {
			switch r.state {
			case dead:
				gaps++
			case released, cancelled:
				stale++
			}
		}
		a := &p.down.ask
		if gaps != a.dead || stale != a.stale || a.live() < 0 {
			return fmt.Errorf("peer %d: requests dead %d/%d stale %d/%d", p.id, a.dead, gaps, a.stale, stale)
		}
		if n := a.unanswered(); n > ReqQ {
			return fmt.Errorf("peer %d: %d unanswered requests", p.id, n)
		}
		if p.gone && a.unanswered() > 0 {
			return fmt.Errorf("peer %d is closed and has requests", p.id)
		}
	}
	if seeds != s.down.pieces.Seeds() || !s.full.Full() {
		return fmt.Errorf("seeds %d, counted %d", s.down.pieces.Seeds(), seeds)
	}
	return nil
}

func (s *Swarm) checkUploads() error {
	held := 0
	for _, p := range s.list {
		if p.holds() {
			held++
		}
	}
	if held != s.slots.held {
		return fmt.Errorf("%d peers use slots, counted %d", held, s.slots.held)
	}
	for _, p := range s.list {
		if p.up.out < 0 || p.up.waiting() > ReqQ {
			return fmt.Errorf("peer %d: %d bytes out, %d requests waiting", p.id, p.up.out, p.up.waiting())
		}
		if s.up.bucket.Rate() == 0 && p.up.out > maxWindow+metainfo.BlockSize {
			return fmt.Errorf("peer %d: %d bytes with its writer", p.id, p.up.out)
		}
		if p.up.choked && !p.gone {
			for _, w := range p.up.asked[p.up.head:] {
				if !slices.Contains(p.up.opens.fast, int32(w.index)) {
					return fmt.Errorf("peer %d is choked and piece %d is queued", p.id, w.index)
				}
			}
		}
	}
	return nil
}

func (s *Swarm) checkGrants() error {
	g := &s.grant
	if !g.active {
		return nil
	}
	unsent, pooled := 0, map[int32]bool{}
	for _, i := range g.pool {
		pooled[i] = true
	}
	held := map[int32]bool{}
	for _, p := range s.list {
		for _, x := range p.up.opens.list {
			held[x.piece] = true
		}
	}
	for i, state := range g.state {
		if state != pieceSent {
			unsent++
		}
		if state == pieceUnsent && !pooled[int32(i)] {
			return fmt.Errorf("piece %d is unsent and not in the pool", i)
		}
		if state == pieceGranted && !held[int32(i)] {
			return fmt.Errorf("piece %d is granted to nobody", i)
		}
	}
	if unsent != g.unsent {
		return fmt.Errorf("unsent %d, counted %d", g.unsent, unsent)
	}
	return nil
}
