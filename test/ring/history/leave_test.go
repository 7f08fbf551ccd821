package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
)

// found fails unless every key that was acknowledged is read through every host, without waiting.
func (c *cluster) found(t *testing.T, keys []string) {
	t.Helper()
	for _, k := range keys {
		for i, h := range c.hosts {
			if h.up() {
				want(t, c.get(t, i, k), replica.OK, k)
			}
		}
	}
}

// putKeys writes keys through host 0, those that are refused again.
func (c *cluster) putKeys(t *testing.T, count int) (keys []string) {
	t.Helper()
	for i := range count {
		k := fmt.Sprint("key", i)
		for c.put(t, i%2, replica.Put{Key: k, Value: []byte(k)}).Status != replica.OK {
		}
		keys = append(keys, k)
	}
	return keys
}

// young begins with one host, and has the others join within moments.
func young(opt options) *cluster {
	count := opt.hosts
	opt.hosts = 1
	c := newCluster(opt)
	c.calm = true
	for range count - 1 {
		c.run(c.between(10*time.Millisecond, time.Second))
		h := c.addHost()
		h.member = true
		h.start()
	}
	return c
}

// TestLeaveYoung: "eddy ring leave hands over, then exits", and nothing is missed, in a ring that is still synchronising too.
func TestLeaveYoung(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := young(options{seed: seed, hosts: 4, vnodes: 4, replicas: 3, write: 2, read: 2})
			keys := c.putKeys(t, 8)
			c.run(c.between(0, 3*time.Second))
			c.hosts[1+c.rng.IntN(3)].leave()
			c.run(time.Minute)
			c.rested(t, 3)
			c.found(t, keys)
		})
	}
}

// TestLeaveAfterRestart: two hosts that each hold all, where any one may answer; one restarts, then the other leaves.
func TestLeaveAfterRestart(t *testing.T) {
	for seed := range uint64(20) {
		for _, away := range []time.Duration{time.Second, 20 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(seed, away), func(t *testing.T) {
				c := young(options{seed: seed, hosts: 2, vnodes: 4, replicas: 2, write: 1, read: 1})
				keys := c.putKeys(t, 4)
				c.run(c.between(0, time.Minute))
				back, gone := c.hosts[seed%2], c.hosts[1-seed%2]
				back.crash()
				c.run(away)
				back.start()
				c.run(c.between(time.Second, 3*time.Second)) // so that the other knows: the last host takes its data with it
				gone.leave()
				c.run(time.Minute)
				c.rested(t, 1)
				c.found(t, keys)
			})
		}
	}
}

// TestLeaveWithAllCopies: with one copy of each key, nothing but the hand-over saves what the leaving host has.
func TestLeaveWithAllCopies(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := young(options{seed: seed, hosts: 2, vnodes: 4, replicas: 1, write: 1, read: 1})
			keys := c.putKeys(t, 8)
			c.run(2 * time.Second) // all know all
			c.hosts[0].leave()
			c.run(40 * time.Second)
			c.rested(t, 1)
			c.found(t, keys)
		})
	}
}

// rested fails unless just so many hosts are left, each sure of all its arcs, with nothing that others should have.
func (c *cluster) rested(t *testing.T, hosts int) {
	t.Helper()
	up := 0
	for _, h := range c.hosts {
		if !h.up() {
			continue
		}
		up++
		if s := h.r.Stats(); s.Unsure > 0 || s.Misplaced > 0 {
			t.Errorf("host %d: %d of %d arcs unsure, %d records misplaced", h.id, s.Unsure, s.Arcs, s.Misplaced)
		}
	}
	if up != hosts {
		t.Errorf("%d hosts run, want %d", up, hosts)
	}
}
