//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netx

import "golang.org/x/sys/unix"

func mapMemory(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func unmapMemory(b []byte) error { return unix.Munmap(b) }

// dropPages frees the memory behind b, which begins on a page. Failure leaves
// it resident, which is no fault.
func dropPages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
