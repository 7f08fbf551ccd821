package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"sync"
)

// A journal entry is a piece's index and the CRC-32C of it, seeded with the torrent's identity, both big-endian: a torn
// or stale entry, or a block of zeros after a power cut, is not taken for one.
const journalEntry = 8

// maxJournaled bounds the bitfield that reading a journal makes: four times the pieces seen in the field.
const maxJournaled = 1<<23 - 1

// journal is the list of pieces of one torrent that verified since the last commit. It is only ever believed as a hint
// where to hash.
type journal struct {
	path string
	seed uint32

	mu     sync.Mutex // held over the system calls of one small append or rewrite
	pieces []int      // guarded by mu: all entries, in order
	saved  int        // guarded by mu: how many of them are in the file
	read   bool       // guarded by mu: pieces has what the file had
	f      *os.File   // guarded by mu: open for appending; nil if not
}

// load returns the pieces of an earlier process and of this one.
func (j *journal) load() ([]int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readFile(); err != nil {
		return nil, err
	}
	return append([]int(nil), j.pieces...), nil
}

// readFile takes over what the file has, up to the first entry that is not intact, and cuts off what follows: new
// entries behind a torn one would be lost.
func (j *journal) readFile() error {
	if j.read {
		return nil
	}
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read journal: %w", err)
	}
	var old []int
	for len(data) >= (len(old)+1)*journalEntry {
		e := data[len(old)*journalEntry:]
		piece := binary.BigEndian.Uint32(e)
		if piece > maxJournaled || binary.BigEndian.Uint32(e[4:]) != crc32.Update(j.seed, castagnoli, e[:4]) {
			break
		}
		old = append(old, int(piece))
	}
	if len(data) > len(old)*journalEntry {
		if err := os.Truncate(j.path, int64(len(old)*journalEntry)); err != nil {
			return fmt.Errorf("cut torn end of journal: %w", err)
		}
	}
	j.pieces = append(old, j.pieces...)
	j.saved = len(old)
	j.read = true
	return nil
}

// append adds a piece and writes all that is not in the file yet.
func (j *journal) append(piece int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pieces = append(j.pieces, piece)
	if err := j.readFile(); err != nil {
		return err
	}
	return j.save()
}

func (j *journal) save() error {
	if j.f == nil {
		f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("open journal: %w", err)
		}
		j.f = f
	}
	var buf [64 * journalEntry]byte
	for j.saved < len(j.pieces) {
		b := j.appendEntries(buf[:0], j.pieces[j.saved:min(j.saved+64, len(j.pieces))])
		// At a fixed offset: a torn write on a full disk is written over by the next attempt.
		if _, err := j.f.WriteAt(b, int64(j.saved*journalEntry)); err != nil {
			return fmt.Errorf("append to journal: %w", err)
		}
		j.saved += len(b) / journalEntry
	}
	return nil
}

func (j *journal) appendEntries(b []byte, pieces []int) []byte {
	for _, p := range pieces {
		b = binary.BigEndian.AppendUint32(b, uint32(p))
		b = binary.BigEndian.AppendUint32(b, crc32.Update(j.seed, castagnoli, b[len(b)-4:]))
	}
	return b
}

// remove drops the pieces that bits records durably, nil meaning all. The rest moves to a new file that replaces the old
// one whole, so that a kill in between loses nothing.
func (j *journal) remove(bits []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readFile(); err != nil {
		return err
	}
	kept := j.pieces[:0]
	for _, p := range j.pieces {
		if bits != nil && !hasBit(bits, p) {
			kept = append(kept, p)
		}
	}
	j.pieces, j.saved = kept, 0
	j.close()
	if len(kept) > 0 {
		return j.replace()
	}
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}

func (j *journal) replace() error {
	next := j.path + ".new"
	if err := os.WriteFile(next, j.appendEntries(nil, j.pieces), 0o600); err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	if err := os.Rename(next, j.path); err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	j.saved = len(j.pieces)
	return nil
}

func (j *journal) close() {
	if j.f != nil {
		j.f.Close() // nothing is buffered, and the journal promises nothing about the disk
		j.f = nil
	}
}
