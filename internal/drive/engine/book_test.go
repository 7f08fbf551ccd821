package engine

import (
	"net/netip"
	"testing"
	"time"
)

var (
	monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	alice  = netip.MustParseAddrPort("10.0.0.1:6881")
	bob    = netip.MustParseAddrPort("10.0.0.2:6881")
)

func due(t *testing.T, b *book, now time.Time, n int) []netip.AddrPort {
	t.Helper()
	got, _ := b.pick(now, n)
	return got
}

func TestBookOffersEachAddressOnce(t *testing.T) {
	b := newBook()
	if !b.add(alice) || b.add(alice) || !b.add(bob) {
		t.Fatal("an address must be new the first time, and only then")
	}
	if b.add(netip.AddrPortFrom(alice.Addr(), 0)) {
		t.Error("port 0 cannot be connected to")
	}
	if got := due(t, b, monday, 5); len(got) != 2 {
		t.Fatalf("picked %v, want both", got)
	}
	if got := due(t, b, monday, 5); len(got) != 0 {
		t.Errorf("picked %v again while they are busy", got)
	}
}

func TestBookWaitsLongerAfterEachFailure(t *testing.T) {
	b := newBook()
	b.add(alice)
	now, last := monday, time.Duration(0)
	for fails := 1; fails <= 4; fails++ {
		if len(due(t, b, now, 1)) != 1 {
			t.Fatalf("not offered before failure %d", fails)
		}
		b.done(alice, now, false)
		_, next := b.pick(now, 1)
		wait := next.Sub(now)
		if wait < firstRetry<<(fails-1) || wait < last {
			t.Errorf("after %d failures it waits %v", fails, wait)
		}
		now, last = next.Add(time.Millisecond), wait-5*time.Second
	}
}

func TestBookForgetsTheHopeless(t *testing.T) {
	b := newBook()
	b.add(alice)
	for now := monday; ; now = now.Add(time.Hour) {
		if len(due(t, b, now, 1)) == 0 {
			break
		}
		b.done(alice, now, false)
	}
	if known, _ := b.size(); known != 0 {
		t.Error("an address that always fails must be dropped")
	}
	if !b.add(alice) {
		t.Error("a tracker may name it again")
	}
}

func TestBookPrefersThoseThatNeverFailed(t *testing.T) {
	b := newBook()
	b.add(alice)
	due(t, b, monday, 1)
	b.done(alice, monday, false)
	b.add(bob)
	if got := due(t, b, monday.Add(time.Hour), 1); len(got) != 1 || got[0] != bob {
		t.Errorf("picked %v, want %v", got, bob)
	}
}

func TestBookBans(t *testing.T) {
	b := newBook()
	b.add(alice)
	id := [20]byte{1}
	b.ban(alice, id)
	if b.add(alice) || !b.refuses(alice, [20]byte{2}) || !b.refuses(bob, id) {
		t.Error("a ban covers the address and the peer id")
	}
	neighbour := netip.AddrPortFrom(alice.Addr(), 6882)
	if b.refuses(neighbour, [20]byte{2}) {
		t.Error("another port of the machine stays welcome after one ban")
	}
	for i := range banStrikes {
		b.ban(netip.AddrPortFrom(alice.Addr(), uint16(7000+i)), [20]byte{byte(10 + i)})
	}
	if !b.refuses(neighbour, [20]byte{2}) {
		t.Error("a machine with several bans must be shut out")
	}
}
