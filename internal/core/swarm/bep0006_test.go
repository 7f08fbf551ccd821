package swarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// BEP 6: "Have All and Have None ... are sent in place of a Bitfield: exactly one of Have All, Have None, or Bitfield MUST be
// sent" at the beginning.
func TestExactlyOneOfThree(t *testing.T) {
	for have, first := range map[string]string{"all": "send 0 have all 0 0", "": "send 0 have none 0 0", "1010": "send 0 bitfield 0 0"} {
		s := small(t, 4, have)
		s.Join(0, 0, fastPeer())
		wantActions(t, actions(s), first)
	}
	s := small(t, 4, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveAll)
	actions(s)
	say(s, 0, wire.HaveNone)
	wantActions(t, actions(s), "close 0 have none after the peer had told what it has")
}

// saveBurst lets the bucket of uploads hold four blocks, and nothing more come.
func saveBurst(s *Swarm) {
	s.SetRates(0, 1<<27, 0)
	s.SetRates(time.Millisecond, 1, 0)
}

// BEP 6: "when a peer chokes ... it MUST reject all requests from the peer to the local peer except requests for pieces in
// the allowed fast set", choke first; and each request gets exactly one answer.
func TestChokeThenRejects(t *testing.T) {
	s := small(t, 4, "1111")
	saveBurst(s)
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveNone)
	say(s, 0, wire.Interested)
	actions(s)
	for i := range uint32(3) {
		say(s, 0, wire.Request, i, 0)
		say(s, 0, wire.Request, i, 1)
	}
	wantActions(t, actions(s), "serve 0 piece 0 0", "serve 0 piece 0 1", "serve 0 piece 1 0", "serve 0 piece 1 1")
	s.choke(s.lookup(0))
	wantActions(t, actions(s), "send 0 choke 0 0", "send 0 reject 2 0", "send 0 reject 2 1")
	say(s, 0, wire.Request, 3, 0)
	wantActions(t, actions(s), "send 0 reject 3 0")
}

// BEP 6: "a peer that receives a Cancel ... MUST respond with the piece or a reject."
func TestCancelIsAnswered(t *testing.T) {
	s := small(t, 4, "1111")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveNone)
	say(s, 0, wire.Interested)
	actions(s)
	say(s, 0, wire.Request, 0, 0)
	say(s, 0, wire.Request, 0, 1)
	say(s, 0, wire.Cancel, 0, 1)
	wantActions(t, actions(s), "send 0 reject 0 1", "serve 0 piece 0 0")
	say(s, 0, wire.Cancel, 0, 0) // on its way: the piece is the answer
	wantActions(t, actions(s))
}

// BEP 6: "A choke does not imply reject": what is under way is still taken, and what is rejected is asked of others.
func TestRequestsSurviveAChoke(t *testing.T) {
	s := small(t, 1, "")
	s.Join(0, 0, fastPeer())
	s.Join(0, 1, fastPeer())
	say(s, 0, wire.HaveAll)
	say(s, 1, wire.HaveAll)
	say(s, 0, wire.Unchoke)
	actions(s)
	say(s, 1, wire.Unchoke)
	say(s, 0, wire.Choke)
	if !say(s, 0, wire.Piece, 0, 0) {
		t.Error("a block that was on its way is dropped")
	}
	actions(s)
	say(s, 0, wire.Reject, 0, 1)
	wantActions(t, actions(s), "send 1 request 0 1")
}

// BEP 6: "Allowed Fast ... means 'if you ask for this piece, I'll give it to you even if you're choked.'"
func TestAllowedFast(t *testing.T) {
	s := small(t, 640, "all")
	s.Join(0, 0, fastPeer())
	var allowed []uint32
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		if a.Msg.Kind == wire.AllowedFast {
			allowed = append(allowed, a.Msg.Index)
		}
	}
	if len(allowed) != fastPieces {
		t.Fatalf("%d allowed fast pieces", len(allowed))
	}
	say(s, 0, wire.HaveNone)
	say(s, 0, wire.Request, allowed[3], 1)
	if got := actions(s); len(got) != 1 || got[0][:7] != "serve 0" {
		t.Errorf("%v", got)
	}
	// The other side: a choked leecher requests what it is allowed, and nothing else.
	s = small(t, 8, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveAll)
	actions(s)
	say(s, 0, wire.AllowedFast, 5)
	wantActions(t, actions(s), "send 0 request 5 0", "send 0 request 5 1")
}

