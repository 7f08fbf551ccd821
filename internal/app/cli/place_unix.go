//go:build unix

package cli

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// access returns why no file can be made in dir.
func access(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "writing to", Path: dir, Err: err}
	}
	return nil
}
