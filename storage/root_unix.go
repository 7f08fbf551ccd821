//go:build unix

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// root is the folder below which a Files stays. Every path is walked from it, one element at a time, each opened relative
// to its parent's descriptor and refused if it is a symbolic link: there is no moment between a check and a use in which
// somebody could swap one in. os.Root alone would follow links that stay inside, to another file of the user's.
type root struct {
	path   string
	follow bool // read through links that stay inside (os.Root's rules)

	mu       sync.Mutex
	known    bool   // guarded by mu
	dev, ino uint64 // guarded by mu: of the folder when first seen
}

// start opens the root folder. It must stay the same folder for the storage's life: if a mount vanished, what lies below
// it must not silently fill up instead.
func (r *root) start(create bool) (int, error) {
	if create {
		r.mu.Lock()
		known := r.known
		r.mu.Unlock()
		if !known {
			if err := os.MkdirAll(r.path, 0o755); err != nil {
				return -1, err
			}
		}
	}
	fd, err := retryOpen(unix.AT_FDCWD, r.path, dirFlags, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		r.known, r.dev, r.ino = true, uint64(st.Dev), uint64(st.Ino)
	}
	if r.dev != uint64(st.Dev) || r.ino != uint64(st.Ino) {
		unix.Close(fd)
		return -1, ErrChanged
	}
	return fd, nil
}

// walk opens the folder dir, "." for the root.
func (r *root) walk(dir string) (int, error) {
	fd, err := r.start(false)
	if err != nil || dir == "." {
		return fd, err
	}
	for elem := range strings.SplitSeq(dir, "/") {
		next, err := openDirAt(fd, elem)
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

func openDirAt(fd int, elem string) (int, error) {
	next, err := retryOpen(fd, elem, dirFlags|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		var st unix.Stat_t
		if unix.Fstatat(fd, elem, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = ErrSymlink
		}
	}
	return next, err
}

// mkdirs makes the folder dir and those above it, and returns the folders in which it made one, for fsync.
func (r *root) mkdirs(dir string) (changed []string, err error) {
	fd, err := r.start(true)
	if err != nil {
		return nil, err
	}
	defer func() { unix.Close(fd) }()
	if dir == "." {
		return nil, nil
	}
	parent := "."
	for elem := range strings.SplitSeq(dir, "/") {
		err := unix.Mkdirat(fd, elem, 0o755)
		if err == nil {
			changed = append(changed, parent)
		} else if !errors.Is(err, unix.EEXIST) {
			return changed, err
		}
		next, err := openDirAt(fd, elem)
		if err != nil {
			return changed, err
		}
		unix.Close(fd)
		fd = next
		parent = path.Join(parent, elem)
	}
	return changed, nil
}

// open opens the regular file at name.
func (r *root) open(name string, flag int) (*os.File, error) {
	if r.follow {
		return r.openFollowing(name)
	}
	dir, err := r.walk(path.Dir(name))
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	// O_NONBLOCK: a planted FIFO must not hang us before we see what it is.
	fd, err := retryOpen(dir, path.Base(name), flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) {
		return nil, ErrSymlink
	}
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
		return nil, ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (r *root) openFollowing(name string) (*os.File, error) {
	or, err := os.OpenRoot(r.path)
	if err != nil {
		return nil, err
	}
	defer or.Close()
	// Ask before opening: opening a FIFO would hang. Nobody is harmed by a swap in between, as it is opened to be read.
	if fi, err := or.Stat(name); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	return or.Open(name)
}

// rename renames within one folder. Without replace an existing file at to is an error that is fs.ErrExist.
func (r *root) rename(from, to string, replace bool) error {
	dir, err := r.walk(path.Dir(from))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	from, to = path.Base(from), path.Base(to)
	if replace {
		return unix.Renameat(dir, from, dir, to)
	}
	return renameNew(dir, from, to)
}

// linkNew renames without replacing where the system has no call for it: a hard link fails if the name is taken.
func linkNew(dir int, from, to string) error {
	err := unix.Linkat(dir, from, dir, to, 0)
	if err == nil {
		return unix.Unlinkat(dir, from, 0)
	}
	if errors.Is(err, unix.EEXIST) {
		return err
	}
	// A file system without hard links: look, then rename.
	var st unix.Stat_t
	if err := unix.Fstatat(dir, to, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		return unix.EEXIST
	} else if !errors.Is(err, unix.ENOENT) {
		return err
	}
	return unix.Renameat(dir, from, dir, to)
}

// stat describes the regular file at name; anything else there is an error.
func (r *root) stat(name string) (FileStat, error) {
	if r.follow {
		return r.statFollowing(name)
	}
	dir, err := r.walk(path.Dir(name))
	if err != nil {
		return FileStat{}, err
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return FileStat{}, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return FileStat{}, ErrSymlink
	default:
		return FileStat{}, ErrNotRegular
	}
	return FileStat{
		Size: st.Size, Allocated: int64(st.Blocks) * 512, Inode: uint64(st.Ino),
		ModTime: time.Unix(st.Mtim.Unix()),
	}, nil
}

func (r *root) statFollowing(name string) (FileStat, error) {
	or, err := os.OpenRoot(r.path)
	if err != nil {
		return FileStat{}, err
	}
	defer or.Close()
	fi, err := or.Stat(name)
	if err != nil {
		return FileStat{}, err
	}
	if !fi.Mode().IsRegular() {
		return FileStat{}, ErrNotRegular
	}
	return FileStat{Size: fi.Size(), Allocated: fi.Size(), ModTime: fi.ModTime(), Inode: inode(fi)}, nil
}

// syncDir makes the names in the folder dir durable.
func (r *root) syncDir(dir string) error {
	fd, err := r.walk(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// The walk's descriptor may be a mere path, good for nothing but walking on.
	d, err := retryOpen(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(d)
	err = retry(func() error { return unix.Fsync(d) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil // a file system that has no such thing for folders
	}
	return err
}

func retryOpen(dir int, name string, flag int, perm uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(dir, name, flag, perm)
		return err
	})
	return fd, err
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func isNoSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

func inode(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*unixStat); ok {
		return uint64(st.Ino)
	}
	return 0
}

func sameInode(fi fs.FileInfo, st FileStat) bool { return inode(fi) == st.Inode }

// soleLink refuses a partial file that has a second name: writing would change what the other name shows.
func soleLink(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*unixStat); ok && st.Nlink > 1 {
		return ErrHardLinked
	}
	return nil
}
