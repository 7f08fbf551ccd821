package plot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Check reports why Save could not write to path now; nil where it could. Commands check before they work for hours. It tries: a
// temporary file beside the target is made and removed. The error names path.
func Check(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	target, special, err := resolve(path)
	if err != nil || special {
		return naming(path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), ".plot-*")
	if err != nil {
		return naming(path, err)
	}
	return naming(path, errors.Join(tmp.Close(), os.Remove(tmp.Name())))
}

// maxLinks is how many symbolic links are followed, as Linux does.
const maxLinks = 40

// resolve follows the symbolic links that path is, dangling ones too: a link to where figures are to go is there to be kept. special
// says that there is something to write to, as a device, and not to replace.
func resolve(path string) (target string, special bool, err error) {
	target = path
	for range maxLinks {
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return target, false, nil
		case err != nil:
			return "", false, err
		case info.IsDir():
			return "", false, syscall.EISDIR
		case info.Mode()&fs.ModeSymlink == 0:
			return target, !info.Mode().IsRegular(), nil
		}
		next, err := os.Readlink(target)
		if err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Dir(target) + string(filepath.Separator) + next // not joined: .. after a linked directory is its parent
		}
		target = next
	}
	return "", false, errors.New("too many symbolic links")
}

// naming gives an error the path that the user knows: that of a temporary file tells nobody anything.
func naming(path string, err error) error {
	if err == nil {
		return nil
	}
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}

// write puts data at path: in one step where there is a file or nothing, else into what is there.
func write(path string, data []byte) error {
	target, special, err := resolve(path)
	if err == nil && special {
		err = pour(target, data)
	} else if err == nil {
		err = replace(target, data)
	}
	return naming(path, err)
}

// pour writes into a device or pipe.
func pour(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// replace writes data to path in one step: to a temporary file beside it, synced and renamed.
func replace(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".plot-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // closed already, or of no use any more
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Chmod(mode(path)); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// mode is that of the file to be replaced, or of new files: figures are there to be looked at by others.
func mode(path string) os.FileMode {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return info.Mode().Perm()
	}
	return 0o644
}
