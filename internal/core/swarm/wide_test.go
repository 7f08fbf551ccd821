package swarm

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// A wide policy serves everybody who is interested, unless the peer keeps to a limit: then it has its slots.
func TestWidePolicyServesEverybody(t *testing.T) {
	const n = 12
	for _, c := range []struct {
		name  string
		wide  bool
		limit int64
		want  int
	}{
		{"four slots and one", false, 0, choke.DefaultSlots + 1},
		{"everybody", true, 0, n},
		{"a limited uplink", true, 1 << 20, choke.DefaultSlots + 1},
	} {
		s, err := New(Config{
			Layout: metainfo.Layout{Size: 8 * blk, PieceLength: 2 * blk}, Have: parseSet("1111", 4), UploadRate: c.limit,
			Policy: policy.Policy{RevealAll: true, Wide: c.wide}, Rand: rand.New(rand.NewPCG(1, 1)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for p := range Peer(n) {
			s.Join(0, p, fastPeer())
			say(s, p, wire.HaveNone)
			say(s, p, wire.Interested)
		}
		s.Tick(11 * time.Second) // a round confirms it
		unchoked := 0
		for _, line := range actions(s) {
			if strings.Contains(line, "unchoke") {
				unchoked++
			} else if strings.Contains(line, " choke") {
				unchoked--
			}
		}
		if unchoked != c.want {
			t.Errorf("%s: %d of %d are unchoked, want %d", c.name, unchoked, n, c.want)
		}
	}
}
