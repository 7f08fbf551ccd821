package processes

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestRogue: "One rogue member (wrong successors, stale values, drops, replays) with W=3, Q=2: nobody's record forged or rolled back, >= 99 % of
// reads succeed." The rogue is a process of its own (package rogue), let in by the ring's token like any other, and lies for as long as the load
// goes on. Then it is evicted, as whoever found it out would do, and the checker judges what the others have.
func TestRogue(t *testing.T) {
	t.Parallel() // these rings mostly wait
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "rogue")
	build := exec.Command("go", "build", "-tags", "ringrogue", "-o", program, "./test/ring/rogue")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the rogue: %v\n%s", err, out)
	}
	c := grow(t, harness.Deadline(t, 8*time.Minute), *nodesFlag-1, "--write", "3", "--read", "2")
	bad := &node{c: c, number: *nodesFlag - 1, host: harness.Host(), port: 7000, dir: t.TempDir()}
	bad.proc = harness.Start(t, "rogue", nil, program, "-data", bad.dir, "-listen", bad.addr(), "-join", c.nodes[0].addr(), "-token", c.token, "-vnodes", "16") // more than the others, so that many keys are its own
	bad.ready()
	c.awaitWhole(c.nodes[0], *nodesFlag, time.Now().Add(time.Minute))
	bad.proc.Signal(syscall.SIGUSR1)
	l := c.startLoad("rogue", think/2, true)
	c.wait(40 * time.Second)
	l.end()
	reads, failed := 0, 0
	for _, op := range c.log.Ops() {
		if op.Kind != history.Get {
			continue
		}
		if reads++; op.Outcome != history.OK && op.Outcome != history.NotFound {
			failed++
		}
	}
	client, err := c.nodes[0].dial()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Evict(c.ctx, bad.id); err != nil {
		t.Errorf("evicting the rogue: %v", err)
	}
	evicted := time.Now()
	bad.proc.Wait(c.ctx) // it is told, and its own code ends it
	told := bad.proc.Last("lies")
	t.Logf("%d of %d reads failed; the rogue: %v", failed, reads, told)
	if reads < 1000 || failed*100 > reads {
		t.Errorf("%d of %d reads failed, at most 1 %% may, of 1000 or more", failed, reads)
	}
	for kind, least := range map[string]int{"ring": 50, "data": 50, "forged": 5, "dropped": 50, "replayed": 50} {
		if int(told.Int(kind)) < least {
			t.Errorf("the rogue did little: %s %d", kind, told.Int(kind))
		}
	}
	ops := c.log.Ops()
	for i, err := range history.RolledBack(ops) {
		if t.Error(err); i == 20 {
			break
		}
	}
	for _, op := range ops {
		if strings.Contains(strings.Join(op.Values, " "), "forged") {
			t.Errorf("a forgery was read: %v", op)
		}
	}
	c.settle(evicted)
}
