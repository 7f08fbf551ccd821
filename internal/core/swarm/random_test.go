package swarm

import (
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// driver is the least of a driver: it carries out actions and remembers what is owed, so that random events can include
// plausible ones.
type driver struct {
	s       *Swarm
	now     time.Duration
	joined  map[Peer]bool
	fast    map[Peer]bool
	asked   map[Peer][]wire.Message // requests of ours that p has not answered
	serves  map[Peer][]wire.Message
	verify  []int
	log     []string
	answers map[Peer]map[[2]uint32]int // requests of the peer minus answers, with BEP 6
}

func newDriver(s *Swarm) *driver {
	return &driver{s: s, joined: map[Peer]bool{}, fast: map[Peer]bool{}, asked: map[Peer][]wire.Message{}, serves: map[Peer][]wire.Message{}, answers: map[Peer]map[[2]uint32]int{}}
}

func (d *driver) join(p Peer, fast bool) {
	d.joined[p], d.fast[p] = true, fast
	d.asked[p], d.serves[p], d.answers[p] = nil, nil, map[[2]uint32]int{}
	d.s.Join(d.now, p, PeerInfo{Fast: fast, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(p), 1}), 1)})
}

func (d *driver) leave(p Peer) {
	d.s.Leave(d.now, p)
	delete(d.joined, p)
}

func (d *driver) drain() {
	for {
		a, ok := d.s.Next()
		if !ok {
			return
		}
		d.log = append(d.log, fmt.Sprint(d.now, a.Kind, a.Peer, a.Msg.Kind, a.Msg.Index, a.Msg.Begin, a.Err))
		switch a.Kind {
		case Send:
			d.sent(a)
		case Serve:
			d.serves[a.Peer] = append(d.serves[a.Peer], a.Msg)
			d.answers[a.Peer][[2]uint32{a.Msg.Index, a.Msg.Begin}]--
		case Verify:
			d.verify = append(d.verify, int(a.Msg.Index))
		case Close:
			d.leave(a.Peer)
		}
	}
}

func (d *driver) sent(a Action) {
	switch a.Msg.Kind {
	case wire.Request:
		d.asked[a.Peer] = append(d.asked[a.Peer], a.Msg)
	case wire.Reject:
		d.answers[a.Peer][[2]uint32{a.Msg.Index, a.Msg.Begin}]--
	}
}

func (d *driver) receive(p Peer, m wire.Message) bool {
	keep := d.s.Receive(d.now, p, &m)
	return keep
}

// step draws one event. Most are what an honest peer or disk would do; some are not.
func (d *driver) step(t *rapid.T, n int) {
	p := Peer(rapid.IntRange(0, 4).Draw(t, "peer"))
	if !d.joined[p] {
		d.join(p, rapid.Bool().Draw(t, "fast"))
		if rapid.Bool().Draw(t, "tells") {
			set := bits.New(n)
			for i := range n {
				if rapid.Bool().Draw(t, "has") {
					set.Add(i)
				}
			}
			d.receive(p, wire.Message{Kind: wire.Bitfield, Payload: set.Bytes()})
		}
		return
	}
	index := uint32(rapid.IntRange(0, n-1).Draw(t, "index"))
	switch op := rapid.IntRange(0, 19).Draw(t, "op"); op {
	case 0:
		d.leave(p)
	case 1:
		d.receive(p, wire.Message{Kind: wire.Choke})
		if !d.fast[p] {
			d.asked[p] = nil
		}
	case 2, 3:
		d.receive(p, wire.Message{Kind: wire.Unchoke})
	case 4:
		d.receive(p, wire.Message{Kind: rapid.SampledFrom([]wire.Kind{wire.Interested, wire.Interested, wire.NotInterested, wire.HaveAll, wire.KeepAlive}).Draw(t, "kind")})
	case 5:
		d.receive(p, wire.Message{Kind: wire.Have, Index: index})
	case 6, 7, 8, 9, 10:
		d.answer(t, p)
	case 11:
		if k := len(d.verify); k > 0 {
			i := d.verify[0]
			d.verify = d.verify[1:]
			d.verdict(t, i)
		}
	case 12:
		d.s.PieceLost(d.now, int(index))
	case 13, 14:
		m := wire.Message{Kind: wire.Request, Index: index, Begin: uint32(rapid.IntRange(0, 3).Draw(t, "block")) * metainfo.BlockSize}
		m.Length = uint32(min(metainfo.BlockSize, d.s.layout.PieceSize(int(index))-int64(m.Begin)))
		if int32(m.Length) > 0 && d.joined[p] {
			d.answers[p][[2]uint32{m.Index, m.Begin}]++
			d.receive(p, m)
		}
	case 15:
		for _, m := range d.serves[p] {
			if rapid.IntRange(0, 9).Draw(t, "fault") == 0 {
				d.answers[p][[2]uint32{m.Index, m.Begin}]++
				d.s.Unserved(d.now, p, m)
			} else {
				d.s.Sent(d.now, p, 1, int64(m.Length))
			}
		}
		d.serves[p] = nil
	case 16:
		d.now += time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond
		d.s.Tick(d.now)
	case 17:
		d.receive(p, wire.Message{Kind: wire.Cancel, Index: index, Length: metainfo.BlockSize})
	case 18:
		d.receive(p, wire.Message{Kind: wire.AllowedFast, Index: index})
	case 19:
		d.policy(t, n)
	}
}

