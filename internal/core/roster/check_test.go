package roster

import "fmt"

// check verifies the invariants of a roster.
func (r *Roster) check() error {
	peers := 0
	if len(r.swarms) != len(r.list) {
		return fmt.Errorf("%d swarms by hash, %d in the list", len(r.swarms), len(r.list))
	}
	for i, s := range r.list {
		if s.at != i || r.swarms[s.hash] != s {
			return fmt.Errorf("swarm %x is at %d, not at %d", s.hash, s.at, i)
		}
		peers += s.peers()
		for _, set := range []*peerSet{s.v4, s.v6} {
			if set == nil {
				continue
			}
			if err := set.check(r.seed, r.cfg.MaxPrefixPeers); err != nil {
				return fmt.Errorf("swarm %x: %w", s.hash, err)
			}
		}
	}
	if peers != r.peers {
		return fmt.Errorf("%d peers counted, %d listed", r.peers, peers)
	}
	return nil
}

func (s *peerSet) check(seed uint64, limit int) error {
	n := s.len()
	if len(s.data) != n*s.stride || s.seeders < 0 || s.seeders > n {
		return fmt.Errorf("%d bytes, %d peers, %d seeders", len(s.data), n, s.seeders)
	}
	indexed := 0
	for _, v := range s.index {
		if v != 0 {
			indexed++
		}
	}
	if s.index != nil && indexed != n || s.index == nil && n > indexFrom {
		return fmt.Errorf("%d of %d peers in the index", indexed, n)
	}
	prefixes := make(map[uint64]uint32)
	for i := range n {
		key := peerKey{n: s.stride - seenSize}
		copy(key.b[:], s.compact(i))
		if at, ok := s.find(&key, seed); !ok || at != i {
			return fmt.Errorf("the peer at %d is found at %d, %v", i, at, ok)
		}
		if p, limited := Prefix(key.bytes()); limited {
			prefixes[p]++
			if int(prefixes[p]) > limit {
				return fmt.Errorf("prefix %x has more than %d peers", p, limit)
			}
		}
	}
	if s.prefixes == nil {
		return nil
	}
	if len(prefixes) != len(s.prefixes) {
		return fmt.Errorf("%d prefixes counted, %d present", len(s.prefixes), len(prefixes))
	}
	for p, c := range prefixes {
		if s.prefixes[p] != c {
			return fmt.Errorf("prefix %x counts %d in place of %d", p, s.prefixes[p], c)
		}
	}
	return nil
}
