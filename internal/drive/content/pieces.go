package content

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/eddy-p2p/eddy/metainfo"
)

// chunk is how much is read and hashed at a time: large enough that calls do not count, small enough that the bytes are
// still in the core's cache when they are hashed. A multiple of the 16 KiB block.
const chunk = 256 << 10

// pieceSum is what hashing a piece gives.
type pieceSum struct {
	v1 [20]byte
	v2 [32]byte // root over the piece's blocks: a hash of the piece layer, or the root of a file no longer than a piece
}

// shape is where pieces are in the content, and what to hash of them.
type shape struct {
	layout metainfo.Layout
	v1     bool
	v2     bool
	data   []int64 // v2: bytes of each piece that belong to its file; the rest is padding
	small  []bool  // v2: the piece is a whole file no longer than a piece
}

// newShape derives the shape from the files of a torrent, as metainfo.Builder and metainfo.Info list them.
func newShape(files []metainfo.File, pieceLength int64, v1, v2 bool) shape {
	s := shape{v1: v1, v2: v2, layout: metainfo.Layout{PieceLength: pieceLength}}
	if n := len(files); n > 0 {
		s.layout.Size = files[n-1].Offset + files[n-1].Length
	}
	if !v2 {
		return s
	}
	n := s.layout.NumPieces()
	s.data, s.small = make([]int64, n), make([]bool, n)
	for i := range files {
		f := &files[i]
		if f.Pad || f.Length == 0 {
			continue
		}
		for off := int64(0); off < f.Length; off += pieceLength {
			p := s.layout.PieceAt(f.Offset + off)
			s.data[p] = min(pieceLength, f.Length-off)
			s.small[p] = f.Length <= pieceLength
		}
	}
	return s
}

// size returns the bytes of a piece that are read. The gaps of v2-only torrents belong to no piece.
func (s *shape) size(i int) int64 {
	if s.v1 {
		return s.layout.PieceSize(i)
	}
	return s.data[i]
}

// hasher hashes pieces, one after the other, with buffers of its own.
type hasher struct {
	shape *shape
	src   io.ReaderAt
	buf   []byte
	sha1  hash.Hash
}

func newHasher(s *shape, src io.ReaderAt) *hasher {
	return &hasher{shape: s, src: src, buf: make([]byte, min(chunk, s.layout.PieceLength)), sha1: sha1.New()}
}

// sum hashes piece i.
func (h *hasher) sum(ctx context.Context, i int) (sum pieceSum, err error) {
	h.sha1.Reset()
	var tree metainfo.MerkleHasher
	off, size := h.shape.layout.PieceOffset(i), h.shape.size(i)
	if r, ok := h.src.(*Reader); ok {
		r.advise(off, size)
	}
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		b := h.buf[:min(int64(len(h.buf)), size-done)]
		if n, err := h.src.ReadAt(b, off+done); n < len(b) {
			return sum, readError(err)
		}
		if h.shape.v1 {
			h.sha1.Write(b)
		}
		if h.shape.v2 {
			addBlocks(&tree, b[:max(0, min(int64(len(b)), h.shape.data[i]-done))])
		}
		done += int64(len(b))
	}
	h.sha1.Sum(sum.v1[:0])
	if h.shape.v2 {
		least := metainfo.LayerHeight(h.shape.layout.PieceLength)
		if h.shape.small[i] {
			least = 0
		}
		sum.v2 = tree.Root(least)
	}
	return sum, nil
}

// readError turns the error of a short read into one that is never nil.
func readError(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

func addBlocks(tree *metainfo.MerkleHasher, b []byte) {
	for len(b) > 0 {
		n := min(len(b), metainfo.BlockSize)
		tree.Add(sha256.Sum256(b[:n]))
		b = b[n:]
	}
}

// source makes the reader of one worker; done releases it.
type source func() (r io.ReaderAt, done func())

// each calls work for the indices 0 to n-1 on several goroutines, each with a hasher of its own, and returns the first error. Indices
// are handed out in order, so that a disk is read forwards. A panic is an error of the work, not the end of the process.
func each(ctx context.Context, n, workers int, s *shape, src source, work func(ctx context.Context, h *hasher, i int) error) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					cancel(fmt.Errorf("hashing: panic: %v", p))
				}
			}()
			r, done := src()
			defer done()
			h := newHasher(s, r)
			for {
				i := int(next.Add(1) - 1)
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := work(ctx, h, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// meter adds up progress from several goroutines and reports it from one at a time. Reports never go back; the last one
// may be skipped if another is under way, so that whoever owns the meter ends with finish.
type meter struct {
	done   atomic.Int64
	total  int64
	report func(done, total int64)
	mu     sync.Mutex
}

func (m *meter) add(n int64) {
	m.done.Add(n)
	if m.report != nil && m.mu.TryLock() {
		m.report(m.done.Load(), m.total)
		m.mu.Unlock()
	}
}

func (m *meter) finish() {
	if m.report != nil {
		m.report(m.total, m.total)
	}
}
