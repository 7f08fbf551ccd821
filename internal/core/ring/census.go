package ring

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Terms say how a Census counts. The zero value: it counts nobody, and nobody has the majority.
type Terms struct {
	Remember time.Duration // a host that died without leaving counts for so long
	Fresh    time.Duration // and a living one only if it was heard of since so long ago
}

// Census answers one question: is this host on the larger side, should the ring be cut in two? Two parts of a ring cannot both hear from more
// than half of its hosts. That needs all to count the same hosts, more or less, and none by hearsay:
//
//   - A host counts as heard of for Fresh after a message of its own. News of others count for nothing, so that how fast these travel
//     through a large ring does not matter. Whom nothing was heard of is pinged, as long as somebody asks.
//   - The dead count as members for Remember: they may be the other side. Those who left don't.
//   - Whoever came after a death was noticed, or up to Fresh/slack before, has no say in what it means: else both sides of a cut could grow into a majority. So
//     the heard must be more than half for each death, of those who were there before it.
//   - Who was told of deaths when it came, or knows of members from a former life only, does not know since when: it needs three quarters. So does, in a ring
//     of more than maxPolled hosts, who hears from a random sample: one of an even ring misses 3/4 by 5.6 standard deviations.
//
// A member that lies about others' deaths gains nothing here but that these count as dead for a moment. One that was evicted counts as one that died.
type Census struct {
	terms   Terms
	self    Host
	rand    *rand.Rand
	began   time.Duration // this host became a member; never before
	voters  []voter       // ascending by host, without self
	mourned []Host        // the latest deaths, the last one last: what newcomers are told
	came    time.Duration // this host's own came
	asked   time.Duration // when somebody wanted to know last; longAgo
}

// voter is another member, or one that died a while ago.
type voter struct {
	host   Host
	came   time.Duration // first heard of; longAgo: it was there before this host, or about as long
	died   time.Duration // never: alive
	heard  time.Duration // its last message; longAgo
	told   bool          // it died before this host could notice
	polled bool
}

const (
	slack      = 4 // a death is noticed about Fresh/slack after it
	longAgo    = -never / 2
	maxPolled  = 128
	maxMourned = MaxMembers
)

// NewCensus makes the census of a host that is no member yet.
func NewCensus(terms Terms, self Host, rng *rand.Rand) *Census {
	return &Census{terms: terms, self: self, rand: rng, began: never, came: longAgo, asked: longAgo}
}

func (c *Census) off() bool { return c == nil || c.terms.Remember <= 0 || c.terms.Fresh <= 0 }

func (c *Census) find(h Host) (int, bool) {
	return slices.BinarySearchFunc(c.voters, h, func(v voter, h Host) int { return cmp.Compare(v.host, h) })
}

// add returns h's entry, made when there is none. It is valid until the next call.
func (c *Census) add(h Host) (v *voter, known bool) {
	i, ok := c.find(h)
	if !ok {
		few := len(c.voters) < maxPolled
		c.voters = slices.Insert(c.voters, i, voter{host: h, came: longAgo, died: never, heard: longAgo, polled: few})
	}
	return &c.voters[i], ok
}

// Begin notes that this host has become a member: for the first time, or again.
func (c *Census) Begin(now time.Duration, again bool) {
	if c.off() {
		return
	}
	c.began, c.came = now, now
	if again {
		c.came = longAgo
	}
}

// Knew notes a member that this host knows from a former life, and has not met yet.
func (c *Census) Knew(now time.Duration, h Host) {
	if c.off() || h == c.self {
		return
	}
	if v, known := c.add(h); !known {
		v.died, v.told = now, true
	}
}

// Alive notes that h is a member. complete says that this host knew all members before.
func (c *Census) Alive(now time.Duration, h Host, complete bool) {
	if c.off() || h == c.self {
		return
	}
	v, known := c.add(h)
	if !known && complete && now-c.began > c.terms.Fresh {
		v.came = now
	}
	v.died, v.told = never, false
}

// Dead notes that h died, as far as this host knows.
func (c *Census) Dead(now time.Duration, h Host) {
	if c.off() || h == c.self {
		return
	}
	v, known := c.add(h)
	if v.died != never {
		return
	}
	v.died, v.told = now, !known
	c.mourned = append(slices.DeleteFunc(c.mourned, func(x Host) bool { return x == h }), h)
	c.mourned = c.mourned[max(0, len(c.mourned)-maxMourned):]
}

