package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/storage"
)

// clone copies a directory, as a kill leaves it: what is in memory is lost, what was written is there.
func clone(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// record writes a resume record for spec as a run of the past would have left it.
func record(t *testing.T, state string, spec Spec, have bits.Set, said testimony) {
	t.Helper()
	e, err := New(Config{Listen: "127.0.0.1:0", StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	defer e.ln.Close()
	tor, err := newTorrent(e, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := tor.openRecord(); err != nil {
		t.Fatal(err)
	}
	defer tor.content.record.Close()
	meta, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	if err := tor.content.record.Commit(spec.Meta.ID, have.Bytes(), meta); err != nil {
		t.Fatal(err)
	}
}

// A client that is killed half-way leaves a journal that nobody synced. The next one hashes what that names, and fetches the
// rest: never all of it (trust, promise 2). Abandoning a client and going on with its directories is all that a kill does.
func TestKilledHalfWay(t *testing.T) {
	const pieces = 32
	w := film(t, pieces*testPiece, 1)
	r := startRogue(t, w, 1, honest)
	r.has.Store(pieces / 2)
	state, dir := t.TempDir(), t.TempDir()
	e, _ := start(t, Config{StateDir: state})
	first := add(t, e, w.spec(dir))
	first.AddPeers(r.addr)
	await(t, "half is there", func() bool { return first.Stats().PiecesHave == pieces/2 })
	before := first.Stats()

	// The record is bound to its place, so the files stay; only the state is that of the moment of the kill.
	state2 := clone(t, state)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, addr := w.seed(t)
	second := fetch(t, w, Config{StateDir: state2}, dir, addr)
	s := second.Stats()
	if s.Downloaded != w.size()-before.Have {
		t.Errorf("fetched %d bytes, want the missing %d", s.Downloaded, w.size()-before.Have)
	}
	if s.Checked > before.Have {
		t.Errorf("looked at %d bytes, but only %d were in the journal", s.Checked, before.Have)
	}
}

// The record knows of a complete file before the file has its final name: a kill at any moment after that costs no check.
func TestKilledRightAfterCompletion(t *testing.T) {
	w := film(t, 16*testPiece, 1)
	_, addr := w.seed(t)
	state, dir := t.TempDir(), t.TempDir()
	e, _ := start(t, Config{StateDir: state})
	tor := add(t, e, w.spec(dir))
	tor.AddPeers(addr)
	finish(t, tor)
	state2 := clone(t, state)
	tor.Close()
	again := fetch(t, w, Config{StateDir: state2}, dir)
	if s := again.Stats(); s.Checked != 0 || s.Downloaded != 0 {
		t.Errorf("looked at %d bytes and fetched %d, want none", s.Checked, s.Downloaded)
	}
}

func TestCompleteContentWithoutARecordIsVerifiedAndReused(t *testing.T) {
	w := film(t, 16*testPiece, 1)
	for name, cfg := range map[string]Config{"stateless": {}, "with a state": {StateDir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			tor := fetch(t, w, cfg, w.put(t, t.TempDir()))
			if s := tor.Stats(); s.Checked != w.size() || s.Downloaded != 0 {
				t.Errorf("looked at %d bytes and fetched %d, want %d and none", s.Checked, s.Downloaded, w.size())
			}
		})
	}
}

// A record that vouches for nothing beside content that is there: its check was interrupted. That is no reason to take the
// content for different, or to fetch it again.
func TestARecordOfAnInterruptedCheck(t *testing.T) {
	w := film(t, 16*testPiece, 1)
	some := bits.New(16)
	for i := range 5 {
		some.Add(i)
	}
	for name, c := range map[string]struct {
		partial bool
		have    bits.Set
		said    testimony
		checked int64 // pieces
	}{
		"final, nothing vouched for":   {false, bits.New(16), testimony{}, 16},
		"final, some vouched for":      {false, some, testimony{}, 16}, // without a stamp nothing counts
		"partial, nothing vouched for": {true, bits.New(16), testimony{Unchecked: true}, 16},
		"partial, some vouched for":    {true, some, testimony{Unchecked: true}, 11},
	} {
		t.Run(name, func(t *testing.T) {
			dir, state := t.TempDir(), t.TempDir()
			file := "film"
			if c.partial {
				file += storage.PartSuffix
			}
			put(t, filepath.Join(dir, file), w.data)
			record(t, state, w.spec(dir), c.have, c.said)
			tor := fetch(t, w, Config{StateDir: state}, dir)
			if s := tor.Stats(); s.Downloaded != 0 || s.Checked != c.checked*testPiece {
				t.Errorf("fetched %d bytes and looked at %d pieces, want none and %d", s.Downloaded, s.Checked/testPiece, c.checked)
			}
			tor.Close()
			again := fetch(t, w, Config{StateDir: state}, dir)
			if s := again.Stats(); s.Checked != 0 {
				t.Errorf("the next run looked at %d bytes again", s.Checked)
			}
		})
	}
}

// Interrupted for real: closed while it checks, whenever that happens to be, a seed is there in the end.
func TestSeedClosedWhileItChecks(t *testing.T) {
	w := film(t, 64*testPiece, 1)
	dir, state := w.put(t, t.TempDir()), t.TempDir()
	s := w.spec(dir)
	s.ReadOnly = true
	for range 5 {
		e, stop := start(t, Config{StateDir: state})
		add(t, e, s).Close()
		stop()
	}
	fetch(t, w, Config{StateDir: state}, dir)
}

func TestATouchedFileIsVerifiedAgain(t *testing.T) {
	w := film(t, 16*testPiece, 1)
	_, addr := w.seed(t)
	state, dir := t.TempDir(), t.TempDir()
	fetch(t, w, Config{StateDir: state}, dir, addr).Close()

	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "film"), later, later); err != nil {
		t.Fatal(err)
	}
	tor := fetch(t, w, Config{StateDir: state}, dir)
	if s := tor.Stats(); s.Checked != w.size() || s.Downloaded != 0 {
		t.Errorf("looked at %d bytes and fetched %d, want all and none", s.Checked, s.Downloaded)
	}
	tor.Close()

	bad := bytes.Clone(w.data)
	bad[5*testPiece] ^= 1
	put(t, filepath.Join(dir, "film"), bad)
	e, _ := start(t, Config{StateDir: state})
	if err := failure(t, add(t, e, w.spec(dir))); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want %v", err, ErrConflict)
	}
}

// The record vouches for a file as it was verified, not as somebody left it while we ran.
func TestAFileTouchedWhileWeRunIsVerifiedAgain(t *testing.T) {
	w := film(t, 16*testPiece, 1)
	_, addr := w.seed(t)
	state, dir := t.TempDir(), t.TempDir()
	tor := fetch(t, w, Config{StateDir: state}, dir, addr)
	bad := bytes.Clone(w.data)
	bad[5*testPiece] ^= 1
	put(t, filepath.Join(dir, "film"), bad)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "film"), later, later); err != nil {
		t.Fatal(err)
	}
	tor.Close() // writes the record
	e, _ := start(t, Config{StateDir: state})
	if err := failure(t, add(t, e, w.spec(dir))); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want %v", err, ErrConflict)
	}
}
