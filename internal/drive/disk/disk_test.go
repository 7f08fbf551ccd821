package disk

import (
	"context"
	"crypto/sha1"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
	"github.com/eddy-p2p/eddy/storage/storagetest"
)

func TestMain(m *testing.M) {
	killedChild()
	goleak.VerifyTestMain(m)
}

// rig is a running Disk with one torrent of known content.
type rig struct {
	t       testing.TB
	layout  metainfo.Layout
	content []byte
	disk    *Disk
	torrent *Torrent
	results chan Result
	stop    func()
}

func newContent(size int64, seed uint64) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1}).Read(b)
	return b
}

func newRig(t testing.TB, l metainfo.Layout, store storage.Storage, cfg Config, more func(*TorrentConfig)) *rig {
	t.Helper()
	r := &rig{t: t, layout: l, content: newContent(l.Size, 7), disk: New(cfg), results: make(chan Result, 10000)}
	tc := TorrentConfig{
		Layout: l, Store: store, PieceHash: r.hash, ID: metainfo.ID{V1: [20]byte{1}},
		Results: func(res Result) { r.results <- res },
	}
	if more != nil {
		more(&tc)
	}
	var err error
	if r.torrent, err = r.disk.Open(tc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.disk.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	return r
}

func (r *rig) piece(i int) []byte {
	off := r.layout.PieceOffset(i)
	return r.content[off : off+r.layout.PieceSize(i)]
}

func (r *rig) hash(i int) [20]byte { return sha1.Sum(r.piece(i)) }

// blocks cuts a piece into its blocks.
func (r *rig) blocks(i int) (segs []Segment) {
	p := r.piece(i)
	for b := range r.layout.NumBlocks(i) {
		at := b * metainfo.BlockSize
		segs = append(segs, Segment{Piece: int32(i), Begin: int32(at), Data: p[at : at+int(r.layout.BlockLength(i, b))]})
	}
	return segs
}

func (r *rig) next() Result { return <-r.results }

// none fails if a result is waiting.
func (r *rig) none() {
	r.t.Helper()
	select {
	case res := <-r.results:
		r.t.Errorf("unexpected result %+v", res)
	default:
	}
}

// want takes the next result and compares what it is about.
func (r *rig) want(kind Kind, piece int, ok bool) Result {
	r.t.Helper()
	res := r.next()
	if res.Kind != kind || res.Piece != piece || res.OK != ok {
		r.t.Fatalf("result %+v, want %v of piece %d, OK %v", res, kind, piece, ok)
	}
	return res
}

var small = metainfo.Layout{Size: 5*(96<<10) + 12345, PieceLength: 96 << 10}

// However blocks are cut, ordered, repeated and batched: the content arrives, every piece verifies, every slab is released
// once; and a piece with a wrong byte is found bad, with the digests of just those blocks wrong that were.
func TestAnyOrderOfWrites(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := storage.NewMemory(small.Size)
		r := newRig(t, small, mem, Config{Workers: rapid.IntRange(1, 3).Draw(rt, "workers")}, nil)
		defer r.stop()
		seed := rapid.Uint64().Draw(rt, "seed")
		rng := rand.New(rand.NewPCG(seed, 1))
		shuffle := rapid.IntRange(0, 3).Draw(rt, "shuffle") // 0: in order ... 3: everything anywhere
		badPiece := rapid.IntRange(-1, small.NumPieces()-1).Draw(rt, "bad")
		badAt := 0
		if badPiece >= 0 {
			badAt = rng.IntN(int(small.PieceSize(badPiece)))
		}
		segs := cut(r, rng, badPiece, badAt)
		disorder(segs, rng, shuffle)
		var calls, released atomic.Int64
		for len(segs) > 0 {
			n := 1 + rng.IntN(min(len(segs), 12))
			calls.Add(1)
			r.torrent.Write(segs[:n:n], ReleaseFunc(func() { released.Add(1) }))
			segs = segs[n:]
		}
		for i := range small.NumPieces() {
			r.torrent.Verify(i, rng.IntN(2) == 0)
		}
		for range small.NumPieces() {
			checkVerdict(rt, r, r.next(), badPiece, badAt)
		}
		r.torrent.Close()
		if calls.Load() != released.Load() || r.disk.Queued() != 0 {
			rt.Fatalf("%d slabs given, %d released, %d bytes queued", calls.Load(), released.Load(), r.disk.Queued())
		}
		got := make([]byte, small.Size)
		mem.ReadAt(got, 0)
		if badPiece >= 0 {
			got[small.PieceOffset(badPiece)+int64(badAt)] ^= 0xff
		}
		if sha1.Sum(got) != sha1.Sum(r.content) {
			rt.Fatal("the storage has other bytes than were written")
		}
	})
}