// A peer that refuses without choking is not asked again and again.
func TestRefusalsEnd(t *testing.T) {
	s := small(t, 4, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveAll)
	say(s, 0, wire.Unchoke)
	total := 0
	for range 100 {
		asked := 0
		for a, ok := s.Next(); ok; a, ok = s.Next() {
			if a.Msg.Kind == wire.Request {
				asked++
				total++
				s.Receive(0, 0, &wire.Message{Kind: wire.Reject, Index: a.Msg.Index, Begin: a.Msg.Begin, Length: a.Msg.Length})
			}
		}
		if asked == 0 {
			break
		}
	}
	if total > 8 {
		t.Errorf("%d requests to a peer that refuses all", total)
	}
}

// Each piece leaves the seed once before any twice, and everything is shown at the end (what BEP 16 is after).
func TestFirstPassSendsEachPieceOnce(t *testing.T) {
	cfg := simConfig{size: 16 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(5, 2*mib), latency: wan, spread: 500 * time.Millisecond, seed: 1}
	m := newSim(cfg)
	sent := bits.New(64)
	last := -1
	twice := 0
	m.trace = func(node int, a Action) {
		if node != 0 || a.Kind != Serve || !m.nodes[0].s.grant.active {
			return
		}
		i := int(a.Msg.Index)
		if i != last && a.Msg.Begin == 0 && !sent.Add(i) {
			twice++
		}
		last = i
	}
	m.run()
	if !sent.Full() || twice > 6 {
		t.Errorf("%d of 64 pieces sent in the first pass, %d of them again", sent.Count(), twice)
	}
	if m.nodes[0].s.grant.active {
		t.Error("the pass did not end")
	}
}

// A peer that refuses a piece and is the only one that has it is asked again after a while, not at once and not never.
func TestRefusalsAreForgiven(t *testing.T) {
	s := small(t, 1, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveAll)
	say(s, 0, wire.Unchoke)
	actions(s)
	say(s, 0, wire.Reject, 0, 0)
	say(s, 0, wire.Reject, 0, 1)
	wantActions(t, actions(s))
	s.Tick(firstGrudge / 2)
	wantActions(t, actions(s))
	s.Tick(firstGrudge + housekeeping)
	wantActions(t, actions(s), "send 0 request 0 0", "send 0 request 0 1")
}

// A request that the peer skipped, while it answered later ones, is sent again, and its late answer is still welcome.
func TestSkippedRequestsAreSentAgain(t *testing.T) {
	s := small(t, 1, "")
	s.Join(0, 0, fastPeer())
	say(s, 0, wire.HaveAll)
	say(s, 0, wire.Unchoke)
	actions(s)
	// As if the second had been sent a little later.
	s.lookup(0).down.ask.entries()[1].at += int64(time.Millisecond)
	m := wire.Message{Kind: wire.Piece, Index: 0, Begin: blk, Length: blk, Payload: simPayload}
	if !s.Receive(10*time.Millisecond, 0, &m) {
		t.Fatal("the block was requested")
	}
	wantActions(t, actions(s))
	s.Tick(minTimeout + housekeeping)
	wantActions(t, actions(s), "send 0 request 0 0")
	m.Begin = 0
	if !s.Receive(3*time.Second, 0, &m) {
		t.Error("the late answer is dropped")
	}
}

// BEP 6, "Allowed Fast": a choked peer may ask for the piece, and may be refused. Asked again at once the two would never end.
func TestRefusedAllowedFastIsNotAskedAgainAtOnce(t *testing.T) {
	s := small(t, 4, "0000")
	s.Join(0, 0, fastPeer())
	s.lookup(0).credit.verified = 1 // trusted: it need not work alone
	say(s, 0, wire.HaveAll)
	say(s, 0, wire.AllowedFast, 2)
	asked := 0
	for range 100 {
		list := actions(s)
		again := false
		for _, line := range list {
			var block uint32
			if n, _ := fmt.Sscanf(line, "send 0 request 2 %d", &block); n == 1 {
				asked++
				again = true
				m := wire.Message{Kind: wire.Reject, Index: 2, Begin: block * blk, Length: blk}
				s.Receive(0, 0, &m)
			}
		}
		if !again {
			break
		}
	}
	if asked == 0 || asked > 4 {
		t.Errorf("%d requests for a piece of two blocks that is refused each time", asked)
	}
}
