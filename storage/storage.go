package storage

import (
	"errors"
	"io"
	"io/fs"
)

// Storage is the content of one torrent. Offsets count bytes from the start of the content. All methods are safe for
// concurrent use; see the package comment for what overlapping calls mean.
type Storage interface {
	// ReadAt reads len(p) bytes at off as io.ReaderAt does: n < len(p) comes with an error. Content that was never
	// written is an error for which IsMissing holds, or zeros where the medium has them (sparse files).
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes len(p) bytes at off as io.WriterAt does. A failed write may have changed any byte of the range.
	WriteAt(p []byte, off int64) (int, error)
	// Sync returns nil once every write that returned before the call is durable.
	Sync() error
	// Close releases the storage without syncing it. Calls after Close fail with an error that is fs.ErrClosed.
	Close() error
}

// VectorReader is implemented by storages that fill many buffers from one run of content in one go (preadv).
type VectorReader interface {
	// ReadVecAt fills all buffers, in order, from the content at off. The slice bufs is not modified.
	ReadVecAt(bufs [][]byte, off int64) error
}

// VectorWriter is implemented by storages that write many buffers as one run of content in one go (pwritev).
type VectorWriter interface {
	// WriteVecAt writes all buffers, in order, at off. The slice bufs is not modified.
	WriteVecAt(bufs [][]byte, off int64) error
}

// Finisher is implemented by storages in which a complete file looks different from a partial one.
type Finisher interface {
	// FinishFile makes file i durable and gives it its final name. Finishing twice is no error.
	FinishFile(i int) error
}

// DirtyMarker is implemented by storages whose Sync covers only what they wrote themselves. Bytes found good on the
// medium but perhaps written by an earlier process, killed before it synced, must be marked before Sync vouches for them.
type DirtyMarker interface {
	MarkDirty(off, length int64)
}

// Recoverer is implemented by storages whose Sync keeps failing after an error. Recover forgets cached pages, so that
// the next read asks the medium, and lets Sync work again. Everything written since the last good Sync must be verified.
type Recoverer interface {
	Recover() error
}

// Errors that callers tell apart, with errors.Is. A full disk pauses a torrent and is no one's fault.
var (
	ErrNoSpace    = errors.New("no space left on the disk")
	ErrReadOnly   = errors.New("opened for reading only")
	ErrComplete   = errors.New("file is complete under its final name and not written any more")
	ErrSymlink    = errors.New("symbolic links are not followed")
	ErrNotRegular = errors.New("not a regular file")
	ErrHardLinked = errors.New("has other hard links, writing would change them too")
	ErrChanged    = errors.New("changed under us")
)

// Error is a failed operation on a file. Is reports ErrNoSpace for a full disk or an exhausted quota.
type Error struct {
	Op   string // what was being done: "read", "write", "open", ...
	Path string // the file, below the root
	Err  error
}

// Error returns "op path: cause".
func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrNoSpace) work for the system's ways to say it.
func (e *Error) Is(target error) bool { return target == ErrNoSpace && isNoSpace(e.Err) }

func fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Path: path, Err: err}
}

// IsMissing reports whether err says that content is not there: no such file, or a file that ends too early. It is an
// answer, not a fault of the disk.
func IsMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// ReadVec fills bufs from s at off, in one go where s can.
func ReadVec(s Storage, bufs [][]byte, off int64) error {
	if v, ok := s.(VectorReader); ok {
		return v.ReadVecAt(bufs, off)
	}
	for _, b := range bufs {
		if n, err := s.ReadAt(b, off); n < len(b) {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// WriteVec writes bufs to s at off, in one go where s can.
func WriteVec(s Storage, bufs [][]byte, off int64) error {
	if v, ok := s.(VectorWriter); ok {
		return v.WriteVecAt(bufs, off)
	}
	for _, b := range bufs {
		if _, err := s.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}
