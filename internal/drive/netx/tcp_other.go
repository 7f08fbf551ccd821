//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package netx

import "net"

// Sockets that cannot be read without blocking take the general way.
func newTCPConn(tcp *net.TCPConn) Conn { return newStreamConn(tcp) }
