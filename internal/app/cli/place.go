package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// canCreate returns why nothing can be made at path, as far as that shows beforehand: a transfer would find out only with the
// first piece, maybe hours later. Where something is there already, that decides for itself.
func canCreate(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		stat, err := os.Stat(dir)
		switch {
		case err == nil && !stat.IsDir():
			return &fs.PathError{Op: "using", Path: dir, Err: syscall.ENOTDIR}
		case err == nil:
			return access(dir)
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return err
		}
	}
}

// makeStateDir makes the directory for what survives a run, so that trouble with it is told as such.
func (inv *invocation) makeStateDir() error {
	dir := inv.stateDir()
	if dir == "" {
		return nil
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = access(dir)
	}
	if err == nil {
		return nil
	}
	f := fail("using the state directory", dir, err)
	if f.Code == exitFailed {
		f.Hint = "name one that can be written to with --state or EDDY_STATE"
	}
	return f
}
