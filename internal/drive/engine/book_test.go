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
		b.done(alice, now, unreachable)
		_, next := b.pick(now, 1)
		wait := next.Sub(now)
		if wait < firstRetry<<(fails-1) || wait < last {
			t.Errorf("after %d failures it waits %v", fails, wait)
		}
		now, last = next.Add(time.Millisecond), firstRetry<<(fails-1)
	}
}

func TestBookForgetsTheHopeless(t *testing.T) {
	b := newBook()
	b.add(alice)
	for now := monday; ; now = now.Add(time.Hour) {
		if len(due(t, b, now, 1)) == 0 {
			break
		}
		b.done(alice, now, unreachable)
	}
	if b.size() != 0 {
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
	b.done(alice, monday, unreachable)
	b.add(bob)
	if got := due(t, b, monday.Add(time.Hour), 1); len(got) != 1 || got[0] != bob {
		t.Errorf("picked %v, want %v", got, bob)
	}
}

func TestBookBans(t *testing.T) {
	b := newBook()
	b.add(alice)
	id, other := [20]byte{1}, [20]byte{2}
	ephemeral := netip.AddrPortFrom(alice.Addr(), 50_000)
	b.ban(id, false, ephemeral, alice)
	if b.add(alice) || !b.refuses(alice, other) {
		t.Error("a ban covers the address at which the peer accepts")
	}
	neighbour := netip.AddrPortFrom(alice.Addr(), 6882)
	if !b.refuses(neighbour, id) {
		t.Error("a banned peer must not come back from another port")
	}
	if b.refuses(bob, id) {
		t.Error("who claimed bob's id must not have bob banned")
	}
	for i := range banStrikes - 2 {
		b.ban([20]byte{byte(10 + i)}, false, netip.AddrPortFrom(alice.Addr(), uint16(7000+i)), netip.AddrPortFrom(alice.Addr(), uint16(8000+i)))
	}
	if b.refuses(neighbour, other) {
		t.Error("the machine was shut out too soon: each ban is one strike, however many addresses the peer had")
	}
	b.ban([20]byte{20}, false, netip.AddrPortFrom(alice.Addr(), 9000))
	if !b.refuses(neighbour, other) {
		t.Error("a machine with several bans must be shut out")
	}
}

func TestBookNeverShutsOutOurOwnMachine(t *testing.T) {
	b := newBook()
	for i := range 2 * banStrikes {
		b.ban([20]byte{byte(i)}, true, netip.AddrPortFrom(alice.Addr(), uint16(7000+i)))
	}
	if b.refuses(alice, [20]byte{99}) {
		t.Error("the peers of our own machine share its address: those that were not banned stay welcome")
	}
}

func TestBookTakesAnIPv6NetworkForOneOrigin(t *testing.T) {
	b := newBook()
	for i := range banStrikes {
		addr := netip.MustParseAddr("2001:db8::1")
		for range i {
			addr = addr.Next()
		}
		b.ban([20]byte{byte(i)}, false, netip.AddrPortFrom(addr, 6881))
	}
	if !b.refuses(netip.MustParseAddrPort("[2001:db8::ffff]:6881"), [20]byte{99}) {
		t.Error("whoever has a network has all its addresses")
	}
	if b.refuses(netip.MustParseAddrPort("[2001:db8:0:1::1]:6881"), [20]byte{99}) {
		t.Error("another network is somebody else's")
	}
}

// An address is held by the attempt to connect to it and by the incoming connection of the peer that accepts there, and is
// free only when both have ended.
func TestBookHoldsAnAddressForEachConnection(t *testing.T) {
	b := newBook()
	b.add(alice)
	due(t, b, monday, 1)
	b.claim(alice)
	b.done(alice, monday, needless)
	later := monday.Add(time.Hour)
	if got := due(t, b, later, 1); len(got) != 0 {
		t.Errorf("picked %v while its peer is connected", got)
	}
	b.done(alice, later, worthwhile)
	if got := due(t, b, later.Add(time.Hour), 1); len(got) != 1 {
		t.Error("not picked after both have ended")
	}
}

func TestBookComesBackSoonOnlyWhereItWasWorthIt(t *testing.T) {
	wait := func(how outcome, times int) time.Duration {
		b := newBook()
		b.add(alice)
		now := monday
		var next time.Time
		for range times {
			due(t, b, now, 1)
			b.done(alice, now, how)
			_, next = b.pick(now, 0)
			now, next = next.Add(time.Second), next.Add(-now.Sub(monday))
		}
		return next.Sub(monday)
	}
	if w := wait(worthwhile, 5); w >= firstRetry {
		t.Errorf("after a good connection it waits %v", w)
	}
	if w := wait(fruitless, 5); w < 8*firstRetry {
		t.Errorf("after five connections for nothing it waits %v", w)
	}
	if w := wait(needless, 1); w < lastRetry {
		t.Errorf("nobody needs the connection, but it waits only %v", w)
	}
}