// cut splits all pieces at random places, with some parts twice and one byte flipped.
func cut(r *rig, rng *rand.Rand, badPiece, badAt int) (segs []Segment) {
	for i := range r.layout.NumPieces() {
		p := r.piece(i)
		if i == badPiece {
			p = append([]byte(nil), p...)
			p[badAt] ^= 0xff
		}
		for at := 0; at < len(p); {
			n := min(len(p)-at, 1+rng.IntN(20_000))
			s := Segment{Piece: int32(i), Begin: int32(at), Data: p[at : at+n]}
			segs = append(segs, s)
			if rng.IntN(8) == 0 {
				back := rng.IntN(min(at, 9000) + 1) // overlapping what came before
				s.Begin, s.Data = s.Begin-int32(back), p[at-back:at+n]
				segs = append(segs, s)
			}
			at += n
		}
	}
	return segs
}

func disorder(segs []Segment, rng *rand.Rand, how int) {
	swap := func(a, b int) { segs[a], segs[b] = segs[b], segs[a] }
	switch how {
	case 1:
		for range len(segs) / 6 {
			k := rng.IntN(len(segs) - 1)
			swap(k, k+1)
		}
	case 2:
		for lo := 0; lo < len(segs); lo += 10 {
			part := segs[lo:min(lo+10, len(segs))]
			rng.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
		}
	case 3:
		rng.Shuffle(len(segs), swap)
	}
}

func checkVerdict(t *rapid.T, r *rig, res Result, badPiece, badAt int) {
	if res.Kind != Verified || res.OK != (res.Piece != badPiece) {
		t.Fatalf("%+v; bad piece is %d", res, badPiece)
	}
	if res.Digests == nil && res.OK {
		return
	}
	if len(res.Digests) != r.layout.NumBlocks(res.Piece) {
		t.Fatalf("piece %d has %d digests", res.Piece, len(res.Digests))
	}
	for b, s := range r.blocks(res.Piece) {
		good := res.Digests[b] == sha1.Sum(s.Data)
		if good == (res.Piece == badPiece && b == badAt/metainfo.BlockSize) {
			t.Fatalf("piece %d block %d: digest right is %v", res.Piece, b, good)
		}
	}
}

// A full disk at any write: the piece is reported, nothing of it is claimed, and fetching it again works.
func TestNoSpaceAtEachWrite(t *testing.T) {
	l := metainfo.Layout{Size: 3 * 64 << 10, PieceLength: 64 << 10}
	for k := range 12 { // each block is one write
		var writes atomic.Int64
		full := &storagetest.Faulty{Storage: storage.NewMemory(l.Size), Before: func(op storagetest.Op, _, _ int64) error {
			if op == storagetest.OpWrite && int(writes.Add(1)) == k+1 {
				return &storage.Error{Op: "write", Path: "f.part", Err: syscall.ENOSPC}
			}
			return nil
		}}
		r := newRig(t, l, full, Config{Workers: 1}, nil)
		var released atomic.Int64
		for i := range 3 {
			for _, s := range r.blocks(i) {
				r.torrent.Write([]Segment{s}, ReleaseFunc(func() { released.Add(1) }))
			}
			r.torrent.Verify(i, false)
		}
		var lost []int
		for verdicts := 0; verdicts < 3; {
			res := r.next()
			switch {
			case res.Kind == WriteFailed && errors.Is(res.Err, storage.ErrNoSpace):
				lost = append(lost, res.Piece)
				if len(lost) == 2 { // once when it happened, once as the verdict
					verdicts++
				}
			case res.Kind == Verified && res.OK:
				verdicts++
			default:
				t.Fatalf("write %d: %+v", k, res)
			}
		}
		if len(lost) != 2 || lost[0] != lost[1] || hasBit(r.torrent.Have(), lost[0]) {
			t.Fatalf("write %d failed, reported %v, have %08b", k, lost, r.torrent.Have())
		}
		if released.Load() != 12 {
			t.Fatalf("write %d: %d of 12 slabs released", k, released.Load())
		}
		r.torrent.Forget(lost[0])
		r.torrent.Write(r.blocks(lost[0]), nil)
		r.torrent.Verify(lost[0], false)
		r.want(Verified, lost[0], true)
		r.stop()
	}
}

