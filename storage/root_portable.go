//go:build !unix

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// root is the folder below which a Files stays. os.Root keeps all paths inside; links that stay inside are refused by
// looking at each element first, as there is no call that opens without following them.
type root struct {
	path   string
	follow bool

	mu    sync.Mutex
	first fs.FileInfo // guarded by mu: the folder when first seen
}

func (r *root) start() (*os.Root, error) {
	or, err := os.OpenRoot(r.path)
	if err != nil {
		return nil, err
	}
	fi, err := or.Stat(".")
	if err != nil {
		or.Close()
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = fi
	}
	if !os.SameFile(fi, r.first) {
		or.Close()
		return nil, ErrChanged
	}
	return or, nil
}

// plain refuses name if one of its elements is a symbolic link or the like; what is absent is plain.
func (r *root) plain(or *os.Root, name string) error {
	if r.follow {
		return nil
	}
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		fi, err := or.Lstat(filepath.FromSlash(name[:i]))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if fi.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
			return ErrSymlink
		}
	}
	return nil
}

func (r *root) mkdirs(dir string) (changed []string, err error) {
	r.mu.Lock()
	known := r.first != nil
	r.mu.Unlock()
	if !known {
		if err := os.MkdirAll(r.path, 0o755); err != nil {
			return nil, err
		}
	}
	or, err := r.start()
	if err != nil {
		return nil, err
	}
	defer or.Close()
	if dir == "." {
		return nil, nil
	}
	if err := r.plain(or, dir); err != nil {
		return nil, err
	}
	parent := "."
	for elem := range strings.SplitSeq(dir, "/") {
		name := path.Join(parent, elem)
		err := or.Mkdir(filepath.FromSlash(name), 0o755)
		if err == nil {
			changed = append(changed, parent)
		} else if !errors.Is(err, fs.ErrExist) {
			return changed, err
		}
		parent = name
	}
	return changed, nil
}

func (r *root) open(name string, flag int) (*os.File, error) {
	or, err := r.start()
	if err != nil {
		return nil, err
	}
	defer or.Close()
	if err := r.plain(or, name); err != nil {
		return nil, err
	}
	f, err := or.OpenFile(filepath.FromSlash(name), flag, 0o644)
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, ErrNotRegular)
	}
	return f, nil
}

func (r *root) rename(from, to string, replace bool) error {
	or, err := r.start()
	if err != nil {
		return err
	}
	defer or.Close()
	if err := r.plain(or, from); err != nil {
		return err
	}
	if _, err := or.Lstat(filepath.FromSlash(to)); err == nil && !replace {
		return fs.ErrExist
	}
	return or.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

func (r *root) stat(name string) (FileStat, error) {
	or, err := r.start()
	if err != nil {
		return FileStat{}, err
	}
	defer or.Close()
	if err := r.plain(or, name); err != nil {
		return FileStat{}, err
	}
	fi, err := or.Stat(filepath.FromSlash(name))
	if err != nil {
		return FileStat{}, err
	}
	if !fi.Mode().IsRegular() {
		return FileStat{}, ErrNotRegular
	}
	return FileStat{Size: fi.Size(), Allocated: fi.Size(), ModTime: fi.ModTime()}, nil
}

// syncDir does nothing: the systems of this file make names durable by themselves or not at all.
func (r *root) syncDir(string) error { return nil }

func syncData(f *os.File) error { return f.Sync() }

func sameInode(fi fs.FileInfo, st FileStat) bool {
	return fi.Size() == st.Size && fi.ModTime().Equal(st.ModTime)
}

func soleLink(*os.File) error { return nil }