// Left notes that h left the ring by its own will.
func (c *Census) Left(h Host) {
	if c.off() {
		return
	}
	if i, ok := c.find(h); ok {
		c.voters = slices.Delete(c.voters, i, i+1)
	}
}

// Heard notes a message of h.
func (c *Census) Heard(now time.Duration, h Host) {
	if c.off() {
		return
	}
	if i, ok := c.find(h); ok {
		c.voters[i].heard = now
	}
}

// Mourned reports whether h died so short ago that it counts.
func (c *Census) Mourned(now time.Duration, h Host) bool {
	if c.off() {
		return false
	}
	i, ok := c.find(h)
	return ok && c.voters[i].died != never && !c.forgotten(now, &c.voters[i])
}

// Majority reports whether this host hears from more than half of the ring. Asking begins to find out: the first answer is often no.
func (c *Census) Majority(now time.Duration) bool {
	if c.off() || c.began == never {
		return false
	}
	if !c.wanted(now) {
		c.draw(now)
	}
	c.asked = now
	doubtful := len(c.voters) >= maxPolled
	own := voter{came: c.came, died: never, heard: now}
	asked, cuts := append(make([]voter, 0, min(len(c.voters), maxPolled)+1), own), []time.Duration{never}
	for i := range c.voters {
		v := &c.voters[i]
		if !v.polled || c.forgotten(now, v) {
			continue
		}
		asked = append(asked, *v)
		doubtful = doubtful || v.told
		if cut := v.died - c.terms.Fresh/slack; v.died != never && !v.told && !slices.Contains(cuts, cut) {
			cuts = append(cuts, cut)
		}
	}
	for _, cut := range cuts {
		heard, all := 0, 0
		for i := range asked {
			if v := &asked[i]; v.came < cut {
				all++
				if v.died == never && v.heard > now-c.terms.Fresh {
					heard++
				}
			}
		}
		if doubtful && 4*heard < 3*all || 2*heard <= all {
			return false
		}
	}
	return true
}

// forgotten reports whether v died so long ago that it counts no more.
func (c *Census) forgotten(now time.Duration, v *voter) bool {
	return v.died != never && now-v.died >= c.terms.Remember
}

// draw decides whom to ask: all, or a random few.
func (c *Census) draw(now time.Duration) {
	c.voters = slices.DeleteFunc(c.voters, func(v voter) bool { return c.forgotten(now, &v) })
	few := len(c.voters) < maxPolled
	for i := range c.voters {
		c.voters[i].polled = few
	}
	if few {
		return
	}
	for _, i := range c.rand.Perm(len(c.voters))[:maxPolled] {
		c.voters[i].polled = true
	}
}

// wanted reports whether somebody asked a moment ago.
func (c *Census) wanted(now time.Duration) bool { return !c.off() && now-c.asked <= c.terms.Fresh }

// Due appends those to ping: who is thought alive and was not heard of for a quarter of Fresh.
func (c *Census) Due(now time.Duration, buf []Host) []Host {
	for i := range c.voters {
		if v := &c.voters[i]; v.polled && v.died == never && v.heard <= now-c.terms.Fresh/4 {
			buf = append(buf, v.host)
		}
	}
	return buf
}

// Majority reports whether this host hears from more than half of the ring (see Census), and whether it counts at all: not without Config.Census or a
// membership. Ask again while it matters; each time Tick may be due at once.
func (n *Node) Majority(now time.Duration) (yes, counts bool) {
	if n.census.off() || n.members == nil {
		return false, false
	}
	if n.phase != member {
		return false, true
	}
	yes = n.census.Majority(now)
	if n.next.poll == never {
		n.next.poll = now
	}
	return yes && n.members.complete && !n.members.off, true
}

// poll pings whom nothing was heard of.
func (n *Node) poll() {
	n.next.poll = never
	if n.phase != member || !n.census.wanted(n.now) {
		return
	}
	n.next.poll = n.now + n.jitter(n.cfg.Census.Fresh/8)
	for _, h := range n.census.Due(n.now, nil) {
		n.ping(h)
	}
}