// Verify after a failed write asks the disk: the truth counts, not the failure.
func TestVerifyAfterFailedWrite(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	mem := storage.NewMemory(small.Size)
	r := newRig(t, small, &storagetest.Faulty{Storage: mem, Before: func(op storagetest.Op, _, _ int64) error {
		if op == storagetest.OpWrite && broken.Load() {
			return syscall.EIO
		}
		return nil
	}}, Config{}, nil)
	defer r.stop()
	r.torrent.Write(r.blocks(2), nil)
	r.want(WriteFailed, 2, false)
	mem.WriteAt(r.content, 0)
	r.torrent.Verify(2, false)
	r.want(Verified, 2, true)
}

// "A disk fault bans no peer": whatever the disk does to reads, a piece of good blocks is never called bad.
func TestDiskFaultsBlameNobody(t *testing.T) {
	for name, spoil := range map[string]func(*storagetest.Faulty){
		"EIO": func(f *storagetest.Faulty) {
			f.Before = func(op storagetest.Op, _, _ int64) error {
				if op == storagetest.OpRead {
					return syscall.EIO
				}
				return nil
			}
		},
		"short": func(f *storagetest.Faulty) {
			f.Before = func(op storagetest.Op, _, _ int64) error {
				if op == storagetest.OpRead {
					return &storage.Error{Op: "read", Path: "f.part", Err: syscall.ENOENT}
				}
				return nil
			}
		},
		"rot": func(f *storagetest.Faulty) { f.Read = func(_ int64, p []byte) { p[len(p)/2] ^= 1 } },
	} {
		t.Run(name, func(t *testing.T) {
			f := &storagetest.Faulty{Storage: storage.NewMemory(small.Size)}
			spoil(f)
			r := newRig(t, small, f, Config{}, nil)
			defer r.stop()
			// In order: hashed from the slab, the disk is not even asked.
			r.torrent.Write(r.blocks(0), nil)
			r.torrent.Verify(0, false)
			r.want(Verified, 0, true)
			// Asked for digests, it is.
			r.torrent.Write(r.blocks(1), nil)
			r.torrent.Verify(1, true)
			r.want(ReadFailed, 1, false)
			// Out of order: hashed by reading.
			segs := r.blocks(2)
			segs[1], segs[2] = segs[2], segs[1]
			r.torrent.Write(segs, nil)
			r.torrent.Verify(2, false)
			if res := r.want(ReadFailed, 2, false); name == "rot" && !errors.Is(res.Err, ErrReadBack) {
				t.Errorf("%v, want ErrReadBack", res.Err)
			}
			// Bad data on a bad disk: the peer is guilty, but the digests would lie.
			bad := r.blocks(3)
			bad[0].Data = make([]byte, len(bad[0].Data))
			r.torrent.Write(bad, nil)
			r.torrent.Verify(3, false)
			r.want(ReadFailed, 3, false)
			if have := r.torrent.Have(); have[0] != 0x80 {
				t.Errorf("have %08b, want piece 0 alone", have)
			}
		})
	}
}

func TestPanicBreaksOneTorrent(t *testing.T) {
	r := newRig(t, small, storage.NewMemory(small.Size), Config{Workers: 1}, nil)
	defer r.stop()
	results := make(chan Result, 10)
	evil, err := r.disk.Open(TorrentConfig{
		Layout: small, PieceHash: r.hash, Results: func(res Result) { results <- res },
		Store: &storagetest.Faulty{Storage: storage.NewMemory(1), Before: func(storagetest.Op, int64, int64) error { panic("evil") }},
	})
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan bool, 1)
	evil.Write(r.blocks(0), ReleaseFunc(func() { released <- true }))
	evil.Verify(0, false)
	<-released
	if res := <-results; res.Kind != Broken || res.Err == nil {
		t.Errorf("%+v, want Broken", res)
	}
	if res := <-results; res.Kind != ReadFailed || res.OK {
		t.Errorf("verdict of a broken torrent: %+v", res)
	}
	r.torrent.Write(r.blocks(0), nil)
	r.torrent.Verify(0, false)
	r.want(Verified, 0, true)
	if n := r.disk.Stats().Panics; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

