package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
)

// The echo is what quic-go can do at best with the bytes of one operation, between two processes and with TLS on both sides as in the
// ring: a request says how long its answer shall be, and gets that. It is asked in several styles, and the fastest of them counts.

const (
	echoProtocol = "eddy-bench-echo"
	echoHeader   = 8 // lengths of the request and of the answer, big endian
	echoMax      = 4 << 20
)

// serveEcho answers until it is told to end.
func serveEcho(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	ln, err := quic.ListenAddr(addr, &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{echoProtocol},
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert}, nil)
	if err != nil {
		return err
	}
	defer ln.Close()
	fmt.Println(`{"what":"ready"}`)
	for {
		conn, err := ln.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			for {
				s, err := conn.AcceptStream(ctx)
				if err != nil {
					return
				}
				go answer(s)
			}
		}()
	}
}

// answer serves one stream: one request, or many.
func answer(s *quic.Stream) {
	defer s.Close()
	in := bufio.NewReaderSize(s, 64<<10)
	var buf []byte
	for {
		var head [echoHeader]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		up, down := int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
		if up > echoMax || down > echoMax {
			return
		}
		if n := max(up, down); cap(buf) < n {
			buf = make([]byte, n)
		}
		if _, err := io.ReadFull(in, buf[:up]); err != nil {
			return
		}
		if _, err := s.Write(buf[:down]); err != nil {
			return
		}
	}
}

// style is how the echo is asked.
type style struct {
	shared bool // one connection for all clients, else one each
	fresh  bool // a stream for each request, else one for all of a client
}

func (s style) String() string {
	text := "a connection a client, "
	if s.shared {
		text = "one connection, "
	}
	if s.fresh {
		return text + "a stream a request"
	}
	return text + "standing streams"
}

// echo is the clients' side.
type echo struct {
	conns []*quic.Conn
	best  map[[3]int]style // by clients and bytes up and down, found before the first measurement
}

func dialEcho(ctx context.Context, addr string, n int) (*echo, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	e := &echo{best: make(map[[3]int]style)}
	for range n {
		conn, err := quic.DialAddr(ctx, addr, &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{echoProtocol},
			Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true}, &quic.Config{KeepAlivePeriod: 5 * time.Second})
		if err != nil {
			e.close()
			return nil, err
		}
		e.conns = append(e.conns, conn)
	}
	return e, nil
}

func (e *echo) close() {
	for _, c := range e.conns {
		c.CloseWithError(0, "")
	}
}

// measure takes the style that is the fastest for these bytes and clients.
func (e *echo) measure(ctx context.Context, p *plan, clients, up, down int) (line, error) {
	kind := [3]int{clients, up, down}
	best, known := e.best[kind]
	if !known {
		top := -1.0
		for _, s := range []style{{}, {fresh: true}, {shared: true}, {shared: true, fresh: true}} {
			if s.shared && clients == 1 {
				continue
			}
			l, err := e.run(ctx, s, p.warm, p.lasts/4, clients, up, down)
			if err != nil {
				return line{}, err
			}
			if l.Rate > top {
				top, best = l.Rate, s
			}
		}
		e.best[kind] = best
	}
	return e.run(ctx, best, p.warm, p.lasts, clients, up, down)
}

func (e *echo) run(ctx context.Context, s style, warm, lasts time.Duration, clients, up, down int) (line, error) {
	askers := make([]*asker, clients)
	for i := range askers {
		conn := e.conns[i]
		if s.shared {
			conn = e.conns[0]
		}
		a := &asker{conn: conn, fresh: s.fresh, request: append(make([]byte, echoHeader), value(up)...), answer: make([]byte, down)}
		binary.BigEndian.PutUint32(a.request, uint32(up))
		binary.BigEndian.PutUint32(a.request[4:], uint32(down))
		defer a.close()
		askers[i] = a
	}
	l := loop(ctx, clients, warm, lasts, func(ctx context.Context, i int) error { return askers[i].ask(ctx) })
	if l.Failed > 0 { // none at all in a short time is a figure too, if a bad one
		return l, errors.New("it failed: " + l.Error)
	}
	l.Style = s.String()
	return l, nil
}

// asker is one client of the echo.
type asker struct {
	conn            *quic.Conn
	fresh           bool
	stream          *quic.Stream // the standing one
	request, answer []byte
}

func (a *asker) ask(ctx context.Context) error {
	s := a.stream
	if s == nil {
		var err error
		if s, err = a.conn.OpenStreamSync(ctx); err != nil {
			return err
		}
	}
	if _, err := s.Write(a.request); err != nil {
		return err
	}
	if a.fresh {
		if err := s.Close(); err != nil {
			return err
		}
	} else {
		a.stream = s
	}
	if deadline, ok := ctx.Deadline(); ok && a.fresh {
		s.SetReadDeadline(deadline)
	}
	if _, err := io.ReadFull(s, a.answer); err != nil {
		return err
	}
	if !a.fresh {
		return nil
	}
	var end [1]byte // so that the stream is given back
	if _, err := s.Read(end[:]); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the answer: %w", errors.Join(err, net.ErrClosed))
	}
	return nil
}

func (a *asker) close() {
	if a.stream != nil {
		a.stream.Close()
		a.stream.CancelRead(0)
	}
}
