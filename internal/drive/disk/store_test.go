package disk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/metainfo"
)

var (
	idA = metainfo.ID{V1: [20]byte{1, 2, 3}}
	idB = metainfo.ID{V1: [20]byte{1, 2, 3}, V2: [32]byte{9}} // a hybrid: another torrent
)

func openStore(t testing.TB, path string, log *slog.Logger) *Store {
	t.Helper()
	s, err := OpenStore(path, log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t testing.TB, s *Store, id metainfo.ID) Record {
	t.Helper()
	r, err := s.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestStoreRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	s := openStore(t, path, nil)
	if r := load(t, s, idA); r.Known || r.Durable != nil || r.Journaled != nil {
		t.Errorf("unknown torrent: %+v", r)
	}
	do(t, s.AppendVerified(idA, 3), s.AppendVerified(idA, 9), s.Commit(idB, []byte{0xff}, []byte("b")))
	do(t, s.Close())
	s = openStore(t, path, nil)
	defer func() { do(t, s.Close()) }()
	if r := load(t, s, idA); r.Known || !bytes.Equal(r.Journaled, []byte{0x10, 0x40}) {
		t.Errorf("journal alone: %+v", r)
	}
	// Piece 20 verifies while 3 and 9 are being committed.
	do(t, s.AppendVerified(idA, 20), s.Commit(idA, []byte{0x10, 0x40, 0}, []byte("meta")))
	s.Release(idA)
	r := load(t, s, idA)
	if !r.Known || !bytes.Equal(r.Durable, []byte{0x10, 0x40, 0}) || !bytes.Equal(r.Journaled, []byte{0, 0, 0x08}) || string(r.Meta) != "meta" {
		t.Errorf("%+v", r)
	}
	do(t, s.Commit(idA, []byte{0x10, 0x40, 0x08}, nil))
	if r := load(t, s, idA); r.Journaled != nil || r.Durable[2] != 0x08 || len(r.Meta) != 0 {
		t.Errorf("%+v", r)
	}
	if files, _ := os.ReadDir(path + ".journal"); len(files) != 0 {
		t.Errorf("journals left over: %v", files)
	}
	if ids, err := s.IDs(); err != nil || fmt.Sprint(ids) != fmt.Sprint([]metainfo.ID{idA, idB}) {
		t.Errorf("ids %v, %v", ids, err)
	}
	do(t, s.Delete(idA))
	if r := load(t, s, idA); r.Known {
		t.Errorf("deleted: %+v", r)
	}
}

func TestSecondOpenerIsToldAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openStore(t, path, nil)
	defer s.Close()
	do(t, s.Commit(idA, []byte{0x80}, nil))
	if _, err := OpenStore(path, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("second opener: %v, want ErrInUse and the path", err)
	}
	if r := load(t, s, idA); !r.Known {
		t.Error("the second opener hurt the first")
	}
}

// A state file that is cut anywhere or overwritten with garbage never crashes us, is never half believed, and is kept.
func TestDamagedStateIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "orig.db")
	s := openStore(t, path, nil)
	bits := bytes.Repeat([]byte{0xa5}, 700)
	for i := range 200 {
		do(t, s.DB().Update(func(tx *bolt.Tx) error {
			id := metainfo.ID{V1: [20]byte{byte(i), byte(i >> 8)}}
			return tx.Bucket(progressBucket).Put(recordKey(id), appendRecord(nil, bits, []byte("meta")))
		}))
	}
	do(t, s.Close())
	whole, err := os.ReadFile(path)
	do(t, err)
	rng := rand.New(rand.NewPCG(1, 3))
	damage := map[string][]byte{"empty": {}, "text": []byte("this is not a state file\n"), "zeros": make([]byte, len(whole))}
	for _, n := range []int{1, 15, 64, 4095, 4096, 5000, 8192, len(whole) / 2, len(whole) - 4096, len(whole) - 1} {
		damage[fmt.Sprintf("cut at %d", n)] = whole[:n]
	}
	for i := range 60 {
		b := bytes.Clone(whole)
		for range 1 + rng.IntN(4) {
			at := rng.IntN(len(b))
			for k := at; k < min(len(b), at+1+rng.IntN(6000)); k++ {
				b[k] = byte(rng.Uint32())
			}
		}
		damage[fmt.Sprintf("garbage %d", i)] = b
	}
	aside := 0
	for name, data := range damage {
		t.Run(name, func(t *testing.T) {
			if setAsideWhenDamaged(t, data, bits) {
				aside++
			}
		})
	}
	if aside < 13 {
		t.Errorf("only %d damaged files were noticed", aside)
	}
}

func setAsideWhenDamaged(t *testing.T, data, bits []byte) bool {
	path := filepath.Join(t.TempDir(), "state.db")
	do(t, os.WriteFile(path, data, 0o600))
	var log bytes.Buffer
	s := openStore(t, path, slog.New(slog.NewTextHandler(&log, nil)))
	defer s.Close()
	for i := range 200 { // what is believed is what was written
		r := load(t, s, metainfo.ID{V1: [20]byte{byte(i), byte(i >> 8)}})
		if r.Known && (!bytes.Equal(r.Durable, bits) || string(r.Meta) != "meta") {
			t.Fatalf("torrent %d: believed a damaged record", i)
		}
	}
	do(t, s.Commit(idA, []byte{0x80}, nil)) // and it works
	kept, err := os.ReadFile(path + ".bad")
	if err != nil {
		return false
	}
	if !bytes.Equal(kept, data) {
		t.Error("the damaged file was not kept as it was")
	}
	if !strings.Contains(log.String(), "damaged") || !strings.Contains(log.String(), "state.db.bad") {
		t.Errorf("no clear warning: %q", log.String())
	}
	return true
}

// However a journal is cut or garbled, what is read is a prefix of what was written.
func TestJournalTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "state.db"), nil)
	defer s.Close()
	for i := range 10 {
		do(t, s.AppendVerified(idA, i*3))
	}
	path := s.journal(idA).path
	s.Release(idA)
	whole, err := os.ReadFile(path)
	do(t, err)
	for n := range len(whole) + 1 {
		for _, tail := range [][]byte{nil, make([]byte, 20), []byte("garbage garbage garbage")} {
			do(t, os.WriteFile(path, append(bytes.Clone(whole[:n]), tail...), 0o600))
			want := newBits(40)
			for i := range n / journalEntry {
				setBit(want, i*3)
			}
			if r := load(t, s, idA); !bytes.Equal(pad(r.Journaled), pad(want)) {
				t.Fatalf("cut at %d, then %q: %08b, want %08b", n, tail, r.Journaled, want)
			}
			// What is appended after the torn end counts.
			do(t, s.AppendVerified(idA, 39))
			s.Release(idA)
			if r := load(t, s, idA); !hasBit(r.Journaled, 39) {
				t.Fatalf("cut at %d: an entry after the torn end is lost", n)
			}
			s.Release(idA)
		}
	}
	// Another torrent's journal under our name is not believed.
	do(t, os.Rename(path, s.journal(idB).path))
	if r := load(t, s, idB); r.Journaled != nil {
		t.Errorf("believed another torrent's journal: %08b", r.Journaled)
	}
}

func pad(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 8-len(b))...) }
