package ringnode

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// twoTables are the host tables of two members that know three hosts by different handles.
func twoTables(t testing.TB) (a, b *hostTable, refs []ring.Ref) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{key: key}
	id.found(ringwire.Parameters{Bits: 160, Replicas: 3, Write: 2, Read: 2}, 3, nil, time.Now())
	trust := newAdmission("", id)
	a, b = newHostTable(trust, id.space()), newHostTable(trust, id.space())
	var all []papers
	for i := range 3 {
		_, key, _ := ed25519.GenerateKey(nil)
		c := id.admit([32]byte(key.Public().(ed25519.PublicKey)), ringwire.RoleMember, 3, nil, time.Now())
		p := ringwire.Presence{Incarnation: 1, Addr: mustAddr("10.0.0.1:7000")}
		p.Sign(id.ring(), key)
		all = append(all, papers{c, p})
		h, err := a.learn(c, p)
		if err != nil || int(h) != i {
			t.Fatal(h, err)
		}
		refs = append(refs, a.refs(h)...)
	}
	for i := len(all) - 1; i >= 0; i-- { // the other way round
		if _, err := b.learn(all[i].certificate, all[i].presence); err != nil {
			t.Fatal(err)
		}
	}
	return a, b, refs
}

// translate is ref with the handle that the other table has for its host.
func translate(ref ring.Ref) ring.Ref { return ring.Ref{ID: ref.ID, Host: 2 - ref.Host} }

func ringMessages(refs []ring.Ref) []ring.Message {
	return []ring.Message{
		{Kind: ring.Ping, Seq: 1},
		{Kind: ring.State, To: refs[4].ID, From: refs[0].ID, HasPred: true, Pred: refs[3], List: refs[1:6], Seq: 1 << 40, Path: refs[7:]},
		{Kind: ring.Lookup, To: refs[4].ID, From: refs[1].ID, Key: ring.ID{9}, Origin: refs[2], Hops: 300, Trace: true, OneHop: true, Final: true, Seq: 3, Ack: 4, Path: refs[:2]},
		{Kind: ring.Hint, From: refs[0].ID, Ref: refs[8], Final: true, Seq: 2},
		{Kind: ring.News, Members: []ring.Member{{Host: 1, Incarnation: 7, State: ringwire.Dead}, {Host: 2, Incarnation: 1, State: ringwire.Alive}}},
		{Kind: ring.Digest, Digests: []uint64{1, 1 << 63}, Reply: true},
	}
}

// A message means the same to its receiver, in the receiver's handles; the hosts' papers cross once.
func TestRingCodec(t *testing.T) {
	a, b, refs := twoTables(t)
	names, dir := namer{hosts: a}, directory{hosts: b}
	for round := range 2 {
		for _, m := range ringMessages(refs) {
			bytes := names.appendRing(nil, &m)
			if round > 0 && len(bytes) > 150 {
				t.Errorf("%v again: %d bytes", m.Kind, len(bytes))
			}
			got, err := dir.ring(bytes, 2) // host 0 of a
			if err != nil {
				t.Fatalf("%v: %v", m.Kind, err)
			}
			want := m
			if m.Kind == ring.Lookup {
				want.Origin = translate(m.Origin)
			}
			if m.HasPred {
				want.Pred = translate(m.Pred)
			}
			if usesRef(m.Kind) {
				want.Ref = translate(m.Ref)
			}
			for _, list := range []*[]ring.Ref{&want.List, &want.Path} {
				for i, ref := range *list {
					if i == 0 {
						*list = append([]ring.Ref(nil), *list...)
					}
					(*list)[i] = translate(ref)
				}
			}
			if len(m.Members) > 0 {
				want.Members = append([]ring.Member(nil), m.Members...)
				for i := range want.Members {
					want.Members[i].Host = 2 - want.Members[i].Host
				}
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("%v: %s", m.Kind, diff)
			}
		}
	}
	if _, err := dir.ring(names.appendRing(nil, &ring.Message{Kind: ring.Notify, From: refs[5].ID}), 2); !errors.Is(err, errForeign) {
		t.Errorf("a message from another host's position: %v", err)
	}
	// Position 0 is left out; nobody here stands there. Its first successor would take the sender for its predecessor, and not find words for that.
	for _, kind := range []ring.Kind{ring.Notify, ring.Found} {
		if _, err := dir.ring(names.appendRing(nil, &ring.Message{Kind: kind}), 2); !errors.Is(err, errForeign) {
			t.Errorf("%v from nowhere: %v", kind, err)
		}
	}
}

