package netx

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketOptions(t *testing.T) {
	ln, err := ListenTCP(t.Context(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := Dialer{Source: netip.MustParseAddr("127.0.0.1")}
	a, err := d.Dial(t.Context(), ln.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, c := range map[string]Conn{"dialled": a, "accepted": b} {
		for _, o := range []struct {
			name          string
			level, option int
			want          int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 256 << 10},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 90},
		} {
			if got := option(t, c, o.level, o.option); got != o.want {
				t.Errorf("%s: %s is %d, want %d", name, o.name, got, o.want)
			}
		}
	}
	if option(t, a, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT) != 1 {
		t.Error("a dialler with a source uses a port for each peer")
	}
}

func option(t *testing.T, c Conn, level, option int) (v int) {
	t.Helper()
	var get error
	err := c.(*tcpConn).raw.Control(func(fd uintptr) { v, get = unix.GetsockoptInt(int(fd), level, option) })
	if err != nil || get != nil {
		t.Fatal(err, get)
	}
	return v
}
