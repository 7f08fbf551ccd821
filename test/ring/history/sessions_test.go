package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestSessions holds promise 6, "sessions that pass versions read their writes", where nothing else does: one host acknowledges a
// write, one answers a read, and messages get lost.
func TestSessions(t *testing.T) {
	for _, m := range [...]mutant{sound, deafToSessions} {
		t.Run(mutants[m], func(t *testing.T) {
			gets, back, behind := 0, 0, 0
			for seed := range uint64(5) {
				c := newCluster(options{seed: seed, hosts: 5, vnodes: 2, replicas: 3, write: 1, read: 1, loss: 0.1, mutant: m})
				c.run(20 * time.Second)
				l := c.startLoad(5, 3, 20*time.Millisecond, 10*time.Second)
				c.run(20 * time.Second)
				for _, err := range history.Check(l.log.Ops(), nil) {
					if !strings.Contains(err.Error(), "(6)") {
						continue
					}
					if back++; m == sound {
						t.Errorf("seed %d: %v", seed, err)
					}
				}
				gets, behind = gets+l.gets, behind+l.failed
			}
			t.Logf("%d gets: %d went back behind their session, %d were told of too few", gets, back, behind)
			if m == deafToSessions && back == 0 {
				t.Error("not caught")
			}
			if behind > gets/20 {
				t.Errorf("%d of %d gets failed without a fault but lost messages", behind, gets)
			}
		})
	}
}

// TestBehind: a read that demands what only one host has waits for it to come, and says that it is behind when it does not. Holders that
// never answer keep it neither from looking again nor from its answer.
func TestBehind(t *testing.T) {
	c := newCluster(options{seed: 3, hosts: 5, vnodes: 1, replicas: 3, write: 1, read: 1})
	c.calm = true
	c.run(30 * time.Second)
	at, _ := c.hosts[0].Holders(ringwire.Space{}.Hash(ringwire.KeyTag, []byte("k")), 3, nil)
	writer, reader, third := c.hosts[at[0].Host], c.hosts[at[1].Host], c.hosts[at[2].Host]
	reader.cut, third.cut = true, true
	put := c.put(t, int(writer.id), replica.Put{Key: "k", Value: []byte("a")})
	want(t, put, replica.OK, "a")
	writer.cut, reader.cut = true, false

	var got []replica.Result
	read := func(d time.Duration, covers ringwire.Context) {
		got = nil
		c.op(reader, func(r replica.Result, _ bool) { got = append(got, r) }, func(id uint64) {
			reader.r.Get(c.now, id, replica.Get{Key: "k", Covers: covers, Deadline: c.now + d})
		})
	}
	read(3*time.Second, nil)
	c.run(4 * time.Second)
	if len(got) != 1 || got[0].Status != replica.NotFound {
		t.Fatalf("a read that demands nothing, of one holder as this ring wants it: %v", got)
	}
	read(3*time.Second, put.Version)
	c.run(4 * time.Second)
	if len(got) != 1 || got[0].Status != replica.Behind {
		t.Fatalf("while nobody who answers has it: %v", got)
	}
	read(8*time.Second, put.Version)
	c.run(2 * time.Second)
	if len(got) != 0 {
		t.Fatalf("it did not wait: %v", got)
	}
	writer.cut = false
	c.run(time.Second)
	if len(got) != 1 || got[0].Status != replica.OK || !got[0].Version.Includes(put.Version) {
		t.Fatalf("once the writer can be reached: %v", got)
	}
	reader.cut = true
	put = c.put(t, int(writer.id), replica.Put{Key: "k", Value: []byte("b")})
	want(t, put, replica.OK, "b")
	writer.crash()
	reader.cut = false
	read(8*time.Second, put.Version)
	c.run(2 * time.Second)
	// What the writer sent before it fell silent arrives late.
	reader.receive(writer, (&ringwire.Data{Kind: ringwire.DataWrite, Op: 1, Record: put.Record}).Append(nil))
	c.run(2 * time.Second)
	if len(got) != 1 || got[0].Status != replica.OK || !got[0].Version.Includes(put.Version) {
		t.Fatalf("once the reader has it by itself: %v", got)
	}
}
