package ring

import (
	"slices"
	"testing"
	"time"
)

// What a host says that the data trusts, and what it says to people, is certain or is said not to be: after each death of a neighbour, when lists are short until the
// next step, it knows neither all members nor more arcs than are its own.
func TestShortListsClaimNothing(t *testing.T) {
	for _, config := range []Config{{Successors: 2}, {Successors: 2, Mesh: true}, {Successors: 3, Routing: Successor}} {
		w := newTestNet(t, 5, config)
		for h := range Host(18) {
			w.add(h, 1)
		}
		w.ideal()
		for _, n := range w.live() {
			before := truthfulArc(w, n, config.Successors)
			for _, dead := range slices.Concat(n.pos[0].succ, n.pos[0].preds) {
				n.Bury(w.now, dead.Host)
				if n.pos[0].successor() == n.pos[0].self && len(n.pos[0].fingers) == 0 {
					break // all that it knew are dead: it is alone, as far as it can know
				}
				if v := n.View(); v.Complete || v.Mesh {
					t.Fatalf("host %d of 18, which has heard of the death of %d: %d members, complete %t, mesh %t", n.cfg.Self, dead.Host, v.Members, v.Complete, v.Mesh)
				}
				arcs, sure := n.Arcs(config.Successors)
				if sure && arcs[0] != before {
					t.Fatalf("host %d of 18: surely %v, before the deaths %v", n.cfg.Self, arcs, before)
				}
			}
		}
	}
}

// truthfulArc is the arc whose keys n's first position is among the first count hosts for.
func truthfulArc(w *testNet, n *Node, count int) Arc {
	all := w.refs()
	at := seek(all, n.pos[0].self.ID)
	return Arc{all[(at+len(all)-count)%len(all)].ID, n.pos[0].self.ID}
}

// A host that has lost all neighbours but one does not make a mesh of the two: it would not stabilise any more, and nobody knew it there. The rest is found again.
func TestTwoOfManyAreNoMesh(t *testing.T) {
	w := newTestNet(t, 6, Config{Successors: 2, Mesh: true, Routing: Successor})
	for h := range Host(18) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[3]
	p := &n.pos[0]
	var dead []Host
	for _, x := range slices.Concat(p.succ[:1], p.preds) {
		dead = append(dead, x.Host)
	}
	w.kill(dead...)
	for _, h := range dead {
		n.Bury(w.now, h)
	}
	if v := n.View(); v.Mesh || v.Complete || len(p.succ) != 1 {
		t.Fatalf("with one neighbour left of 17: %+v", v)
	}
	if news := n.newsFor(p.succ[0].Host); !slices.Contains(news, n.self()) { // which a mesh needs, if this one is: it hears no notifies
		t.Errorf("tells %v, and nothing of itself", news)
	}
	w.drain(n)
	w.settle(2 * time.Minute)
}

// Two hosts that know the same few don't take them for all, whatever they agree on; somebody who knows all makes the other whole.
func TestAgreementOfFew(t *testing.T) {
	for _, cache := range []bool{false, true} {
		w := newTestNet(t, 7, Config{Successors: 2, Mesh: true, Cache: cache})
		for h := range Host(18) {
			w.add(h, 1)
		}
		w.ideal()
		n := w.nodes[3]
		for _, whole := range []bool{false, true} {
			n.members.clear(false)
			n.members.set(n.self())
			n.learnLists()
			if n.members.complete {
				t.Fatal("a list of 2 is no whole ring of 18")
			}
			m := n.digest(true)
			m.Final = whole
			n.Receive(w.now, n.pos[0].succ[0].Host, &m)
			if n.members.complete != whole {
				t.Errorf("cache %t: complete is %t after agreeing with one that is whole: %t", cache, n.members.complete, whole)
			}
		}
	}
}
