//go:build !(linux || darwin || freebsd || openbsd || netbsd || dragonfly)

package boltfile

import (
	"os"
	"time"
)

// lockFile cannot take bbolt's lock here: the file is opened without a look at it first.
func lockFile(*os.File, time.Duration) (bool, error) { return false, nil }

// SyncFolder does nothing: there is no such call here.
func SyncFolder(string) error { return nil }
