package ringnode

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "eddy ring node --join ADDR --token T on the next ones" (issue 4, What a user can do, 1): each next one may name any of those before it, though
// that one has only just come, or is still coming, and a program may ask it at once.
func TestJoinInQuickSuccession(t *testing.T) {
	first := start(t, Config{Handler: echoAccess, Vnodes: 4})
	nodes := []*live{first}
	cfg := Config{Token: first.Token(), Handler: echoAccess, Vnodes: 4}
	for i := range 5 {
		cfg.Join = []string{nodes[i].Listen().String()}
		nodes = append(nodes, launch(t, cfg)) // whose node to join is perhaps no member yet
	}
	for i, l := range nodes {
		select {
		case <-l.Ready():
		case err := <-l.done:
			t.Fatalf("node %d ended: %v", i, err)
		}
		if got, err := accessBy(t, l, first.Token()); err != nil || got != "2" {
			t.Errorf("node %d, just ready: access %q, %v", i, got, err)
		}
	}
}

// A token that one member has just made works at all others, and one that was just revoked at none that had not heard of it before.
func TestTokenIsKnownEverywhere(t *testing.T) {
	nodes := grow(t, 4, Config{Handler: echoAccess, Vnodes: 2})
	whole(t, nodes[0], 4)
	for i := range 8 {
		maker := nodes[i%4]
		token, err := maker.NewToken(t.Context(), time.Hour, true)
		if err != nil {
			t.Fatal(err)
		}
		at := nodes[(i+1+i/4)%4]
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		c, err := Dial(ctx, at.Listen().String(), token.Token)
		cancel()
		if err != nil {
			t.Fatalf("token %d, made a moment ago: %v", i, err)
		}
		c.Close()
	}
	token, err := nodes[0].NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes[1].RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatalf("revoking at another member than the maker: %v", err)
	}
	forget(nodes[2].trust, token.ID)
	if _, err := accessBy(t, nodes[2], token.Token); code(err) != ringapi.Denied || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked token of which the member had not heard: %v", err)
	}
}

// forget has a member know nothing of a token.
func forget(a *admission, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, _ := ringwire.ParseTokenID(id)
	delete(a.tokens, token)
	delete(a.revoked, token)
}

// A member that cannot ask the ring says neither yes nor no.
func TestUndecidedToken(t *testing.T) {
	nodes := grow(t, 3, Config{Handler: echoAccess, Vnodes: 2})
	whole(t, nodes[0], 3)
	token, err := nodes[1].NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	nodes[1].stop(t)
	nodes[2].stop(t)
	forget(nodes[0].trust, token.ID)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if _, err := Dial(ctx, nodes[0].Listen().String(), token.Token); code(err) != ringapi.TooFew {
		t.Errorf("without the ring, an unknown token: %v, want too few", err)
	}
	if err := nodes[0].RevokeToken(t.Context(), token.ID); code(err) != ringapi.TooFew {
		t.Errorf("without the ring, revoking an unknown token: %v, want too few", err)
	}
	back := start(t, Config{Data: nodes[1].cfg.Data, Listen: nodes[1].Listen().String(), Handler: echoAccess})
	whole(t, back, 2)
	if got, err := accessBy(t, nodes[0], token.Token); err != nil || got != "1" {
		t.Errorf("with it: access %q, %v", got, err)
	}
}

// Strangers that show made-up tokens have the ring asked no more often than the rate of rounds, and keep nobody out.
func TestMadeUpTokens(t *testing.T) {
	nodes := grow(t, 3, Config{Handler: echoAccess, Vnodes: 2})
	whole(t, nodes[0], 3)
	good, err := ringwire.ParseToken(nodes[0].Token())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range 64 {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i % 16), 1}) // 16 networks
		wg.Go(func() {
			for range 12 {
				bad := good
				rand.Read(bad.Secret[:])
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				if _, v := nodes[1].judge(ctx, bad.ID(), from); v != unknown && v != undecided {
					t.Errorf("a made-up token is judged %d", v)
				}
				cancel()
			}
		})
	}
	token, err := nodes[0].NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := accessBy(t, nodes[1], token.Token); err != nil || got != "1" {
		t.Errorf("an honest client in the flood: access %q, %v", got, err)
	}
	wg.Wait()
	q := &nodes[1].inquiry
	q.mu.Lock()
	defer q.mu.Unlock()
	if most := roundBurst + 1 + int(time.Since(began)/roundEvery); int(q.counts.rounds) > most || q.counts.rounds == 0 {
		t.Errorf("%d rounds, at most %d should be", q.counts.rounds, most)
	}
	if most := 16 * (guessBurst + 4 + int(time.Since(began)/guessEvery)); int(q.counts.denied) > most || q.counts.spared == 0 {
		t.Errorf("%d tokens were looked for, at most %d should be; %d were not", q.counts.denied, most, q.counts.spared)
	}
}

// What is remembered of strangers is bounded, whatever they show from wherever.
func TestInquiryMemory(t *testing.T) {
	var q inquiry
	now := time.Now()
	for i := range 3 * maxGuessers {
		var id ringwire.TokenID
		binary.BigEndian.PutUint32(id[:], uint32(i))
		from := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		q.deny(id, from, now)
		if v, decided := q.recall(id, from, now); v != unknown || !decided {
			t.Fatalf("a token that was just denied is looked for again")
		}
		if len(q.denied) > maxDenied || len(q.guessers) > maxGuessers {
			t.Fatalf("%d tokens and %d networks are remembered", len(q.denied), len(q.guessers))
		}
	}
	from := netip.MustParseAddr("192.0.2.1")
	for i := range guessBurst {
		if _, decided := q.recall(ringwire.TokenID{1, byte(i)}, from, now); decided {
			t.Fatalf("token %d of a network is not looked for", i)
		}
		q.deny(ringwire.TokenID{1, byte(i)}, from, now)
	}
	if v, decided := q.recall(ringwire.TokenID{2}, from, now); v != undecided || !decided {
		t.Error("a network shows more than its burst")
	}
	if _, decided := q.recall(ringwire.TokenID{2}, from, now.Add(guessEvery)); decided {
		t.Error("a network is not let ask again when its time has come")
	}
	if _, decided := q.recall(ringwire.TokenID{1}, from, now.Add(deniedFor)); decided {
		t.Error("a token stays denied for longer than it should")
	}
}
