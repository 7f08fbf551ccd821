package ringnode

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// code is the code of an error of the API; "" if it is none.
func code(err error) ringapi.Code {
	var e *ringapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// putAll writes keys through all nodes in turn; a write that is refused for want of holders is repeated, as a user would.
func putAll(t *testing.T, nodes []*live, count int) {
	t.Helper()
	for i := range count {
		key := fmt.Sprint("key", i)
		eventually(t, "put "+key, func() error {
			_, err := nodes[i%len(nodes)].Put(t.Context(), key, []byte(key), ringapi.PutOptions{})
			return err
		})
	}
}

// getAll reads all keys through all nodes. What is there must never be denied (trust.md, promise 12).
func getAll(t *testing.T, nodes []*live, count int) {
	t.Helper()
	for i := range count {
		key := fmt.Sprint("key", i)
		for k, l := range nodes {
			eventually(t, "get "+key, func() error {
				got, err := l.Get(t.Context(), key, ringapi.GetOptions{})
				if code(err) == ringapi.NotFound {
					t.Fatalf("node %d denies %s", k, key)
				}
				if err == nil && string(got.Value) != key {
					t.Fatalf("node %d: %s = %q", k, key, got.Value)
				}
				return err
			})
		}
	}
}

func TestOneNode(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	putAll(t, []*live{l}, 5)
	getAll(t, []*live{l}, 5)
	if _, err := l.Get(t.Context(), "nothing", ringapi.GetOptions{}); code(err) != ringapi.NotFound {
		t.Errorf("get of a missing key: %v, want not found", err)
	}
	if _, err := l.Delete(t.Context(), "key0", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(t.Context(), "key0", ringapi.GetOptions{}); code(err) != ringapi.NotFound {
		t.Errorf("get of a deleted key: %v, want not found", err)
	}
	c, err := l.Check(t.Context())
	if err != nil || !c.OK || c.Hosts != 1 || len(c.Members) != 16 {
		t.Errorf("check: %+v, %v", c, err)
	}
	s, err := l.Status(t.Context())
	if err != nil || s.State != ringapi.StateOK {
		t.Errorf("status: %+v, %v", s, err)
	}
}

// One host cannot have two copies: the write is refused, not half done in silence.
func TestTooFew(t *testing.T) {
	l := start(t, Config{Timeout: time.Hour}) // it must be said at once
	if _, err := l.Put(t.Context(), "key", []byte("v"), ringapi.PutOptions{}); code(err) != ringapi.TooFew {
		t.Errorf("put on one host with W = 2: %v, want too few", err)
	}
	if _, err := l.Get(t.Context(), "key", ringapi.GetOptions{}); code(err) != ringapi.TooFew {
		t.Errorf("get on one host with Q = 2: %v, want too few", err)
	}
	if _, err := l.Delete(t.Context(), "key", ""); code(err) != ringapi.TooFew {
		t.Errorf("delete on one host with W = 2: %v, want too few", err)
	}
}

// A host that is killed costs nothing that was acknowledged; one that comes back, at another address, has its ID and data.
func TestKillAndRestart(t *testing.T) {
	nodes := grow(t, 5, Config{Vnodes: 4, Absence: briefly})
	whole(t, nodes[0], 5) // one lost host of three that are sure is what R = 3, Q = 2 stands
	putAll(t, nodes, 20)
	victim := nodes[2]
	id, addr := victim.ID(), victim.Listen()
	victim.stop(t)
	rest := append(append([]*live{}, nodes[:2]...), nodes[3:]...)
	getAll(t, rest, 20)
	whole(t, rest[0], 4)
	putAll(t, rest, 20)
	cfg := victim.cfg
	cfg.Token = ""
	cfg.Join = nil
	back := start(t, cfg)
	if back.ID() != id || back.Listen() == addr {
		t.Errorf("came back as %s at %v, was %s at %v", back.ID(), back.Listen(), id, addr)
	}
	all := append(rest, back)
	whole(t, rest[0], 5)
	getAll(t, all, 20)
}

// A host that leaves hands everything over before it goes.
func TestLeave(t *testing.T) {
	nodes := grow(t, 4, Config{Vnodes: 4})
	putAll(t, nodes, 20)
	if err := nodes[1].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-nodes[1].done; err != nil {
		t.Errorf("the node that left ended with %v", err)
	}
	rest := append(append([]*live{}, nodes[:1]...), nodes[2:]...)
	whole(t, rest[0], 3)
	getAll(t, rest, 20)
	c, err := rest[1].Check(t.Context())
	if err != nil || c.UnderReplicated != 0 || c.Keys != 20 {
		t.Errorf("after the leave: %+v, %v", c, err)
	}
}

// Where each key is on one host only, nothing but the hand-over saves what the leaving host has.
func TestLeaveWithAllCopies(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 4, Replicas: 1})
	putAll(t, nodes, 20)
	if err := nodes[0].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	getAll(t, nodes[1:], 20)
	if err := nodes[2].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	getAll(t, nodes[1:2], 20)
}

// All hosts at once, as in a power cut: everything comes back from their disks.
func TestAllRestart(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 4})
	putAll(t, nodes, 20)
	for _, l := range nodes {
		l.stop(t)
	}
	var back []*live
	for _, l := range nodes {
		cfg := l.cfg
		cfg.Token, cfg.Join, cfg.Listen = "", nil, l.Listen().String()
		back = append(back, launch(t, cfg))
	}
	for _, l := range back {
		<-l.Ready()
	}
	getAll(t, back, 20)
	whole(t, back[0], 3)
}

// Eight are as many as one process can run under the race detector at the tests' periods; test/ring/processes has twenty, at the real ones.
func TestEightNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("eight nodes")
	}
	nodes := grow(t, 8, Config{Vnodes: 2, Absence: briefly})
	whole(t, nodes[0], 8)
	putAll(t, nodes, 40)
	getAll(t, nodes, 40)
	nodes[5].stop(t)
	rest := append(append([]*live{}, nodes[:5]...), nodes[6:]...)
	getAll(t, rest, 40)
	whole(t, rest[4], 7)
}
