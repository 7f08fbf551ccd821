package ringnode

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// In whatever order hosts hear of generations that were made at the same time, they come to the same CA, and know those of the others.
func TestJoinSecrets(t *testing.T) {
	first := &ringwire.Secrets{Serial: 1, Seed: [32]byte{1}}
	first.Genesis = publicCA(first)
	made := make([]*ringwire.Secrets, 3)
	for i := range made {
		ca := publicCA(first)
		made[i], _ = newSecrets(first, ca[:])
	}
	var seed [32]byte
	for i, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		own := first
		for _, k := range order {
			own, _ = joinSecrets(own, made[k])
		}
		if i == 0 {
			seed = own.Seed
		}
		if own.Serial != 2 || own.Seed != seed {
			t.Errorf("order %v: serial %d, seed %x, want 2, %x", order, own.Serial, own.Seed[:4], seed[:4])
		}
		for _, s := range append(made, first) {
			if ca := publicCA(s); s.Seed != own.Seed && !slices.Contains(own.Former, ca) {
				t.Errorf("order %v: the CA %x is forgotten", order, ca[:4])
			}
		}
		if len(own.Former) != 3 {
			t.Errorf("order %v: %d former CAs, want 3", order, len(own.Former))
		}
		for _, k := range order { // what is known changes nothing, or hosts would tell each other for ever
			if _, changed := joinSecrets(own, made[k]); changed {
				t.Errorf("order %v: %d changed it again", order, k)
			}
		}
		if _, changed := joinSecrets(own, first); changed {
			t.Errorf("order %v: an earlier generation changed it", order)
		}
	}
	stranger := &ringwire.Secrets{Serial: 9, Seed: [32]byte{9}, Genesis: first.Genesis}
	if _, changed := joinSecrets(made[0], stranger); changed {
		t.Error("secrets that continue none of the ring's were taken")
	}
}

// Two nodes change the secrets at once: all members come to one generation, what was written meanwhile stays good, and who got the
// token of the other one is told what is wrong with it.
func TestRotateTwiceAtOnce(t *testing.T) {
	nodes := grow(t, 4, Config{Vnodes: 2, Handler: echoAccess})
	putAll(t, nodes, 10)
	whole(t, nodes[0], 4)
	var wg sync.WaitGroup
	var tokens [2]*ringapi.Token
	var errs [2]error
	for i := range tokens {
		wg.Go(func() { tokens[i], errs[i] = nodes[i].Rotate(t.Context()) })
	}
	wg.Wait()
	eventually(t, "the members have different secrets", func() error {
		want := nodes[0].trust.identity()
		for _, l := range nodes {
			got := l.trust.identity()
			if got.secrets.Serial < 2 || got.secrets.Seed != want.secrets.Seed || len(got.secrets.Former) != len(want.secrets.Former) {
				return errors.New("not yet")
			}
		}
		return nil
	})
	whole(t, nodes[0], 4)
	getAll(t, nodes, 10)
	good := 0
	for i, token := range tokens {
		if errs[i] != nil {
			if code(errs[i]) != ringapi.Conflict {
				t.Errorf("rotation by node %d: %v, want a conflict", i, errs[i])
			}
			continue
		}
		parsed, err := ringwire.ParseToken(token.Token)
		if err != nil {
			t.Fatal(err)
		}
		_, err = accessBy(t, nodes[3], token.Token)
		if parsed.CA == ringwire.CAHash(nodes[3].trust.caPublic()) {
			if good++; err != nil {
				t.Errorf("the good token of node %d: %v", i, err)
			}
		} else if code(err) != ringapi.Denied {
			t.Errorf("the void token of node %d: %v", i, err)
		}
	}
	if good == 0 {
		t.Errorf("no rotation gave a token that is good: %v", errs)
	}
	// Who comes next is let in, and the members let each other in on new connections.
	cfg := nodes[3].cfg
	nodes[3].stop(t)
	cfg.Token, cfg.Join = "", nil
	nodes[3] = start(t, cfg)
	whole(t, nodes[0], 4)
}

// Who comes to know later that other secrets count takes those, and hands them on to who does not know them.
func TestRotateHeardLater(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2, Handler: echoAccess})
	whole(t, nodes[0], 3)
	var made [2]*ringwire.Secrets
	for i := range made {
		id := nodes[0].trust.identity()
		made[i], _ = newSecrets(id.secrets, nodes[0].trust.caPublic())
	}
	if later(made[0], made[1]) {
		made[0], made[1] = made[1], made[0]
	}
	for i, s := range []*ringwire.Secrets{made[1], made[0], made[0]} { // node 0 alone has those that count
		if err := nodes[i].adopt(s); err != nil {
			t.Fatal(err)
		}
	}
	void, err := nodes[1].NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	h, _, _ := nodes[1].hosts.find(nodes[0].papers().certificate.Public)
	// Node 1 hands its secrets to node 0, which has better ones.
	if _, err := nodes[1].ask(t.Context(), h, controlRotate, func(_ *namer, b []byte) []byte { return made[0].Append(b) }); err == nil {
		t.Error("node 0 says that it has secrets that it does not have")
	}
	for i, l := range nodes {
		eventually(t, "a member has the wrong secrets", func() error {
			if id := l.trust.identity(); id.secrets.Seed != made[1].Seed || len(id.secrets.Former) != 2 {
				return errors.New("not yet")
			}
			return nil
		})
		if _, err := accessBy(t, l, void.Token); code(err) != ringapi.Denied {
			t.Errorf("the void token at node %d: %v", i, err)
		}
	}
}
