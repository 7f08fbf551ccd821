package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// Clone copies the node, for tests that follow several futures from one state. The copy draws its chance from r. Actions not yet drained are
// copied too.
func (n *Node) Clone(r *rand.Rand) *Node {
	c := *n
	c.cfg.Rand = r
	c.pos, c.hosts, c.memory = slices.Clone(n.pos), slices.Clone(n.hosts), slices.Clone(n.memory)
	c.probes, c.quests, c.via, c.recalls = slices.Clone(n.probes), slices.Clone(n.quests), slices.Clone(n.via), slices.Clone(n.recalls)
	c.forwards, c.lookups = slices.Clone(n.forwards), slices.Clone(n.lookups)
	for i := range c.lookups {
		l := &c.lookups[i]
		l.Path, l.RTT, l.avoid = slices.Clone(l.Path), slices.Clone(l.RTT), slices.Clone(l.avoid)
	}
	c.local, c.out, c.head = nil, slices.Clone(n.out[n.head:]), 0
	if n.census != nil {
		x := *n.census
		x.voters, x.mourned, x.rand = slices.Clone(x.voters), slices.Clone(x.mourned), r
		c.census = &x
	}
	if n.members != nil {
		t := *n.members
		t.entries, t.sums, t.news = slices.Clone(t.entries), slices.Clone(t.sums), slices.Clone(t.news)
		c.members = &t
	}
	return &c
}

// AppendState appends what the protocol's next steps depend on, in a form that is equal for equal states: phase, and of each position its
// predecessor, lists, status and outstanding question. Times, numbers of questions and measurements are left out.
func (n *Node) AppendState(b []byte) []byte {
	b = append(b, byte(n.phase))
	for i := range n.pos {
		p := &n.pos[i]
		b = append(b, byte(p.status), flags(p.in, p.hasPred, p.fromPred, p.hasNotify, p.hasCandidate, p.predAnswered))
		for _, x := range []struct {
			on  bool
			ref Ref
		}{{p.hasPred, p.pred}, {p.status != Idle, p.asked}, {p.hasNotify, p.notify}, {p.hasCandidate, p.candidate}, {p.status == Rectifying, p.notifier}} {
			if x.on {
				b = appendRef(b, x.ref)
			}
		}
		b = append(b, byte(len(p.succ)))
		for _, x := range p.succ {
			b = appendRef(b, x)
		}
	}
	for _, s := range n.hosts {
		if s.dead {
			b = binary.BigEndian.AppendUint32(append(b, 'd'), uint32(s.host))
		}
	}
	return b
}

func appendRef(b []byte, x Ref) []byte {
	return binary.BigEndian.AppendUint32(append(b, x.ID[:]...), uint32(x.Host))
}

func flags(bits ...bool) (f byte) {
	for i, on := range bits {
		if on {
			f |= 1 << i
		}
	}
	return f
}
