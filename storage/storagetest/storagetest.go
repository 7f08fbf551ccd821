// Package storagetest proves storages: Run is the conformance suite of storage.Storage, for ours and for those of others.
// Crash simulates a disk whose unsynced writes a power cut drops, tears and reorders; Faulty makes any storage fail where
// a test wants it to.
package storagetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/eddy-p2p/eddy/storage"
)

// Open returns a new, empty storage of size bytes. It may use tb's temporary folder.
type Open func(tb testing.TB, size int64) storage.Storage

// Run checks that what open returns keeps the contract of storage.Storage and of the optional interfaces it has.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"ReadsWhatWasWritten", testReadWrite},
		{"RefusesOutside", testOutside},
		{"ShortReadAtEnd", testEnd},
		{"NeverWritten", testNeverWritten},
		{"Vectors", testVectors},
		{"Concurrent", testConcurrent},
		{"SyncAndClose", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

func content(size int64, seed uint64) []byte {
	b := make([]byte, size)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	src.Read(b)
	return b
}

func testReadWrite(t *testing.T, open Open) {
	const size = 100_003
	s := open(t, size)
	defer s.Close()
	want := content(size, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	var cuts []int64 // runs of odd lengths, in random order
	for off := int64(0); off < size; off += 1 + rng.Int64N(9000) {
		cuts = append(cuts, off)
	}
	for _, i := range rng.Perm(len(cuts)) {
		end := int64(size)
		if i+1 < len(cuts) {
			end = cuts[i+1]
		}
		n, err := s.WriteAt(want[cuts[i]:end], cuts[i])
		if err != nil || int64(n) != end-cuts[i] {
			t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", end-cuts[i], cuts[i], n, err)
		}
	}
	for range 100 {
		off := rng.Int64N(size)
		got := make([]byte, rng.Int64N(size-off+1))
		n, err := s.ReadAt(got, off)
		if n != len(got) || err != nil && err != io.EOF {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", len(got), off, n, err)
		}
		if !bytes.Equal(got, want[off:off+int64(n)]) {
			t.Fatalf("ReadAt(%d bytes, %d) gave other bytes than were written", n, off)
		}
	}
}

func testOutside(t *testing.T, open Open) {
	s := open(t, 1000)
	defer s.Close()
	for _, c := range []struct{ off, n int64 }{{-1, 1}, {1000, 1}, {999, 2}, {1 << 62, 1}, {0, 1001}} {
		if _, err := s.WriteAt(make([]byte, c.n), c.off); err == nil {
			t.Errorf("wrote %d bytes at %d of 1000", c.n, c.off)
		}
	}
	for _, off := range []int64{-1, 1001, 1 << 62} {
		if n, err := s.ReadAt(make([]byte, 1), off); err == nil || n != 0 {
			t.Errorf("read %d bytes at %d of 1000: %v", n, off, err)
		}
	}
	if n, err := s.WriteAt(nil, 1000); n != 0 || err != nil {
		t.Errorf("writing nothing at the end: %d, %v", n, err)
	}
}

func testEnd(t *testing.T, open Open) {
	s := open(t, 1000)
	defer s.Close()
	want := content(1000, 2)
	if _, err := s.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := s.ReadAt(got, 950)
	if n != 50 || !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], want[950:]) {
		t.Errorf("read %d bytes over the end, %v; want the last 50 and io.EOF", n, err)
	}
}

func testNeverWritten(t *testing.T, open Open) {
	s := open(t, 1000)
	defer s.Close()
	if _, err := s.WriteAt([]byte("x"), 100); err != nil {
		t.Fatal(err)
	}
	got := content(50, 3)
	n, err := s.ReadAt(got, 500)
	if err != nil {
		if !storage.IsMissing(err) {
			t.Errorf("reading what was never written: %v, for which IsMissing does not hold", err)
		}
	} else if n != 50 || !bytes.Equal(got, make([]byte, 50)) {
		t.Errorf("reading what was never written gave %d bytes that are not zeros", n)
	}
}

func testVectors(t *testing.T, open Open) {
	const size = 300_000
	s := open(t, size)
	defer s.Close()
	want := content(size, 4)
	rng := rand.New(rand.NewPCG(4, 4))
	split := func(b []byte) (bufs [][]byte) {
		for len(b) > 0 {
			n := min(len(b), rng.IntN(200)) // empty ones too, and more than a system call takes
			bufs = append(bufs, b[:n])
			b = b[n:]
		}
		return bufs
	}
	if err := storage.WriteVec(s, split(want), 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := storage.ReadVec(s, split(got[1:size-1]), 1); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[1:size-1], want[1:size-1]) {
		t.Error("vectors read other bytes than they wrote")
	}
	if err := storage.WriteVec(s, [][]byte{want[:10], want[:10]}, size-15); err == nil {
		t.Error("vectors wrote over the end")
	}
	if err := storage.ReadVec(s, [][]byte{got[:10], got[:10]}, size-15); err == nil {
		t.Error("vectors read over the end")
	}
}

func testConcurrent(t *testing.T, open Open) {
	const parts, part = 8, 40_000
	s := open(t, parts*part)
	defer s.Close()
	want := content(parts*part, 5)
	var wg sync.WaitGroup
	for i := range int64(parts) {
		wg.Go(func() {
			mine := want[i*part : (i+1)*part]
			for off := int64(0); off < part; off += 1000 {
				if _, err := s.WriteAt(mine[off:off+1000], i*part+off); err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, off+1000)
				if _, err := s.ReadAt(got, i*part); err != nil && err != io.EOF || !bytes.Equal(got, mine[:off+1000]) {
					t.Errorf("part %d: bytes changed while others wrote elsewhere: %v", i, err)
					return
				}
				if off == part/2 {
					if err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func testClose(t *testing.T, open Open) {
	s := open(t, 1000)
	if err := s.Sync(); err != nil {
		t.Errorf("Sync before any write: %v", err)
	}
	if _, err := s.WriteAt(make([]byte, 1000), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, rerr := s.ReadAt(make([]byte, 1), 0)
	_, werr := s.WriteAt(make([]byte, 1), 0)
	for what, err := range map[string]error{"ReadAt": rerr, "WriteAt": werr, "Sync": s.Sync(), "Close": s.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v, want fs.ErrClosed", what, err)
		}
	}
}
