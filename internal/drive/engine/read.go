package engine

import (
	"context"
	"fmt"
	"io"
	"time"
)

// readAhead is how much of the content in front of a reader is fetched before the rest.
const readAhead = 8 << 20

// ReadVerified reads content at off once it is verified, waiting for it as long as ctx allows. It returns at least one byte or
// an error; io.EOF at the end of the content.
func (t *Torrent) ReadVerified(ctx context.Context, p []byte, off int64) (int, error) {
	if off >= t.layout.Size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	first := t.layout.PieceAt(off)
	for {
		t.mu.Lock()
		news, end := t.progress.news, off
		for i := first; i < t.layout.NumPieces() && t.sw != nil && t.progress.verified.Has(i) && end < off+int64(len(p)); i++ {
			end = t.layout.PieceOffset(i) + t.layout.PieceSize(i)
		}
		if end == off {
			t.tellLocked("moving a reader", func(now time.Duration) {
				t.sw.Prioritise(now, first, int(readAhead/t.layout.PieceLength)+2)
			})
		}
		t.mu.Unlock()
		if end > off {
			return t.readNow(p[:min(int64(len(p)), end-off)], off)
		}
		select {
		case <-news:
		case <-t.ends.failed:
			return 0, t.Err()
		case <-t.ends.quit:
			return 0, ErrClosed
		case <-t.ends.gone:
			return 0, ErrClosed
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// readNow reads what is verified, and has not been touched since.
func (t *Torrent) readNow(p []byte, off int64) (int, error) {
	n, err := t.content.store.ReadAt(p, off)
	if err == nil {
		err = t.broken(off, int64(n))
	}
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", t.name(), err)
	}
	return n, nil
}
