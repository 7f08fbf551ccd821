//go:build linux || darwin || freebsd

package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeSpace returns the bytes that this user may still allocate on the disk of path, which may not exist yet.
func FreeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(existing(path), &st) }); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	if st.Bavail < 0 { // signed on some systems, below zero when only the superuser's reserve is left
		return 0, nil
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
