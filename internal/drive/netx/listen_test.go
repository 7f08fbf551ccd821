package netx

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func listen(t *testing.T, addr string) *Listener {
	t.Helper()
	ap, err := ParseListen(addr)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := ListenTCP(t.Context(), ap)
	if err != nil {
		if strings.Contains(addr, ":") && strings.HasPrefix(addr, "[") {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestParseListen(t *testing.T) {
	for in, want := range map[string]netip.AddrPort{
		":6881":                netip.AddrPortFrom(netip.Addr{}, 6881),
		":0":                   {},
		"127.0.0.1:0":          netip.MustParseAddrPort("127.0.0.1:0"),
		"0.0.0.0:80":           netip.MustParseAddrPort("0.0.0.0:80"),
		"[::1]:65535":          netip.MustParseAddrPort("[::1]:65535"),
		"[::ffff:127.0.0.1]:1": netip.MustParseAddrPort("127.0.0.1:1"),
	} {
		if got, err := ParseListen(in); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "6881", "127.0.0.1", "localhost:1", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x", "::1:1", "1.2.3:4"} {
		if got, err := ParseListen(in); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", in)) {
			t.Errorf("%q: %v, error %v", in, got, err)
		}
	}
}

func TestListenChoosesPort(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			ln := listen(t, addr)
			if ln.Addr().Port() == 0 {
				t.Fatalf("address %v", ln.Addr())
			}
			c, err := new(Dialer).Dial(t.Context(), ln.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			peer, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			if peer.RemoteAddr() != c.LocalAddr() || peer.LocalAddr() != ln.Addr() {
				t.Errorf("accepted %v on %v, dialled from %v", peer.RemoteAddr(), peer.LocalAddr(), c.LocalAddr())
			}
		})
	}
}

// ":0" takes both families, "0.0.0.0:0" only IPv4.
func TestListenFamilies(t *testing.T) {
	for addr, want6 := range map[string]bool{":0": true, "[::]:0": true, "0.0.0.0:0": false} {
		t.Run(addr, func(t *testing.T) {
			listen(t, "[::1]:0") // skips where there is no IPv6
			ln := listen(t, addr)
			for host, want := range map[string]bool{"127.0.0.1": true, "::1": want6} {
				c, err := new(Dialer).Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(host), ln.Addr().Port()))
				if (err == nil) != want {
					t.Errorf("%s reaches it: %v, want %v", host, err, want)
				}
				if err != nil {
					continue
				}
				peer, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if got := peer.RemoteAddr().Addr().String(); got != host {
					t.Errorf("accepted from %s, want %s", got, host)
				}
				peer.Close()
				c.Close()
			}
		})
	}
}

func TestListenOnBusyPort(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	_, err := ListenTCP(t.Context(), ln.Addr())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{ln.Addr().String(), "in use by another program"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if _, err := ListenTCP(t.Context(), netip.MustParseAddrPort("192.0.2.1:0")); err == nil || !strings.Contains(err.Error(), "192.0.2.1:0") {
		t.Errorf("listening on another machine's address: %v", err)
	}
}

func TestCloseEndsAccept(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	done := make(chan error)
	go func() {
		_, err := ln.Accept()
		done <- err
	}()
	ln.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestErrorsThatPass(t *testing.T) {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
		if !passes(&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", e)}) {
			t.Errorf("%v ends the listener", e)
		}
	}
	for _, e := range []error{net.ErrClosed, syscall.EINVAL, syscall.EBADF} {
		if passes(&net.OpError{Op: "accept", Err: e}) {
			t.Errorf("%v is retried for ever", e)
		}
	}
}

// cli.md: "an explicit IP in --listen is also the source of outgoing peer
// connections".
func TestDialFromSource(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	for source, want := range map[string]string{
		"127.0.0.2": "127.0.0.2", "::ffff:127.0.0.3": "127.0.0.3", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1",
	} {
		d := Dialer{Source: netip.MustParseAddr(source)}
		c, err := d.Dial(t.Context(), ln.Addr())
		if err != nil {
			t.Skipf("127.0.0.0/8 is not all loopback here: %v", err)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := peer.RemoteAddr().Addr().String(); got != want {
			t.Errorf("source %s: peer sees %s, want %s", source, got, want)
		}
		c.Close()
		peer.Close()
	}
	d := Dialer{Source: netip.MustParseAddr("127.0.0.2")}
	if _, err := d.Dial(t.Context(), netip.MustParseAddrPort("[::1]:1")); !errors.Is(err, ErrNoSource) {
		t.Errorf("IPv6 peer from an IPv4 source: %v", err)
	}
}

func TestDialRefused(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	ln.Close()
	_, err := new(Dialer).Dial(t.Context(), ln.Addr())
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

// A connection outlives its listener.
func TestAcceptedPeersStay(t *testing.T) {
	a, b := tcpPair(t) // closes the listener
	send(t, a, []byte("x"))
	var buf [1]byte
	if _, err := io.ReadFull(b, buf[:]); err != nil || buf[0] != 'x' {
		t.Errorf("%q, %v", buf, err)
	}
}
