package upper

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startUDP serves UDP on address until stop or the end of the test.
func startUDP(t *testing.T, address string) (server *UDPServer, conn *net.UDPConn, stop func()) {
	t.Helper()
	conn, err := ListenUDP(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	server = &UDPServer{}
	stop = run(t, func(ctx context.Context) error { return server.Serve(ctx, conn) })
	return server, conn, stop
}

// startTCP serves TCP on address until stop or the end of the test.
func startTCP(t *testing.T, server *TCPServer, address string) (addr net.Addr, stop func()) {
	t.Helper()
	listener, err := ListenTCP(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return listener.Addr(), run(t, func(ctx context.Context) error { return server.Serve(ctx, listener) })
}

// run serves until stop or the end of the test, which the server must take well. Counters are final after stop: an answer may
// arrive before it is counted.
func run(t *testing.T, serve func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	ended := make(chan struct{})
	go func() { err = serve(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(func() {
		if stop(); err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return stop
}

// at returns the address of a server that listens on all addresses, seen at ip.
func at(ip string, addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	return net.JoinHostPort(ip, port)
}

// needIPv6 skips where there is no IPv6 to test.
func needIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	l.Close()
}

// say sends a line by our TCP client and returns the answer.
func say(ctx context.Context, client TCPClient, input string) (string, error) {
	session, err := client.Dial(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	var answer strings.Builder
	n, err := session.Send(ctx, bufio.NewReader(strings.NewReader(input)), &answer)
	if n != int64(answer.Len()) {
		err = errors.Join(err, errors.New("the count of the answer is wrong"))
	}
	return answer.String(), err
}
