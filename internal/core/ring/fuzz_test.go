package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// A script of bytes becomes a node's inputs.
type script struct{ b []byte }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	x := s.b[0]
	s.b = s.b[1:]
	return x
}

func (s *script) ref() Ref {
	x := s.byte()
	return Ref{ID: ID{x}, Host: Host(x % 32)}
}

func (s *script) refs() []Ref {
	out := make([]Ref, s.byte()%12)
	for i := range out {
		out[i] = s.ref()
	}
	return out
}

func (s *script) message(n *Node) *Message {
	f := s.byte()
	m := &Message{Kind: Kind(s.byte() % 22), HasPred: f&1 != 0, Final: f&2 != 0, Trace: f&4 != 0, OneHop: f&8 != 0, Reply: f&16 != 0,
		Hops: uint16(s.byte()), To: ID{s.byte()}, From: ID{s.byte()}, Seq: uint64(s.byte()), Ack: uint64(s.byte()), Key: ID{s.byte()},
		Origin: s.ref(), Pred: s.ref(), Ref: s.ref(), List: s.refs(), Path: s.refs()}
	if f&32 != 0 { // to a position of this host, in answer to what it asked last
		m.To, m.Seq = n.pos[0].self.ID, n.seq-uint64(s.byte()%4)
	}
	for range s.byte() % 4 {
		m.Members = append(m.Members, Member{Host: Host(s.byte() % 40), Incarnation: uint32(s.byte()), State: ringwire.MemberState(s.byte() % 5)})
	}
	if f&64 != 0 {
		m.Digests = make([]uint64, buckets)
		m.Digests[s.byte()] = binary.BigEndian.Uint64([]byte{s.byte(), 0, 0, 0, 0, 0, 0, 1})
	}
	return m
}

// "Fuzz the node step": no message stops the process, the node's own state keeps its invariant, and its memory stays bounded.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3})
	f.Add([]byte{7, 0, 3, 33, 2, 0, 9, 9, 0, 0, 3, 4, 4, 4, 3, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Fuzz(runScript)
}

func runScript(t *testing.T, b []byte) {
	s := &script{b}
	places := directory{}
	for h := range Host(32) {
		places[h] = []ID{{byte(h)}, {byte(h) + 32}, {byte(h) + 64}}
	}
	mode := s.byte()
	places[1] = places[1][:1+mode%3]
	n, err := New(Config{Self: 1, Positions: places[1], Directory: places, Rand: rand.New(rand.NewPCG(1, 2)),
		Successors: 1 + int(mode>>2)%4, Cache: mode&64 != 0, Mesh: mode&128 != 0, Routing: Routing(mode>>4) % 2})
	if err != nil {
		t.Fatal(err)
	}
	begin(n, mode)
	now := time.Duration(0)
	for len(s.b) > 0 {
		switch op := s.byte(); {
		case op < 180:
			n.Receive(now, Host(op%32), s.message(n))
		case op < 230:
			now += time.Duration(s.byte()) * 20 * time.Millisecond
			n.Tick(now)
		case op < 240:
			n.Lookup(now, ID{s.byte()}, 1, How(op%3))
		case op < 245:
			n.Unreachable(now, Host(s.byte()))
		case op < 250:
			n.Stabilize(now, 0)
		case op == 255 && s.byte() == 255:
			n.Leave(now)
		}
		for _, ok := n.Next(); ok; _, ok = n.Next() {
		}
		for _, err := range n.Check() {
			t.Fatal(err)
		}
		n.View()
		n.Holders(ID{s.byte()}, 3, nil)
		n.Arcs(3)
		if size := len(n.hosts) + len(n.probes) + len(n.forwards) + len(n.lookups) + len(n.quests) + len(n.memory) + len(n.via); size > 8192 {
			t.Fatalf("%d things remembered", size)
		}
	}
}

func begin(n *Node, mode byte) {
	others := []Ref{{ID: ID{2}, Host: 2}, {ID: ID{40}, Host: 8}}
	switch mode % 4 {
	case 0:
		_ = n.Start(0)
	case 1:
		_ = n.Join(0, others...)
	case 2:
		_ = n.Restore(0, others...)
	default:
		all := []Ref{n.pos[0].self}
		for h := Host(2); h < 30; h += 3 {
			for _, id := range n.cfg.Directory.Positions(h) {
				all = append(all, Ref{ID: id, Host: h})
			}
		}
		for _, p := range n.pos[1:] {
			all = append(all, p.self)
		}
		slices.SortFunc(all, func(a, b Ref) int { return a.ID.Compare(b.ID) })
		n.Ideal(0, all)
	}
}

// The same with many long scripts, of which fuzzing for seconds tries few.
func TestScripts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		b := make([]byte, 20+r.IntN(4000))
		for i := range b {
			switch b[i] = byte(r.Uint32()); r.IntN(3) {
			case 0:
				b[i] %= 20
			case 1:
				b[i] = 255
			}
		}
		runScript(t, b)
	}
}
