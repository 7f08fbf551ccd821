package netx

import (
	"time"

	"golang.org/x/sys/unix"
)

// RTT returns the shortest round trip that the kernel has seen on c, or 0 where it is not known. Unlike the time of an answer
// it holds no waiting in the peer's own queue.
func RTT(c Conn) time.Duration {
	t, ok := c.(*tcpConn)
	if !ok {
		return 0
	}
	var micros uint32
	err := t.raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			micros = info.Min_rtt
		}
	})
	if err != nil || micros == 1<<32-1 { // the kernel's "none yet"
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}
