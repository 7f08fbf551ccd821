package history_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/ring/history"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only")
	seedsFlag = flag.Uint64("seeds", 12, "how many random schedules to run")
)

// chaos lets hosts crash and come back, the network part and heal, hosts join and leave, and W-1 of them be lost for ever.
type chaos struct {
	c      *cluster
	until  time.Duration
	losses int // that are still allowed
	joins  int
	leaves int
	log    []string
}

func (c *cluster) startChaos(d time.Duration) *chaos {
	x := &chaos{c: c, until: c.now + d, losses: c.opt.write - 1, joins: 2, leaves: 1}
	c.at(time.Second, x.next)
	return x
}

func (x *chaos) note(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf("%8.3fs ", x.c.now.Seconds())+fmt.Sprintf(format, args...))
}

func (x *chaos) next() {
	c := x.c
	if c.now >= x.until {
		return
	}
	h := c.hosts[c.rng.IntN(len(c.hosts))]
	switch roll := c.rng.IntN(20); {
	case roll < 8:
		x.crash(h, c.between(100*time.Millisecond, 5*time.Second))
	case roll < 10:
		x.crash(h, c.between(5*time.Second, 90*time.Second))
	case roll < 11: // the power fails
		for _, h := range c.hosts {
			x.crash(h, c.between(100*time.Millisecond, 3*time.Second))
		}
	case roll < 14:
		x.part(c.between(time.Second, 70*time.Second))
	case roll == 14 && x.losses > 0 && h.up() && h.member:
		x.losses--
		x.note("host %d is lost for ever", h.id)
		h.lost = true
		h.crash()
	case roll < 17 && x.joins > 0:
		x.joins--
		h := c.addHost()
		h.member = true
		x.note("host %d joins", h.id)
		h.start()
	case roll == 17 && x.leaves > 0 && h.up() && h.member:
		x.leaves--
		x.note("host %d leaves", h.id)
		h.leave()
	}
	c.at(c.between(time.Second, 12*time.Second), x.next)
}

func (x *chaos) crash(h *host, down time.Duration) {
	if !h.up() || !h.member {
		return
	}
	x.note("host %d crashes for %v", h.id, down)
	h.crash()
	x.c.at(down, func() {
		if !h.up() && !h.lost {
			x.note("host %d is back", h.id)
			h.start()
		}
	})
}

// part puts each host on one of two sides.
func (x *chaos) part(d time.Duration) {
	sides := ""
	for _, h := range x.c.hosts {
		h.side = x.c.rng.IntN(2)
		sides += fmt.Sprint(h.side)
	}
	x.note("partition %s for %v", sides, d)
	x.c.news(x.c.hosts...)
	x.c.at(d, func() {
		x.note("healed")
		x.c.heal()
	})
}

func (c *cluster) heal() {
	for _, h := range c.hosts {
		h.side = 0
	}
	c.news(c.hosts...)
}

// leave is eddy ring leave: once it is at rest, or has waited for that, the host leaves the ring, and then hands its data over, with no view
// of the ring any more.
func (h *host) leave() { h.leaveBy(h.c.now + 30*time.Second) }

func (h *host) leaveBy(end time.Duration) {
	switch {
	case !h.up():
		return
	case h.c.now < end && !h.r.AtRest():
		life := h.life
		h.c.at(100*time.Millisecond, func() {
			if h.life == life {
				h.leaveBy(end)
			}
		})
		return
	}
	h.member = false
	h.sees[h.id] = true
	h.c.news(h)
	h.r.Leave(h.c.now)
	h.drain()
}

// calmDown ends all faults and gives the hosts the time to come to rest.
func (c *cluster) calmDown(d time.Duration) {
	c.calm = true
	c.heal()
	for _, h := range c.hosts {
		if !h.up() && !h.lost && h.life > 0 {
			h.start()
		}
	}
	c.run(d)
}

// schedule runs one random schedule and returns what the checker says, and what happened.
func schedule(opt options) (violations []error, x *chaos, l *load) {
	c := newCluster(opt)
	c.run(20 * time.Second)
	l = c.startLoad(4, 8, 60*time.Millisecond, 3*time.Minute)
	x = c.startChaos(3 * time.Minute)
	c.run(3*time.Minute + 30*time.Second)
	c.calmDown(12 * time.Minute) // where too many of an arc's holders are gone for ever, the others wait for GiveUp
	finals := l.finals()
	return append(history.Check(l.log.Ops(), finals), c.replicas(l.keys)...), x, l
}

// TestFaults holds promise 12 of trust.md: "a ring write acknowledged by W distinct hosts, each synced, survives any W-1 permanent losses
// at once, any number of crashes with restart, and any partition and heal, or is reported as a conflict".
func TestFaults(t *testing.T) {
	seeds(*seedsFlag, func(seed uint64) {
		runFaults(t, options{seed: seed, hosts: 6, vnodes: 2, replicas: 3, write: 2 + int(seed%2), read: 2, loss: 0.02, dup: 0.02, late: 0.01})
	})
}

// TestFaultsEven: the same where the members of a group cannot tell by themselves who of them is cut off, so that the ring's majority says it.
func TestFaultsEven(t *testing.T) {
	sizes := [...]options{{hosts: 9, replicas: 3, write: 3, read: 2}, {hosts: 8, replicas: 5, write: 4, read: 2}, {hosts: 4, replicas: 2, write: 2, read: 1}, {hosts: 7, replicas: 4, write: 4, read: 2}}
	seeds(*seedsFlag/2, func(seed uint64) {
		opt := sizes[seed%uint64(len(sizes))]
		opt.seed, opt.vnodes, opt.loss, opt.dup, opt.late = seed, 1+int(seed/4%3), 0.02, 0.02, 0.01
		runFaults(t, opt)
	})
}

// seeds runs f with the first count seeds, or with the one that a flag names.
func seeds(count uint64, f func(seed uint64)) {
	from, to := *seedFlag, *seedFlag+1
	if *seedFlag == 0 {
		from, to = 1, 1+count
	}
	for seed := from; seed < to; seed++ {
		f(seed)
	}
}

func runFaults(t *testing.T, opt options) {
	t.Helper()
	bad, x, l := schedule(opt)
	ops := l.log.Ops()
	counts := map[history.Outcome]int{}
	for _, op := range ops {
		counts[op.Outcome]++
	}
	t.Logf("seed %d: R=%d, W=%d, %d operations %v, %d faults", opt.seed, opt.replicas, opt.write, len(ops), counts, len(x.log))
	for _, err := range bad {
		t.Errorf("seed %d: %v", opt.seed, err)
	}
	if len(bad) == 0 {
		return
	}
	for _, line := range x.log {
		t.Log(line)
	}
	for _, h := range x.c.hosts {
		if h.up() {
			t.Logf("host %d, member %v: %+v", h.id, h.member, h.r.Stats())
		}
	}
	t.Fatalf("replay with -seed %d", opt.seed)
}
