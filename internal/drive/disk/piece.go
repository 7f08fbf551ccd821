package disk

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// ErrReadBack says that the disk gave back other bytes than were written to it. No peer is to blame for the piece.
var ErrReadBack = errors.New("the disk gave back other bytes than were written")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// piece is what a worker knows of a piece that is being written.
type piece struct {
	index      int32
	next       int32 // bytes hashed
	hash       hash.Hash
	early      []extent // written but not hashed, all beyond next, sorted, apart from each other
	wrote      bool     // something was written since the piece was begun
	unhashable bool     // hash is useless after a failed read: hash all again at the end
	foreign    bool     // bytes were hashed that somebody else wrote: the next Sync must cover them
	err        error    // of the write that failed: the piece is lost until forgotten or found good on the disk
	sum        [sha1.Size]byte
}

// extent is a run of bytes that came too early to be hashed.
type extent struct {
	begin, end int32
	crc        uint32 // of the bytes as received
	known      bool   // crc is valid: the bytes came in one run and nothing was written over them
}

func makePiece(index int32) *piece { return &piece{index: index, hash: sha1.New()} }

func (p *piece) reset(index int32) {
	h, early := p.hash, p.early[:0]
	h.Reset()
	*p = piece{index: index, hash: h, early: early}
}

// covers reports whether [begin, end) is already written, all of it in one early run.
func (p *piece) covers(begin, end int32) bool {
	for _, e := range p.early {
		if e.begin <= begin && end <= e.end {
			return true
		}
	}
	return false
}

// addEarly notes that [begin, end) was written. A run that overlaps others merges with them; its checksum is then lost,
// and with it only the proof that a fault was the disk's.
func (p *piece) addEarly(begin, end int32, bufs [][]byte) {
	n := extent{begin: begin, end: end, known: true}
	for _, b := range bufs {
		n.crc = crc32.Update(n.crc, castagnoli, b)
	}
	kept := p.early[:0]
	for _, e := range p.early {
		if e.end <= n.begin || n.end <= e.begin {
			kept = append(kept, e)
			continue
		}
		n = extent{begin: min(n.begin, e.begin), end: max(n.end, e.end)}
	}
	at, _ := slices.BinarySearchFunc(kept, n.begin, func(e extent, b int32) int { return int(e.begin - b) })
	p.early = slices.Insert(kept, at, n)
}

// catchUp hashes the early runs whose turn has come.
func (w *worker) catchUp(t *Torrent, p *piece) {
	for len(p.early) > 0 && p.early[0].begin <= p.next && !p.unhashable {
		e := p.early[0]
		p.early = append(p.early[:0], p.early[1:]...)
		if e.end <= p.next {
			continue // written over, in order, since
		}
		if e.begin < p.next {
			e.begin, e.known = p.next, false
		}
		crc, err := w.hashFrom(t, p, e.end)
		if err != nil || e.known && crc != e.crc {
			p.unhashable = true // Verify looks again and says what is wrong
		}
	}
}

// hashFrom reads and hashes the bytes from next to end and returns their checksum.
func (w *worker) hashFrom(t *Torrent, p *piece, end int32) (crc uint32, err error) {
	err = w.read(t, p.index, p.next, end, func(b []byte) {
		p.hash.Write(b)
		crc = crc32.Update(crc, castagnoli, b)
	})
	p.next = end
	return crc, err
}

// read passes the bytes [begin, end) of a piece through the worker's buffer. Steps end at whole multiples of readStep,
// itself whole blocks, so that a step never ends inside a block unless the range does.
func (w *worker) read(t *Torrent, index, begin, end int32, use func([]byte)) error {
	if w.buf == nil {
		w.buf = make([]byte, readStep)
	}
	off := t.cfg.Layout.PieceOffset(int(index))
	for begin < end {
		b := w.buf[:min(end-begin, readStep-begin%readStep)]
		if _, err := t.cfg.Store.ReadAt(b, off+int64(begin)); err != nil {
			return fmt.Errorf("read piece %d: %w", index, err)
		}
		w.d.count.readBack.Add(int64(len(b)))
		use(b)
		begin += int32(len(b))
	}
	return nil
}

// verify finishes the hash of a piece and reports.
func (w *worker) verify(t *Torrent, index int32, digests bool) {
	k := pieceKey{t, index}
	p := w.piece(t, index)
	r := w.verdict(t, p, digests)
	delete(w.pieces, k)
	w.recycle(p)
	if r.Kind == Verified {
		w.settle(t, index, r.OK)
	}
	t.cfg.Results(r)
}

