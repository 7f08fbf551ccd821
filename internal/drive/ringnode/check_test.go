package ringnode

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "ring check (walks the ring and proves order and replication)": a host that is there but has not synchronised holds nothing that others may
// rely on, so the ring is not whole, even if the digests are all the same.
func TestCheckSaysWhoIsUnsure(t *testing.T) {
	nodes := grow(t, 4, Config{Vnodes: 2, Absence: briefly})
	whole(t, nodes[0], 4)
	nodes[3].stop(t)
	rest := nodes[:3]
	whole(t, rest[0], 3)
	cfg := nodes[3].cfg
	cfg.Token, cfg.Join = "", nil
	cfg.tune = func(r *ring.Config, d *replica.Config) {
		quick(r, d)
		d.SyncRate = 1 // a byte a second: it never gets through
	}
	start(t, cfg)
	eventually(t, "the host that does not synchronise is not noticed", func() error {
		c, err := rest[0].Check(t.Context())
		switch {
		case err != nil:
			return err
		case c.Hosts != 4 || c.Unsure == 0 || c.Arcs != 8:
			return fmt.Errorf("%+v", c)
		case c.OK || !slices.ContainsFunc(c.Problems, func(p string) bool { return strings.Contains(p, "not synchronised yet") }):
			t.Fatalf("%d of %d arcs are unsure, and it says %q", c.Unsure, c.Arcs, c.Problems)
		case c.Refused > 0:
			t.Fatalf("with three hosts that are sure, 2 of which are enough: %+v", c)
		}
		return nil
	})
}

// What is deleted is no key, for status and check, but is remembered.
func TestTombstonesAreNoKeys(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2})
	putAll(t, nodes, 8)
	for i := range 3 {
		if _, err := nodes[i].Delete(t.Context(), fmt.Sprint("key", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "keys and tombstones", func() error {
		c, err := nodes[0].Check(t.Context())
		if err != nil || !c.OK || c.Keys != 5 || c.Tombstones != 3 {
			return fmt.Errorf("check: %+v, %v", c, err)
		}
		for _, l := range nodes {
			s, err := l.Status(t.Context())
			if err != nil || s.Keys != 5 || s.Tombstones != 3 {
				return fmt.Errorf("status: %d keys, %d tombstones, %v", s.Keys, s.Tombstones, err)
			}
		}
		return nil
	})
}

// Each thing that can be wrong with the data is a problem of its own; where nothing is, there is none.
func TestDataProblems(t *testing.T) {
	p := ringwire.Parameters{Replicas: 3, Write: 2, Read: 2}
	for _, row := range []struct {
		check ringapi.Check
		want  string
	}{
		{ringapi.Check{Hosts: 3, Keys: 7, Arcs: 9}, ""},
		{ringapi.Check{Hosts: 3, Arcs: 9, Refused: 2, Unsure: 4}, "2 of 9 arcs are answered for by fewer hosts than a read or write needs: keys there are refused until " +
			"their holders are back; 4 of 9 arcs have holders that are not synchronised yet"},
		{ringapi.Check{Hosts: 3, Arcs: 9, UnderReplicated: 5}, "5 keys, deleted ones too, have fewer than 3 copies"},
		{ringapi.Check{Hosts: 1, Arcs: 9, UnderReplicated: 5, Refused: 9}, "1 of 3 hosts: too few for 3 copies of each key"},
		{ringapi.Check{Hosts: 3, Arcs: 9, Differing: 1}, "the holders of 1 of 9 arcs do not hold the same"},
	} {
		if got := strings.Join(dataProblems(&row.check, p), "; "); got != row.want {
			t.Errorf("%+v:\n%s\nwant\n%s", row.check, got, row.want)
		}
	}
}