// "Positions are computed, never believed": who has no certificate of this ring is in nobody's lists, and what speaks of it is refused
// without harm to what follows.
func TestForeignPapers(t *testing.T) {
	a, b, refs := twoTables(t)
	stranger, p := member(t, nil) // of another ring
	id := stranger.identity()
	a.byKey[p.certificate.Public] = 3
	a.entries = append(a.entries, hostEntry{certificate: p.certificate, presence: p.presence, positions: []ring.ID{p.certificate.Position(id.space(), 0)}})
	names, dir := namer{hosts: a}, directory{hosts: b}
	bad := ring.Message{Kind: ring.State, From: refs[0].ID, List: []ring.Ref{refs[1], {ID: a.Positions(3)[0], Host: 3}, refs[4]}}
	if _, err := dir.ring(names.appendRing(nil, &bad), 2); !errors.Is(err, errUntrusted) {
		t.Errorf("a list with a stranger: %v", err)
	}
	good := ring.Message{Kind: ring.State, From: refs[0].ID, List: []ring.Ref{refs[4], refs[7]}}
	got, err := dir.ring(names.appendRing(nil, &good), 2)
	if err != nil || got.List[0] != translate(refs[4]) || got.List[1] != translate(refs[7]) {
		t.Errorf("the next list: %v, %v", got, err)
	}
	if b.len() != 3 {
		t.Errorf("%d hosts in the table", b.len())
	}
	// Of two presences the one with the higher incarnation counts, and only the host itself can make one.
	c := a.get(1).certificate
	forged := ringwire.Presence{Incarnation: 9, Addr: mustAddr("6.6.6.6:6")}
	forged.Sign(c.Ring, id.key)
	if _, err := b.learn(c, forged); !errors.Is(err, errPresence) || b.addr(1) != mustAddr("10.0.0.1:7000") {
		t.Errorf("a forged presence: %v, %v", err, b.addr(1))
	}
}

// Whatever a member sends is either understood or refused: nothing in it stops the process.
func FuzzRingMessage(f *testing.F) {
	a, b, refs := twoTables(f)
	names := namer{hosts: a}
	for _, m := range ringMessages(refs) {
		f.Add(names.appendRing(nil, &m))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		dir := directory{hosts: b, numbers: []ringwire.Host{0, 1, 2, noHost}}
		m, err := dir.ring(payload, 2)
		if err != nil {
			return
		}
		node, err := ring.New(ring.Config{Self: 0, Positions: b.Positions(0), Directory: b, Rand: rand.New(rand.NewPCG(1, 2)), Cache: true, Mesh: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(0); err != nil {
			t.Fatal(err)
		}
		node.Receive(time.Second, 2, m)
		out := namer{hosts: b}
		for act, ok := node.Next(); ok; act, ok = node.Next() {
			if act.Kind == ring.Send {
				if out.appendRing(nil, &act.Message); out.wrong != nil {
					t.Errorf("%v: %v", act.Message.Kind, out.wrong)
				}
			}
		}
	})
}

func FuzzControl(f *testing.F) {
	a, b, refs := twoTables(f)
	names := namer{hosts: a}
	f.Add(names.appendView(nil, &memberView{positions: []positionView{{self: refs[0].ID, in: true, hasPred: true, pred: refs[1], successors: refs[2:]}}}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		dir := directory{hosts: b, numbers: []ringwire.Host{0, 1, 2, noHost}}
		dir.view(ringwire.NewReader(payload))
		readArcs(ringwire.NewReader(payload))
		readHoldings(ringwire.NewReader(payload))
	})
}
