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
	"github.com/eddy-p2p/eddy/storage"
)

// naming is the giving of final names; guarded by Torrent.mu.
type naming struct {
	wanted int   // files that must get their final name
	named  int   // of them, those that have it
	ready  []int // complete files that wait for it
	out    int   // files that the disk package is at
}

// next returns the files to hand to the disk package: one batch at a time, so that a torrent of a hundred thousand small files
// does not have as many system calls under way.
func (n *naming) next() []int {
	if n.out > 0 {
		return nil
	}
	batch := n.ready
	n.ready, n.out = nil, len(batch)
	return batch
}

// finish asks for the final names of complete files. Making their bytes durable first may take a while: the disk package does it in the
// background, and onFinished hears of it.
func (t *Torrent) finish(files []int) {
	var ready []int
	for _, i := range files {
		// Those that had it when we came need no second look.
		if seal := t.content.seals[i].Load(); !t.spec.ReadOnly && (seal == nil || seal.Size != t.spec.Files[i].Length) {
			ready = append(ready, i)
		}
	}
	t.mu.Lock()
	n := &t.naming
	n.named += len(files) - len(ready)
	n.ready = append(n.ready, ready...)
	batch := n.next()
	t.mu.Unlock()
	if len(batch) > 0 {
		t.disk.Finish(batch...)
	}
	t.settle()
}

// onFinished counts the files that have their final name.
func (t *Torrent) onFinished(r disk.Result) {
	if r.Err != nil {
		t.fail(fmt.Errorf("giving %s its final name: %w", t.spec.Files[r.File].Path, r.Err))
		return
	}
	t.seal(r.File)
	t.mu.Lock()
	n := &t.naming
	n.named++
	n.out--
	batch := n.next()
	t.mu.Unlock()
	if len(batch) > 0 {
		t.disk.Finish(batch...)
	}
	t.settle()
}

// settle closes done once all that is wanted is verified and has its final name.
func (t *Torrent) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.progress
	if t.naming.named < t.naming.wanted || p.bytes < p.total || p.err != nil || p.state == Seeding {
		return
	}
	p.state, p.problem = Seeding, "" // also if it was paused: what came after the disk was full was enough
	close(t.ends.done)
	for _, a := range t.seeking.announcers {
		a.Completed()
	}
}

// testimony is our part of the resume record.
type testimony struct {
	Files     []Stamp // of each file that was complete; the zero value for others
	Unchecked bool    // the first look at existing data was not at its end
}

// vouch describes the complete files as they were when they were verified, so that the next run sees whether they were
// touched since. It is asked before they get their final names, which change nothing of it.
func (t *Torrent) vouch() []byte {
	t.mu.Lock()
	said := testimony{Files: make([]Stamp, len(t.spec.Files)), Unchecked: t.progress.unchecked}
	var whole []int // complete, but without their final name
	for i := range said.Files {
		if seal := t.content.seals[i].Load(); seal != nil {
			said.Files[i] = *seal
		} else if t.progress.left != nil && t.progress.left[i] == 0 && !t.spec.Files[i].Pad {
			whole = append(whole, i)
		}
	}
	t.mu.Unlock()
	for _, i := range whole {
		if st, err := t.content.store.Stat(i); err == nil && st.State != storage.FileAbsent {
			said.Files[i] = stampOf(st)
		}
	}
	meta, err := json.Marshal(said)
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
	sum := sha256.Sum256([]byte(t.spec.Meta.ID.String() + "\x00" + t.Path() + "\x00" + root))
	return filepath.Join(t.e.cfg.StateDir, "transfers", hex.EncodeToString(sum[:16])+".db"), nil
}
