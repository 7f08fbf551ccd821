package tracker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

const (
	udpBatch   = 64      // packets a system call
	udpPacket  = 2048    // bytes read of each; longer ones lose the end of their options
	udpSockBuf = 4 << 20 // bytes that may wait in the kernel while we work
	udpOOB     = 64
)

// batchConn is what ipv4.PacketConn and ipv6.PacketConn have in common; their message types are the same.
type batchConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// A worker waits for a remote store, with all of its batch. So many small batches are under way at once.
const (
	remoteWorkers = 64
	remoteBatch   = 4
)

// serveUDP starts the workers of one socket: one a processor, since each reads its own batch, or more if they wait for a
// store.
func (s *Server) serveUDP(ctx context.Context, conn *net.UDPConn, start func(func(context.Context) error)) {
	conn.SetReadBuffer(udpSockBuf) // as much as the system allows
	conn.SetWriteBuffer(udpSockBuf)
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	v6 := local.Is6() && !local.Is4In6()
	var bc batchConn
	if v6 {
		p := ipv6.NewPacketConn(conn)
		if local.IsUnspecified() {
			p.SetControlMessage(ipv6.FlagDst, true) // an error only costs the right source address of replies
		}
		bc = p
	} else {
		p := ipv4.NewPacketConn(conn)
		if local.IsUnspecified() {
			p.SetControlMessage(ipv4.FlagDst, true)
		}
		bc = p
	}
	workers, batch := runtime.GOMAXPROCS(0), udpBatch
	if s.store.remote() {
		workers, batch = remoteWorkers, remoteBatch
	}
	for range workers {
		start(func(ctx context.Context) error {
			w := newUDPWorker(s, bc, batch, local.IsUnspecified(), v6)
			return w.run(ctx)
		})
	}
	// Closing is what ends a blocked read.
	context.AfterFunc(ctx, func() { conn.Close() })
}

// udpWorker reads batches of packets and answers them. Its buffers are its own.
type udpWorker struct {
	server  *Server
	conn    batchConn
	anyAddr bool // bound to every address: replies have to say from which
	v6      bool
	in, out []ipv4.Message
	peers   []byte
	hashes  [][20]byte
	rows    []announce.Counts
}

func newUDPWorker(s *Server, c batchConn, batch int, anyAddr, v6 bool) *udpWorker {
	w := &udpWorker{server: s, conn: c, anyAddr: anyAddr, v6: v6}
	w.in, w.out = make([]ipv4.Message, batch), make([]ipv4.Message, batch)
	for i := range w.in {
		w.in[i].Buffers = [][]byte{make([]byte, udpPacket)}
		w.out[i].Buffers = [][]byte{make([]byte, 0, announce.MaxUDPReply)}
		if anyAddr {
			w.in[i].OOB = make([]byte, udpOOB)
		}
	}
	return w
}

// run answers packets until the socket is closed at the end of ctx.
func (w *udpWorker) run(ctx context.Context) error {
	for failures := 0; ; {
		n, err := w.conn.ReadBatch(w.in, 0)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Errors of single packets (an ICMP, a full queue) pass; a socket that is broken fails every time.
			if failures++; errors.Is(err, net.ErrClosed) || failures > 100 {
				return err
			}
			time.Sleep(time.Millisecond) // not to spin
			continue
		}
		failures = 0
		w.write(w.answer(w.in[:n]))
	}
}

// answer fills w.out with the replies to a batch and returns their number.
func (w *udpWorker) answer(batch []ipv4.Message) (n int) {
	now := w.server.now()
	for i := range batch {
		m := &batch[i]
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok {
			continue
		}
		o := &w.out[n]
		reply := w.safely(m.Buffers[0][:m.N], addrPort(from), now, o.Buffers[0][:0])
		if len(reply) == 0 {
			continue
		}
		o.Buffers[0], o.Addr, o.OOB = reply, m.Addr, nil
		if w.anyAddr {
			o.OOB = w.source(m.OOB[:m.NN])
		}
		n++
	}
	return n
}

// source returns the control message that sends a reply from the address that the request was sent to: machines have
// several, and clients drop replies from one that they did not ask.
func (w *udpWorker) source(oob []byte) []byte {
	if w.v6 {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) != nil || cm.Dst == nil {
			return nil
		}
		return (&ipv6.ControlMessage{Src: cm.Dst}).Marshal()
	}
	var cm ipv4.ControlMessage
	if cm.Parse(oob) != nil || cm.Dst == nil {
		return nil
	}
	return (&ipv4.ControlMessage{Src: cm.Dst}).Marshal()
}

// write sends the first n of w.out. A reply that cannot be sent is given up.
func (w *udpWorker) write(n int) {
	for ms := w.out[:n]; len(ms) > 0; {
		sent, err := w.conn.WriteBatch(ms, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || sent == 0 {
			w.server.counters.unsent.Add(1)
			sent = max(sent, 0) + 1
		}
		ms = ms[min(sent, len(ms)):]
	}
}

// safely is reply, but a packet that makes it panic is only counted: one peer's input must not stop the process.
func (w *udpWorker) safely(p []byte, from netip.AddrPort, now time.Duration, out []byte) (reply []byte) {
	defer func() {
		if r := recover(); r != nil {
			w.server.counters.panics.Add(1)
			w.server.cfg.Logger.Error("tracker: panic while answering a packet", "panic", r, "length", len(p))
			reply = nil
		}
	}()
	return w.reply(p, from, now, out)
}

// reply appends the reply to packet p to out, or nothing. Before the connection id has proven the sender's address, no
// reply is larger than its request: with a forged source we would be the attacker's amplifier.
func (w *udpWorker) reply(p []byte, from netip.AddrPort, now time.Duration, out []byte) []byte {
	s := w.server
	req, err := announce.ParseUDPRequest(p)
	switch {
	case err == nil && req.Action == announce.ActionConnect:
		s.counters.udpConnects.Add(1)
		return announce.AppendUDPConnectReply(out, req.Tx, s.key.ID(from.Addr(), now))
	case len(p) < 16 || from.Port() == 0:
		s.counters.malformed.Add(1)
		return out
	case req.Action == announce.ActionConnect || !s.key.Valid(req.ConnID, from.Addr(), now):
		s.counters.badConnIDs.Add(1)
		if reply := announce.AppendUDPError(out, req.Tx, "bad connection id"); len(reply) <= len(p) {
			return reply // sooner than by a time-out, an honest client connects again
		}
		return out
	case err != nil:
		s.counters.malformed.Add(1)
		return announce.AppendUDPError(out, req.Tx, err.Error())
	case req.Action == announce.ActionScrape:
		s.counters.scrapes.Add(1)
		w.hashes = w.hashes[:0]
		for i := range req.Hashes() {
			w.hashes = append(w.hashes, req.Hash(i))
		}
		if w.rows, err = s.scrape(w.rows[:0], w.hashes...); err != nil {
			return announce.AppendUDPError(out, req.Tx, s.unavailable().Failure)
		}
		return announce.AppendUDPScrapeReply(out, req.Tx, w.rows)
	}
	s.counters.udpAnnounces.Add(1)
	v6 := from.Addr().Is6()
	limit := announce.MaxUDPPeers4
	if v6 {
		limit = announce.MaxUDPPeers6
	}
	response := s.announce(&req.Announce, from, limit, w.peers[:0])
	if response.Failure != "" {
		return announce.AppendUDPError(out, req.Tx, response.Failure)
	}
	w.peers = append(response.Compact4, response.Compact6...)[:0] // keep what has grown
	return announce.AppendUDPAnnounceReply(out, req.Tx, &response, v6)
}