func (d *driver) answer(t *rapid.T, p Peer) {
	list := d.asked[p]
	if len(list) == 0 {
		return
	}
	k := 0
	if rapid.IntRange(0, 5).Draw(t, "order") == 0 {
		k = rapid.IntRange(0, len(list)-1).Draw(t, "which")
	}
	m := list[k]
	d.asked[p] = append(append([]wire.Message(nil), list[:k]...), list[k+1:]...)
	if d.fast[p] && rapid.IntRange(0, 9).Draw(t, "reject") == 0 {
		m.Kind = wire.Reject
	} else {
		m.Kind, m.Payload = wire.Piece, simPayload[:m.Length]
	}
	d.receive(p, m)
}

func (d *driver) verdict(t *rapid.T, i int) {
	blocks := d.s.layout.NumBlocks(i)
	digests := make([][20]byte, blocks)
	for b := range digests {
		digests[b] = sha1.Sum([]byte{byte(b)})
	}
	switch rapid.IntRange(0, 4).Draw(t, "verdict") {
	case 0:
		digests[rapid.IntRange(0, blocks-1).Draw(t, "bad")][0]++
		d.s.PieceDone(d.now, i, false, digests)
	case 1:
		d.s.PieceLost(d.now, i)
	default:
		d.s.PieceDone(d.now, i, true, digests)
	}
}

func (d *driver) policy(t *rapid.T, n int) {
	switch rapid.IntRange(0, 4).Draw(t, "policy") {
	case 0:
		d.s.SetPaused(d.now, rapid.Bool().Draw(t, "paused"))
	case 1:
		d.s.SetRates(d.now, int64(rapid.IntRange(0, 2).Draw(t, "up"))*100000, int64(rapid.IntRange(0, 2).Draw(t, "down"))*100000)
	case 2:
		set := bits.New(n)
		for i := range n {
			if rapid.Bool().Draw(t, "wanted") {
				set.Add(i)
			}
		}
		d.s.SetWanted(d.now, set)
	case 3:
		d.s.Prioritise(d.now, rapid.IntRange(0, n).Draw(t, "from"), rapid.IntRange(0, 3).Draw(t, "n"))
	case 4:
		d.s.SetSequential(d.now, rapid.Bool().Draw(t, "sequential"))
	}
}

func randomSwarm(t *rapid.T) (*Swarm, int) {
	size := rapid.Int64Range(1, 40*metainfo.BlockSize).Draw(t, "size")
	piece := rapid.SampledFrom([]int64{metainfo.BlockSize, 2 * metainfo.BlockSize, 4 * metainfo.BlockSize}).Draw(t, "piece")
	layout := metainfo.Layout{Size: size, PieceLength: piece}
	n := layout.NumPieces()
	cfg := Config{Layout: layout, Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), Slots: rapid.IntRange(0, 2).Draw(t, "slots")}
	switch rapid.IntRange(0, 2).Draw(t, "start") {
	case 0:
		cfg.Have = bits.New(n)
		cfg.Have.Fill()
	case 1:
		cfg.Have = bits.New(n)
		for i := range n {
			if rapid.Bool().Draw(t, "have") {
				cfg.Have.Add(i)
			}
		}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

// TestInvariantsUnderRandomEvents feeds streams of events, sensible and not, and checks everything after each.
func TestInvariantsUnderRandomEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := randomSwarm(t)
		d := newDriver(s)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			d.step(t, n)
			if err := s.check(); err != nil {
				t.Fatalf("before draining: %v", err)
			}
			d.drain()
			if err := s.check(); err != nil {
				t.Fatal(err)
			}
			for p := Peer(0); p < 5; p++ {
				for at, owed := range d.answers[p] {
					if owed < 0 {
						t.Fatalf("peer %d: piece %d at %d was answered without a request", p, at[0], at[1])
					}
				}
			}
		}
	})
}
