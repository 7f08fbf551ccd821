package chaos

import (
	"bytes"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/test/harness"
)

// TestRogues asks the tests' own peers for a block: a corrupter that tells the truth, or an honest peer that doesn't,
// would make the other tests worthless.
func TestRogues(t *testing.T) {
	harness.Need(t)
	ctx := harness.Deadline(t, time.Minute)
	tor := torrent{data: t.TempDir() + "/data.bin", hash: [20]byte{1, 2, 3}, layout: metainfo.Layout{Size: pieceLen + 5, PieceLength: pieceLen}}
	harness.WriteFile(t, tor.data, tor.layout.Size, 7)
	want := tor.content(t)[pieceLen:]
	for _, c := range []struct {
		name   string
		m      manner
		honest bool
	}{{"honest", honestAt(1 << 30), true}, {"corrupt", corrupt, false}, {"turncoat before it turns", corruptAfter(1), true}} {
		tr := newTruth(t, tor)
		r := startRogue(t, tr, c.m)
		p, err := dial(ctx, harness.Host(), r.addr, tor)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var kinds []wire.Kind
		for range 2 {
			m, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, m.Kind)
		}
		if kinds[0] != wire.Bitfield || kinds[1] != wire.Unchoke {
			t.Errorf("%s began with %v", c.name, kinds)
		}
		if err := p.send(wire.Message{Kind: wire.Request, Index: 1, Length: 5}); err != nil {
			t.Fatal(err)
		}
		m, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind != wire.Piece || m.Index != 1 || len(m.Payload) != 5 || bytes.Equal(m.Payload, want) != c.honest {
			t.Errorf("%s answered %+v, the truth is %x", c.name, m, want)
		}
		if n := r.tally(); n.asked != 1 || n.sent != 5 || n.conns != 1 || tr.told.Count() != map[bool]int{true: 1}[c.honest] {
			t.Errorf("%s counted %+v, told %d blocks", c.name, n, tr.told.Count())
		}
	}
}
