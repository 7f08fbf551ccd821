package processes

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/ring"
	"github.com/eddy-p2p/eddy/test/harness"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

const think = 300 * time.Millisecond // of one of 20 clients

// part runs a scenario on a ring that others use after it.
func (c *cluster) part(name string, f func(c *cluster)) {
	outer := c.t
	outer.Run(name, func(t *testing.T) {
		c.t = t
		f(c)
	})
	c.t = outer
}

// wait lets time pass, as the scenario says.
func (c *cluster) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.ctx.Done():
		c.t.Fatal(context.Cause(c.ctx))
	}
}

// TestFaults does to one ring of the defaults, R/W/Q = 3/2/2, one thing after the other. What it acknowledged before any of them must be
// there after each.
func TestFaults(t *testing.T) {
	t.Parallel()
	harness.Need(t, "nft")
	c := grow(t, harness.Deadline(t, 8*time.Minute), *nodesFlag)
	c.part("FaultFree", faultFree)
	c.part("Rolling", rollingRestart)
	c.part("AllKilled", allKilled)
	c.part("Split", split)
	c.part("OneKilledForEver", oneKilled)
}

// faultFree holds "(5) fault-free runs linearizable" and "(6) sessions that pass versions read their writes".
func faultFree(c *cluster) {
	l := c.startLoad("free", think/2, true)
	c.wait(8 * time.Second)
	l.end()
	var ops []history.Op
	for _, op := range c.log.Ops() {
		if op.Outcome == history.Unknown {
			c.t.Errorf("without a fault, nothing is known of %s %s at node %s", op.Kind, op.Key, op.Node)
		}
		if strings.HasPrefix(op.Key, l.prefix) && !isSet(op.Key) {
			ops = append(ops, op)
		}
	}
	if err := history.Linearizable(ops, 20*time.Second); err != nil {
		c.t.Error(err)
	}
	c.settle(time.Now())
}

