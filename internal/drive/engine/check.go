package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/storage"
)

// open finds out what is already there and prepares the brain. Nothing is written before it is known that nothing of the
// user's will be lost.
func (t *Torrent) open(ctx context.Context) error {
	if err := t.openFiles(); err != nil {
		return err
	}
	if err := t.openRecord(); err != nil {
		return err
	}
	have, suspects, err := t.find()
	if err != nil {
		return err
	}
	dt, err := t.e.disk.Open(disk.TorrentConfig{
		Layout: t.layout, PieceHash: t.spec.Meta.Info.PieceHash, Store: t.content.store, Results: t.onResult,
		ID: t.spec.Meta.ID, Have: have.Bytes(), Meta: t.vouch,
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.disk = dt
	t.mu.Unlock()
	if err := t.recheck(ctx, have, suspects); err != nil {
		return err
	}
	t.mu.Lock()
	t.progress.unchecked = false
	t.mu.Unlock()
	if t.content.record != nil { // from here on a kill never costs more than the journal's pieces
		if err := dt.Flush(ctx); err != nil {
			return fmt.Errorf("writing the resume record of %s: %w", t.name(), err)
		}
	}
	wanted := t.wantedPieces()
	if err := t.guard(have, wanted); err != nil {
		return err
	}
	ready, err := t.begin(have, wanted)
	if err != nil {
		return err
	}
	t.finish(ready)
	return t.Err()
}

func (t *Torrent) openFiles() (err error) {
	t.content.store, err = storage.OpenFiles(storage.FilesConfig{
		Root: t.spec.Root, Files: t.spec.Files, ReadOnly: t.spec.ReadOnly, FollowSymlinks: t.spec.ReadOnly,
		Wanted: t.spec.Wanted, Prealloc: t.spec.Prealloc,
	})
	if err != nil {
		return fmt.Errorf("opening the files of %s: %w", t.name(), err)
	}
	return nil
}

// find looks at what is on disk: have are pieces known to be good, suspects those that must be hashed to know.
func (t *Torrent) find() (have, suspects bits.Set, err error) {
	n := t.layout.NumPieces()
	have, suspects = bits.New(n), bits.New(n)
	for i := range t.spec.Files { // before anything is read: what changes from here on must be noticed
		t.seal(i)
	}
	if t.spec.Complete {
		have.Fill()
		return have, suspects, nil
	}
	known, err := t.recall(have, suspects)
	if err != nil {
		return have, suspects, err
	}
	if !known { // existing data without a record is verified and reused
		for i := range n {
			if !have.Has(i) { // what an interrupted check has found good stays good
				suspects.Add(i)
			}
		}
		t.mu.Lock()
		t.progress.unchecked = true
		t.mu.Unlock()
	}
	return have, suspects, t.dropAbsent(have, suspects)
}

// recheck hashes the suspected pieces and adds the good ones to have.
func (t *Torrent) recheck(ctx context.Context, have, suspects bits.Set) error {
	var pieces []int
	for i := suspects.Next(0); i >= 0; i = suspects.Next(i + 1) {
		pieces = append(pieces, i)
	}
	if len(pieces) == 0 {
		return nil
	}
	good, err := t.disk.Recheck(ctx, pieces, func(done int) {
		t.mu.Lock()
		t.progress.checked = min(int64(done)*t.layout.PieceLength, t.layout.Size)
		t.mu.Unlock()
	})
	if err != nil {
		return fmt.Errorf("checking the existing data of %s: %w", t.name(), err)
	}
	set, err := bits.Parse(good, t.layout.NumPieces())
	if err != nil {
		return err
	}
	for i := set.Next(0); i >= 0; i = set.Next(i + 1) {
		have.Add(i)
	}
	return nil
}

// recall reads the resume record: what it vouches for goes to have, what it cannot to suspects. known is whether there is a
// record of a finished check.
func (t *Torrent) recall(have, suspects bits.Set) (known bool, err error) {
	if t.content.record == nil {
		return false, nil
	}
	rec, err := t.content.record.Load(t.spec.Meta.ID)
	if err != nil {
		return false, fmt.Errorf("reading the resume record of %s: %w", t.name(), err)
	}
	if !rec.Known && rec.Journaled == nil {
		return false, nil
	}
	n := t.layout.NumPieces()
	d, err := bits.Parse(rec.Durable, n)
	if err != nil { // none, or of another time: nothing is durable
		d = bits.New(n)
	}
	// The journal's set ends with the last piece that it names.
	j, err := bits.Parse(append(rec.Journaled, make([]byte, max(0, (n+7)/8-len(rec.Journaled)))...), n)
	if err != nil {
		j = bits.New(n)
	}
	for i := range n {
		if d.Has(i) {
			have.Add(i)
		} else if j.Has(i) {
			suspects.Add(i)
		}
	}
	var said testimony
	if len(rec.Meta) > 0 && json.Unmarshal(rec.Meta, &said) != nil {
		said = testimony{}
	}
	t.doubt(said, have, suspects)
	return rec.Known && !said.Unchecked, nil
}

// doubt suspects all of a finished file that was touched since the record was written, and what the record does not vouch for of
// one that was not: it was never looked at, and taking it for bad would refuse to serve, or to reuse, complete content.
func (t *Torrent) doubt(said testimony, have, suspects bits.Set) {
	for i := range t.spec.Files {
		now, final := t.stamp(i)
		if !final {
			continue
		}
		touched := i >= len(said.Files) || said.Files[i] != now
		t.eachPiece(i, func(p int) {
			if touched {
				have.Remove(p)
			}
			if !have.Has(p) {
				suspects.Add(p)
			}
		})
	}
}

// dropAbsent removes from both sets the pieces of files that are not there.
func (t *Torrent) dropAbsent(have, suspects bits.Set) error {
	for i, f := range t.spec.Files {
		if f.Pad || f.Length == 0 {
			continue
		}
		st, err := t.content.store.Stat(i)
		if err != nil {
			return fmt.Errorf("looking for existing data of %s: %w", t.name(), err)
		}
		if st.State == storage.FileAbsent {
			t.eachPiece(i, func(p int) {
				have.Remove(p)
				suspects.Remove(p)
			})
		}
	}
	return nil
}

// guard refuses to go on where that would replace data of the user's, or could not end well.
func (t *Torrent) guard(have, wanted bits.Set) error {
	if t.spec.ReadOnly {
		if missing := wanted.CountNotIn(have); missing > 0 {
			return fmt.Errorf("seeding %s from %s: %d of %d pieces are missing or differ: %w",
				t.name(), t.spec.Root, missing, t.layout.NumPieces(), ErrIncomplete)
		}
		return nil
	}
	differ := make(map[int]bool)
	for p := wanted.NextNotIn(have, 0); p >= 0; p = wanted.NextNotIn(have, p+1) {
		for _, i := range t.filesOf(p) {
			if _, final := t.stamp(i); final {
				differ[i] = true
			}
		}
	}
	if len(differ) > 0 && !t.spec.Overwrite {
		return fmt.Errorf("%s in %s: %w", strings.Join(t.names(differ), ", "), t.spec.Root, ErrConflict)
	}
	for i := range differ {
		if err := t.content.store.Unfinish(i); err != nil {
			return fmt.Errorf("setting %s aside for repair: %w", t.spec.Files[i].Path, err)
		}
		t.content.seals[i].Store(nil)
	}
	return t.checkSpace()
}

// names lists the paths of some files, at most three.
func (t *Torrent) names(set map[int]bool) []string {
	var out []string
	for i := range set {
		out = append(out, t.spec.Files[i].Path)
	}
	sort.Strings(out)
	if len(out) > 3 {
		out = append(out[:3], fmt.Sprintf("and %d more", len(out)-3))
	}
	return out
}

func (t *Torrent) checkSpace() error {
	need, err := t.content.store.Required()
	if err != nil {
		return fmt.Errorf("looking at the files of %s: %w", t.name(), err)
	}
	free, err := storage.FreeSpace(t.spec.Root)
	if err != nil || need <= 0 || uint64(need) <= free { // not knowing is no reason to refuse
		return nil
	}
	return fmt.Errorf("%s needs %d more bytes in %s, where %d are free: %w", t.name(), need, t.spec.Root, free, storage.ErrNoSpace)
}

// wantedPieces returns the pieces that touch a wanted file.
func (t *Torrent) wantedPieces() bits.Set {
	w := bits.New(t.layout.NumPieces())
	if t.spec.Wanted == nil {
		w.Fill()
		return w
	}
	for i := range t.spec.Files {
		if t.wants(i) {
			t.eachPiece(i, func(p int) { w.Add(p) })
		}
	}
	return w
}

func (t *Torrent) wants(file int) bool {
	return !t.spec.Files[file].Pad && (t.spec.Wanted == nil || t.spec.Wanted[file])
}

// eachPiece calls f for each piece that holds bytes of the file.
func (t *Torrent) eachPiece(file int, f func(piece int)) {
	fs := t.spec.Files[file]
	if fs.Length == 0 {
		return
	}
	for p := t.layout.PieceAt(fs.Offset); p <= t.layout.PieceAt(fs.Offset+fs.Length-1); p++ {
		f(p)
	}
}

// filesOf returns the files, pads left out, that have bytes in the piece.
func (t *Torrent) filesOf(piece int) []int {
	files := t.spec.Files
	from := t.layout.PieceOffset(piece)
	to := from + t.layout.PieceSize(piece)
	var out []int
	for i := sort.Search(len(files), func(i int) bool { return files[i].Offset+files[i].Length > from }); i < len(files) && files[i].Offset < to; i++ {
		if files[i].Length > 0 && !files[i].Pad {
			out = append(out, i)
		}
	}
	return out
}

// begin makes the brain and returns the files that are complete already.
func (t *Torrent) begin(have, wanted bits.Set) (ready []int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sw, err := swarm.New(swarm.Config{
		Layout: t.layout, Have: have, Wanted: wanted, InfoHash: t.wireID(), Sequential: t.spec.Sequential, Policy: t.spec.Policy,
		UploadRate: t.limits.up, DownloadRate: t.limits.down, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	})
	if err != nil {
		return nil, err
	}
	ready = t.measure(have, wanted)
	if p := &t.progress; p.state == Checking {
		p.state = Downloading
	}
	t.alarm.timer = time.AfterFunc(time.Hour, t.tick)
	t.alarm.timer.Stop()
	t.sw = sw
	t.progress.announce() // a reader may have been waiting since before anything was known
	return ready, nil
}

// measure counts what is there and what is missing, and returns the files that are complete already; t.mu is held.
func (t *Torrent) measure(have, wanted bits.Set) (ready []int) {
	p := &t.progress
	p.verified, p.wanted = have.Clone(), wanted
	p.left = make([]int, len(t.spec.Files))
	for i := range t.spec.Files {
		if t.wants(i) {
			t.naming.wanted++
		}
		t.eachPiece(i, func(piece int) {
			if !have.Has(piece) {
				p.left[i]++
			}
		})
		if p.left[i] == 0 && t.wants(i) {
			ready = append(ready, i)
		}
	}
	for i := wanted.Next(0); i >= 0; i = wanted.Next(i + 1) {
		p.total += t.layout.PieceSize(i)
		if have.Has(i) {
			p.bytes += t.layout.PieceSize(i)
		}
	}
	if p.bytes == p.total {
		p.finished = time.Now()
	}
	return ready
}

// openRecord opens the resume record of this torrent in this place.
func (t *Torrent) openRecord() error {
	if t.e.cfg.StateDir == "" || t.spec.Complete {
		return nil
	}
	path, err := t.recordPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	t.content.record, err = disk.OpenStore(path, t.log)
	if errors.Is(err, disk.ErrInUse) {
		return fmt.Errorf("%s in %s: %w", t.name(), t.spec.Root, ErrInUse)
	}
	if err != nil {
		return fmt.Errorf("opening the resume record: %w", err)
	}
	t.e.records.set(t.spec.Meta.ID, t.content.record)
	return nil
}
