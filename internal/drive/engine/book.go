package engine

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	maxKnown   = 2000             // addresses a torrent remembers
	soonRetry  = 2 * time.Second  // after a connection that was worth it
	firstRetry = 10 * time.Second // after one that was not; doubled each time
	lastRetry  = 10 * time.Minute
	banStrikes = 3 // bans from one origin after which all of it is banned
)

// book is what a torrent knows of addresses: where to connect, when to try again, whom never. Its methods lock it.
type book struct {
	mu     sync.Mutex
	known  map[netip.AddrPort]*contact
	banned map[netip.AddrPort]bool
	ids    map[identity]bool    // peers that were banned
	struck map[netip.Prefix]int // bans, by origin
}

// contact is one address to which we may connect.
type contact struct {
	addr  netip.AddrPort
	fails int
	next  time.Time // not before
	held  int       // by attempts and connections; 0 = free to be connected
}

// identity is a peer id at an address: an id alone is what anybody can claim, and honest peers are not to be banned for those
// who claim theirs.
type identity struct {
	addr netip.Addr
	id   [20]byte
}

func newBook() *book {
	return &book{
		known:  make(map[netip.AddrPort]*contact),
		banned: make(map[netip.AddrPort]bool),
		ids:    make(map[identity]bool),
		struck: make(map[netip.Prefix]int),
	}
}

// outcome is how an attempt or a connection ended.
type outcome uint8

const (
	unreachable outcome = iota // no handshake, or none that we can use
	fruitless                  // a connection over which nothing came or went
	worthwhile
	needless // neither side needs the other, or they are connected under another address: no hurry
)

// add remembers an address and reports whether it is new.
func (b *book) add(addr netip.AddrPort) bool {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	b.mu.Lock()
	defer b.mu.Unlock()
	if !addr.IsValid() || addr.Port() == 0 || b.known[addr] != nil || b.isBanned(addr) || len(b.known) >= maxKnown {
		return false
	}
	b.known[addr] = &contact{addr: addr}
	return true
}

// pick takes up to n addresses that are due, those that failed least first and else in random order, and holds them. next is
// when another falls due, zero if none will.
func (b *book) pick(now time.Time, n int) (due []netip.AddrPort, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ready []*contact
	for _, c := range b.known {
		switch {
		case c.held > 0:
		case c.next.After(now):
			if next.IsZero() || c.next.Before(next) {
				next = c.next
			}
		default:
			ready = append(ready, c)
		}
	}
	rand.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	for fails := 0; len(due) < n && len(due) < len(ready); fails++ {
		for _, c := range ready {
			if c.fails == fails && len(due) < n {
				c.held++
				due = append(due, c.addr)
			}
		}
	}
	return due, next
}

// done ends a hold of addr: of an attempt to connect there, or of a connection with the peer that accepts there.
func (b *book) done(addr netip.AddrPort, now time.Time, how outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.known[addr]
	if c == nil {
		return
	}
	c.held = max(c.held-1, 0)
	var wait time.Duration
	switch how {
	case worthwhile:
		c.fails, wait = 0, soonRetry
	case needless:
		c.fails, wait = 0, lastRetry
	default:
		c.fails++
		wait = min(firstRetry<<min(c.fails-1, 10), lastRetry)
	}
	if how == unreachable && c.fails > 8 && c.held == 0 {
		delete(b.known, addr) // a tracker will name it again if it is there
		return
	}
	c.next = now.Add(wait + rand.N(wait/2))
}

// claim holds the address, known or not, where a connected peer accepts connections: it is not to be connected twice.
func (b *book) claim(addr netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.known[addr]; c != nil {
		c.held++
	} else if len(b.known) < maxKnown {
		b.known[addr] = &contact{addr: addr, held: 1}
	}
}

// ban shuts out a peer by its id at this address, and the addresses. One machine may house many peers, so others of
// its origin stay welcome until it has been struck several times; on our own machine always.
func (b *book) ban(id [20]byte, ours bool, addrs ...netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, addr := range addrs {
		b.banned[addr] = true
		b.ids[identity{addr.Addr(), id}] = true
		delete(b.known, addr)
	}
	if len(addrs) > 0 && !ours {
		b.struck[origin(addrs[0].Addr())]++
	}
}

// refuses reports whether a peer is banned.
func (b *book) refuses(addr netip.AddrPort, id [20]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ids[identity{addr.Addr(), id}] || b.isBanned(addr)
}

func (b *book) isBanned(addr netip.AddrPort) bool {
	return b.banned[addr] || b.struck[origin(addr.Addr())] >= banStrikes
}

// origin is what one owner can take addresses from at will: an IPv4 address, or an IPv6 network.
func origin(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // of a valid address it never fails
	return p
}

// size returns the number of addresses known.
func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known)
}
