package upper

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// virtual is a listener in virtual time: connections are pipes, and Accept returns what the test sends.
type virtual struct {
	conns  chan net.Conn
	errs   chan error
	once   sync.Once
	closed chan struct{}
}

func newVirtual() *virtual {
	return &virtual{conns: make(chan net.Conn), errs: make(chan error), closed: make(chan struct{})}
}

func (v *virtual) Accept() (net.Conn, error) {
	select {
	case c := <-v.conns:
		return c, nil
	case err := <-v.errs:
		return nil, err
	case <-v.closed:
		return nil, net.ErrClosed
	}
}

func (v *virtual) Close() error   { v.once.Do(func() { close(v.closed) }); return nil }
func (v *virtual) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects a client to the server behind the listener.
func (v *virtual) dial() net.Conn {
	here, there := net.Pipe()
	v.conns <- there
	return here
}

// converse runs test with a server in virtual time.
func converse(t *testing.T, server *TCPServer, test func(t *testing.T, listener *virtual, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := newVirtual()
		stop := run(t, func(ctx context.Context) error { return server.Serve(ctx, listener) })
		test(t, listener, stop)
	})
}

// read reads the next answer and says how long it took.
func read(t *testing.T, conn net.Conn, want string) time.Duration {
	t.Helper()
	start, buffer := time.Now(), make([]byte, 1024)
	n, err := conn.Read(buffer)
	if string(buffer[:n]) != want || want == "" && err != io.EOF || want != "" && err != nil {
		t.Fatalf("got %q, %v, want %q", buffer[:n], err, want)
	}
	return time.Since(start)
}

// What has come is answered after a quiet time, at once at the end of a line, and the connection stays for more.
func TestQuietTime(t *testing.T) {
	converse(t, &TCPServer{}, func(t *testing.T, listener *virtual, _ func()) {
		conn := listener.dial()
		defer conn.Close()
		io.WriteString(conn, "hel")
		time.Sleep(DefaultQuiet - time.Nanosecond)
		io.WriteString(conn, "lo")
		if took := read(t, conn, "HELLO"); took != DefaultQuiet {
			t.Errorf("answered %v after the last part", took)
		}
		io.WriteString(conn, "a line\n")
		if took := read(t, conn, "A LINE\n"); took != 0 {
			t.Errorf("a line was answered after %v", took)
		}
		// The first bytes of a character wait for its last, longer than the quiet time.
		io.WriteString(conn, "caf\xc3")
		read(t, conn, "CAF")
		time.Sleep(time.Second)
		io.WriteString(conn, "\xa9")
		read(t, conn, "É")
	})
}

// Who neither sends nor takes is hung up on; who sends a little now and then is not.
func TestIdleClients(t *testing.T) {
	server := &TCPServer{Idle: time.Minute}
	converse(t, server, func(t *testing.T, listener *virtual, stop func()) {
		silent := listener.dial()
		if took := read(t, silent, ""); took != time.Minute {
			t.Errorf("hung up after %v", took)
		}
		slow := listener.dial()
		for range 10 {
			time.Sleep(time.Minute - time.Nanosecond)
			io.WriteString(slow, "x\n")
			read(t, slow, "X\n")
		}
		slow.Close()
		half := listener.dial()
		io.WriteString(half, "\xc3")
		read(t, half, "\xc3") // when the time is over, it is no character
		deaf := listener.dial()
		io.WriteString(deaf, "x\n")
		time.Sleep(time.Minute + time.Nanosecond)
		read(t, deaf, "")
		stop()
		if s := server.Stats(); s.TimedOut != 3 || s.Accepted != 4 || s.Open != 0 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// At the end of the server a client that waits gets its answer, and one that does not take it cannot hold the server up.
func TestStopping(t *testing.T) {
	converse(t, &TCPServer{}, func(t *testing.T, listener *virtual, stop func()) {
		waiting, deaf, silent := listener.dial(), listener.dial(), listener.dial()
		io.WriteString(waiting, "hello")
		io.WriteString(deaf, "hello\n") // the answer of which is under way
		synctest.Wait()
		stopped := make(chan time.Duration)
		go func() {
			start := time.Now()
			stop()
			stopped <- time.Since(start)
		}()
		read(t, waiting, "HELLO")
		read(t, waiting, "")
		read(t, silent, "")
		if took := <-stopped; took != farewell {
			t.Errorf("stopped after %v", took)
		}
	})
}

// More clients than allowed wait, and are served when others leave.
func TestMaxClients(t *testing.T) {
	server := &TCPServer{MaxClients: 2}
	converse(t, server, func(t *testing.T, listener *virtual, stop func()) {
		first, second := listener.dial(), listener.dial()
		defer second.Close()
		go func() {
			time.Sleep(time.Hour / 60)
			if n := server.Stats().Accepted; n != 2 {
				t.Errorf("%d accepted", n)
			}
			first.Close()
		}()
		third := listener.dial() // blocks until first has left
		defer third.Close()
		io.WriteString(third, "x\n")
		read(t, third, "X\n")
	})
}

// Having no file descriptors left, or a client that was gone before it was accepted, is waited out: 5 ms and longer each time.
func TestAcceptErrors(t *testing.T) {
	converse(t, &TCPServer{Log: slog.New(slog.DiscardHandler)}, func(t *testing.T, listener *virtual, _ func()) {
		start := time.Now()
		for range 10 {
			listener.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		conn := listener.dial()
		defer conn.Close()
		io.WriteString(conn, "still here\n")
		read(t, conn, "STILL HERE\n")
		// 5+10+20+...+640 = 1275 ms, then 1 s twice
		if took := time.Since(start); took != 3275*time.Millisecond {
			t.Errorf("the errors were waited out in %v", took)
		}
		listener.errs <- syscall.ECONNABORTED
		again := time.Now()
		other := listener.dial()
		defer other.Close()
		if took := time.Since(again); took != 5*time.Millisecond {
			t.Errorf("the first error after a success was waited out in %v", took)
		}
	})
}

// A listener that somebody else closed ends the server with an error, and with its clients.
func TestListenerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newVirtual()
		ended := make(chan error)
		go func() { ended <- (&TCPServer{}).Serve(context.Background(), listener) }()
		conn := listener.dial()
		listener.Close()
		read(t, conn, "")
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A long line without an end is answered as it comes.
func TestLongLine(t *testing.T) {
	converse(t, &TCPServer{Quiet: time.Hour}, func(t *testing.T, listener *virtual, _ func()) {
		conn := listener.dial()
		defer conn.Close()
		in := bufio.NewReader(conn)
		go conn.Write(make([]byte, 10*chunk))
		if _, err := in.Discard(10 * chunk); err != nil {
			t.Error(err)
		}
	})
}
