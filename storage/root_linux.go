package storage

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

type unixStat = syscall.Stat_t

// dirFlags open a folder to walk through it: O_PATH needs no permission to list it.
const dirFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC

func renameNew(dir int, from, to string) error {
	err := retry(func() error { return unix.Renameat2(dir, from, dir, to, unix.RENAME_NOREPLACE) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return linkNew(dir, from, to)
	}
	return err
}

func syncData(f *os.File) error {
	return retry(func() error { return unix.Fdatasync(int(f.Fd())) })
}

// fallocateStep keeps one call short: file systems give up at a signal, and Go's scheduler sends many.
const fallocateStep = 1 << 30

// fallocate reserves disk space for the first n bytes of f and sets its size; done is false if the file system cannot.
func fallocate(f *os.File, n int64) (done bool, err error) {
	for off := int64(0); off < n; off += fallocateStep {
		step := min(fallocateStep, n-off)
		err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, step) })
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func dropCache(f *os.File) error {
	return retry(func() error { return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) })
}

// iovMax is IOV_MAX of Linux.
const iovMax = 1024

var iovecs = sync.Pool{New: func() any { s := make([]unix.Iovec, 0, 64); return &s }}

// readVecAt fills bufs from f at off; it returns the bytes read, and io's nil or the system's error, at end of file no
// error but a short count.
func readVecAt(h *handle, bufs [][]byte, off int64) (int64, error) {
	return vecAt(unix.SYS_PREADV, h, bufs, off)
}

func writeVecAt(h *handle, bufs [][]byte, off int64) (int64, error) {
	return vecAt(unix.SYS_PWRITEV, h, bufs, off)
}

// vecAt repeats preadv or pwritev until all is done, nothing moves any more, or an error comes. x/sys has wrappers, but
// they allocate beyond eight buffers and do not repeat.
func vecAt(trap uintptr, h *handle, bufs [][]byte, off int64) (done int64, err error) {
	pooled := iovecs.Get().(*[]unix.Iovec)
	iov := (*pooled)[:0]
	defer func() {
		clear(iov)
		*pooled = iov[:0]
		iovecs.Put(pooled)
	}()
	for _, b := range bufs {
		if len(b) > 0 {
			v := unix.Iovec{Base: &b[0]}
			v.SetLen(len(b))
			iov = append(iov, v)
		}
	}
	rest := iov
	for len(rest) > 0 {
		lo, hi := offsetHalves(off + done)
		n, _, errno := unix.Syscall6(trap, uintptr(h.fd), uintptr(unsafe.Pointer(&rest[0])),
			uintptr(min(len(rest), iovMax)), lo, hi, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return done, errno
		}
		if n == 0 {
			return done, nil
		}
		done += int64(n)
		rest = advance(rest, int(n))
	}
	return done, nil
}

// advance removes the first n bytes from iov.
func advance(iov []unix.Iovec, n int) []unix.Iovec {
	for n > 0 {
		l := int(iov[0].Len)
		if n < l {
			iov[0].Base = (*byte)(unsafe.Add(unsafe.Pointer(iov[0].Base), n))
			iov[0].SetLen(l - n)
			return iov
		}
		n -= l
		iov = iov[1:]
	}
	return iov
}

// offsetHalves splits an offset as the kernel wants it: two longs, low first, of which 64-bit systems use one.
func offsetHalves(off int64) (lo, hi uintptr) {
	const longBits = 32 << (^uintptr(0) >> 63)
	return uintptr(off), uintptr(uint64(off) >> (longBits - 1) >> 1)
}
