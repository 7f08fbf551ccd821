package ringnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// smallDisk mounts a disk of that many bytes; that needs privileges.
func smallDisk(t *testing.T, bytes int) string {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("cannot mount a small disk here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v; a file left open?", err)
		}
	})
	return dir
}

// fill takes all that is left of a disk.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return ballast
}

// The arcs that a host answers for are put on disk by the next transaction when their own found no room, whatever that is for: after a crash the
// host must not answer for what it had given up.
func TestArcsOnFullDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	s := open(t, dir, time.Now())
	arcs := func(lapsed bool) change {
		return change{action: replica.Action{Kind: replica.PersistArcs, Hosts: 3, Arcs: []replica.SureArc{{Lapsed: lapsed}}}}
	}
	if err := s.commit([]change{arcs(false)}); err != nil {
		t.Fatal(err)
	}
	ballast := fill(t, dir)
	big := record("big", 1, 1, 0)
	big.Versions[0].Value = make([]byte, 1<<20)
	big.Versions[0].Hash = sha(big.Versions[0].Value)
	if err := s.commit([]change{persist(big, 0), arcs(true)}); !errors.Is(err, replica.ErrNoRoom) {
		t.Fatalf("a commit on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.stamp(0, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, time.Now())
	defer s.close()
	if len(s.arcs) != 1 || !s.arcs[0].Lapsed || s.hosts != 3 {
		t.Errorf("on disk are %+v of %d", s.arcs, s.hosts)
	}
	if r, err := s.Load(0, "big"); r != nil || err != nil {
		t.Errorf("what was refused is there: %v, %v", r, err)
	}
}

// After a transaction of which nobody knows what is on disk none is tried any more.
func TestUncertainStore(t *testing.T) {
	s := open(t, t.TempDir(), time.Now())
	defer s.close()
	s.failed = errors.New("a sync failed")
	if err := s.commit([]change{persist(record("k", 1, 1, 0), 0)}); err == nil || errors.Is(err, replica.ErrNoRoom) {
		t.Errorf("a commit after it: %v", err)
	}
	if err := s.stamp(0, time.Now(), nil); err == nil {
		t.Error("a stamp after it: none")
	}
}

// "A full disk" for a ring of three, one of whose disks fills up: it refuses, the others take the writes; where two are full the writer is told
// so. All of it ends by itself when there is room, and what was acknowledged is there.
func TestFullDisk(t *testing.T) {
	disks := []string{"", smallDisk(t, 96<<20), smallDisk(t, 96<<20)}
	first := start(t, Config{Vnodes: 2, Absence: 2 * time.Second, Timeout: 5 * time.Second})
	nodes := []*live{first}
	for _, dir := range disks[1:] {
		nodes = append(nodes, start(t, Config{Vnodes: 2, Absence: 2 * time.Second, Timeout: 5 * time.Second, Data: filepath.Join(dir, "data"),
			Token: first.Token(), Join: []string{first.Listen().String()}}))
	}
	whole(t, first, 3)
	acknowledged := map[string]bool{}
	put := func(l *live, i int) error {
		key := fmt.Sprint("key", i)
		_, err := l.Put(t.Context(), key, make([]byte, 100_000), ringapi.PutOptions{})
		if err == nil {
			acknowledged[key] = true
		}
		return err
	}
	i := 0
	for range 5 {
		i++
		if err := put(first, i); err != nil {
			t.Fatal(err)
		}
	}
	ballast := []string{fill(t, disks[1])}
	for range 5 {
		i++
		if err := put(first, i); err != nil {
			t.Errorf("with one full disk of three: %v", err)
		}
	}
	ballast = append(ballast, fill(t, disks[2]))
	refused := 0
	for k := range 6 {
		i++
		switch err := put(nodes[k%3], i); code(err) {
		case ringapi.TooFew: // exit 6
			refused++
		case "":
		default:
			t.Errorf("with two full disks of three: %v", err)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the disks were not full")
	}
	for _, l := range nodes {
		s := l.snapshot()
		if s.stats.BrokenStore || s.broken != nil {
			t.Fatalf("a full disk broke a node: %+v", s)
		}
	}
	if nodes[1].counters.commitFailures.Load() == 0 {
		t.Error("no transaction met the full disk")
	}
	for _, name := range ballast {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for k, l := range nodes {
		i++
		eventually(t, fmt.Sprintf("node %d does not take writes again", k), func() error { return put(l, i) })
	}
	whole(t, first, 3)
	for key := range acknowledged {
		for k, l := range nodes {
			if got, err := l.Get(t.Context(), key, ringapi.GetOptions{}); err != nil || len(got.Value) != 100_000 {
				t.Errorf("node %d: %s, which was acknowledged: %v", k, key, err)
			}
		}
	}
}
