package storage

import (
	"io"
	"sync"
)

// cursor walks a list of buffers and cuts it at file boundaries.
type cursor struct {
	bufs [][]byte
	off  int      // into bufs[0]
	cut  [][]byte // scratch, reused
}

var cursors = sync.Pool{New: func() any { return &cursor{cut: make([][]byte, 0, 64)} }}

func newCursor(bufs [][]byte) *cursor {
	c := cursors.Get().(*cursor)
	c.bufs, c.off = bufs, 0
	return c
}

func (c *cursor) free() {
	clear(c.cut[:cap(c.cut)]) // pin nobody's slabs
	c.bufs, c.cut = nil, c.cut[:0]
	cursors.Put(c)
}

// next returns the following n bytes as buffers, valid until the next call.
func (c *cursor) next(n int64) [][]byte {
	c.cut = c.cut[:0]
	for n > 0 {
		b := c.bufs[0][c.off:]
		if int64(len(b)) > n {
			b = b[:n]
			c.off += int(n)
		} else {
			c.bufs, c.off = c.bufs[1:], 0
		}
		n -= int64(len(b))
		if len(b) > 0 {
			c.cut = append(c.cut, b)
		}
	}
	return c.cut
}

func total(bufs [][]byte) (n int64) {
	for _, b := range bufs {
		n += int64(len(b))
	}
	return n
}

// ReadVecAt implements VectorReader.
func (s *Files) ReadVecAt(bufs [][]byte, off int64) error { return s.vec(bufs, off, s.readFileVec) }

// WriteVecAt implements VectorWriter. Bytes of pads are dropped.
func (s *Files) WriteVecAt(bufs [][]byte, off int64) error { return s.vec(bufs, off, s.writeFileVec) }

func (s *Files) vec(bufs [][]byte, off int64, one func(i int, bufs [][]byte, at, n int64) error) error {
	left := total(bufs)
	if err := s.inside(off, left); err != nil {
		return err
	}
	i := s.find(off)
	if left > 0 && off+left <= s.files[i].off+s.files[i].length {
		return one(i, bufs, off-s.files[i].off, left) // all in one file: nothing to cut
	}
	c := newCursor(bufs)
	defer c.free()
	for ; left > 0; i++ {
		f := &s.files[i]
		n := min(left, f.off+f.length-off)
		if n == 0 {
			continue
		}
		if err := one(i, c.next(n), off-f.off, n); err != nil {
			return err
		}
		off += n
		left -= n
	}
	return nil
}

func (s *Files) readFileVec(i int, bufs [][]byte, at, n int64) error {
	f := &s.files[i]
	if f.pad {
		for _, b := range bufs {
			clear(b)
		}
		return nil
	}
	h, err := s.acquire(i, false)
	if err != nil {
		return err
	}
	defer s.release(h)
	got, err := readVecAt(h, bufs, at)
	if err == nil && got < n {
		err = io.ErrUnexpectedEOF
	}
	return fail("read", f.path, err)
}

func (s *Files) writeFileVec(i int, bufs [][]byte, at, n int64) error {
	f := &s.files[i]
	if f.pad {
		return nil
	}
	h, err := s.acquire(i, true)
	if err != nil {
		return err
	}
	defer s.release(h)
	got, err := writeVecAt(h, bufs, at)
	s.markDirty(i)
	if err == nil && got < n {
		err = io.ErrShortWrite
	}
	return fail("write", f.path, err)
}
