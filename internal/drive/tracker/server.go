package tracker

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// Server is a tracker over HTTP, UDP or both. Listen opens its sockets, Run serves until its context ends.
type Server struct {
	cfg      ServerConfig
	store    store
	started  time.Time
	key      announce.ConnKey
	counters counters
	gate     *gate
	own      map[netip.Addr]bool // addresses of this machine, read once by Listen

	// Set by Listen.
	tcp     net.Listener
	metrics net.Listener
	udp     []*net.UDPConn
}

// NewServer returns a server that does not listen yet. Errors are those of cfg.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	kept, err := newStore(&cfg)
	if err != nil {
		return nil, fmt.Errorf("tracker: %w", err)
	}
	s := &Server{cfg: cfg, store: kept, started: time.Now(), gate: newGate(cfg.MaxConns, cfg.MaxPrefixConns)}
	crand.Read(s.key[:]) // never fails: see crypto/rand
	return s, nil
}

// Listen opens the sockets, so that HTTPAddr and UDPAddr are known before Run. Without it Run listens itself. After an
// error nothing is open.
func (s *Server) Listen() error {
	if s.tcp != nil || s.udp != nil {
		return nil
	}
	s.own = ownAddresses()
	err := s.listen()
	// Both on any free port: another program may hold the UDP side of the number that TCP got.
	for try := 0; err != nil && errors.Is(err, syscall.EADDRINUSE) && try < 20 && portOf(s.cfg.HTTP) == "0" && portOf(s.cfg.UDP) == "0"; try++ {
		s.Close()
		err = s.listen()
	}
	if err != nil {
		s.Close()
		return fmt.Errorf("tracker: %w", err)
	}
	return nil
}

func portOf(hostport string) string {
	_, port, _ := net.SplitHostPort(hostport)
	return port
}

func (s *Server) listen() (err error) {
	if s.cfg.HTTP != "" {
		if s.tcp, err = net.Listen("tcp", s.cfg.HTTP); err != nil {
			return err
		}
	}
	if s.cfg.MetricsAddr != "" {
		if s.metrics, err = net.Listen("tcp", s.cfg.MetricsAddr); err != nil {
			return err
		}
	}
	if s.cfg.UDP == "" {
		return nil
	}
	host, port, _ := net.SplitHostPort(s.cfg.UDP)
	if port == "0" && s.tcp != nil {
		port = strconv.Itoa(int(s.HTTPAddr().Port()))
	}
	s.udp, err = listenUDP(host, port)
	return err
}

// listenUDP opens a socket, or for every address one a family: so the family of a packet is that of its socket, and replies
// can be sent from the address that was asked. A machine without IPv6 gets along with one.
func listenUDP(host, port string) ([]*net.UDPConn, error) {
	ip, err := netip.ParseAddr(host)
	if host != "" && (err != nil || !ip.IsUnspecified()) {
		c, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, err
		}
		return []*net.UDPConn{c.(*net.UDPConn)}, nil
	}
	var conns []*net.UDPConn
	if host == "" || ip.Is4() {
		c, err := net.ListenPacket("udp4", net.JoinHostPort("0.0.0.0", port))
		if err != nil {
			return nil, err
		}
		conns = append(conns, c.(*net.UDPConn))
		port = strconv.Itoa(int(addrPort(c.LocalAddr()).Port()))
	}
	if host == "" || ip.Is6() {
		c, err := net.ListenPacket("udp6", net.JoinHostPort("::", port))
		switch {
		case err == nil:
			conns = append(conns, c.(*net.UDPConn))
		case len(conns) == 0 || errors.Is(err, syscall.EADDRINUSE):
			closeAll(conns)
			return nil, err
		}
	}
	return conns, nil
}

func closeAll(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

// addrPort returns the address of a TCP or UDP socket, IPv4 unmapped and without a zone.
func addrPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// ownAddresses returns the addresses of this machine's interfaces; none if they cannot be read.
func ownAddresses() map[netip.Addr]bool {
	own := make(map[netip.Addr]bool)
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own[ip.Unmap()] = true
			}
		}
	}
	return own
}

// Close closes the sockets of a server that is not running; Run closes them itself.
func (s *Server) Close() error {
	if s.tcp != nil {
		s.tcp.Close()
	}
	if s.metrics != nil {
		s.metrics.Close()
	}
	closeAll(s.udp)
	s.tcp, s.metrics, s.udp = nil, nil, nil
	return nil
}

// HTTPAddr returns where the server listens for HTTP, the zero AddrPort if it does not.
func (s *Server) HTTPAddr() netip.AddrPort {
	if s.tcp == nil {
		return netip.AddrPort{}
	}
	return addrPort(s.tcp.Addr())
}

// UDPAddr returns where the server listens for UDP, of several sockets the IPv4 one's; the zero AddrPort if it does not.
func (s *Server) UDPAddr() netip.AddrPort {
	if len(s.udp) == 0 {
		return netip.AddrPort{}
	}
	return addrPort(s.udp[0].LocalAddr())
}

// MetricsAddr returns where metrics are served, the zero AddrPort if nowhere.
func (s *Server) MetricsAddr() netip.AddrPort {
	if s.metrics == nil {
		return netip.AddrPort{}
	}
	return addrPort(s.metrics.Addr())
}

