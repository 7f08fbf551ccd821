package swarm

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// BenchmarkLeechBlock is the brain's cost of one downloaded block from one peer: its Receive, the request that takes its
// place, and the share of piece bookkeeping; drained in batches of 16 as a driver does.
func BenchmarkLeechBlock(b *testing.B) {
	layout := metainfo.Layout{Size: 1 << 40, PieceLength: mib}
	b.ReportAllocs()
	s, err := New(Config{Layout: layout, Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		b.Fatal(err)
	}
	s.Join(0, 0, PeerInfo{Fast: true, ReqQ: ReqQ})
	s.Receive(0, 0, &wire.Message{Kind: wire.HaveAll})
	s.Receive(0, 0, &wire.Message{Kind: wire.Unchoke})
	asked := make([]wire.Message, 0, 4096)
	var now time.Duration
	drain := func() {
		for {
			a, ok := s.Next()
			if !ok {
				return
			}
			switch {
			case a.Kind == Verify:
				s.PieceDone(now, int(a.Msg.Index), true, nil)
			case a.Kind == Send && a.Msg.Kind == wire.Request:
				asked = append(asked, a.Msg)
			}
		}
	}
	drain()
	b.ResetTimer()
	for k := 0; k < b.N; {
		n := min(16, len(asked))
		for j := range n {
			m := asked[j]
			m.Kind, m.Payload = wire.Piece, simPayload
			if !s.Receive(now, 0, &m) {
				b.Fatal("a requested block is not kept")
			}
		}
		asked = asked[:copy(asked, asked[n:])]
		now += time.Duration(n) * 16 * time.Microsecond
		drain()
		k += n
	}
}

// BenchmarkSeedBlock is the cost of one uploaded block: Request in, Serve out, Sent.
func BenchmarkSeedBlock(b *testing.B) {
	layout := metainfo.Layout{Size: 1 << 34, PieceLength: mib}
	have := bits.New(layout.NumPieces())
	have.Fill()
	s, err := New(Config{Layout: layout, Have: have, Policy: policy.Policy{RevealAll: true}, Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		b.Fatal(err)
	}
	s.Join(0, 0, PeerInfo{Fast: true})
	s.Receive(0, 0, &wire.Message{Kind: wire.HaveNone})
	s.Receive(0, 0, &wire.Message{Kind: wire.Interested})
	for _, ok := s.Next(); ok; _, ok = s.Next() {
	}
	b.ReportAllocs()
	b.ResetTimer()
	var now time.Duration
	at := uint32(0)
	for k := 0; k < b.N; k += 16 {
		for range 16 {
			m := wire.Message{Kind: wire.Request, Index: at / 64 % uint32(layout.NumPieces()), Begin: at % 64 * metainfo.BlockSize, Length: metainfo.BlockSize}
			at++
			s.Receive(now, 0, &m)
		}
		blocks, bytes := 0, int64(0)
		for a, ok := s.Next(); ok; a, ok = s.Next() {
			if a.Kind == Serve {
				blocks++
				bytes += int64(a.Msg.Length)
			}
		}
		if blocks != 16 {
			b.Fatal("served", blocks)
		}
		now += 16 * 16 * time.Microsecond
		s.Sent(now, 0, blocks, bytes)
	}
}
