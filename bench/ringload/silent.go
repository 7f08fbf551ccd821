package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/ring"
)

// The strangers of ringload silent, by how far they come.
const (
	silentHello     = "hello"     // QUIC's handshake, and then nothing
	silentHandshake = "handshake" // as far as the node's answer to the handshake
	silentInitial   = "initial"   // the first packet after the proof of the address
	silentSpoofed   = "spoofed"   // the first packet of all: what comes back never arrives
)

// ringProtocol is the name that members agree on in TLS, which anybody can guess.
const ringProtocol = "eddy-ring/1"

// silentAtOnce bounds how many connections there are at a time, silentLasts for how long each is held on to, and silentRate how many begin in a
// second: all at once they would measure how this program finds time for the honest client.
const (
	silentAtOnce = 1000
	silentLasts  = 4 * time.Second
	silentRate   = 200
)

// silentTarget is a flood of connections from which nothing comes, and honest clients meanwhile.
type silentTarget struct {
	node, token, kind string
	connections       int
	networks          int  // that they come from, each a /24 of 127.0.0.0/8; the first is the honest clients' too
	apart             bool // none is
	probes            int
}

// silence is what ringload silent prints.
type silence struct {
	What        string  `json:"what"` // silent
	Kind        string  `json:"kind"`
	Connections int64   `json:"connections"` // begun
	Held        int64   `json:"held"`        // whose handshake the node completed
	Networks    int     `json:"networks"`
	Apart       bool    `json:"apart"` // from that of the honest clients
	FloodS      float64 `json:"flood_s"`
	AloneS      float64 `json:"alone_s"`   // of an honest client before the flood, from dialling to an answer
	Answered    int     `json:"answered"`  // honest clients in the flood
	Probes      int     `json:"probes"`    // of so many
	SlowestS    float64 `json:"slowest_s"` // of them
	FirstError  string  `json:"first_error,omitempty"`
}

func (s *silentTarget) run() error {
	out := silence{What: "silent", Kind: s.kind, Networks: s.networks, Apart: s.apart, Probes: s.probes}
	alone, err := s.probe()
	if err != nil {
		return fmt.Errorf("without a flood: %w", err)
	}
	out.AloneS = alone.Seconds()
	addr, err := net.ResolveUDPAddr("udp", s.node)
	if err != nil {
		return err
	}
	client, err := silentTLS()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var begun, held atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	pace := time.NewTicker(time.Second / silentRate)
	defer pace.Stop()
	for range silentAtOnce {
		wg.Go(func() {
			for ctx.Err() == nil {
				<-pace.C
				i := begun.Add(1)
				if i > int64(s.connections) {
					begun.Add(-1)
					return
				}
				network := int(i) % s.networks
				if s.apart {
					network++
				}
				s.stranger(ctx, addr, client, network, &held)
			}
		})
	}
	over := make(chan struct{})
	go func() {
		wg.Wait()
		close(over)
	}()
	for range s.probes {
		select { // while the flood goes on
		case <-over:
		case <-time.After(500 * time.Millisecond):
		}
		took, err := s.probe()
		if err != nil {
			if out.FirstError == "" {
				out.FirstError = err.Error()
			}
			continue
		}
		out.Answered++
		out.SlowestS = max(out.SlowestS, took.Seconds())
	}
	<-over
	out.FloodS, out.Connections, out.Held = time.Since(start).Seconds(), begun.Load(), held.Load()
	return encode(out)
}

// probe is an honest client's way from nothing to an answer.
func (s *silentTarget) probe() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	start := time.Now()
	c, err := ring.Dial(ctx, s.node, s.token)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_, err = c.Status(ctx)
	return time.Since(start), err
}

// stranger is one connection, from a socket and perhaps a network of its own.
func (s *silentTarget) stranger(ctx context.Context, addr *net.UDPAddr, client *tls.Config, network int, held *atomic.Int64) {
	ctx, cancel := context.WithTimeout(ctx, silentLasts)
	defer cancel()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, byte(network>>8), byte(network), 1)})
	if err != nil {
		return
	}
	defer udp.Close()
	tr := quic.Transport{Conn: &mutePacketConn{PacketConn: udp, kind: s.kind}}
	defer tr.Close()
	conn, err := tr.Dial(ctx, addr, client, &quic.Config{HandshakeIdleTimeout: 2500 * time.Millisecond})
	if err != nil {
		return
	}
	held.Add(1)
	select {
	case <-conn.Context().Done(): // pushed out
	case <-ctx.Done():
	}
}

// mutePacketConn falls silent where its kind says.
type mutePacketConn struct {
	net.PacketConn // and not *net.UDPConn, around whose methods QUIC knows quicker ways
	kind           string

	mu    sync.Mutex
	proof bool // QUIC has asked to prove the address
	sent  int  // packets since
	mute  bool
}

func (c *mutePacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := c.PacketConn.ReadFrom(b)
		if err == nil && c.kind == silentSpoofed {
			continue
		}
		c.mu.Lock()
		if n > 0 && b[0]&0xb0 == 0xb0 { // Retry (RFC 9000, section 17.2.5)
			c.proof = true
		} else if n > 0 && c.kind == silentHandshake {
			c.mute = true
		}
		c.mu.Unlock()
		return n, addr, err
	}
}

func (c *mutePacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	c.mu.Lock()
	if c.proof {
		c.sent++
	}
	mute := c.mute || c.kind == silentInitial && c.sent > 1
	c.mu.Unlock()
	if mute {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, addr)
}

func silentTLS() (*tls.Config, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{ringProtocol}, Certificates: []tls.Certificate{certificate},
		InsecureSkipVerify: true, Rand: rand.Reader}, nil
}

func (s *silentTarget) check() error {
	switch s.kind {
	case silentHello, silentHandshake, silentInitial, silentSpoofed:
	default:
		return fmt.Errorf("%q is no kind of silence", s.kind)
	}
	if s.connections < 1 || s.networks < 1 || s.networks > 60_000 || s.probes < 1 {
		return errors.New("connections, networks and probes are at least 1")
	}
	if s.token == "" {
		return errors.New("the token is in EDDY_RING_TOKEN")
	}
	return nil
}

func newSilent(node, kind string, connections, networks int, apart bool, probes int) *silentTarget {
	return &silentTarget{node, os.Getenv("EDDY_RING_TOKEN"), kind, connections, networks, apart, probes}
}
