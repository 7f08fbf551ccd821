package ring

import (
	"testing"
	"time"
)

// A loopy cycle (Liben-Nowell, Balakrishnan, Karger 2002) is two rings that pass each other's members by, in which each position is its successor's predecessor. Questions to those in the lists never end that,
// and the merging of rings late where each host has a position in either: who knows the membership ends it soon.
func TestLoopyRingsBecomeOne(t *testing.T) {
	for _, v := range []int{1, 4} {
		w := newTestNet(t, 41, Config{Cache: true, Successors: 8})
		for h := range Host(20) {
			w.add(h, v)
		}
		w.ideal()
		all := w.refs()
		for i, x := range all {
			p := w.nodes[x.Host].position(x.ID)
			p.succ, p.preds = nil, nil
			for k := 1; k <= 8; k++ {
				p.succ = append(p.succ, all[(i+2*k)%len(all)])
				p.preds = append(p.preds, all[(i-2*k+2*len(all))%len(all)])
			}
			p.pred, p.hasPred = p.preds[0], true
		}
		w.settle(30 * time.Second)
	}
}
