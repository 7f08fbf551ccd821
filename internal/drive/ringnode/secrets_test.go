package ringnode

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// An evicted host is refused by all, at once by those that hear of it, and its own node ends.
func TestEvict(t *testing.T) {
	nodes := grow(t, 4, Config{Vnodes: 2, Absence: briefly})
	putAll(t, nodes, 10)
	whole(t, nodes[0], 4)
	if err := nodes[0].Evict(t.Context(), "nobody"); code(err) != ringapi.NotFound {
		t.Errorf("evict of nobody: %v", err)
	}
	if err := nodes[0].Evict(t.Context(), nodes[0].ID()); code(err) != ringapi.Invalid {
		t.Errorf("evict of itself: %v", err)
	}
	if err := nodes[0].Evict(t.Context(), nodes[2].ID()); err != nil {
		t.Fatal(err)
	}
	rest := append(append([]*live{}, nodes[:2]...), nodes[3])
	public := nodes[2].papers().certificate.Public
	for _, l := range rest {
		eventually(t, "a member has not heard of the eviction", func() error {
			if !l.trust.isEvicted(public) {
				return errNotReady
			}
			return nil
		})
	}
	whole(t, nodes[0], 3)
	getAll(t, rest, 10)
	// It is told, and ends.
	select {
	case err := <-nodes[2].done:
		if code(err) != ringapi.Denied {
			t.Errorf("the evicted node ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the evicted node goes on")
	}
	// With all that it still has, the token too, it does not come back.
	cfg := nodes[2].cfg
	cfg.Token, cfg.Join = nodes[0].Token(), []string{nodes[0].Listen().String()}
	back := launch(t, cfg)
	eventually(t, "nobody refuses the evicted host", func() error {
		for _, l := range rest {
			if l.counters.refused.Load() > 0 {
				return nil
			}
		}
		return errNotReady
	})
	if c, err := nodes[0].Check(t.Context()); err != nil || c.Hosts != 3 {
		t.Errorf("after its return: %+v, %v", c, err)
	}
	back.cancel()
	<-back.ended
}

// An address that was another host's before stands for who is there now.
func TestEvictByAddress(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2, Absence: briefly})
	whole(t, nodes[0], 3)
	addr := nodes[2].Listen().String()
	nodes[2].stop(t)
	whole(t, nodes[0], 2)
	next := start(t, Config{Vnodes: 2, Absence: briefly, Listen: addr, Token: nodes[0].Token(), Join: []string{nodes[0].Listen().String()}})
	whole(t, nodes[0], 3)
	if err := nodes[0].Evict(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-next.done:
		if code(err) != ringapi.Denied {
			t.Errorf("the evicted node ended with %v", err)
		}
	case <-time.After(time.Minute): // a bound for what is broken, not a measure
		t.Fatal("the node at the address goes on")
	}
}

// A member that cannot keep the new secrets does not have them: whoever changes them is told so, and tells its user.
func TestRotateIsMissed(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2})
	whole(t, nodes[0], 3)
	fails := nodes[1].trust
	fails.mu.Lock()
	fails.dir = filepath.Join(fails.dir, "none")
	fails.mu.Unlock()
	missed, err := nodes[0].rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := nodes[0].hosts.find(nodes[1].papers().certificate.Public); len(missed) != 1 || missed[0] != want {
		t.Errorf("missed: %v, want [%d]", missed, want)
	}
}

// "rotate after a theft" (issue 4, Admission): who had the old secrets has nothing; a member that was away comes back by a new token, to
// its old place and with its data.
func TestRotate(t *testing.T) {
	nodes := grow(t, 4, Config{Vnodes: 2, Absence: briefly})
	putAll(t, nodes, 10)
	whole(t, nodes[0], 4)
	away := nodes[3]
	id := away.ID()
	away.stop(t)
	whole(t, nodes[0], 3)
	old := nodes[0].trust.identity()
	token, err := nodes[1].Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range nodes[:3] {
		eventually(t, "a member has the old secrets still", func() error {
			if l.trust.identity().secrets.Serial == old.secrets.Serial {
				return errNotReady
			}
			return nil
		})
		if now := l.trust.identity(); now.ring() != old.ring() || now.secrets.Seed == old.secrets.Seed {
			t.Errorf("node %d: the rotation changed the ring's name, or not its secrets", i)
		}
	}
	getAll(t, nodes[:3], 10)
	whole(t, nodes[0], 3)
	if _, err := accessBy(t, nodes[0], nodes[0].Token()); code(err) != ringapi.Denied {
		t.Errorf("the first token after the rotation: %v", err)
	}
	// The thief's certificate, made with the stolen CA.
	if thief := old.admit([32]byte{1}, ringwire.RoleMember, 1, nil, time.Now()); nodes[0].trust.trusts(thief, time.Now()) {
		t.Error("a certificate by the stolen CA is trusted")
	}
	cfg := away.cfg
	cfg.Token, cfg.Join = token.Token, []string{nodes[1].Listen().String()}
	back := start(t, cfg)
	if back.ID() != id {
		t.Errorf("came back as %s, was %s", back.ID(), id)
	}
	all := append(nodes[:3:3], back)
	whole(t, nodes[0], 4)
	getAll(t, all, 10)
}

// "State in --data DIR: identity (key, certificate, CA key 0600)": nobody else reads them, and damage is told, not papered over.
func TestIdentityFile(t *testing.T) {
	dir := t.TempDir()
	l := start(t, Config{Replicas: 1, Data: dir})
	l.stop(t)
	name := filepath.Join(dir, identityFile)
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info.Mode(), err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, len(whole) / 2, len(whole) - 3} {
		if err := os.WriteFile(name, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := New(Config{Data: dir, Listen: "127.0.0.1:0"}); err == nil {
			n.Close()
			t.Errorf("identity cut to %d of %d bytes: accepted", cut, len(whole))
		}
		if after, _ := os.ReadFile(name); len(after) != cut {
			t.Error("the damaged identity was overwritten")
		}
	}
}
