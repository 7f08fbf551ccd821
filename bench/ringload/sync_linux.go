package main

import (
	"os"
	"syscall"
)

// syncData is what bbolt calls too.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
