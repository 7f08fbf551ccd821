package lab

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock on a file until it is closed; false when somebody else holds it.
func lockFile(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

// roomIn returns how many bytes can be written to a directory; false if none.
func roomIn(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || unix.Access(dir, unix.W_OK) != nil {
		return 0, false
	}
	room := int64(st.Bavail) * st.Bsize
	if st.Type == unix.TMPFS_MAGIC {
		// Its size is a promise that memory has to keep.
		room = min(room, availableMemory())
	}
	return room, true
}

// availableMemory is what can be allocated without swapping, in bytes; 0 if that cannot be read.
func availableMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "MemAvailable:" {
			kib, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return kib << 10
		}
	}
	return 0
}
