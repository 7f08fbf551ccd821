//go:build !linux && !darwin && !freebsd && !windows

package storage

import (
	"errors"
	"fmt"
)

// FreeSpace is not known on this system.
func FreeSpace(path string) (uint64, error) {
	return 0, fmt.Errorf("free space of %s: %w", path, errors.ErrUnsupported)
}
