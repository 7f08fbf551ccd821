//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package netx

// Where there is no mmap the slabs are ordinary Go memory: large objects
// without pointers, which the collector does not scan.
func mapMemory(n int) ([]byte, error) { return make([]byte, n), nil }

func unmapMemory([]byte) error { return nil }

func dropPages([]byte) {}
