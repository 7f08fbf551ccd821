package upper

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// ErrCut says that the server hung up before it had the whole sentence: the answer, if there is one, lacks its end.
var ErrCut = errors.New("the server hung up before it had the whole sentence")

// grace is how long a sentence may still take after the server hung up. It is for the last few instructions: a server that
// answers and closes at once may do so before our write of the end has returned.
const grace = time.Second

// TCPClient sends a sentence over a connection and reads the answer meanwhile, so that both may be of any length.
type TCPClient struct {
	Server  string        // HOST:PORT
	Timeout time.Duration // for connecting, and for each wait until the server takes or answers more; 0 = DefaultTimeout
}

// TCPSession is one connection of a TCPClient, for one sentence.
type TCPSession struct {
	conn    *net.TCPConn
	timeout time.Duration
	asked   atomic.Bool // the whole sentence was sent: from now on the server owes an answer
}

// Dial connects. It tries all addresses that the server's name has. Close the session, or it stays.
func (c *TCPClient) Dial(ctx context.Context) (*TCPSession, error) {
	s := &TCPSession{timeout: cmp.Or(c.Timeout, DefaultTimeout)}
	dialer := net.Dialer{Timeout: s.timeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.Server)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.conn = conn.(*net.TCPConn)
	return s, nil
}

// Server is the address that the session is connected to.
func (s *TCPSession) Server() net.Addr { return s.conn.RemoteAddr() }

// Close ends the connection.
func (s *TCPSession) Close() error { return s.conn.Close() }

// Send sends the first line of sentence, without its end, and writes what comes back to answer until the server closes. It
// returns the bytes of the answer. When ctx is done first it returns the cause of that. A read of sentence that blocks, as from
// a keyboard, goes on in the background until it returns.
//
// Errors: ErrNoSentence, ErrCut, os.ErrDeadlineExceeded, those of the connection, of sentence and of answer.
func (s *TCPSession) Send(ctx context.Context, sentence *bufio.Reader, answer io.Writer) (n int64, err error) {
	defer context.AfterFunc(ctx, func() { s.conn.Close() })() // closing is what ends a blocked read or write
	sent := make(chan asked, 1)
	go func() { sent <- s.ask(sentence) }()
	n, broken, err := s.receive(answer)
	if err != nil {
		return n, err
	}
	var a asked
	select {
	case a = <-sent:
	case <-ctx.Done():
	case <-time.After(grace): // it still waits for its input
		return n, ErrCut
	}
	switch {
	case ctx.Err() != nil:
		return n, context.Cause(ctx)
	case a.input != nil:
		return n, a.input
	case errors.Is(broken, os.ErrDeadlineExceeded):
		return n, broken
	case broken != nil || a.err != nil:
		return n, fmt.Errorf("%w: %w", ErrCut, cmp.Or(broken, a.err))
	case n == 0 && a.bytes > 0:
		return 0, ErrCut
	}
	return n, nil
}

// asked is how the sending of a sentence ended.
type asked struct {
	bytes      int64
	input, err error // of reading the sentence, of sending it
}

// ask sends the sentence as it comes, and then says that no more will come: a server that reads until then needs no border.
func (s *TCPSession) ask(sentence *bufio.Reader) (a asked) {
	l := line{in: sentence}
	for more := true; more && a.err == nil; {
		var part []byte
		if part, more, a.input = l.next(); a.input != nil {
			break
		}
		s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
		_, a.err = s.conn.Write(part)
		a.bytes += int64(len(part))
	}
	if a.input != nil {
		s.conn.Close() // nobody waits for an answer
		return a
	}
	s.asked.Store(true)
	s.conn.SetReadDeadline(time.Now().Add(s.timeout))
	s.conn.CloseWrite() // if that fails the connection is broken, and reading tells
	return a
}

// receive copies what comes until the server closes. broken is how reading ended, nil for well; err is of writing to answer.
func (s *TCPSession) receive(answer io.Writer) (n int64, broken, err error) {
	buffer := make([]byte, 32<<10)
	for {
		if s.asked.Load() { // before that, nothing is owed: somebody may be typing
			s.conn.SetReadDeadline(time.Now().Add(s.timeout))
		}
		got, broken := s.conn.Read(buffer)
		if got > 0 {
			if _, err := answer.Write(buffer[:got]); err != nil {
				return n, nil, err
			}
			n += int64(got)
		}
		if broken == io.EOF {
			return n, nil, nil
		} else if broken != nil {
			return n, broken, nil
		}
	}
}
