package disk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
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
