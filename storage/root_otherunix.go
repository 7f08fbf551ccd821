//go:build unix && !linux

package storage

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

type unixStat = syscall.Stat_t

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

func renameNew(dir int, from, to string) error { return linkNew(dir, from, to) }
func syncData(f *os.File) error                { return f.Sync() }
