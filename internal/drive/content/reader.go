package content

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/eddy-p2p/eddy/metainfo"
)

// Reader reads the content of a torrent from files, one after the other with padding as zeros. It keeps the file open that
// it read last, so readers are for one goroutine each. Constructing one opens nothing.
type Reader struct {
	files []metainfo.File
	paths []string // parallel to files; those of pads are not used
	open  *os.File
	index int // of the open file
}

// NewReader returns a Reader of files at paths, which are parallel.
func NewReader(files []metainfo.File, paths []string) *Reader {
	return &Reader{files: files, paths: paths}
}

// ReadAt implements io.ReaderAt. Bytes of a file that is missing or too short are an error that is fs.ErrNotExist or
// io.ErrUnexpectedEOF; reading behind the content is io.EOF.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	// The first file that ends behind off.
	i, _ := slices.BinarySearchFunc(r.files, off, func(f metainfo.File, off int64) int {
		return cmp.Compare(f.Offset+f.Length, off+1)
	})
	done := 0
	for ; done < len(p) && i < len(r.files); i++ {
		f := &r.files[i]
		if f.Length == 0 {
			continue
		}
		at := off + int64(done) - f.Offset
		if at < 0 { // a gap of a v2-only torrent
			n := int(min(-at, int64(len(p)-done)))
			clear(p[done : done+n])
			done += n
			at += int64(n)
		}
		n := int(min(f.Length-at, int64(len(p)-done)))
		if n <= 0 {
			break
		}
		if err := r.readFile(i, p[done:done+n], at); err != nil {
			return done, err
		}
		done += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

func (r *Reader) readFile(i int, p []byte, at int64) error {
	if r.files[i].Pad {
		clear(p)
		return nil
	}
	if r.open == nil || r.index != i {
		r.Close()
		f, err := openRegular(r.paths[i])
		if err != nil {
			return err
		}
		r.open, r.index = f, i
	}
	if _, err := r.open.ReadAt(p, at); errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: %w", r.paths[i], io.ErrUnexpectedEOF)
	} else if err != nil {
		return err
	}
	return nil
}

// openRegular opens a file for reading. What stands in its place (a directory, a pipe that would block us) is as good as
// missing.
func openRegular(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("opening %s: not a regular file: %w", path, fs.ErrNotExist)
	}
	return os.Open(path)
}

// advise hints that n bytes from off on will be read soon, as far as they are in the file that is open.
func (r *Reader) advise(off, n int64) {
	if r.open == nil {
		return
	}
	f := &r.files[r.index]
	if at := off - f.Offset; at >= 0 && at < f.Length {
		advise(r.open, at, min(n, f.Length-at))
	}
}

// Close closes the file that is open, if any. The Reader can be used again.
func (r *Reader) Close() error {
	if r.open == nil {
		return nil
	}
	f := r.open
	r.open = nil
	return f.Close()
}
