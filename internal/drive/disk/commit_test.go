package disk

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
	"github.com/eddy-p2p/eddy/storage/storagetest"
)

// memProgress keeps the records in memory.
type memProgress struct {
	mu      sync.Mutex
	durable []byte
	meta    []byte
	journal []int
	commits int
	fail    error
}

func (m *memProgress) AppendVerified(_ metainfo.ID, piece int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.journal = append(m.journal, piece)
	return nil
}

func (m *memProgress) Commit(_ metainfo.ID, bits, meta []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.durable, m.meta = append([]byte(nil), bits...), meta
	m.commits++
	return nil
}

func (m *memProgress) state() (durable []byte, commits, journaled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.durable, m.commits, len(m.journal)
}

// "A power cut [costs] at most 5 s or 64 MiB" (trust.md, promise 2): the policy, in virtual time.
func TestCommitPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memProgress{}
		r := newRig(t, small, storage.NewMemory(small.Size), Config{Progress: m, CommitBytes: 3 * small.PieceLength}, func(c *TorrentConfig) {
			c.Meta = func() []byte { return []byte("meta") }
		})
		fetch := func(i int) {
			r.torrent.Write(r.blocks(i), nil)
			r.torrent.Verify(i, false)
			r.want(Verified, i, true)
			synctest.Wait()
		}
		fetch(0)
		time.Sleep(4 * time.Second)
		fetch(1)
		if _, commits, journaled := m.state(); commits != 0 || journaled != 2 {
			t.Errorf("after 4 s: %d commits, %d journaled; want 0, 2", commits, journaled)
		}
		time.Sleep(time.Second) // virtual
		synctest.Wait()
		if d, commits, _ := m.state(); commits != 1 || d[0] != 0b11000000 || string(m.meta) != "meta" {
			t.Errorf("after 5 s: %d commits of %08b", commits, d)
		}
		for i := 2; i < 5; i++ {
			fetch(i)
		}
		if d, commits, _ := m.state(); commits != 2 || d[0] != 0b11111000 {
			t.Errorf("after 3 pieces at once: %d commits of %08b", commits, d)
		}
		time.Sleep(time.Hour)
		if _, commits, _ := m.state(); commits != 2 {
			t.Errorf("%d commits though nothing changed", commits)
		}
		fetch(5)
		r.stop() // commits what is left
		if d, commits, _ := m.state(); commits != 3 || d[0] != 0b11111100 {
			t.Errorf("after the end: %d commits of %08b", commits, d)
		}
	})
}

// A full state disk loses no progress: the old record stands and the commit is tried again.
func TestCommitFailureIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memProgress{fail: syscall.ENOSPC}
		r := newRig(t, small, storage.NewMemory(small.Size), Config{Progress: m}, nil)
		defer r.stop()
		r.torrent.Write(r.blocks(0), nil)
		r.torrent.Verify(0, false)
		r.want(Verified, 0, true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := r.torrent.Flush(context.Background()); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("flush: %v", err)
		}
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if d, commits, _ := m.state(); commits != 1 || d[0] != 0x80 {
			t.Errorf("%d commits of %08b once there was room", commits, d)
		}
	})
}

// "An fsync error puts the torrent in error and re-verifies; it is never retried and assumed."
func TestSyncFailure(t *testing.T) {
	var failing atomic.Bool
	m := &memProgress{}
	mem := storage.NewMemory(small.Size)
	r := newRig(t, small, &storagetest.Faulty{Storage: mem, Before: func(op storagetest.Op, _, _ int64) error {
		if op == storagetest.OpSync && failing.Load() {
			return syscall.EIO
		}
		return nil
	}}, Config{Progress: m, CommitInterval: time.Hour}, nil)
	defer r.stop()
	fetch := func(i int) {
		r.torrent.Write(r.blocks(i), nil)
		r.torrent.Verify(i, false)
	}
	fetch(0)
	r.want(Verified, 0, true)
	if err := r.torrent.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 4; i++ {
		fetch(i)
		r.want(Verified, i, true)
	}
	failing.Store(true)
	if err := r.torrent.Flush(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("flush: %v", err) // and no result to wait for
	}
	r.want(SyncFailed, -1, false)
	r.none()
	failing.Store(false)
	if err := r.torrent.Flush(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Errorf("the next flush says %v: a failed sync was retried and assumed", err)
	}
	if d, commits, _ := m.state(); commits != 1 || d[0] != 0x80 || r.torrent.Have()[0] != 0x80 {
		t.Errorf("%d commits of %08b, have %08b; want piece 0 alone", commits, d, r.torrent.Have())
	}
	fetch(4)
	r.want(ReadFailed, 4, false)
	// The disk lost piece 2.
	mem.WriteAt(make([]byte, 100), small.PieceOffset(2))
	have, err := r.torrent.Recover(context.Background(), nil)
	if err != nil || have[0] != 0b11010000 {
		t.Errorf("recovered %08b, %v", have, err)
	}
	fetch(2)
	r.want(Verified, 2, true)
	if err := r.torrent.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d, _, _ := m.state(); d[0] != 0b11110000 {
		t.Errorf("committed %08b", d)
	}
}

