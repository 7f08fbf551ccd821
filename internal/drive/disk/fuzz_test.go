package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

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

// The fuzzer cannot guess checksums: each target takes data as it is, and with the checksums put right (mend).

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, nil, nil), false)
	f.Add(appendRecord(nil, []byte{0xa5, 0x80}, []byte("meta")), false)
	f.Add(appendRecord(nil, bytes.Repeat([]byte{0xff}, 300), nil), false)
	f.Add([]byte{recordVersion, 0, 0, 0, 0, 3, 'a'}, true)                                                        // longer than it is
	f.Add([]byte{recordVersion, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, true)       // 2^64-1
	f.Add([]byte{recordVersion, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, true) // beyond
	f.Add([]byte{recordVersion, 0, 0, 0, 0, 0x80}, true)                                                          // a length cut off
	f.Add([]byte{recordVersion + 1, 0, 0, 0, 0, 0}, true)                                                         // a later version
	f.Fuzz(func(t *testing.T, v []byte, mend bool) {
		if mend && len(v) > 5 {
			v = bytes.Clone(v)
			binary.BigEndian.PutUint32(v[1:], crc32.Checksum(v[5:], castagnoli))
		}
		bits, meta, err := parseRecord(v)
		checkAllocated(t, len(v), func() { _, _, _ = parseRecord(v) })
		if err != nil {
			return
		}
		if v[0] != recordVersion || !bytes.HasSuffix(v, append(bytes.Clone(bits), meta...)) {
			t.Fatalf("%x gives %x and %x", v, bits, meta)
		}
		again, metaAgain, err := parseRecord(appendRecord(nil, bits, meta))
		if err != nil || !bytes.Equal(again, bits) || !bytes.Equal(metaAgain, meta) {
			t.Fatalf("%x, %x come back as %x, %x, %v", bits, meta, again, metaAgain, err)
		}
	})
}

func FuzzJournal(f *testing.F) {
	const seed = 0x5eed
	whole := (&journal{seed: seed}).appendEntries(nil, []int{0, 3, 3, 1000, maxJournaled})
	f.Add(whole, false)
	f.Add(whole[:len(whole)-1], false)
	f.Add(append(bytes.Clone(whole), make([]byte, 2*journalEntry)...), false)
	f.Add(bytes.Repeat([]byte{0, 0, 0, 1, 0, 0, 0, 0}, 4000), true)
	f.Add([]byte{0, 0x80, 0, 0, 0, 0, 0, 0}, true) // the first piece that is out of range
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, data []byte, mend bool) {
		if mend {
			data = bytes.Clone(data)
			for i := 0; i+journalEntry <= len(data); i += journalEntry {
				binary.BigEndian.PutUint32(data[i+4:], crc32.Update(seed, castagnoli, data[i:i+4]))
			}
		}
		path := filepath.Join(t.TempDir(), "journal")
		var j *journal
		checkAllocated(t, len(data), func() {
			do(t, os.WriteFile(path, data, 0o600)) // anew, since reading cuts it
			j = &journal{path: path, seed: seed}
			do(t, j.readFile())
		})
		checkJournal(t, j, data, mend)
		// What is added to it counts, and a new process reads the same.
		do(t, j.append(7))
		j.close()
		again := &journal{path: path, seed: seed}
		do(t, again.readFile())
		if n := len(j.pieces); len(again.pieces) != n || again.pieces[n-1] != 7 {
			t.Fatalf("%v is read back as %v", j.pieces, again.pieces)
		}
	})
}

// checkJournal checks that j has the longest intact beginning of data, and its file that alone.
func checkJournal(t *testing.T, j *journal, data []byte, mended bool) {
	t.Helper()
	left, err := os.ReadFile(j.path)
	do(t, err)
	if want := j.appendEntries(nil, j.pieces); !bytes.Equal(left, want) || !bytes.HasPrefix(data, left) {
		t.Fatalf("of %x the file keeps %x, read were %v", data, left, j.pieces)
	}
	for _, p := range j.pieces {
		if p < 0 || p > maxJournaled {
			t.Fatalf("piece %d is out of range", p)
		}
	}
	if rest := data[len(left):]; mended && len(rest) >= journalEntry && binary.BigEndian.Uint32(rest) <= maxJournaled {
		t.Fatalf("of %x only %v was read", data, j.pieces)
	}
}

func FuzzPrecheck(f *testing.F) {
	path := filepath.Join(f.TempDir(), "state.db")
	do(f, createDB(path))
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
		if err != nil && !errors.Is(err, errDamaged) {
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