// settle records a verdict.
func (w *worker) settle(t *Torrent, index int32, ok bool) {
	if ok {
		w.d.count.verified.Add(1)
		t.verified(int(index))
		return
	}
	w.d.count.corrupt.Add(1)
	t.lost(int(index))
}

// verdict decides about a piece. The disk's faults are told from bad data: only the latter is anybody's fault.
func (w *worker) verdict(t *Torrent, p *piece, digests bool) Result {
	size := int32(t.cfg.Layout.PieceSize(int(p.index)))
	want := t.cfg.PieceHash(int(p.index))
	r := Result{Kind: Verified, Piece: int(p.index)}
	honest, err := w.finishHash(t, p, size)
	if err != nil {
		return w.unreadable(p, r, err)
	}
	r.OK = p.sum == want
	if r.OK && p.foreign {
		t.markDirty(p.index)
	}
	if p.err != nil && !r.OK {
		r.Kind, r.Asked, r.Err = WriteFailed, true, p.err
		return r
	}
	if r.OK && !digests {
		return r
	}
	sum := p.sum
	if r.Digests, err = w.blockDigests(t, p, size); err != nil {
		return w.unreadable(p, Result{Kind: Verified, Piece: r.Piece}, err)
	}
	// The second look must show the same bytes as the first, which for the most part came from memory.
	if sum != p.sum || !r.OK && !honest {
		r = Result{Kind: ReadFailed, Piece: r.Piece, Err: fmt.Errorf("verify piece %d: %w", p.index, ErrReadBack)}
	}
	return r
}

// unreadable is the verdict on a piece that cannot be read: a fault if we wrote it, else an ordinary "not there".
func (w *worker) unreadable(p *piece, r Result, err error) Result {
	switch {
	case p.err != nil:
		r.Kind, r.Asked, r.Err = WriteFailed, true, p.err
	case p.wrote || !storage.IsMissing(err):
		r.Kind, r.Err = ReadFailed, err
	}
	return r
}

// finishHash computes the sum of the whole piece: what was hashed as it came, the rest by reading. honest is false if a
// read showed other bytes than were received.
func (w *worker) finishHash(t *Torrent, p *piece, size int32) (honest bool, err error) {
	honest = true
	if p.err != nil || p.unhashable {
		// After a read that failed or lied, a bad piece is not for sure anybody's fault.
		honest = !p.unhashable
		p.next, p.early, p.foreign = 0, p.early[:0], true
		p.hash.Reset()
	}
	for p.next < size {
		end, known, crc := size, false, uint32(0)
		if len(p.early) > 0 {
			if e := p.early[0]; e.begin > p.next {
				end, p.foreign = e.begin, true
			} else {
				end, known, crc = e.end, e.known, e.crc
				p.early = append(p.early[:0], p.early[1:]...)
			}
		} else {
			p.foreign = true
		}
		got, err := w.hashFrom(t, p, end)
		if err != nil {
			return false, err
		}
		if known && got != crc {
			honest = false
		}
	}
	p.hash.Sum(p.sum[:0])
	return honest, nil
}

// blockDigests hashes every block of the piece, and the whole again into p.sum.
func (w *worker) blockDigests(t *Torrent, p *piece, size int32) ([][20]byte, error) {
	digests := make([][20]byte, 0, t.cfg.Layout.NumBlocks(int(p.index)))
	p.hash.Reset()
	err := w.read(t, p.index, 0, size, func(b []byte) {
		p.hash.Write(b)
		for len(b) > 0 {
			n := min(len(b), metainfo.BlockSize)
			digests = append(digests, sha1.Sum(b[:n]))
			b = b[n:]
		}
	})
	if err != nil {
		return nil, err
	}
	p.hash.Sum(p.sum[:0])
	return digests, nil
}

// recheck hashes what the disk has for a piece, without regard to what is being written there.
func (w *worker) recheck(t *Torrent, index int32) rechecked {
	p := w.newPiece(index)
	defer w.recycle(p)
	a := rechecked{piece: index}
	_, err := w.finishHash(t, p, int32(t.cfg.Layout.PieceSize(int(index))))
	if err == nil {
		a.ok = p.sum == t.cfg.PieceHash(int(index))
	} else if !storage.IsMissing(err) {
		a.err = err
		return a // unreadable now is not the same as gone: what the records say stays
	}
	if a.ok {
		t.markDirty(index)
	}
	w.settle(t, index, a.ok)
	return a
}

// markDirty has the next Sync cover a piece that was on the disk before, perhaps written by a process that was killed.
func (t *Torrent) markDirty(index int32) {
	if m, ok := t.cfg.Store.(storage.DirtyMarker); ok {
		l := t.cfg.Layout
		m.MarkDirty(l.PieceOffset(int(index)), l.PieceSize(int(index)))
	}
}
