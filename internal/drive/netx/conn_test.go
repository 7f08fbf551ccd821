package netx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// tcpPair returns both ends of a connection over loopback.
func tcpPair(t testing.TB) (a, b Conn) {
	t.Helper()
	ln, err := ListenTCP(t.Context(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = new(Dialer).Dial(t.Context(), ln.Addr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

func pipePair(t testing.TB) (a, b Conn) {
	t.Helper()
	x, y := net.Pipe()
	t.Cleanup(func() { x.Close(); y.Close() })
	return NewConn(x), NewConn(y)
}

// streamPair is TCP behind a type that NewConn does not know.
func streamPair(t testing.TB) (a, b Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", loopback.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	x, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	y, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.Close() })
	return NewConn(struct{ net.Conn }{x}), NewConn(struct{ net.Conn }{y})
}

// eachConn runs a test on every implementation.
func eachConn(t *testing.T, test func(t *testing.T, a, b Conn)) {
	for _, c := range []struct {
		name string
		pair func(testing.TB) (Conn, Conn)
	}{{"tcp", tcpPair}, {"pipe", pipePair}, {"stream", streamPair}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.pair(t)
			test(t, a, b)
		})
	}
}

// send writes in the background, which net.Pipe needs. The test's end waits for
// it; wait before another writes, since a Conn has one writer.
func send(t *testing.T, c Conn, bufs ...[]byte) (wait func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.WriteBuffers(bufs); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	t.Cleanup(wg.Wait)
	return wg.Wait
}

func TestReadSlabPlacesCarryFirst(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		send(t, a, []byte("world"))
		s, n, err := b.ReadSlab(t.Context(), p, []byte("hello "))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(s.Bytes[:n]); got != "hello world" {
			t.Errorf("got %q", got)
		}
		s.Release()
	})
}

func TestReadSlabCarryMustLeaveRoom(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		if _, _, err := b.ReadSlab(t.Context(), p, make([]byte, 64)); err == nil {
			t.Error("a carry as long as the slab is accepted")
		}
		send(t, a, []byte("xy"))
		for _, want := range []string{"x", "y"} {
			s, n, err := b.ReadSlab(t.Context(), p, make([]byte, 63))
			if err != nil || n != 64 || string(s.Bytes[63:]) != want {
				t.Fatalf("n %d, error %v", n, err)
			}
			s.Release()
		}
	})
}

func TestReadThenReadSlab(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		send(t, a, []byte("handshake"), []byte("message"))
		var hs [9]byte
		if _, err := io.ReadFull(b, hs[:]); err != nil || string(hs[:]) != "handshake" {
			t.Fatalf("%q, %v", hs, err)
		}
		s, n, err := b.ReadSlab(t.Context(), p, nil)
		if err != nil || string(s.Bytes[:n]) != "message" {
			t.Fatalf("n %d, error %v", n, err)
		}
		s.Release()
	})
}

func TestReadSlabEnds(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		a.Close()
		for range 2 {
			if s, n, err := b.ReadSlab(t.Context(), p, []byte("carry")); s != nil || n != 0 || err != io.EOF {
				t.Errorf("end of stream: slab %v, %d bytes, error %v", s, n, err)
			}
		}
		b.Close()
		if _, _, err := b.ReadSlab(t.Context(), p, nil); err == nil || err == io.EOF {
			t.Errorf("own close: %v", err)
		}
		if p.InUse() != 0 {
			t.Errorf("%d slabs kept", p.InUse())
		}
	})
}

func TestDeadlines(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		past := time.Unix(1, 0)
		if err := b.SetReadDeadline(past); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.ReadSlab(t.Context(), p, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if err := b.SetWriteDeadline(past); err != nil {
			t.Fatal(err)
		}
		for _, bufs := range [][][]byte{{{1}}, {{1}, {2}}} {
			if _, err := b.WriteBuffers(bufs); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write of %d buffers: %v", len(bufs), err)
			}
		}
		b.SetReadDeadline(time.Time{})
		send(t, a, []byte("on"))
		s, n, err := b.ReadSlab(t.Context(), p, nil)
		if err != nil || string(s.Bytes[:n]) != "on" {
			t.Fatalf("after lifting the deadline: %v", err)
		}
		s.Release()
	})
}

// Design, hot path: "Borrow a 256 KiB slab only when the socket is readable, so
// that idle peers hold none". With one slab for all, a busy peer gets on only
// if waiting ones have let go of it.
func TestIdlePeersHoldNoSlab(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		var wg sync.WaitGroup
		for range 8 {
			_, idle := tcpPair(t)
			wg.Go(func() {
				if _, _, err := idle.ReadSlab(context.Background(), p, nil); err == nil {
					t.Error("idle peer received something")
				}
			})
			defer idle.Close()
		}
		for range 50 {
			wait := send(t, a, []byte("busy"))
			for n := 0; n < 4; {
				s, k, err := b.ReadSlab(t.Context(), p, nil)
				if err != nil {
					t.Fatal(err)
				}
				s.Release()
				n += k
			}
			wait()
		}
		t.Cleanup(wg.Wait)
	})
}

