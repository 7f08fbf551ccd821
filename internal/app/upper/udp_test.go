package upper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A socket on all addresses answers over both families, each from the address that was asked: a connected client, as ours
// is, sees no other.
func TestUDPAllAddresses(t *testing.T) {
	_, conn, _ := startUDP(t, ":0")
	_, only4, _ := startUDP(t, "0.0.0.0:0")
	servers := []string{at("127.0.0.1", conn.LocalAddr()), at("127.0.0.1", only4.LocalAddr())}
	if runtime.GOOS == "linux" { // where all of 127/8 is local
		servers = append(servers, at("127.0.0.2", conn.LocalAddr()), at("127.9.8.7", only4.LocalAddr()))
	}
	for _, server := range servers {
		checkUDP(t, server)
	}
	t.Run("IPv6", func(t *testing.T) {
		needIPv6(t)
		checkUDP(t, at("::1", conn.LocalAddr()))
		_, only6, _ := startUDP(t, "[::1]:0")
		checkUDP(t, only6.LocalAddr().String())
		client := UDPClient{Server: at("::1", only4.LocalAddr())}
		if _, err := client.Send(t.Context(), []byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("0.0.0.0 answered over IPv6: %v", err)
		}
	})
}

func checkUDP(t *testing.T, server string) {
	t.Helper()
	client := UDPClient{Server: server}
	answer, err := client.Send(t.Context(), []byte("hello, wörld\ncaf\xc3"))
	if err != nil || string(answer.Text) != "HELLO, WÖRLD\nCAF\xc3" || answer.From.String() != server || answer.Attempts != 1 {
		t.Errorf("%s: %+v, %v", server, answer, err)
	}
}