func TestRecheck(t *testing.T) {
	mem := storage.NewMemory(small.Size)
	r := newRig(t, small, mem, Config{Workers: 2}, nil)
	defer r.stop()
	mem.WriteAt(r.content, 0)
	mem.WriteAt([]byte("x"), small.PieceOffset(3)+5)
	last := 0
	good, err := r.torrent.Recheck(context.Background(), nil, func(done int) { last = done })
	if err != nil || good[0] != 0b11101100 || last != small.NumPieces() {
		t.Errorf("good %08b, %v, progress %d", good, err, last)
	}
	if have := r.torrent.Have(); have[0] != good[0] {
		t.Errorf("have %08b after recheck of %08b", have, good)
	}
	if good, err := r.torrent.Recheck(context.Background(), []int{1, 3}, nil); err != nil || good[0] != 0b01000000 {
		t.Errorf("some: good %08b, %v", good, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.torrent.Recheck(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCongestion(t *testing.T) {
	gate := make(chan struct{})
	r := newRig(t, small, &storagetest.Faulty{Storage: storage.NewMemory(small.Size), Before: func(storagetest.Op, int64, int64) error {
		<-gate
		return nil
	}}, Config{QueueBytes: 64 << 10}, nil)
	defer r.stop()
	if err := r.disk.Wait(context.Background()); err != nil || r.disk.Congested() {
		t.Fatalf("an empty queue is congested: %v", err)
	}
	r.torrent.Write(r.blocks(0), nil)
	if !r.disk.Congested() || r.disk.Queued() != small.PieceLength {
		t.Errorf("%d bytes queued, congested %v", r.disk.Queued(), r.disk.Congested())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.disk.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait while congested: %v", err)
	}
	waited := make(chan error)
	go func() { waited <- r.disk.Wait(context.Background()) }()
	close(gate)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// What was queued before Run ended is done; what comes after is answered.
func TestStop(t *testing.T) {
	mem := storage.NewMemory(small.Size)
	r := newRig(t, small, mem, Config{}, nil)
	r.torrent.Write(r.blocks(0), nil)
	r.torrent.Verify(0, false)
	r.stop()
	r.want(Verified, 0, true)
	released := 0
	r.torrent.Write(r.blocks(1), ReleaseFunc(func() { released++ }))
	r.torrent.Verify(1, false)
	if res := r.want(ReadFailed, 1, false); !errors.Is(res.Err, ErrStopped) || released != 1 {
		t.Errorf("%v, released %d", res.Err, released)
	}
	if _, err := r.torrent.Recheck(context.Background(), nil, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("recheck: %v", err)
	}
	if err := r.torrent.Flush(context.Background()); !errors.Is(err, ErrStopped) {
		t.Errorf("flush: %v", err)
	}
	r.torrent.Close()
}

func TestFinish(t *testing.T) {
	files, err := storage.OpenFiles(storage.FilesConfig{Root: t.TempDir(), Files: []storage.FileSpec{{Path: "f", Length: small.Size}}})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	r := newRig(t, small, files, Config{}, nil)
	defer r.stop()
	for i := range small.NumPieces() {
		r.torrent.Write(r.blocks(i), nil)
		r.torrent.Verify(i, false)
	}
	for range small.NumPieces() {
		if res := r.next(); !res.OK {
			t.Fatalf("%+v", res)
		}
	}
	r.torrent.Finish(0)
	if res := r.next(); res.Kind != Finished || res.File != 0 || res.Err != nil {
		t.Fatalf("%+v", res)
	}
	if st, err := files.Stat(0); err != nil || st.State != storage.FileFinal {
		t.Errorf("%+v, %v", st, err)
	}
	// A final file is not written any more; that is no peer's fault.
	r.torrent.Write(r.blocks(0), nil)
	if res := r.want(WriteFailed, 0, false); !errors.Is(res.Err, storage.ErrComplete) {
		t.Error(res.Err)
	}
	r.torrent.Close()
}
