package upper

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTCPAllAddresses(t *testing.T) {
	addr, _ := startTCP(t, &TCPServer{}, ":0")
	only4, _ := startTCP(t, &TCPServer{}, "0.0.0.0:0")
	servers := []string{at("127.0.0.1", addr), at("localhost", addr), at("127.0.0.1", only4), at("localhost", only4)}
	check := func(t *testing.T, server string) {
		if got, err := say(t.Context(), TCPClient{Server: server}, "hello, wörld\nnot this"); got != "HELLO, WÖRLD" || err != nil {
			t.Errorf("%s: %q, %v", server, got, err)
		}
	}
	for _, server := range servers {
		check(t, server)
	}
	t.Run("IPv6", func(t *testing.T) {
		needIPv6(t)
		check(t, at("::1", addr))
		only6, _ := startTCP(t, &TCPServer{}, "[::1]:0")
		check(t, only6.String())
		if _, err := say(t.Context(), TCPClient{Server: at("::1", only4)}, "x"); err == nil {
			t.Error("0.0.0.0 answered over IPv6")
		}
	})
}

// Thousands of clients that are all connected before the first is answered, each with a conversation of its own.
func TestTCPThousandsOfClients(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	server := &TCPServer{Idle: 10 * time.Minute}
	addr, stop := startTCP(t, server, "127.0.0.1:0")
	var clients, connected sync.WaitGroup
	connected.Add(n)
	for i := range n {
		clients.Go(func() {
			conn, err := net.Dial("tcp", addr.String())
			connected.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			connected.Wait()
			in := bufio.NewReader(conn)
			for round := range 3 {
				fmt.Fprintf(conn, "client %d, línea %d\n", i, round)
				want := fmt.Sprintf("CLIENT %d, LÍNEA %d\n", i, round)
				if got, err := in.ReadString('\n'); got != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
					return
				}
			}
		})
	}
	clients.Wait()
	stop()
	if s := server.Stats(); s.Accepted != int64(n) || s.Open != 0 || s.TimedOut != 0 || s.BytesIn != s.BytesOut {
		t.Errorf("%+v", s)
	}
}