// A name may have addresses at which nobody listens: the chapter's server takes IPv4 alone, and localhost may be ::1 first. Where
// an address says nothing, the next datagram goes to the next.
func TestUDPSeveralAddresses(t *testing.T) {
	_, conn, _ := startUDP(t, "127.0.0.1:0")
	client := UDPClient{Server: at("localhost", conn.LocalAddr())}
	if answer, err := client.Send(t.Context(), []byte("x")); err != nil || string(answer.Text) != "X" {
		t.Errorf("%+v, %v", answer, err)
	}
	closed, deaf := silentUDP(t), silentUDP(t)
	closed.Close()
	dial := func(server *net.UDPConn) net.Conn {
		c, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for _, row := range []struct {
		name    string
		servers []*net.UDPConn
		retries int
		err     error
	}{
		{"refused, then taken", []*net.UDPConn{closed, closed, conn}, 0, nil},
		{"silent, then refused, then taken", []*net.UDPConn{deaf, closed, conn}, 1, nil},
		{"refused, then silent", []*net.UDPConn{closed, deaf}, 1, ErrNoAnswer},
		{"refused by all", []*net.UDPConn{closed, closed}, 1, syscall.ECONNREFUSED},
	} {
		var conns []net.Conn
		for _, s := range row.servers {
			conns = append(conns, dial(s))
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()                                                        // for the sake of the silent ones
			client := UDPClient{Timeout: 2 * time.Second, Retries: row.retries} // more than a busy machine takes to answer
			answer, err := client.ask(t.Context(), conns, []byte("x"))
			if !errors.Is(err, row.err) || err == nil && string(answer.Text) != "X" {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
}

// silentUDP is a socket of which nobody reads.
func silentUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// The control message of a datagram that came to an address makes one that sends from it, whatever the family of the socket.
func TestUDPSource(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systems differ in what they tell")
	}
	for _, row := range []struct{ listen, ip string }{{":0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {":0", "::1"}, {"[::1]:0", "::1"}} {
		if row.ip == "::1" {
			needIPv6(t)
		}
		conn, err := ListenUDP(t.Context(), row.listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client, err := net.Dial("udp", at(row.ip, conn.LocalAddr()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		client.Write(nil)
		control := make([]byte, 128)
		_, n, _, _, err := conn.ReadMsgUDPAddrPort(nil, control)
		if err != nil {
			t.Fatal(err)
		}
		// No interface is named, so that the route stays the system's choice.
		want := (&ipv6.ControlMessage{Src: net.ParseIP(row.ip)}).Marshal()
		if row.ip != "::1" {
			want = (&ipv4.ControlMessage{Src: net.ParseIP(row.ip)}).Marshal()
		}
		if got := source(control[:n]); !bytes.Equal(got, want) {
			t.Errorf("%s, asked at %s: %x, want %x", row.listen, row.ip, got, want)
		}
	}
	if control := source(nil); control != nil {
		t.Errorf("of nothing: %x", control)
	}
}

// Datagrams of every size that there is, over both families; what would not fit when answered is dropped and counted, and the
// server goes on.
func TestUDPSizes(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			if address[0] == '[' {
				needIPv6(t)
			}
			server, conn, stop := startUDP(t, address)
			client := UDPClient{Server: conn.LocalAddr().String()}
			for _, size := range []int{0, 1, 1472, 2048, 65506, MaxDatagram} {
				sentence := bytes.Repeat([]byte("x"), size)
				answer, err := client.Send(t.Context(), sentence)
				if err != nil || !bytes.Equal(answer.Text, bytes.ToUpper(sentence)) {
					t.Errorf("%d bytes: %d came back, %v", size, len(answer.Text), err)
				}
			}
			tooLong := [][]byte{[]byte(strings.Repeat("ɐ", MaxDatagram/3+1))} // 2 bytes that become 3
			if address[0] == '[' {
				tooLong = append(tooLong, make([]byte, MaxDatagram+1)) // IPv6 counts its header apart: 20 bytes more fit
			}
			for _, sentence := range tooLong {
				send(t, conn, sentence)
			}
			checkUDP(t, conn.LocalAddr().String()) // later than these in the queue
			stop()
			stats := server.Stats()
			if stats.TooLong != int64(len(tooLong)) || stats.Answered != 7 || stats.Ignored != 0 || stats.Unsent != 0 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// send sends a datagram to a server, and does not wait for what it says.
func send(t *testing.T, server *net.UDPConn, datagram []byte) {
	t.Helper()
	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
}

// Two servers on the same port of two machines, and a datagram that seems to come from one of them: without the rule they
// would answer each other for ever.
func TestUDPEchoStorm(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("wants a second loopback address")
	}
	a, connA, stopA := startUDP(t, "127.0.0.1:0")
	connB, err := ListenUDP(t.Context(), at("127.0.0.2", connA.LocalAddr()))
	if err != nil {
		t.Fatal(err)
	}
	b := &UDPServer{}
	stopB := run(t, func(ctx context.Context) error { return b.Serve(ctx, connB) })
	toA := connA.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := connB.WriteToUDPAddrPort([]byte("hello"), toA); err != nil { // what a forger's packet looks like to A
		t.Fatal(err)
	}
	// Loopback keeps the order: if A had answered, B would have that before our own question, and would have answered it.
	checkUDP(t, connA.LocalAddr().String())
	checkUDP(t, connB.LocalAddr().String())
	checkUDP(t, connA.LocalAddr().String())
	stopA()
	stopB()
	if s := a.Stats(); s.Ignored != 1 || s.Answered != 2 {
		t.Errorf("A: %+v", s)
	}
	if s := b.Stats(); s.Ignored != 0 || s.Answered != 1 {
		t.Errorf("B: %+v", s)
	}
}

// relay stands between client and server and loses the first datagrams in each direction. It returns its address.
func relay(t *testing.T, server netip.AddrPort, loseThere, loseBack int) string {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { front.Close(); done.Wait() })
	done.Go(func() {
		var client netip.AddrPort
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := front.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			to, lose := server, &loseThere
			if from == server {
				to, lose = client, &loseBack
			} else {
				client = from
			}
			if *lose > 0 {
				*lose--
				continue
			}
			front.WriteToUDPAddrPort(buffer[:n], to)
		}
	})
	return front.LocalAddr().String()
}

// Lost datagrams are sent again, as often as was said and no more; it does not matter which way they were lost.
func TestUDPLostDatagrams(t *testing.T) {
	for _, row := range []struct {
		loseThere, loseBack, retries int
		answered                     bool
	}{
		{0, 0, 0, true},
		{1, 0, 0, false},
		{0, 1, 0, false},
		{2, 0, 1, false},
		{2, 1, 2, false},
		{2, 0, 20, true}, // more than enough, since a busy machine may add losses of its own
		{0, 2, 20, true},
		{2, 2, 20, true},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			server, conn, stop := startUDP(t, "127.0.0.1:0")
			client := UDPClient{
				Server:  relay(t, conn.LocalAddr().(*net.UDPAddr).AddrPort(), row.loseThere, row.loseBack),
				Retries: row.retries,
				Timeout: 100 * time.Millisecond,
			}
			if row.retries == 0 && row.answered {
				client.Timeout = time.Minute
			}
			answer, err := client.Send(t.Context(), []byte("x"))
			if row.answered && (err != nil || string(answer.Text) != "X" || answer.Attempts < row.loseThere+row.loseBack+1) {
				t.Errorf("%+v, %v", answer, err)
			}
			if !row.answered && (!errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), fmt.Sprint(row.retries+1))) {
				t.Errorf("%+v, %v", answer, err)
			}
			stop()
			if n := server.Stats().Answered; n > int64(row.retries+1-row.loseThere) {
				t.Errorf("%d datagrams reached the server", n)
			}
		})
	}
}

// An answer that comes when the client has already asked again is an answer. The server answers the first datagram only
// when it has the second.
func TestUDPLateAnswer(t *testing.T) {
	slow := silentUDP(t)
	var done sync.WaitGroup
	defer done.Wait()
	defer slow.Close()
	done.Go(func() {
		var first netip.AddrPort
		for range 2 {
			_, from, err := slow.ReadFromUDPAddrPort(make([]byte, 16))
			if err != nil {
				return
			}
			if !first.IsValid() {
				first = from
			}
		}
		slow.WriteToUDPAddrPort([]byte("late"), first)
	})
	client := UDPClient{Server: slow.LocalAddr().String(), Timeout: 100 * time.Millisecond, Retries: 20}
	if answer, err := client.Send(t.Context(), []byte("x")); err != nil || string(answer.Text) != "late" || answer.Attempts < 2 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestUDPFailures(t *testing.T) {
	conn, err := ListenUDP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close() // now nobody is there
	gone := UDPClient{Server: conn.LocalAddr().String()}
	if _, err := gone.Send(t.Context(), []byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	var dns *net.DNSError
	nowhere := UDPClient{Server: "eddy.invalid:12000"}
	if _, err := nowhere.Send(t.Context(), []byte("x")); !errors.As(err, &dns) {
		t.Errorf("no such name: %v", err)
	}
	deaf := silentUDP(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		deaf.ReadFrom(make([]byte, 16)) // once it waits for the answer
		cancel(enough)
	}()
	waiting := UDPClient{Server: deaf.LocalAddr().String(), Timeout: time.Hour}
	if _, err := waiting.Send(ctx, []byte("x")); !errors.Is(err, enough) {
		t.Errorf("cancelled: %v", err)
	}
}

// Many clients at once, each with its own sentence, get their own answers.
func TestUDPManyClients(t *testing.T) {
	server, conn, stop := startUDP(t, "127.0.0.1:0")
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			client := UDPClient{Server: conn.LocalAddr().String()}
			answer, err := client.Send(context.Background(), fmt.Appendf(nil, "client %d", i))
			if want := fmt.Sprintf("CLIENT %d", i); err != nil || string(answer.Text) != want {
				t.Errorf("%s: %q, %v", want, answer.Text, err)
			}
		})
	}
	clients.Wait()
	stop()
	if s := server.Stats(); s.Answered < 200 || s.BytesIn != s.BytesOut {
		t.Errorf("%+v", s)
	}
}
