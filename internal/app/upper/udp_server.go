package upper

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// MaxDatagram is how many bytes a UDP datagram carries at most over IPv4: 65,535 less the headers of IP (20) and UDP (8).
const MaxDatagram = 65507

// UDPServer sends each datagram back in upper case to the address it came from. The zero value is ready to use.
type UDPServer struct {
	Log *slog.Logger // nil = slog.Default()

	answered, ignored, tooLong, unsent, bytesIn, bytesOut atomic.Int64
}

// UDPStats is what a UDPServer has done so far.
type UDPStats struct {
	Answered int64 `json:"answered"`         // datagrams
	Ignored  int64 `json:"ignored"`          // came from the server's own port number
	TooLong  int64 `json:"dropped_too_long"` // the upper case would not fit into a datagram
	Unsent   int64 `json:"dropped_unsent"`   // the system refused to send the answer
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
}

// ListenUDP opens the socket of a UDPServer on address, "IP:PORT" or ":PORT" for all addresses of both families.
func ListenUDP(ctx context.Context, address string) (*net.UDPConn, error) {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, network("udp", address), address)
	if err != nil {
		return nil, err
	}
	conn := packets.(*net.UDPConn)
	conn.SetReadBuffer(4 << 20) // bytes that may wait while we work; what comes when it is full is lost. The system may give less
	// Ask for the address that each datagram was sent to; see source. One of the two fits the socket's family.
	ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
	ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst, true)
	return conn, nil
}

// Serve answers datagrams until ctx is done, which is a good end and returns nil. It closes conn.
func (s *UDPServer) Serve(ctx context.Context, conn *net.UDPConn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // closing is what ends a blocked read
	own := conn.LocalAddr().(*net.UDPAddr).Port
	in, out, control := make([]byte, 1<<16), make([]byte, 0, 1<<16), make([]byte, 128)
	var failures backoff
	for {
		n, controls, _, from, err := conn.ReadMsgUDPAddrPort(in, control)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			logger(s.Log).Warn("reading a datagram", "err", err)
			failures.wait(ctx)
			continue
		}
		failures = 0
		s.bytesIn.Add(int64(n))
		if int(from.Port()) == own {
			// Perhaps a server like this one, made to talk to us by a forged sender: our answers would go round for ever.
			s.ignored.Add(1)
			continue
		}
		upper, rest := AppendUpper(out[:0], in[:n])
		out = append(upper, rest...) // a datagram is whole: what is cut at its end stays cut
		s.send(conn, out, source(control[:controls]), from)
	}
}

// send sends one answer, with control naming the address to send it from. An answer that cannot be sent is only counted:
// UDP promises nothing, and the client that still wants it asks again.
func (s *UDPServer) send(conn *net.UDPConn, answer, control []byte, to netip.AddrPort) {
	if len(answer) > MaxDatagram {
		s.tooLong.Add(1)
		return
	}
	_, _, err := conn.WriteMsgUDPAddrPort(answer, control, to)
	if err != nil && len(control) > 0 { // the datagram was sent to a broadcast address, say
		_, err = conn.WriteToUDPAddrPort(answer, to)
	}
	if err != nil {
		s.unsent.Add(1)
		logger(s.Log).Debug("sending an answer", "to", to, "err", err)
		return
	}
	s.answered.Add(1)
	s.bytesOut.Add(int64(len(answer)))
}

// source returns the control message that sends an answer from the address to which the datagram with this control message
// was sent. A machine has several addresses, a socket on all of them would send from the one that suits the route, and a
// client that waits for an answer from the address it wrote to would never see it.
func source(control []byte) []byte {
	var v4 ipv4.ControlMessage
	var v6 ipv6.ControlMessage
	if v4.Parse(control) == nil && v4.Dst != nil {
		return (&ipv4.ControlMessage{Src: v4.Dst}).Marshal()
	}
	if v6.Parse(control) != nil || v6.Dst == nil {
		return nil // the system has no such message: it chooses
	}
	if v6.Dst.To4() != nil { // IPv4 on a socket for both
		return (&ipv4.ControlMessage{Src: v6.Dst}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: v6.Dst}).Marshal()
}

// Stats returns the counters; they may be read while Serve runs.
func (s *UDPServer) Stats() UDPStats {
	return UDPStats{s.answered.Load(), s.ignored.Load(), s.tooLong.Load(), s.unsent.Load(), s.bytesIn.Load(), s.bytesOut.Load()}
}
