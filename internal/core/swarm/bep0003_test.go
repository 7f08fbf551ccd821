package swarm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

const blk = metainfo.BlockSize

// small is a torrent of n pieces of two blocks, with those of have.
func small(t *testing.T, n int, have string) *Swarm {
	t.Helper()
	s, err := New(Config{Layout: metainfo.Layout{Size: int64(n) * 2 * blk, PieceLength: 2 * blk}, Have: parseSet(have, n), Policy: policy.Policy{RevealAll: true},
		Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// actions drains s into short lines: "send 0 unchoke 0 0".
func actions(s *Swarm) []string {
	var list []string
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		kind := map[Kind]string{Send: "send", Serve: "serve", Verify: "verify", Close: "close", Completed: "completed"}[a.Kind]
		line := fmt.Sprintf("%s %d %s %d %d", kind, a.Peer, a.Msg.Kind, a.Msg.Index, a.Msg.Begin/blk)
		if a.Kind == Close {
			line = fmt.Sprintf("close %d %v", a.Peer, a.Err)
		}
		list = append(list, line)
	}
	return list
}

func wantActions(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func fastPeer() PeerInfo {
	return PeerInfo{Fast: true, Addr: netip.MustParseAddrPort("10.1.2.3:6881")}
}

func say(s *Swarm, p Peer, kind wire.Kind, at ...uint32) bool {
	m := wire.Message{Kind: kind}
	if len(at) > 0 {
		m.Index = at[0]
	}
	if len(at) > 1 {
		m.Begin, m.Length = at[1]*blk, blk
	}
	if kind == wire.Piece {
		m.Payload = simPayload
	}
	return s.Receive(0, p, &m)
}

// BEP 3: "Connections start out choked and not interested."
func TestConnectionsStartChoked(t *testing.T) {
	s := small(t, 4, "1111")
	s.Join(0, 0, PeerInfo{})
	st, ok := s.PeerStats(0)
	if !ok || !st.Choked || !st.Choking || st.Interested || st.Interesting {
		t.Errorf("%+v", st)
	}
	actions(s)
	say(s, 0, wire.Request, 0, 0)
	wantActions(t, actions(s)) // a choked request is dropped without BEP 6
}

// BEP 3: "'bitfield' is only ever sent as the first message. Its payload is a bitfield with each index that downloader has
// sent set to one and the rest set to zero. Downloaders which don't have anything yet may skip the 'bitfield' message."
func TestBitfieldIsFirst(t *testing.T) {
	s := small(t, 4, "1010")
	s.Join(0, 0, PeerInfo{})
	a, _ := s.Next()
	if a.Msg.Kind != wire.Bitfield || !slices.Equal(a.Msg.Payload, []byte{0xa0}) {
		t.Errorf("first: %v %x", a.Msg.Kind, a.Msg.Payload)
	}
	s = small(t, 4, "")
	s.Join(0, 0, PeerInfo{})
	wantActions(t, actions(s))
}

// aria2 breaks that rule: it tells several pieces at once in another bitfield, where that is shorter than their Haves, and the
// last ones by Have All. They are understood as those Haves; what a message lacks was still told before.
func TestLaterHaveAllIsHaves(t *testing.T) {
	s := small(t, 4, "1111")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveNone)
	say(s, 0, wire.Have, 2)
	say(s, 0, wire.HaveAll)
	if ps, ok := s.PeerStats(0); !ok || !ps.Complete {
		t.Errorf("%+v, %v: not complete", ps, ok)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestLaterBitfieldIsHaves(t *testing.T) {
	s := small(t, 4, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveNone)
	wantActions(t, actions(s), "send 0 have none 0 0")
	for _, step := range []struct{ set, has string }{{"0100", "0100"}, {"0011", "0111"}, {"1111", "1111"}, {"0000", "1111"}} {
		m := wire.Message{Kind: wire.Bitfield, Payload: parseSet(step.set, 4).Bytes()}
		s.Receive(0, 0, &m)
		for _, a := range actions(s) {
			if strings.HasPrefix(a, "close") {
				t.Fatalf("after %s: %s", step.set, a)
			}
		}
		want := parseSet(step.has, 4)
		p := s.lookup(0)
		if p.has.Count() != want.Count() || want.AnyNotIn(p.has) || p.seed != want.Full() {
			t.Errorf("after %s: has %x, seed %v, want %s", step.set, p.has.Bytes(), p.seed, step.has)
		}
		if err := s.check(); err != nil {
			t.Fatalf("after %s: %v", step.set, err)
		}
	}
}

// BEP 3: "Whenever a downloader doesn't have something they currently would ask a peer for in unchoked, they must express
// lack of interest, despite being choked."
func TestInterestIsKeptUpToDate(t *testing.T) {
	s := small(t, 2, "")
	s.Join(0, 0, PeerInfo{})
	s.Join(0, 1, PeerInfo{})
	say(s, 0, wire.Have, 0)
	wantActions(t, actions(s), "send 0 interested 0 0")
	say(s, 1, wire.Have, 0)
	say(s, 1, wire.Unchoke)
	wantActions(t, actions(s), "send 1 interested 0 0", "send 1 request 0 0", "send 1 request 0 1")
	say(s, 1, wire.Piece, 0, 0)
	say(s, 1, wire.Piece, 0, 1)
	wantActions(t, actions(s), "verify 0 choke 0 0")
	s.PieceDone(0, 0, true, nil)
	wantActions(t, actions(s), "send 0 have 0 0", "send 0 not interested 0 0", "send 1 have 0 0", "send 1 not interested 0 0")
}

// BEP 3: "Data transfer takes place whenever one side is interested and the other side is not choking." On a choke a peer
// without BEP 6 drops our requests: they are asked again after the next unchoke.
func TestChokeDropsRequests(t *testing.T) {
	s := small(t, 1, "")
	s.Join(0, 0, PeerInfo{})
	say(s, 0, wire.Have, 0)
	say(s, 0, wire.Unchoke)
	actions(s)
	say(s, 0, wire.Choke)
	wantActions(t, actions(s))
	if say(s, 0, wire.Piece, 0, 0) {
		t.Error("a block of a dropped request was kept")
	}
	say(s, 0, wire.Unchoke)
	wantActions(t, actions(s), "send 0 request 0 0", "send 0 request 0 1")
}

// What no peer may send closes its connection, and says whose fault it was; what later extensions may send does not.
func TestViolationsCloseTheConnection(t *testing.T) {
	for _, c := range []struct {
		name string
		fast bool
		msg  wire.Message
		ok   bool
	}{
		{"have beyond the last piece", false, wire.Message{Kind: wire.Have, Index: 4}, false},
		{"have far beyond", false, wire.Message{Kind: wire.Have, Index: 1<<32 - 1}, false},
		{"long bitfield", false, wire.Message{Kind: wire.Bitfield, Payload: []byte{0, 0}}, false},
		{"spare bits", false, wire.Message{Kind: wire.Bitfield, Payload: []byte{1}}, false},
		{"request beyond the last piece", false, wire.Message{Kind: wire.Request, Index: 4, Length: blk}, false},
		{"request beyond the piece", false, wire.Message{Kind: wire.Request, Begin: 2 * blk, Length: blk}, false},
		{"request that wraps", false, wire.Message{Kind: wire.Request, Begin: 1<<32 - blk, Length: blk}, false},
		{"empty request", false, wire.Message{Kind: wire.Request}, false},
		{"large request", false, wire.Message{Kind: wire.Request, Length: 2 * blk}, false},
		{"have all without BEP 6", false, wire.Message{Kind: wire.HaveAll}, false},
		{"reject without BEP 6", false, wire.Message{Kind: wire.Reject, Length: blk}, false},
		{"reject of nothing", true, wire.Message{Kind: wire.Reject, Length: blk}, false},
		{"allowed fast beyond the last piece", true, wire.Message{Kind: wire.AllowedFast, Index: 4}, false},
		{"suggest beyond the last piece", true, wire.Message{Kind: wire.Suggest, Index: 4}, false},
		{"keep-alive", false, wire.Message{Kind: wire.KeepAlive}, true},
		{"port", false, wire.Message{Kind: wire.Port, Index: 6881}, true},
		{"unknown", false, wire.Message{Kind: 99, Payload: []byte("?")}, true},
	} {
		s := small(t, 4, "1111")
		s.Join(0, 0, PeerInfo{Fast: c.fast})
		actions(s)
		s.Receive(0, 0, &c.msg)
		closed := false
		for a, ok := s.Next(); ok; a, ok = s.Next() {
			if a.Kind == Close {
				var e *PeerError
				closed = true
				if e, _ = a.Err.(*PeerError); e == nil || a.Ban {
					t.Errorf("%s: %v, ban %v", c.name, a.Err, a.Ban)
				}
			}
		}
		if closed == c.ok {
			t.Errorf("%s: closed %v", c.name, closed)
		}
	}
}

// A peer that sends what nobody asked for is cut off after a while.
func TestUnrequestedBlocksClose(t *testing.T) {
	s := small(t, 4, "")
	s.Join(0, 0, PeerInfo{})
	for range maxOdd {
		if say(s, 0, wire.Piece, 0, 0) {
			t.Fatal("kept")
		}
	}
	wantActions(t, actions(s))
	say(s, 0, wire.Piece, 0, 0)
	if got := actions(s); len(got) != 1 || !strings.HasPrefix(got[0], "close 0") {
		t.Errorf("%v", got)
	}
	if st := s.Stats(); st.Wasted != (maxOdd+1)*blk {
		t.Errorf("wasted %d", st.Wasted)
	}
}

// More requests than we accept are refused.
func TestRequestFlood(t *testing.T) {
	for _, fast := range []bool{true, false} {
		s := small(t, 4, "1111")
		s.SetRates(0, 1, 0) // nothing gets out after the burst
		s.Join(0, 0, PeerInfo{Fast: fast})
		say(s, 0, wire.Interested)
		actions(s)
		for range ReqQ {
			say(s, 0, wire.Request, 0, 0)
		}
		say(s, 0, wire.Request, 1, 0)
		got := actions(s)
		first := "send 0 reject 1 0"
		if !fast {
			first = fmt.Sprintf("close 0 more than %d requests", ReqQ)
		}
		if got[0] != first {
			t.Errorf("fast %v: %s", fast, got[0])
		}
	}
}

// A local fault blames nobody: the request is refused, the piece fetched again, the peer stays.
func TestLocalFaultsBlameNobody(t *testing.T) {
	s := small(t, 2, "10")
	s.Join(0, 0, fastPeer())
	m := wire.Message{Kind: wire.Bitfield, Payload: parseSet("01", 2).Bytes()}
	s.Receive(0, 0, &m)
	say(s, 0, wire.Interested)
	say(s, 0, wire.Unchoke)
	say(s, 0, wire.Request, 0, 0)
	wantActions(t, actions(s), "send 0 bitfield 0 0", "send 0 interested 0 0", "send 0 unchoke 0 0", "send 0 request 1 0", "send 0 request 1 1", "serve 0 piece 0 0")
	s.Unserved(0, 0, wire.Message{Index: 0, Begin: 0, Length: blk})
	wantActions(t, actions(s), "send 0 reject 0 0")
	say(s, 0, wire.Piece, 1, 0)
	say(s, 0, wire.Piece, 1, 1)
	wantActions(t, actions(s), "verify 0 choke 1 0")
	s.PieceLost(0, 1)
	wantActions(t, actions(s), "send 0 request 1 0", "send 0 request 1 1")
	if st, _ := s.PeerStats(0); st.Parole {
		t.Error("the peer is on parole")
	}
}

// Only verified pieces are served. A request for a piece that nobody has, that is asked for, partly here, received but not
// yet verified, or bad is dropped, with BEP 6 rejected; and so is one that waits when its piece is lost.
func TestOnlyVerifiedPiecesAreServed(t *testing.T) {
	for _, fast := range []bool{true, false} {
		s := small(t, 3, "001")
		s.Join(0, 0, PeerInfo{Fast: fast, Addr: fastPeer().Addr})
		say(s, 0, wire.Interested)
		give := func(p Peer) { // a peer that has piece 0
			s.Join(0, p, PeerInfo{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(p), 1}), 6881)})
			say(s, p, wire.Have, 0)
			say(s, p, wire.Unchoke)
			actions(s)
		}
		answers := func(when string, served bool, blocks ...string) {
			t.Helper()
			got := slices.DeleteFunc(actions(s), func(line string) bool {
				return !strings.HasPrefix(line, "send 0 reject") && !strings.HasPrefix(line, "serve")
			})
			var want []string
			for _, b := range blocks {
				if served {
					want = append(want, "serve 0 piece "+b)
				} else if fast {
					want = append(want, "send 0 reject "+b)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("fast %v, %s: got %q, want %q", fast, when, got, want)
			}
		}
		ask := func(piece uint32) {
			say(s, 0, wire.Request, piece, 0)
			say(s, 0, wire.Request, piece, 1)
		}
		ask(1)
		answers("a piece that nobody has", false, "1 0", "1 1")
		give(1)
		ask(0)
		answers("asked for", false, "0 0", "0 1")
		say(s, 1, wire.Piece, 0, 0)
		ask(0)
		answers("half here", false, "0 0", "0 1")
		say(s, 1, wire.Piece, 0, 1)
		ask(0)
		answers("not yet verified", false, "0 0", "0 1")
		s.PieceDone(0, 0, false, make([][20]byte, 2))
		ask(0)
		answers("bad", false, "0 0", "0 1")
		give(2)
		say(s, 2, wire.Piece, 0, 0)
		say(s, 2, wire.Piece, 0, 1)
		s.PieceDone(0, 0, true, make([][20]byte, 2))
		saveBurst(s)
		ask(2)
		ask(0)
		answers("good", true, "2 0", "2 1", "0 0", "0 1")
		ask(0)
		ask(2)
		s.PieceLost(0, 0)
		answers("lost while they wait", false, "0 0", "0 1")
		s.SetRates(0, 0, 0)
		answers("what is not lost", true, "2 0", "2 1")
	}
}

// On a full disk nothing more is requested, what is under way is kept, and verified pieces are served.
func TestPausedStillServes(t *testing.T) {
	s := small(t, 2, "10")
	s.Join(0, 0, fastPeer())
	m := wire.Message{Kind: wire.Bitfield, Payload: parseSet("01", 2).Bytes()}
	s.Receive(0, 0, &m)
	say(s, 0, wire.Interested)
	s.SetPaused(0, true)
	say(s, 0, wire.Unchoke)
	say(s, 0, wire.Request, 0, 1)
	wantActions(t, actions(s), "send 0 bitfield 0 0", "send 0 interested 0 0", "send 0 unchoke 0 0", "serve 0 piece 0 1")
	s.SetPaused(time.Second, false)
	wantActions(t, actions(s), "send 0 request 1 0", "send 0 request 1 1")
}

// Back-pressure: no piece is started while more than MaxUnverified waits for the disk.
func TestMaxUnverified(t *testing.T) {
	s, err := New(Config{Layout: metainfo.Layout{Size: 64 * 2 * blk, PieceLength: 2 * blk}, MaxUnverified: 1, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	s.Join(0, 0, PeerInfo{Fast: true, ReqQ: 100})
	say(s, 0, wire.HaveAll)
	say(s, 0, wire.Unchoke)
	verified, got := false, 0
	for {
		var asked []wire.Message
		for a, ok := s.Next(); ok; a, ok = s.Next() {
			switch {
			case a.Kind == Verify && !verified:
				verified = true // the first piece makes the peer a known one; then the disk stalls
				s.PieceDone(0, int(a.Msg.Index), true, nil)
			case a.Kind == Send && a.Msg.Kind == wire.Request:
				asked = append(asked, a.Msg)
			}
		}
		if len(asked) == 0 {
			break
		}
		for _, m := range asked {
			say(s, 0, wire.Piece, m.Index, m.Begin/blk)
			got++
		}
	}
	// At least the 4 pieces of the limit, at most what was under way besides.
	if st := s.Stats(); st.Unverified < 4*2*blk || st.Unverified > 40*2*blk {
		t.Errorf("%d bytes wait for the disk, after %d blocks", st.Unverified, got)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestConfigIsValidated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ok := metainfo.Layout{Size: 100, PieceLength: blk}
	for name, c := range map[string]Config{
		"no rand": {Layout: ok}, "no piece length": {Layout: metainfo.Layout{Size: 1}, Rand: r}, "negative size": {Layout: metainfo.Layout{Size: -1, PieceLength: blk}, Rand: r},
		"wrong have": {Layout: ok, Rand: r, Have: bits.New(7)}, "wrong wanted": {Layout: ok, Rand: r, Wanted: bits.New(7)}, "negative slots": {Layout: ok, Rand: r, Slots: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(Config{Layout: metainfo.Layout{PieceLength: blk}, Rand: r})
	if err != nil || !s.Complete() {
		t.Errorf("empty content: %v", err)
	}
}
