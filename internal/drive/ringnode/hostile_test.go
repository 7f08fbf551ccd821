package ringnode

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// rogue is a member that does not run our code: it has all rights, and uses them badly.
type rogue struct {
	transport *transport
	trust     *admission
	papers    papers
}

// turn makes a rogue with the papers of a true member.
func turn(t *testing.T, l *live) *rogue {
	t.Helper()
	id := l.trust.identity()
	trust, p := member(t, &id)
	tr, err := dialer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	return &rogue{tr, trust, p}
}

// connect says hello as it should be said, and returns the streams of the ring's messages and of the data.
func (r *rogue) connect(t *testing.T, l *live) (conn *quic.Conn, ringStream, data *quic.Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, s, h, err := greetAt(ctx, r.transport, l.Listen())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.dialMember(r.trust, r.papers); err != nil {
		t.Fatal(err)
	}
	s.SetDeadline(time.Time{})
	if data, err = conn.OpenStreamSync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := data.Write([]byte{streamData}); err != nil {
		t.Fatal(err)
	}
	return conn, s, data
}

// "Oversized, malformed, replayed or unauthenticated input is refused and counted, never a crash" (issue 4, Bounds).
func TestMalformedFrames(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	r := turn(t, l)
	noise := make([]byte, 4000)
	rand.Read(noise)
	for name, x := range map[string]struct {
		data  bool
		bytes []byte
	}{
		"oversized ring frame":      {false, []byte{0, 4, 0, 1, frameMessage}},
		"oversized data frame":      {true, []byte{0, 64, 0, 1, frameMessage}},
		"unknown kind of ring":      {false, ringwire.AppendFrame(nil, 99, nil)},
		"unknown kind of data":      {true, ringwire.AppendFrame(nil, 99, nil)},
		"noise as a ring message":   {false, ringwire.AppendFrame(nil, frameMessage, noise)},
		"noise as data":             {true, ringwire.AppendFrame(nil, frameMessage, noise)},
		"noise as control":          {true, ringwire.AppendFrame(nil, frameControl, append([]byte{controlSums}, noise...))},
		"a host that was not named": {false, ringwire.AppendFrame(nil, frameMessage, []byte{byte(ring.Hint), 0x80, 0x20, 77, 0})},
	} {
		before := l.counters.malformed.Load()
		conn, ringStream, data := r.connect(t, l)
		s := ringStream
		if x.data {
			s = data
		}
		s.Write(x.bytes)
		<-conn.Context().Done()
		var app *quic.ApplicationError
		if cause := context.Cause(conn.Context()); !errors.As(cause, &app) || app.ErrorCode != codeProtocol {
			t.Errorf("%s: the connection ended with %v", name, cause)
		}
		if l.counters.malformed.Load() != before+1 {
			t.Errorf("%s: not counted", name)
		}
	}
	if n := l.counters.panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
	if _, err := l.Put(t.Context(), "key", []byte("v"), ringapi.PutOptions{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A member that forges another's signature, or says what it holds no proof of, changes nothing.
func TestForgedRecord(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	if _, err := l.Put(t.Context(), "key", []byte("true"), ringapi.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	forged, err := l.store.Load(l.now(), "key")
	if err != nil || forged == nil {
		t.Fatal(forged, err)
	}
	v := &forged.Versions[0]
	v.Dot.Counter += 10
	v.Value = []byte("false")
	v.Hash = ringwire.Digest(sha(v.Value))
	conn, _, data := turn(t, l).connect(t, l)
	defer conn.CloseWithError(0, "")
	m := ringwire.Data{Kind: ringwire.DataWrite, Op: 7, Record: forged}
	if _, err := data.Write(ringwire.AppendFrame(nil, frameMessage, m.Append(nil))); err != nil {
		t.Fatal(err)
	}
	_, payload, err := ringwire.ReadFrame(bufio.NewReader(data), ringwire.MaxDataFrame, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := ringwire.ParseData(payload); err != nil || answer.Status != ringwire.StatusForged {
		t.Errorf("a forged write is answered %+v, %v", answer, err)
	}
	got, err := l.Get(t.Context(), "key", ringapi.GetOptions{})
	if err != nil || string(got.Value) != "true" {
		t.Errorf("%+v, %v", got, err)
	}
}

// "10k half-handshakes: RSS <= +150 MB, an honest peer connects" (trust.md): silent strangers push out each other, not the others.
func TestSilentStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("many connections")
	}
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	const flood, atOnce = 3 * maxPrefixStrangers, 32
	tr, err := dialer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	most := 0
	for i := 0; i < flood || i < 8*flood && !turnedAway(l); i++ { // on a slow machine they don't come fast enough to be too many
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if conn, err := tr.dial(ctx, l.Listen()); err == nil && i%2 == 0 {
				conn.OpenStream() // and then nothing
			}
		})
		if waiting, _, _ := l.transport.gate.numbers(); waiting > most {
			most = waiting
		}
		if i == flood/2 {
			if got, err := accessBy(t, l, l.Token()); err != nil || got != "2" {
				t.Errorf("an honest client in the flood: %q, %v", got, err)
			}
		}
	}
	wg.Wait()
	if most > maxStrangers {
		t.Errorf("%d strangers at once, at most %d should be", most, maxStrangers)
	}
	if _, _, refused := l.transport.gate.numbers(); refused == 0 {
		t.Error("the flood was no flood: nobody was turned away")
	}
	tr.close()
	eventually(t, "strangers keep their places", func() error {
		if waiting, beginners, _ := l.transport.gate.numbers(); waiting+beginners > 0 {
			return io.ErrShortBuffer
		}
		return nil
	})
	if n := runtime.NumGoroutine(); n > 500 {
		t.Errorf("%d goroutines are left", n)
	}
}

func turnedAway(l *live) bool {
	_, _, refused := l.transport.gate.numbers()
	return refused > 0
}

// stalling is a socket of a stranger that begins connections and never goes on: of the packets that follow QUIC's proof of the address it sends the
// first that it is let, or all until the other side has answered.
type stalling struct {
	net.PacketConn      // and not *net.UDPConn, around whose methods QUIC knows quicker ways
	first          bool // no more than the first packet, in which the client's hello need not be whole

	mu    sync.Mutex
	sent  int // after the proof was asked for
	proof bool
	mute  bool
}

func (c *stalling) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.PacketConn.ReadFrom(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && b[0]&0xb0 == 0xb0 { // Retry (RFC 9000, section 17.2.5)
		c.proof = true
	} else if n > 0 {
		c.mute = true
	}
	return n, addr, err
}

func (c *stalling) WriteTo(b []byte, addr net.Addr) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proof {
		c.sent++
	}
	if c.mute || c.first && c.sent > 1 {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, addr)
}