// awaitWell waits until a node's status is ok: it is a member and synchronised.
func (c *cluster) awaitWell(n *node) {
	c.t.Helper()
	for {
		var state string
		client, err := n.dial()
		if err == nil {
			var s *ring.Status
			if s, err = client.Status(c.ctx); err == nil {
				if state = fmt.Sprint(s.State, s.Reasons); s.State == "ok" {
					return
				}
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-c.ctx.Done():
			c.t.Fatalf("node %d is not well: %s, %v", n.number, state, err)
		}
	}
}

// rollingRestart holds "Rolling restart: no failed read after one retry": nodes are stopped with SIGTERM and started again, each when
// the one before it says that it is well; some of them at another port. A reader whose read fails asks another node, once.
func rollingRestart(c *cluster) {
	l := c.startLoad("rolling", think/2, true)
	c.wait(5 * time.Second)
	var reads, again, failed atomic.Int64
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	for i := range 3 {
		l.wg.Go(func() {
			for k := i; ctx.Err() == nil; k++ {
				key, n := l.key(k%registers), c.nodes[k%len(c.nodes)]
				reads.Add(1)
				if readable(ctx, n, key) {
					continue
				}
				again.Add(1)
				if !readable(ctx, c.nodes[(k+7)%len(c.nodes)], key) && ctx.Err() == nil {
					failed.Add(1)
					c.t.Errorf("a read of %s failed through nodes %d and %d", key, n.number, c.nodes[(k+7)%len(c.nodes)].number)
				}
			}
		})
	}
	for i, n := range c.nodes {
		began := time.Now()
		n.down.Store(true)
		if code := n.proc.Stop(c.ctx); code != 0 {
			c.t.Errorf("node %d ended with %d", i, code)
		}
		if i%3 == 0 {
			n.port++
		}
		n.restart()
		n.ready()
		c.awaitWell(n)
		c.t.Logf("node %d is well again %s after its SIGTERM", i, time.Since(began).Round(100*time.Millisecond))
	}
	end := time.Now()
	cancel()
	l.end()
	c.t.Logf("%d nodes restarted; of %d reads %d were asked again, %d failed", len(c.nodes), reads.Load(), again.Load(), failed.Load())
	c.settle(end)
}

// readable reads a key as a user would.
func readable(ctx context.Context, n *node, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := n.dial()
	if err != nil {
		return false
	}
	_, _, err = read(ctx, client, key, "")
	o := outcome(err)
	if o == history.Unknown {
		n.drop(client)
	}
	return o == history.OK || o == history.NotFound
}

// allKilled holds "kill -9 all 20 and restart: nothing lost".
func allKilled(c *cluster) {
	l := c.startLoad("all", think, true)
	c.wait(5 * time.Second)
	for _, n := range c.nodes {
		n.down.Store(true)
		n.proc.Signal(syscall.SIGKILL)
	}
	begin := time.Now()
	for _, n := range c.nodes {
		n.restart()
	}
	for _, n := range c.nodes {
		n.ready()
	}
	c.wait(3 * time.Second)
	l.end()
	c.settle(begin)
}

// split holds "Halves split by firewall rules in network namespaces for 60 s, then healed: one ring within 60 s". Each half goes on as a ring of its
// own once it has noticed and the 30 s are over after which others take the place of those who are away; the split lasts for longer than that, however
// slow the machine.
func split(c *cluster) {
	l := c.startLoad("split", think, false)
	c.wait(2 * time.Second)
	var sides [2][]string
	for i, n := range c.nodes {
		sides[i%2] = append(sides[i%2], n.host)
	}
	firewall(c.t, fmt.Sprintf(`table ip split {
	chain cut {
		type filter hook output priority 0
		ip saddr { %[1]s } ip daddr { %[2]s } drop
		ip saddr { %[2]s } ip daddr { %[1]s } drop
	}
}`, strings.Join(sides[0], ", "), strings.Join(sides[1], ", ")))
	cut := time.Now()
	for side := range 2 {
		c.awaitMembers(c.nodes[side], len(sides[side]))
	}
	c.t.Logf("the halves have noticed %s after the cut", time.Since(cut).Round(100*time.Millisecond))
	c.wait(max(*splitFlag-time.Since(cut), 35*time.Second))
	before := c.outcomes(l.prefix)
	firewall(c.t, "delete table ip split")
	healed := time.Now()
	c.t.Logf("outcomes until the heal: %v", before)
	c.wait(3 * time.Second)
	l.end()
	c.settle(healed)
}

// outcomes counts the operations on a load's keys.
func (c *cluster) outcomes(prefix string) map[string]int {
	counts := map[string]int{}
	for _, op := range c.log.Ops() {
		if strings.HasPrefix(op.Key, prefix) {
			counts[op.Kind.String()+" "+op.Outcome.String()]++
		}
	}
	return counts
}

// awaitMembers waits until a node knows of just so many hosts.
func (c *cluster) awaitMembers(n *node, want int) {
	c.t.Helper()
	for have := -1; ; {
		if client, err := n.dial(); err == nil {
			if s, err := client.Status(c.ctx); err == nil {
				if have = s.Members; have == want {
					return
				}
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-c.ctx.Done():
			c.t.Fatalf("node %d knows %d members, not %d", n.number, have, want)
		}
	}
}

// firewall runs nft commands.
func firewall(t *testing.T, rules string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// oneKilled holds "W=2, kill -9 any 1 host for ever: no acknowledged write lost, full replication again within 60 s".
func oneKilled(c *cluster) {
	l := c.startLoad("one", think, true)
	c.wait(5 * time.Second)
	c.lose(l, c.nodes[len(c.nodes)/2])
}

// lose kills nodes for ever under load, which goes on until others have taken their places.
func (c *cluster) lose(l *load, lost ...*node) {
	for _, n := range lost {
		n.kill()
	}
	at := time.Now()
	for _, n := range lost {
		n.proc.Wait(c.ctx)
	}
	c.wait(30 * time.Second)
	l.end()
	for _, n := range lost {
		n.forgotten = true
	}
	c.settle(at)
}
