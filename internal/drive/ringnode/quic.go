package ringnode

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// alpn is all that a stranger can learn of us: that its own guess of a protocol was right.
const alpn = "eddy-ring/1"

const (
	helloTimeout = 5 * time.Second
	idleTimeout  = 20 * time.Second // of QUIC; members' connections are kept alive
	keepAlive    = 6 * time.Second
)

// Codes that a connection is closed with. Only those who proved the ring's key or a token get to know more than codeRefused.
const (
	codeDone       quic.ApplicationErrorCode = iota // the normal end
	codeRefused                                     // of a stranger, for whatever reason
	codeExpired                                     // token
	codeRevoked                                     // token
	codeEvicted                                     // host
	codeProtocol                                    // malformed or oversized input
	codeReplaced                                    // the host has come back elsewhere
	codeOverloaded                                  // too many clients, or strangers; of a stranger too
	codeParameters                                  // what the newcomer wishes does not fit this ring
	codeStale                                       // the certificate is of secrets that were rotated away
	codeUndecided                                   // the ring cannot be asked about the token now; of a stranger too
)

// quicConfig bounds what a stranger can make us keep: the windows grow only for who sends and is read.
func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           helloTimeout / 2,
		MaxIdleTimeout:                 idleTimeout,
		KeepAlivePeriod:                keepAlive,
		InitialStreamReceiveWindow:     128 << 10,
		InitialConnectionReceiveWindow: 192 << 10,
		MaxStreamReceiveWindow:         4 << 20,
		MaxConnectionReceiveWindow:     8 << 20,
		MaxIncomingStreams:             64,
		MaxIncomingUniStreams:          -1,
		TokenStore:                     quic.NewLRUTokenStore(64, 2), // of QUIC's proofs of address: one round trip less
	}
}

// ephemeralTLS makes TLS configurations with a certificate that says nothing and is gone with the process. Who the other side
// is shows in the hello, which is bound to the session.
func ephemeralTLS() (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server = &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
	}
	client = &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{certificate},
		InsecureSkipVerify: true, // the hello proves more than a certificate of TLS could
	}
	return server, client, nil
}

// transport is the node's one UDP socket.
type transport struct {
	quic   *quic.Transport
	ln     *quic.EarlyListener // which hands a connection on when it can be closed, and not only when the other side cares to go on
	client *tls.Config
	config *quic.Config
	gate   *gate
}

// strangerKey finds a connection's place at the gate in its context.
type strangerKey struct{}

// listen opens the socket. seed makes the keys of QUIC's own tokens and resets: a node that was killed can tell its peers at
// once that it does not know their connections any more.
func listen(addr netip.AddrPort, seed []byte) (*transport, error) {
	server, client, err := ephemeralTLS()
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	reset := quic.StatelessResetKey(sha256.Sum256(append([]byte("eddy ring quic reset"), seed...)))
	t := &transport{client: client, config: quicConfig(), gate: newGate()}
	t.quic = &quic.Transport{
		Conn: udp, StatelessResetKey: &reset, ConnectionIDLength: 8,
		// Always: nothing but a packet smaller than its own goes to an address that is not proven (trust.md, promise 7).
		VerifySourceAddress: func(net.Addr) bool { return true },
		ConnContext: func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
			s := t.gate.enter(addrPort(info.RemoteAddr).Addr())
			if s == nil {
				return nil, errors.New("too many strangers")
			}
			context.AfterFunc(ctx, s.done)
			return context.WithValue(ctx, strangerKey{}, s), nil
		},
	}
	if t.ln, err = t.quic.ListenEarly(server, t.config); err != nil {
		udp.Close()
		return nil, err
	}
	return t, nil
}

// dialer opens a socket from which connections only go out.
func dialer(seed []byte) (*transport, error) {
	_, client, err := ephemeralTLS()
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	reset := quic.StatelessResetKey(sha256.Sum256(append([]byte("eddy ring quic reset"), seed...)))
	return &transport{client: client, config: quicConfig(), gate: newGate(),
		quic: &quic.Transport{Conn: udp, StatelessResetKey: &reset, ConnectionIDLength: 8}}, nil
}

func (t *transport) addr() netip.AddrPort { return addrPort(t.quic.Conn.LocalAddr()) }

// close ends all connections.
func (t *transport) close() {
	if t.ln != nil {
		t.ln.Close()
	}
	t.quic.Close()
	t.quic.Conn.Close()
}

func (t *transport) dial(ctx context.Context, addr netip.AddrPort) (*quic.Conn, error) {
	return t.quic.Dial(ctx, net.UDPAddrFromAddrPort(addr), t.client, t.config)
}

// exporter is what the hello's proofs are bound to.
func exporter(c *quic.Conn) ([]byte, error) {
	state := c.ConnectionState().TLS
	b, err := state.ExportKeyingMaterial(ringwire.ExporterLabel, nil, 32)
	if err != nil {
		return nil, fmt.Errorf("exporting keying material: %w", err)
	}
	return b, nil
}

// addrPort returns the address of a UDP or TCP socket, IPv4 unmapped and without a zone.
func addrPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
