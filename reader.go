package eddy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Reader reads a torrent's content, or one of its files, in order while it arrives: Read waits until the bytes are
// verified, and what lies ahead of it is fetched first. It is an io.ReadSeekCloser, for one goroutine at a time.
type Reader struct {
	t      *Torrent
	ctx    context.Context
	cancel context.CancelCauseFunc
	from   int64 // of the file, in the content
	size   int64

	mu  sync.Mutex
	pos int64
}

// NewReader reads the whole content: all files, one after the other. It ends when ctx does.
func (t *Torrent) NewReader(ctx context.Context) *Reader {
	return t.reader(ctx, 0, t.Info().Layout().Size)
}

// FileReader reads one file, by its index in Info().Files. It ends when ctx does.
func (t *Torrent) FileReader(ctx context.Context, file int) (*Reader, error) {
	files := t.Info().Files
	if file < 0 || file >= len(files) {
		return nil, fmt.Errorf("reading file %d of %s, which has %d files", file, t.Info().Name, len(files))
	}
	return t.reader(ctx, files[file].Offset, files[file].Length), nil
}

func (t *Torrent) reader(ctx context.Context, from, size int64) *Reader {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Reader{t: t, ctx: ctx, cancel: cancel, from: from, size: size}
}

// Read implements io.Reader. It returns an error of the torrent, or the context's.
func (r *Reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pos >= r.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.size-r.pos)]
	n, err := r.t.t.ReadVerified(r.ctx, p, r.from+r.pos)
	r.pos += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.pos, errors.New("seeking before the start")
	}
	r.pos = offset
	return offset, nil
}

// Close ends a Read that waits, and all later ones.
func (r *Reader) Close() error {
	r.cancel(io.ErrClosedPipe)
	return nil
}
