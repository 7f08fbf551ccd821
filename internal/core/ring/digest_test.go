package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// counting counts how often it was asked.
type counting struct {
	directory
	asked *int
}

func (c counting) Positions(h Host) []ID {
	*c.asked++
	return c.directory[h]
}

// Digests that differ in one range are answered with the members there, all of them; and the work for it is that of the ranges, not of the membership,
// or else a member could keep another one busy with a few kilobytes.
func TestDigestWork(t *testing.T) {
	const hosts = 20000
	r := rand.New(rand.NewPCG(1, 1))
	asked := 0
	places := counting{directory{}, &asked}
	var all []Ref
	for h := range Host(hosts) {
		var id ID
		binary.BigEndian.PutUint64(id[:], r.Uint64())
		places.directory[h], all = []ID{id}, append(all, Ref{ID: id, Host: h})
	}
	slices.SortFunc(all, func(a, b Ref) int { return a.ID.Compare(b.ID) })
	n, err := New(Config{Self: 0, Positions: places.directory[0], Directory: places, Cache: true, Rand: r})
	if err != nil {
		t.Fatal(err)
	}
	n.Ideal(0, all)
	for _, differs := range []int{-1, 0, 100, buckets - 1} {
		want := 0
		m := n.digest(true)
		if differs >= 0 {
			m.Digests[differs]++
			for _, x := range all {
				if int(x.ID[0]) == differs {
					want++
				}
			}
		}
		sent(n)
		asked = 0
		n.Receive(1e9*60, 7, &m)
		told := map[Host]bool{}
		for _, a := range sent(n) {
			for _, x := range a.Message.Members {
				if told[x.Host] = true; int(places.directory[x.Host][0][0]) != differs {
					t.Errorf("range %d differs: told of %x", differs, places.directory[x.Host][0])
				}
			}
		}
		if len(told) != want {
			t.Errorf("range %d differs: told of %d, want %d", differs, len(told), want)
		}
		if asked > hosts/2 {
			t.Errorf("range %d differs: looked at %d positions of %d", differs, asked, hosts)
		}
	}
}