// A line of any length in bounded memory: 16 MiB go through server and client, which together allocate not a fiftieth of it.
func TestTCPStreams(t *testing.T) {
	const size = 16 << 20
	addr, _ := startTCP(t, &TCPServer{}, "127.0.0.1:0")
	session, err := (&TCPClient{Server: addr.String(), Timeout: time.Minute}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	pattern := []byte("aé€𐐨") // 1+2+3+4 bytes, cut by every buffer somewhere else
	at := 0
	endless := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = pattern[(at+i)%len(pattern)]
		}
		at += len(p)
		return len(p), nil
	})
	want, checked := whole(pattern), 0
	check := writerFunc(func(p []byte) (int, error) {
		for _, b := range p {
			if b != want[checked%len(want)] {
				return 0, fmt.Errorf("byte %d is %#x", checked, b)
			}
			checked++
		}
		return len(p), nil
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := session.Send(t.Context(), bufio.NewReader(io.LimitReader(endless, size)), check)
	runtime.ReadMemStats(&after)
	if err != nil || n != size || checked != size {
		t.Errorf("%d bytes, %v", n, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > size/50 {
		t.Errorf("%d bytes were allocated", got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A client that closes its direction without the end of a line gets its answer, and then the end.
func TestTCPHalfClose(t *testing.T) {
	server := &TCPServer{Quiet: time.Hour} // so that it can only be the end that is answered
	addr, _ := startTCP(t, server, "127.0.0.1:0")
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "caf\xc3") // and half a character
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "CAF\xc3" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// peer is a server of our own making: it has one conversation.
func peer(t *testing.T, converse func(*net.TCPConn)) TCPClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { listener.Close(); done.Wait() })
	done.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		converse(conn.(*net.TCPConn))
	})
	return TCPClient{Server: listener.Addr().String(), Timeout: time.Minute}
}

// The chapter's server reads 1,024 bytes once, answers and closes. What it did not read makes its system break the connection:
// the client prints what came, and says that it is not all.
func TestTCPServerThatReadsOnce(t *testing.T) {
	once := func(conn *net.TCPConn) {
		sentence := make([]byte, 1024)
		n, _ := conn.Read(sentence)
		conn.Write(whole(sentence[:n]))
	}
	if got, err := say(t.Context(), peer(t, once), "short"); got != "SHORT" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, size := range []int{1025, 5000, 10 << 20} {
		got, err := say(t.Context(), peer(t, once), strings.Repeat("x", size))
		if strings.Trim(got, "X") != "" || len(got) > 1024 || !errors.Is(err, ErrCut) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
}

func TestTCPFailures(t *testing.T) {
	const silence = 2 * time.Second // more than a busy machine takes to connect and to write
	silent := func(conn *net.TCPConn) {
		io.Copy(io.Discard, conn)
		conn.SetReadDeadline(time.Time{})
		conn.Read(make([]byte, 1))
	}
	t.Run("nothing comes", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		client := peer(t, func(*net.TCPConn) { <-stop })
		client.Timeout = silence
		if _, err := say(t.Context(), client, "x"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		close(stop)
	})
	t.Run("nothing is taken", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		client := peer(t, func(*net.TCPConn) { <-stop })
		client.Timeout = silence
		if _, err := say(t.Context(), client, strings.Repeat("x", 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		close(stop)
	})
	t.Run("the answer does not end", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		client := peer(t, func(conn *net.TCPConn) { io.WriteString(conn, "half"); <-stop })
		client.Timeout = silence
		if got, err := say(t.Context(), client, "x"); got != "half" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(got, err)
		}
		close(stop)
	})
	t.Run("no answer at all", func(t *testing.T) {
		client := peer(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })
		if got, err := say(t.Context(), client, "x"); got != "" || !errors.Is(err, ErrCut) {
			t.Error(got, err)
		}
	})
	t.Run("an empty line has an empty answer", func(t *testing.T) {
		client := peer(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })
		if got, err := say(t.Context(), client, "\n"); got != "" || err != nil {
			t.Error(got, err)
		}
	})
	t.Run("no sentence", func(t *testing.T) {
		if _, err := say(t.Context(), peer(t, silent), ""); !errors.Is(err, ErrNoSentence) {
			t.Error(err)
		}
	})
	broken := errors.New("broken")
	t.Run("the input breaks", func(t *testing.T) {
		client := peer(t, silent)
		session, err := client.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		input := bufio.NewReader(io.MultiReader(strings.NewReader("some"), readerFunc(func([]byte) (int, error) { return 0, broken })))
		if _, err := session.Send(t.Context(), input, io.Discard); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
	t.Run("the output breaks", func(t *testing.T) {
		client := peer(t, func(conn *net.TCPConn) { io.WriteString(conn, "X") })
		session, err := client.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		out := writerFunc(func([]byte) (int, error) { return 0, broken })
		if _, err := session.Send(t.Context(), bufio.NewReader(strings.NewReader("x")), out); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
	t.Run("the server leaves while somebody types", func(t *testing.T) {
		client := peer(t, func(*net.TCPConn) {})
		keyboard, typing := io.Pipe()
		defer typing.Close()
		session, err := client.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if _, err := session.Send(t.Context(), bufio.NewReader(keyboard), io.Discard); !errors.Is(err, ErrCut) {
			t.Error(err)
		}
	})
	t.Run("cancelled while somebody types", func(t *testing.T) {
		client := peer(t, silent)
		keyboard, typing := io.Pipe()
		defer typing.Close()
		session, err := client.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(broken) })
		if _, err := session.Send(ctx, bufio.NewReader(keyboard), io.Discard); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}

// Somebody who types slowly is waited for, however short the timeout: it is for the server.
func TestTCPSlowTyping(t *testing.T) {
	t.Parallel()
	addr, _ := startTCP(t, &TCPServer{}, "127.0.0.1:0")
	client := TCPClient{Server: addr.String(), Timeout: time.Second}
	session, err := client.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	keyboard, typing := io.Pipe()
	go func() {
		time.Sleep(2 * client.Timeout)
		io.WriteString(typing, "at last\n")
	}()
	var answer bytes.Buffer
	if _, err := session.Send(t.Context(), bufio.NewReader(keyboard), &answer); err != nil || answer.String() != "AT LAST" {
		t.Errorf("%q, %v", &answer, err)
	}
}
