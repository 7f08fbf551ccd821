package engine

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	maxKnown   = 2000             // addresses a torrent remembers
	firstRetry = 10 * time.Second // after a failed connection; doubled each time
	lastRetry  = 10 * time.Minute
	banStrikes = 3 // bans of one IP address after which all of it is banned
)

// book is what a torrent knows of addresses: where to connect, when to try again, whom never. Its methods lock it.
type book struct {
	mu     sync.Mutex
	known  map[netip.AddrPort]*contact
	banned map[netip.AddrPort]bool
	struck map[netip.Addr]int // bans of peers of that address
	ids    map[[20]byte]bool  // peer ids that were banned
}

// contact is one address to which we may connect.
type contact struct {
	addr  netip.AddrPort
	fails int
	next  time.Time // not before
	busy  bool      // being connected, or connected
}

func newBook() *book {
	return &book{
		known:  make(map[netip.AddrPort]*contact),
		banned: make(map[netip.AddrPort]bool),
		struck: make(map[netip.Addr]int),
		ids:    make(map[[20]byte]bool),
	}
}

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

// pick takes up to n addresses that are due, in random order within equal numbers of failures, and marks them busy. next is when another falls due,
// zero if none will.
func (b *book) pick(now time.Time, n int) (due []netip.AddrPort, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ready []*contact
	for _, c := range b.known {
		switch {
		case c.busy:
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
				c.busy = true
				due = append(due, c.addr)
			}
		}
	}
	return due, next
}

// done says how a connection to or from addr ended: worked is whether a handshake had been completed.
func (b *book) done(addr netip.AddrPort, now time.Time, worked bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.known[addr]
	if c == nil {
		return
	}
	c.busy = false
	if worked {
		c.fails = 0
	} else {
		c.fails++
	}
	if c.fails > 8 {
		delete(b.known, addr) // a tracker will name it again if it is there
		return
	}
	wait := firstRetry << max(c.fails-1, 0)
	c.next = now.Add(min(wait, lastRetry) + time.Duration(rand.Int64N(int64(5*time.Second))))
}

// claim marks the address as connected, so that it is not connected a second time.
func (b *book) claim(addr netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.known[addr]; c != nil {
		c.busy = true
	} else if len(b.known) < maxKnown {
		b.known[addr] = &contact{addr: addr, busy: true}
	}
}

// ban shuts out a peer by its address and id. One machine may house many peers, so its other ports stay
// welcome until it has been struck several times.
func (b *book) ban(addr netip.AddrPort, id [20]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.banned[addr] = true
	b.ids[id] = true
	b.struck[addr.Addr()]++
	delete(b.known, addr)
}

// refuses reports whether a peer is banned.
func (b *book) refuses(addr netip.AddrPort, id [20]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ids[id] || b.isBanned(addr)
}

func (b *book) isBanned(addr netip.AddrPort) bool {
	return b.banned[addr] || b.struck[addr.Addr()] >= banStrikes && !addr.Addr().IsLoopback()
}

// size returns the numbers of addresses known and banned.
func (b *book) size() (known, banned int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known), len(b.banned)
}
