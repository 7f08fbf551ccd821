package content

import (
	"os"

	"golang.org/x/sys/unix"
)

// advise asks the kernel to read a range ahead: workers take turns with the pieces of a file, which its own detection of
// sequential reads does not see. It is a hint; failing costs nothing.
func advise(f *os.File, off, n int64) {
	_ = unix.Fadvise(int(f.Fd()), off, n, unix.FADV_WILLNEED)
}