// stall begins a connection and holds it until the other side gives it up.
func stall(ctx context.Context, l *live, first bool, client *tls.Config) {
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer udp.Close()
	tr := quic.Transport{Conn: &stalling{PacketConn: udp, first: first}}
	defer tr.Close()
	tr.Dial(ctx, net.UDPAddrFromAddrPort(l.Listen()), client, quicConfig())
}

// Handshakes that are begun and not ended keep out nobody, and their number is bounded: "10k half-handshakes: RSS <= +150 MB, an honest peer
// connects < 1 s" (trust.md). bench/ring_silent.py measures the memory.
func TestHalfHandshakes(t *testing.T) {
	if testing.Short() {
		t.Skip("many connections")
	}
	for _, first := range []bool{false, true} {
		l := start(t, Config{Replicas: 1, Handler: echoAccess})
		_, client, err := ephemeralTLS()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for ctx.Err() == nil {
					stall(ctx, l, first, client)
				}
			})
		}
		eventually(t, "the flood is no flood", func() error {
			if waiting, beginners, _ := l.transport.gate.numbers(); waiting+beginners < 50 {
				return io.ErrShortBuffer
			}
			return nil
		})
		eventually(t, "half handshakes keep honest clients out", func() error { // a machine with much to do may let one time out
			_, err := accessBy(t, l, l.Token())
			return err
		})
		if waiting, beginners, _ := l.transport.gate.numbers(); waiting > maxPrefixStrangers+1 || beginners > maxPrefixBeginners {
			t.Errorf("%d strangers and %d beginners of one network", waiting, beginners)
		}
		cancel()
		wg.Wait()
		l.stop(t)
		if waiting, beginners, _ := l.transport.gate.numbers(); waiting+beginners > 0 {
			t.Errorf("%d strangers and %d beginners keep their places", waiting, beginners)
		}
	}
}
