package netx

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setNotSentLowat keeps what the kernel has queued but not sent under n bytes,
// so that a choke or cancel takes effect within that much.
func setNotSentLowat(c syscall.RawConn, n int) error {
	return setInt(c, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
}

// setBindNoPort lets sockets bound to a source address share local ports when
// they go to different peers. Without it each connection takes one of the some
// 28,000 ports for itself.
func setBindNoPort(c syscall.RawConn) error {
	return setInt(c, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}

func setInt(c syscall.RawConn, level, option, value int) error {
	var set error
	err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, value) })
	if err != nil {
		return err
	}
	return set
}
