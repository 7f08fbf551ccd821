//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package boltfile

import (
	"os"
	"syscall"
	"time"
)

// lockFile takes the lock that bbolt takes, until f is closed.
func lockFile(f *os.File, timeout time.Duration) (bool, error) {
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return true, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			return false, err
		}
		if time.Now().After(deadline) {
			return false, ErrInUse
		}
	}
}

// SyncFolder makes the names in a folder durable: the step after a rename.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
