//go:build !linux

package netx

import "syscall"

func setNotSentLowat(syscall.RawConn, int) error { return nil }

func setBindNoPort(syscall.RawConn) error { return nil }
