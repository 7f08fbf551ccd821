//go:build !linux

package lab

import "time"

// busyTime is not known here.
func busyTime() time.Duration { return 0 }

// processTime is not known here.
func processTime(pid int) time.Duration { return 0 }
