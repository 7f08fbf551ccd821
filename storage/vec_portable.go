//go:build !linux

package storage

import (
	"io"
	"os"
)

// readVecAt fills bufs from the file at off; at end of file it returns a short count and no error.
func readVecAt(h *handle, bufs [][]byte, off int64) (done int64, err error) {
	for _, b := range bufs {
		n, err := h.f.ReadAt(b, off+done)
		done += int64(n)
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func writeVecAt(h *handle, bufs [][]byte, off int64) (done int64, err error) {
	for _, b := range bufs {
		n, err := h.f.WriteAt(b, off+done)
		done += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// fallocate cannot reserve space portably: the caller makes the file sparse.
func fallocate(*os.File, int64) (done bool, err error) { return false, nil }

// dropCache has no portable form: verifying after a failed sync may then read cached pages.
func dropCache(*os.File) error { return nil }
