package engine

import (
	"context"
	"io"
)

// readAhead is how much of the content in front of a reader is fetched before the rest.
const readAhead = 8 << 20

// ReadVerified reads content at off once it is verified, waiting for it as long as ctx allows. It returns at least one byte or an error;
// io.EOF at the end of the content.
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
		if end == off && t.sw != nil {
			now := t.e.now()
			t.sw.Prioritise(now, first, int(readAhead/t.layout.PieceLength)+2)
			t.drain(now)
		}
		t.mu.Unlock()
		if end > off {
			return t.store.ReadAt(p[:min(int64(len(p)), end-off)], off)
		}
		select {
		case <-news:
		case <-t.failed:
			return 0, t.Err()
		case <-t.quit:
			return 0, ErrClosed
		case <-t.gone:
			return 0, ErrClosed
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
