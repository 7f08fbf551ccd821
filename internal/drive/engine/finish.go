package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/metainfo"
)

// finish asks for the final names of complete files. Making their bytes durable first may take a while: the disk package does it in the
// background, and onFinished hears of it.
func (t *Torrent) finish(files []int) {
	for _, i := range files {
		if t.spec.ReadOnly {
			t.onFinished(disk.Result{File: i})
		} else {
			t.disk.Finish(i)
		}
	}
	if len(files) == 0 {
		t.settle()
	}
}

// onFinished counts the files that have their final name.
func (t *Torrent) onFinished(r disk.Result) {
	if r.Err != nil {
		t.fail(fmt.Errorf("giving %s its final name: %w", t.spec.Files[r.File].Path, r.Err))
		return
	}
	t.seal(r.File)
	t.mu.Lock()
	t.progress.named++
	t.mu.Unlock()
	t.settle()
}

// settle closes done once all that is wanted is verified and has its final name.
func (t *Torrent) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.progress
	if p.named < t.wantedFiles() || p.bytes < p.total || p.err != nil || p.state == Seeding {
		return
	}
	p.state = Seeding
	close(t.done)
}

// wantedFiles counts the files that must get their final name.
func (t *Torrent) wantedFiles() int {
	n := 0
	for i := range t.spec.Files {
		if t.wants(i) {
			n++
		}
	}
	return n
}

// vouch describes the finished files, so that the next run sees whether they were touched since.
func (t *Torrent) vouch() []byte {
	stamps := make([]Stamp, len(t.spec.Files))
	for i := range t.spec.Files {
		stamps[i], _ = t.stamp(i)
	}
	meta, err := json.Marshal(stamps)
	if err != nil { // of numbers: cannot be
		return nil
	}
	return meta
}

// records leads each torrent's progress to its own resume record. It implements disk.Progress.
type records struct {
	mu sync.RWMutex
	of map[metainfo.ID]*disk.Store
}

func (r *records) set(id metainfo.ID, s *disk.Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == nil {
		delete(r.of, id)
		return
	}
	if r.of == nil {
		r.of = make(map[metainfo.ID]*disk.Store)
	}
	r.of[id] = s
}

func (r *records) get(id metainfo.ID) *disk.Store {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[id]
}

// AppendVerified implements disk.Progress.
func (r *records) AppendVerified(id metainfo.ID, piece int) error {
	if s := r.get(id); s != nil {
		return s.AppendVerified(id, piece)
	}
	return nil
}

// Commit implements disk.Progress.
func (r *records) Commit(id metainfo.ID, bits, meta []byte) error {
	if s := r.get(id); s != nil {
		return s.Commit(id, bits, meta)
	}
	return nil
}

// recordPath names the resume record: one for each torrent and place, so that the same torrent can be fetched into two
// directories, and two processes that fetch it into the same one find out.
func (t *Torrent) recordPath() (string, error) {
	root, err := filepath.Abs(t.spec.Root)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(t.meta.ID.String() + "\x00" + t.Path() + "\x00" + root))
	return filepath.Join(t.e.cfg.StateDir, "transfers", hex.EncodeToString(sum[:16])+".db"), nil
}

func parent(path string) string { return filepath.Dir(path) }
