package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func do(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// checkAllocated fails when f, which reads an input of n bytes, allocates more than a few times that. The minimum of three
// runs leaves out what the runtime does meanwhile.
func checkAllocated(t *testing.T, n int, f func()) {
	t.Helper()
	got, bound := uint64(math.MaxUint64), uint64(8*n+64<<10)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		got = min(got, after.TotalAlloc-before.TotalAlloc)
	}
	if got > bound {
		t.Errorf("%d bytes allocated for an input of %d, bound %d", got, n, bound)
	}
}

// The fuzzer cannot guess checksums: it takes data as it is, and with the checksums put right (mend).
func FuzzPrecheck(f *testing.F) {
	path := filepath.Join(f.TempDir(), "state.db")
	do(f, Create(path))
	whole, err := os.ReadFile(path)
	do(f, err)
	f.Add(whole, int64(0), false)
	f.Add(whole[:len(whole)-1], int64(4096), false)
	f.Add(whole[:boltPageHeader+boltMetaSize], int64(-1), false)
	f.Add(bytes.Replace(whole, whole[:boltPageHeader+boltMetaSize], make([]byte, boltPageHeader+boltMetaSize), 1), int64(math.MaxInt64), false)
	huge := bytes.Clone(whole)
	binary.NativeEndian.PutUint64(huge[boltPageHeader+40:], math.MaxUint64) // pages
	f.Add(huge, int64(0), true)
	odd := bytes.Clone(whole)
	binary.NativeEndian.PutUint32(odd[boltPageHeader+8:], 4097) // page size
	f.Add(odd, int64(0), true)
	f.Add([]byte{}, int64(0), false)
	f.Add([]byte("this is not a state file\n"), int64(0), false)
	f.Fuzz(func(t *testing.T, data []byte, off int64, mend bool) {
		if mend {
			data = mendMetas(data)
		}
		path := filepath.Join(t.TempDir(), "state.db")
		do(t, os.WriteFile(path, data, 0o600))
		file, err := os.Open(path)
		do(t, err)
		defer file.Close()
		if m, ok := readMeta(file, off); ok && (m.pageSize < 512 || m.pageSize > 1<<20 || m.pageSize&(m.pageSize-1) != 0) {
			t.Fatalf("%+v is taken for a header", m)
		}
		checkAllocated(t, 0, func() { err = precheck(path) })
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v: not told as damage", err)
		}
		if err == nil && !holdsItsPages(file, len(data)) {
			t.Fatalf("%d bytes passed that have no header, or less than it says", len(data))
		}
	})
}

// mendMetas puts the checksums of both headers right, where precheck looks for them.
func mendMetas(data []byte) []byte {
	data = bytes.Clone(data)
	mend := func(off int) {
		if off >= 0 && len(data) >= off+boltPageHeader+boltMetaSize {
			b := data[off+boltPageHeader:][:boltMetaSize]
			sum := fnv.New64a()
			sum.Write(b[:boltMetaSize-8])
			binary.NativeEndian.PutUint64(b[boltMetaSize-8:], sum.Sum64())
		}
	}
	mend(os.Getpagesize())
	if len(data) >= boltPageHeader+boltMetaSize {
		if size := binary.NativeEndian.Uint32(data[boltPageHeader+8:]); size >= 512 && size <= 1<<20 {
			mend(int(size))
		}
	}
	mend(0) // last: no other may spoil the first
	return data
}

// holdsItsPages reports whether a file of n bytes has a valid header, wherever one may be, that asks for no more than n.
func holdsItsPages(f *os.File, n int) bool {
	for off := int64(0); off < int64(n); off = max(512, 2*off) {
		if m, ok := readMeta(f, off); ok && m.pages <= uint64(n)/uint64(m.pageSize) {
			return true
		}
	}
	return false
}