// Run serves until ctx ends and then returns nil, with every socket closed. It runs once. An error means that a listener
// broke.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if s.tcp != nil {
		start(func(ctx context.Context) error { return s.serveHTTP(ctx, s.gate.listener(s.tcp), s) })
	}
	if s.metrics != nil {
		start(func(ctx context.Context) error { return s.serveHTTP(ctx, s.metrics, s.metricsHandler()) })
	}
	for _, c := range s.udp {
		s.serveUDP(ctx, c, start)
	}
	start(s.expire)
	wg.Wait()
	s.store.close()
	closeAll(s.udp) // a worker can see the end before its socket does
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("tracker: %w", err)
	}
	return nil
}

// expire forgets stale peers until ctx ends.
func (s *Server) expire(ctx context.Context) error {
	every := max(s.cfg.IntervalHigh/8, 2*time.Second)
	if s.cfg.IntervalHigh == 0 {
		every = 4 * time.Minute
	}
	s.store.expire() // says at once if a remote store cannot be reached
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			s.store.expire()
		}
	}
}

// serves reports whether the server tracks a torrent.
func (s *Server) serves(hash [20]byte) bool {
	return (s.cfg.Allow == nil || s.cfg.Allow(hash)) && (s.cfg.Deny == nil || !s.cfg.Deny(hash))
}

// announce answers one announce from a proven address. The peers of the answer are appended to buf, at most limit.
func (s *Server) announce(req *announce.Request, from netip.AddrPort, limit int, buf []byte) announce.Response {
	if !s.serves(req.InfoHash) {
		s.counters.refused.Add(1)
		return announce.Response{Failure: "this tracker does not serve this torrent"}
	}
	peer, static := s.listedAs(netip.AddrPortFrom(from.Addr(), req.Port))
	buf, told := s.tellStatic(req, peer, static, limit, buf)
	rest := *req
	if rest.NumWant > 0 {
		rest.NumWant -= told
	}
	reply, err := s.store.announce(&rest, peer, !static, limit-told, buf)
	if err != nil {
		return s.unavailable()
	}
	if s.cfg.Announced != nil && !static {
		s.cfg.Announced(req.InfoHash, req.PeerID, req.Left, req.Event == announce.Completed)
	}
	if told > 0 && reply.Compact4 == nil && reply.Compact6 == nil { // a limit kept the swarm out
		if peer.Addr().Is4() {
			reply.Compact4 = buf
		} else {
			reply.Compact6 = buf
		}
	}
	reply.Complete += len(s.cfg.Static)
	if reply.Full {
		s.counters.unlisted.Add(1)
	}
	reply.ExternalIP = from.Addr()
	return reply.Response
}

// tellStatic appends the static seeders that are of use to peer, as many as it wants, and returns their number.
func (s *Server) tellStatic(req *announce.Request, peer netip.AddrPort, static bool, limit int, buf []byte) ([]byte, int) {
	if req.Left == 0 || req.Event == announce.Stopped || static {
		return buf, 0
	}
	if req.NumWant >= 0 {
		limit = min(limit, req.NumWant)
	}
	told := 0
	for _, p := range s.cfg.Static {
		if told < limit && p.Addr().Unmap().Is4() == peer.Addr().Is4() {
			buf = announce.AppendPeer(buf, p)
			told++
		}
	}
	return buf, told
}

// listedAs returns the address under which to list a peer, and whether it is one of Static.
func (s *Server) listedAs(p netip.AddrPort) (netip.AddrPort, bool) {
	if slices.Contains(s.cfg.Static, p) {
		return p, true
	}
	local := p.Addr().IsLoopback() || s.own[p.Addr()]
	if local {
		for _, st := range s.cfg.Static {
			if st.Port() == p.Port() {
				return st, true
			}
		}
	}
	if p.Addr().IsLoopback() && len(s.cfg.Host) > 0 {
		host := s.cfg.Host[0]
		for _, h := range s.cfg.Host {
			if h.Unmap().Is4() == p.Addr().Is4() {
				host = h
				break
			}
		}
		p = netip.AddrPortFrom(host.Unmap(), p.Port())
	}
	return p, false
}

// unavailable books a request that the store did not answer, and refuses it for the time being (BEP 31).
func (s *Server) unavailable() announce.Response {
	s.counters.storeErrors.Add(1)
	return announce.Response{Failure: "store unavailable, try again", RetryIn: time.Minute}
}

// scrape appends the counts of the torrents to rows, static seeders included; all 0 for one that is not served. Errors are
// the store's.
func (s *Server) scrape(rows []announce.Counts, hashes ...[20]byte) ([]announce.Counts, error) {
	from := len(rows)
	rows, err := s.store.scrape(rows, hashes)
	if err != nil {
		return rows[:from], err
	}
	for i, hash := range hashes {
		if row := &rows[from+i]; s.serves(hash) {
			row.Complete += len(s.cfg.Static)
		} else {
			*row = announce.Counts{}
		}
	}
	return rows, nil
}

// now is the time by which UDP connection ids age.
func (s *Server) now() time.Duration { return time.Since(s.started) }

var _ http.Handler = (*Server)(nil)
