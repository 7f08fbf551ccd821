//go:build unix

package content

import (
	"os"
	"syscall"
)

// inode returns what identifies a file besides its path.
func inode(st os.FileInfo) (ino, dev uint64) {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino), uint64(s.Dev)
	}
	return 0, 0
}
