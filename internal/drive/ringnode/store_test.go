package ringnode

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/drive/boltfile"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

func sha(b []byte) [32]byte { return sha256.Sum256(b) }

// record is a register with one value.
func record(key string, writer byte, counter uint64, ttl time.Duration) *ringwire.Record {
	v := ringwire.Version{Dot: ringwire.Dot{Writer: ringwire.Writer{writer}, Epoch: 1, Counter: counter}, Value: []byte{writer, byte(counter)}, TTL: ttl, Left: ttl,
		Cert: []byte{1}, Sig: []byte{2}}
	v.Hash = sha(v.Value)
	v.Context = ringwire.Context{}.With(ringwire.Dot{Writer: v.Dot.Writer, Epoch: 1, Counter: counter - 1})
	return &ringwire.Record{Key: key, Versions: []ringwire.Version{v}}
}

func persist(r *ringwire.Record, at time.Duration) change {
	return change{action: replica.Action{Kind: replica.Persist, Record: r}, at: at}
}

func open(t *testing.T, dir string, at time.Time) *store {
	t.Helper()
	s, err := openStore(dir, slog.New(slog.DiscardHandler), at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What was committed is there after a restart, merged and aged; each start has a greater epoch.
func TestStore(t *testing.T) {
	dir, day := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, dir, day)
	arcs := []replica.SureArc{{Arc: ringwire.Arc{Lo: ringwire.ID{1}, Hi: ringwire.ID{2}}}, {Arc: ringwire.Arc{Hi: ringwire.ID{9}}, Lapsed: true}}
	err := s.commit([]change{persist(record("a", 1, 1, 0), 0), persist(record("a", 2, 1, 0), 0), persist(record("b", 1, 2, time.Minute), time.Second),
		persist(record("c", 1, 3, 0), 0), {action: replica.Action{Kind: replica.PersistArcs, Arcs: arcs, Hosts: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	// Forget drops a record only if it still is what the replica saw.
	for _, x := range []struct {
		key    string
		digest ringwire.Digest
	}{{"a", record("a", 1, 1, 0).Digest()}, {"c", record("c", 1, 3, 0).Digest()}, {"none", ringwire.Digest{}}} {
		if err := s.commit([]change{{action: replica.Action{Kind: replica.Forget, Key: x.key, Digest: x.digest}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stamp(2*time.Second, day.Add(2*time.Second), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, day.Add(32*time.Second))
	defer s.close()
	if s.epoch != 2 || s.away != 30*time.Second || s.hosts != 3 || !cmp.Equal(s.arcs, arcs) {
		t.Errorf("epoch %d, away %v, %d hosts, arcs %v", s.epoch, s.away, s.hosts, s.arcs)
	}
	var keys []string
	if err := s.Each(0, func(r *ringwire.Record) bool { keys = append(keys, r.Key); return true }); err != nil || !cmp.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
	a, err := s.Load(0, "a")
	if err != nil || len(a.Live()) != 2 {
		t.Errorf("a: %+v, %v; want both siblings", a, err)
	}
	for at, want := range map[time.Duration]time.Duration{0: 29 * time.Second, 28 * time.Second: time.Second} {
		b, err := s.Load(at, "b")
		if err != nil || len(b.Live()) != 1 || b.Live()[0].Left != want {
			t.Errorf("b at %v: %+v, %v; want %v left", at, b, err, want)
		}
	}
	if b, err := s.Load(29*time.Second, "b"); err != nil || b != nil {
		t.Errorf("b at its end: %+v, %v", b, err)
	}
}

// "A node absent longer rejoins empty" (issue 4, Records): it could bring back what all others have forgotten. One that never met another has nothing to
// fear, and everything to lose.
func TestLongAbsence(t *testing.T) {
	_, self := member(t, nil)
	_, other := member(t, nil)
	for _, met := range [][]papers{{self}, {self, other}} {
		dir, day := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s := open(t, dir, day)
		arcs := change{action: replica.Action{Kind: replica.PersistArcs, Arcs: []replica.SureArc{{}}, Hosts: 3}}
		if err := s.commit([]change{persist(record("a", 1, 1, 0), 0), arcs}); err != nil {
			t.Fatal(err)
		}
		var hosts []hostEntry
		for _, p := range met {
			hosts = append(hosts, hostEntry{certificate: p.certificate, presence: p.presence})
		}
		if err := s.stamp(0, day, hosts); err != nil {
			t.Fatal(err)
		}
		s.close()
		s = open(t, dir, day.Add(ringwire.MaxAway))
		if r, err := s.Load(0, "a"); err != nil || (r == nil) != (len(met) > 1) || (len(s.arcs) == 0) != (len(met) > 1) {
			t.Errorf("of %d hosts, after %v: %v, %v, arcs %v", len(met), ringwire.MaxAway, r, err, s.arcs)
		}
		if err := s.db.View(func(tx *bolt.Tx) error {
			aside := tx.Bucket([]byte(asideName(day.Add(ringwire.MaxAway))))
			if len(met) > 1 && (aside == nil || aside.Bucket(recordBucket).Get([]byte("a")) == nil) {
				t.Error("the records were not set aside")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.close()
	}
}

// "Truncated or garbage state files" (trust.md, Faults): a clear error, and nothing lost.
func TestDamagedStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, time.Now())
	var all []change
	for i := range 200 {
		all = append(all, persist(record(string(rune('a'+i)), 1, uint64(i+1), 0), 0))
	}
	if err := s.commit(all); err != nil {
		t.Fatal(err)
	}
	s.close()
	name := filepath.Join(dir, storeFile)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	garbage := append([]byte(nil), whole...)
	for i := range garbage {
		garbage[i] ^= byte(i*7 + i>>8)
	}
	for _, b := range [][]byte{nil, {1}, whole[:4096], whole[:len(whole)/2], garbage} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := openStore(dir, slog.New(slog.DiscardHandler), time.Now()); !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", len(b), len(whole), err)
			if err == nil {
				s.close()
			}
		}
		if after, _ := os.ReadFile(name); len(after) != len(b) {
			t.Errorf("the damaged file was changed: %d bytes, were %d", len(after), len(b))
		}
	}
}

// A record that rotted costs the node its certainty, not the ring a record: it is set aside, and the arcs must be synchronised anew.
func TestDamagedRecord(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, time.Now())
	if err := s.commit([]change{persist(record("good", 1, 1, 0), 0), persist(record("bad", 1, 2, 0), 0),
		{action: replica.Action{Kind: replica.PersistArcs, Arcs: []replica.SureArc{{}}, Hosts: 3}}}); err != nil {
		t.Fatal(err)
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(recordBucket)
		v := append([]byte(nil), b.Get([]byte("bad"))...)
		v[len(v)-1] ^= 1 // of the value: its hash does not fit any more
		return b.Put([]byte("bad"), v)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	s = open(t, dir, time.Now())
	defer s.close()
	if r, err := s.Load(0, "bad"); r != nil || err != nil {
		t.Errorf("the damaged record: %v, %v", r, err)
	}
	if r, err := s.Load(0, "good"); r == nil || err != nil {
		t.Errorf("the good record: %v, %v", r, err)
	}
	if len(s.arcs) != 1 || !s.arcs[0].Lapsed {
		t.Errorf("arcs %v: want them lapsed", s.arcs)
	}
}

// Two processes cannot use one data directory: "two daemons on one state" (trust.md, Faults).
func TestStoreInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, time.Now())
	defer s.close()
	if _, err := New(Config{Data: dir, Listen: "127.0.0.1:0"}); err == nil {
		t.Error("opened twice")
	}
}

// All that wait while a transaction is synced share the next one.
func TestGroupCommit(t *testing.T) {
	s := open(t, t.TempDir(), time.Now())
	defer s.close()
	c := newCommitter(s)
	const writes = 100
	for i := range writes {
		c.add(persist(record(string(rune('a'+i)), 1, uint64(i+1), 0), 0))
	}
	batches, done := 0, 0
	c.commitAll(func(all []change, err error) {
		if err != nil {
			t.Error(err)
		}
		batches++
		done += len(all)
	})
	if batches != 1 || done != writes {
		t.Errorf("%d changes in %d transactions", done, batches)
	}
}

// TestMergesFit: what would be too large to be read again is not written, and what was there, and the rest of the transaction, is.
func TestMergesFit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, time.Now())
	large := func(writer byte) *ringwire.Record { // one of many siblings
		r := record("large", writer, 1, 0)
		v := &r.Versions[0]
		v.Value = make([]byte, ringwire.MaxValueBytes)
		v.Hash = sha(v.Value)
		return r
	}
	members := func(writer byte, from, count int) *ringwire.Record {
		r := &ringwire.Record{Key: "members"}
		for i := from; i < from+count; i++ {
			v := record("", writer, uint64(i+1), 0).Versions[0]
			v.Set, v.Value = true, binary.BigEndian.AppendUint32(nil, uint32(i))
			v.Hash = sha(v.Value)
			v.Member = v.Hash
			r.Versions = append(r.Versions, v)
		}
		return r.Sort()
	}
	changes := []change{persist(large(1), 0), persist(large(2), 0), persist(large(3), 0), persist(large(4), 0), persist(record("other", 1, 1, 0), 0),
		persist(members(1, 0, ringwire.MaxVersions), 0), persist(members(1, ringwire.MaxVersions, 1), 0)}
	if err := s.commit(changes); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, false, false, true, false, false, true} {
		if changes[i].refused != want {
			t.Errorf("change %d refused: %t", i, changes[i].refused)
		}
	}
	s.close()
	s = open(t, dir, time.Now())
	defer s.close()
	for key, want := range map[string]int{"large": 3, "other": 1, "members": ringwire.MaxVersions} {
		if r, err := s.Load(0, key); err != nil || len(r.Live()) != want {
			t.Errorf("%s: %d live versions, %v; want %d", key, len(r.Live()), err, want)
		}
	}
}

// TestSlowStartIsAbsence: the time that a start takes counts as absence. A host that was sure of its arcs when it stopped may say so only for as long as
// nobody can have taken its place.
func TestSlowStartIsAbsence(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	l.stop(t)
	for took, fresh := range map[time.Duration]bool{0: true, time.Minute: false} {
		n, err := New(l.cfg)
		if err != nil {
			t.Fatal(err)
		}
		n.zero -= took
		n.store.wall = n.store.wall.Add(-took)
		if err := errors.Join(n.admit(t.Context()), n.build()); err != nil {
			t.Fatal(err)
		}
		n.data.Tick(n.now())
		n.data.Receive(n.now(), 1, &ringwire.Data{Kind: ringwire.DataTree, Op: 1})
		for {
			a, ok := n.data.Next()
			if !ok {
				t.Fatal("no answer")
			}
			if a.Kind != replica.Send {
				continue
			}
			if a.Message.Fresh != fresh || !a.Message.Lapsed {
				t.Errorf("after a start of %v: fresh %t, was once sure %t", took, a.Message.Fresh, a.Message.Lapsed)
			}
			break
		}
		n.Close()
	}
}