// cutter is a Progress and a storage hook that cut the power at the n-th operation on either.
type cutter struct {
	mu      sync.Mutex
	rng     *rand.Rand
	crash   *storagetest.Crash
	left    int
	durable []byte // as the record says now

	image   *storage.Memory // what the cut left; nil before it
	claimed []byte
}

func (c *cutter) step() {
	if c.left--; c.left == 0 {
		c.image = c.crash.Cut(c.rng)
		c.claimed = append([]byte(nil), c.durable...)
	}
}

func (c *cutter) before(storagetest.Op, int64, int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step()
	return nil
}

func (c *cutter) AppendVerified(metainfo.ID, int) error { return c.before(0, 0, 0) }

func (c *cutter) Commit(_ metainfo.ID, bits, _ []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step() // just before the record is durable
	c.durable = append([]byte(nil), bits...)
	c.step() // just after
	return nil
}

// lingering is a storage whose Sync returns late: what verifies meanwhile was not synced, and must not be recorded.
type lingering struct {
	storage.Storage
	busy func()
}

func (l lingering) Sync() error {
	err := l.Storage.Sync()
	l.busy()
	return err
}

// "After any crash or power loss every piece called complete hashes correctly" (trust.md, promise 1): the power is cut at
// every operation of a download, with unsynced writes dropped, torn and reordered.
func TestPowerCutAnywhere(t *testing.T) {
	l := metainfo.Layout{Size: 12 * 32 << 10, PieceLength: 32 << 10}
	claims := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		c := &cutter{rng: rand.New(rand.NewPCG(seed, 3)), crash: storagetest.NewCrash(l.Size), left: 1 + rng.IntN(70)}
		var verified atomic.Int64
		linger := func() { // for a while, or until another piece verified
			for n, k := verified.Load(), 0; k < 1000 && verified.Load() == n; k++ {
				runtime.Gosched()
			}
		}
		r := newRig(t, l, lingering{&storagetest.Faulty{Storage: c.crash, Before: c.before}, linger},
			Config{Progress: c, Workers: 2, CommitBytes: 2 * l.PieceLength}, func(tc *TorrentConfig) {
				pass := tc.Results
				tc.Results = func(res Result) { verified.Add(1); pass(res) }
			})
		for _, i := range rng.Perm(l.NumPieces()) {
			segs := r.blocks(i)
			disorder(segs, rng, 3)
			for _, s := range segs {
				r.torrent.Write([]Segment{s}, nil)
			}
			r.torrent.Verify(i, false)
			if rng.IntN(3) == 0 {
				r.next()
			}
		}
		r.stop()
		c.mu.Lock()
		if c.image == nil { // it ran out before the cut
			c.left = 1
			c.step()
		}
		image, claimed := c.image, c.claimed
		c.mu.Unlock()
		for i := range l.NumPieces() {
			if !hasBit(claimed, i) {
				continue
			}
			claims++
			p := make([]byte, l.PieceSize(i))
			if _, err := image.ReadAt(p, l.PieceOffset(i)); err != nil || sha1.Sum(p) != r.hash(i) {
				t.Fatalf("seed %d: piece %d is recorded as durable, but the disk has other bytes (%v)", seed, i, err)
			}
		}
	}
	if claims < 200 {
		t.Errorf("only %d pieces were claimed over all cuts: the test shows little", claims)
	}
}

// Bytes that a killed process wrote but never synced are synced before the record vouches for them.
func TestRecheckedPiecesAreSynced(t *testing.T) {
	mem := &marked{Memory: storage.NewMemory(small.Size)}
	r := newRig(t, small, mem, Config{}, nil)
	defer r.stop()
	mem.WriteAt(r.content, 0)
	if _, err := r.torrent.Recheck(context.Background(), []int{1}, nil); err != nil {
		t.Fatal(err)
	}
	// Half from before, half from now.
	r.torrent.Write(r.blocks(2)[:2], nil)
	r.torrent.Verify(2, false)
	r.want(Verified, 2, true)
	// All from now: Sync covers it anyway.
	r.torrent.Write(r.blocks(3), nil)
	r.torrent.Verify(3, false)
	r.want(Verified, 3, true)
	want := fmt.Sprint([]int64{small.PieceOffset(1), small.PieceOffset(2)})
	if got := fmt.Sprint(mem.offsets); got != want {
		t.Errorf("marked %v, want %v", got, want)
	}
}

type marked struct {
	*storage.Memory
	offsets []int64
}

func (m *marked) MarkDirty(off, _ int64) { m.offsets = append(m.offsets, off) }