// A readable peer waits for a slab, but not beyond ctx or Close, and loses
// nothing by it.
func TestExhaustedPool(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		p := newPool(t, 64, 1)
		held := mustGet(t, p)
		wait := send(t, a, []byte("data"))

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := b.ReadSlab(ctx, p, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("ctx: %v", err)
		}

		type result struct {
			text string
			err  error
		}
		done := make(chan result)
		read := func() {
			s, n, err := b.ReadSlab(context.Background(), p, []byte("more "))
			r := result{err: err}
			if err == nil {
				r.text = string(s.Bytes[:n])
				s.Release()
			}
			done <- r
		}
		go read()
		held.Release()
		if r := <-done; r.err != nil || r.text != "more data" {
			t.Fatalf("after the slab was returned: %+v", r)
		}
		wait()

		held = mustGet(t, p)
		defer held.Release()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { a.WriteBuffers([][]byte{[]byte("lost")}) }) // may fail: b closes
		go read()
		b.Close()
		// It may not have come to the wait yet; either way it is over.
		if r := <-done; r.err == nil {
			t.Errorf("read %q after Close without a slab", r.text)
		}
		a.Close()
	})
}

func TestStarvedPeerSeesEnd(t *testing.T) {
	a, b := tcpPair(t)
	p := newPool(t, 64, 1)
	held := mustGet(t, p)
	defer held.Release()
	a.Close()
	if _, _, err := b.ReadSlab(t.Context(), p, nil); err != io.EOF {
		t.Errorf("end of stream with no slab left: %v", err)
	}
}

// Random buffers in, random carries kept: the stream comes out as it went in.
func TestTransfer(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b Conn) {
		const total = 3 << 20
		want := make([]byte, total)
		rand.NewChaCha8([32]byte{1}).Read(want)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer a.Close()
			r := rand.New(rand.NewPCG(1, 2))
			for rest := want; len(rest) > 0; {
				var bufs [][]byte
				sum := int64(0)
				for range 1 + r.IntN(40) {
					k := min(r.IntN(20_000), len(rest))
					bufs = append(bufs, rest[:k])
					rest = rest[k:]
					sum += int64(k)
				}
				if n, err := a.WriteBuffers(bufs); err != nil || n != sum {
					t.Errorf("wrote %d of %d: %v", n, sum, err)
					return
				}
			}
		})
		p := newPool(t, SmallSlab, 2)
		var got, carry []byte
		r := rand.New(rand.NewPCG(3, 4))
		for {
			s, n, err := b.ReadSlab(t.Context(), p, carry)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n <= len(carry) {
				t.Fatalf("%d bytes with a carry of %d", n, len(carry))
			}
			keep := r.IntN(min(n, 20_000))
			got = append(got, s.Bytes[:n-keep]...)
			carry = append(carry[:0], s.Bytes[n-keep:n]...)
			s.Release()
		}
		got = append(got, carry...)
		if !bytes.Equal(got, want) {
			t.Errorf("received %d bytes that differ from the %d sent", len(got), len(want))
		}
		wg.Wait()
	})
}

func TestAddresses(t *testing.T) {
	a, b := tcpPair(t)
	if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() || !a.LocalAddr().Addr().Is4() {
		t.Errorf("%v-%v and %v-%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	x, _ := pipePair(t)
	if x.LocalAddr().IsValid() || x.RemoteAddr().IsValid() {
		t.Errorf("a pipe has addresses %v-%v", x.LocalAddr(), x.RemoteAddr())
	}
	for _, c := range []struct {
		in   net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.ParseIP("1.2.3.4"), Port: 5}, "1.2.3.4:5"},
		{&net.UDPAddr{IP: net.ParseIP("::1"), Port: 5}, "[::1]:5"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:1.2.3.4"), Port: 5}, "1.2.3.4:5"},
		{&net.UnixAddr{Name: "/x"}, "invalid AddrPort"},
		{nil, "invalid AddrPort"},
	} {
		if got := AddrPortOf(c.in).String(); got != c.want {
			t.Errorf("AddrPortOf(%v) = %s, want %s", c.in, got, c.want)
		}
	}
}

// Nothing may be allocated per read or write.
func TestNoAllocation(t *testing.T) {
	a, b := tcpPair(t)
	p := newPool(t, SmallSlab, 2)
	p.Poison = false
	carry, one, two := make([]byte, 100), make([]byte, 1000), make([]byte, 1000)
	bufs := make([][]byte, 2)
	ctx := t.Context()
	allocs := testing.AllocsPerRun(200, func() {
		bufs[0], bufs[1] = one, two
		if _, err := a.WriteBuffers(bufs); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 2000; {
			s, k, err := b.ReadSlab(ctx, p, carry)
			if err != nil {
				t.Fatal(err)
			}
			n += k - len(carry)
			s.Release()
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a round", allocs)
	}
}
