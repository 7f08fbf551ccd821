package replica

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestBounds: what other members can make this one remember is bounded, however many they are.
func TestBounds(t *testing.T) {
	n := newNet()
	h := n.add(10)
	h.start()
	h.drain()
	n.hosts = append(n.hosts, make([]*host, maxClaims+100)...) // that are never asked anything
	for i := range maxClaims + 100 {
		arc := ringwire.Arc{Lo: space.Hash("lo", []byte{byte(i)}), Hi: space.Hash("hi", []byte{byte(i)})}
		for _, claim := range [...]bool{true, false} {
			h.r.Receive(time.Minute, ringwire.Host(2+i), &ringwire.Data{Kind: ringwire.DataTree, Op: 1, Arc: arc, Claim: claim})
		}
		for _, more := h.r.Next(); more; _, more = h.r.Next() {
		}
	}
	if len(h.r.sync.givers) > maxGivers || len(h.r.arcs.claims) > maxClaims || len(h.r.asked) > 0 {
		t.Errorf("%d givers, %d claims, %d questions", len(h.r.sync.givers), len(h.r.arcs.claims), len(h.r.asked))
	}
}
