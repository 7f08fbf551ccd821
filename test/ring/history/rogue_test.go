package history_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// lies is a member that keeps its key and its place but none of the rules: it drops what it is asked, answers with what was true long ago,
// sends old messages again, and writes in others' names.
type lies struct {
	c      *cluster
	old    map[string]*ringwire.Record // by key, the first that it saw
	past   []*ringwire.Data            // messages to send again
	forged int
}

func (l *lies) messages(from, to *host, m *ringwire.Data) []*ringwire.Data {
	rng := l.c.rng
	if m.Record != nil {
		if l.old[m.Record.Key] == nil {
			l.old[m.Record.Key] = m.Record
		}
		if len(l.past) < 100 {
			l.past = append(l.past, m)
		}
	}
	out := []*ringwire.Data{m}
	switch roll := rng.IntN(10); {
	case roll < 2:
		out = nil
	case roll < 5 && m.Kind == ringwire.DataAnswer: // stale, and sure of it
		lie := *m
		lie.Record, lie.Same, lie.Sure = nil, false, true
		if m.Record != nil {
			lie.Record = l.old[m.Record.Key]
		}
		out = []*ringwire.Data{&lie}
	case roll < 5 && m.Kind == ringwire.DataWritten: // says that it did
		lie := *m
		lie.Record, lie.Sure, lie.Status = nil, true, ringwire.StatusOK
		out = []*ringwire.Data{&lie}
	case roll < 6 && len(l.past) > 0:
		out = append(out, l.past[rng.IntN(len(l.past))])
	case roll < 7 && m.Record != nil:
		l.forged++
		out = append(out, &ringwire.Data{Kind: ringwire.DataWrite, Op: 1 << 40, Record: forge(m.Record)})
	case roll < 8 && m.Kind == ringwire.DataAnswer && m.Record != nil:
		l.forged++
		lie := *m
		lie.Record = forge(m.Record)
		out = []*ringwire.Data{&lie}
	}
	return out
}

// forge is a record with another value in the first writer's name, under its old signature.
func forge(rec *ringwire.Record) *ringwire.Record {
	v := rec.Versions[0]
	v.Dot.Counter++
	v.Value, v.Tombstone, v.Gone, v.TTL, v.Left = []byte("forged"), false, false, 0, 0
	v.Hash = sha256.Sum256(v.Value)
	if v.Set {
		v.Member = v.Hash
	}
	return &ringwire.Record{Key: rec.Key, Versions: []ringwire.Version{v}}
}

// TestRogue: "One rogue member (wrong successors, stale values, drops, replays) with W=3, Q=2: nobody's record forged or rolled back, >= 99 % of
// reads succeed." (Wrong successors are core/ring's part.)
func TestRogue(t *testing.T) {
	var gets, failed, forged int
	var refused uint64
	for seed := uint64(1); seed <= 8; seed++ {
		c := newCluster(options{seed: seed, hosts: 6, vnodes: 3, replicas: 3, write: 3, read: 2})
		c.run(30 * time.Second)
		liar := &lies{c: c, old: map[string]*ringwire.Record{}}
		c.hosts[int(seed)%len(c.hosts)].rogue = true
		c.rogue = liar.messages
		l := c.startLoad(4, 6, 30*time.Millisecond, 30*time.Second)
		c.run(time.Minute)
		ops := l.log.Ops()
		gets, failed, forged = gets+l.gets, failed+l.failed, forged+liar.forged
		for _, err := range history.Check(ops, l.finals()) {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, err := range history.RolledBack(ops) {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, h := range c.hosts {
			refused += h.r.Stats().Forged
		}
	}
	t.Logf("%d of %d reads failed; %d forgeries sent, %d refused", failed, gets, forged, refused)
	if gets < 1000 || failed*100 > gets {
		t.Errorf("%d of %d reads failed, at most 1 %% may", failed, gets)
	}
	if forged < 100 || refused < 100 {
		t.Errorf("%d forgeries sent, %d refused: the rogue did little", forged, refused)
	}
}
