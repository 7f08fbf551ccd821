package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/upper"
)

// upperSend is the state of `eddy upper send`.
type upperSend struct {
	inv *invocation
	transport
	timeout duration
	retries int
	server  string // HOST:PORT
}

// upperReply is the JSON of `eddy upper send`.
type upperReply struct {
	Transport string  `json:"transport"` // "udp" or "tcp"
	Server    string  `json:"server"`    // the address that answered
	Reply     *string `json:"reply"`     // null where it is not UTF-8
	ReplyB64  *string `json:"reply_b64"` // null where reply has it
	Bytes     int     `json:"bytes"`     // of the reply
	Attempts  *int    `json:"attempts"`  // datagrams sent; null for TCP, where the system counts
	Wall      float64 `json:"wall_s"`    // UDP: since the last datagram was sent; TCP: since the prompt
}

func newUpperSend(inv *invocation) *cobra.Command {
	s := &upperSend{inv: inv, timeout: duration(upper.DefaultTimeout)}
	cmd := &cobra.Command{
		Use:   "send --udp|--tcp HOST:PORT",
		Short: "send a line from the keyboard and print it in upper case",
		Example: `  eddy upper send --udp localhost:12000
  echo hello | eddy upper send --tcp [::1]:12000
  eddy upper send --udp 10.0.0.7:12000 --timeout 0.5 --retries 9`,
		Args: wantArgs("HOST:PORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.onlyFor(cmd.Flags(), "udp", "retries"); err != nil {
				return err
			}
			s.server = args[0]
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	s.define(cmd, f)
	f.Var(&s.timeout, "timeout", "how long to wait: UDP for the answer to each datagram, TCP for connecting and for each part of the answer")
	f.IntVar(&s.retries, "retries", upper.DefaultRetries, "UDP: send the datagram up to `N` times more when no answer comes (TCP repeats by itself)")
	setHelp(cmd, `
Ask for a sentence, send the line that is typed (without its end), and print what comes back: over UDP the bare reply, over TCP after
"From Server:".

The prompt is on stdout where that and stdin are terminals. Elsewhere it is on stderr, so that stdout is the reply alone; -q
silences it there.

UDP: up to 65,507 bytes. TCP: a line of any length; the client closes its direction after the line, and reads until the server
closes. A server that hangs up before it had the whole line is reported after the part of the reply that came.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitTimeout, exitNetwork, exitInterrupted, exitTerminated)
	explainCode(cmd, exitFailed, "there was no sentence, or one too long for UDP; or the reply could not be written")
	explainCode(cmd, exitIncomplete, "the reply lacks its end")
	explainCode(cmd, exitTimeout, "no answer within --timeout (and --retries)")
	explainCode(cmd, exitNetwork, "the server cannot be reached, or hung up before it answered")
	return cmd
}

func (s *upperSend) run(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.udp {
		return s.overUDP(ctx)
	}
	return s.overTCP(ctx)
}

func (s *upperSend) check() error {
	if err := s.transport.check(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.server)
	if err != nil || host == "" || port == "" {
		return usageError("%s: want HOST:PORT, like localhost:12000 or [::1]:12000", s.server)
	}
	if n, err := net.LookupPort(s.String(), port); err != nil || n == 0 { // a number, or the name of a service, which the system knows
		return usageError("%s: %.40s is no port: want 1 to 65535", s.server, port)
	}
	if s.timeout <= 0 {
		return usageError("--timeout must be more than 0")
	}
	if s.retries < 0 {
		return usageError("--retries must not be negative")
	}
	return nil
}

// prompt asks for the sentence. Where nobody types, stdout is kept for the reply.
func (s *upperSend) prompt() error {
	const text = "Input lowercase sentence:"
	typed := isTerminal(s.inv.In)
	switch {
	case typed && isTerminal(s.inv.Out) && !s.inv.global.json:
		_, err := io.WriteString(s.inv.Out, text)
		return err
	case typed:
		_, _ = io.WriteString(s.inv.console, text)
	case !s.inv.global.quiet && s.inv.global.logFormat != "json":
		_, _ = io.WriteString(s.inv.console, text+"\n") // no Enter will end the line
	}
	return nil
}

func (s *upperSend) overUDP(ctx context.Context) error {
	if err := s.prompt(); err != nil {
		return failOutput("writing the prompt to", err)
	}
	sentence, err := s.readSentence(ctx)
	if err != nil {
		return s.failure(err, 0)
	}
	client := upper.UDPClient{Server: s.server, Timeout: time.Duration(s.timeout), Retries: s.retries}
	answer, err := client.Send(ctx, sentence)
	if err != nil {
		return s.failure(err, 0)
	}
	if s.inv.global.json {
		reply := s.reply(answer.From.String(), answer.Text, answer.Time)
		reply.Attempts = &answer.Attempts
		return s.inv.events.document(reply)
	}
	if _, err := s.inv.Out.Write(append(answer.Text, '\n')); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// readSentence reads the line for a datagram, or returns when ctx is done: a read from a keyboard cannot be ended.
func (s *upperSend) readSentence(ctx context.Context) ([]byte, error) {
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := upper.ReadSentence(bufio.NewReader(s.inv.In))
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case l := <-read:
		return l.text, l.err
	}
}

func (s *upperSend) overTCP(ctx context.Context) error {
	client := upper.TCPClient{Server: s.server, Timeout: time.Duration(s.timeout)}
	session, err := client.Dial(ctx)
	if err != nil {
		err := s.failure(err, 0)
		var failure *Failure
		if errors.As(err, &failure) && failure.What == awaiting {
			failure.What = "connecting to"
		}
		return err
	}
	defer session.Close()
	if err := s.prompt(); err != nil {
		return failOutput("writing the prompt to", err)
	}
	start := time.Now()
	reader := bufio.NewReader(s.inv.In)
	if s.inv.global.json {
		var answer bytes.Buffer
		if n, err := session.Send(ctx, reader, &answer); err != nil {
			return s.failure(err, n)
		}
		return s.inv.events.document(s.reply(session.Server().String(), answer.Bytes(), time.Since(start)))
	}
	out := &fromServer{out: s.inv.Out}
	n, err := session.Send(ctx, reader, out)
	if failed := out.end(err == nil); failed != nil {
		return failOutput("writing the result to", failed)
	}
	if err != nil {
		return s.failure(err, n)
	}
	return nil
}

// reply is the document for an answer.
func (s *upperSend) reply(server string, text []byte, took time.Duration) *upperReply {
	r := &upperReply{Transport: s.String(), Server: server, Bytes: len(text), Wall: took.Seconds()}
	if utf8.Valid(text) {
		reply := string(text)
		r.Reply = &reply
	} else {
		reply := base64.StdEncoding.EncodeToString(text)
		r.ReplyB64 = &reply
	}
	return r
}

// fromServer prints the chapter's words before the reply, as soon as there is any of it.
type fromServer struct {
	out   io.Writer
	begun bool
	err   error // of writing
}

func (f *fromServer) Write(p []byte) (n int, err error) {
	if f.begun {
		n, f.err = f.out.Write(p)
		return n, f.err
	}
	// In one write: clients that share a file would else come between each other's words and reply.
	const words = "From Server: "
	f.begun = true
	n, f.err = f.out.Write(append([]byte(words), p...))
	return max(n-len(words), 0), f.err
}

// end ends the line of the reply, which may be empty but for whole. It returns the first error of writing.
func (f *fromServer) end(whole bool) error {
	if f.err == nil && (whole || f.begun) {
		_, _ = f.Write([]byte("\n"))
	}
	return f.err
}

const awaiting = "waiting for an answer of"

// failure tells why there is no answer, or only n bytes of one.
func (s *upperSend) failure(err error, n int64) error {
	var dns *net.DNSError
	var errno syscall.Errno
	failure := fail(awaiting, s.server, err)
	switch {
	case errors.Is(err, context.Canceled):
		return err // a signal
	case errors.Is(err, upper.ErrNoSentence), errors.Is(err, upper.ErrTooLong):
		failure = fail("reading the sentence", "", err)
		if errors.Is(err, upper.ErrTooLong) {
			failure.Hint = "send it with --tcp, which has no limit"
		}
	case errors.Is(err, syscall.EISDIR):
		failure = fail("reading the sentence from", "stdin", syscall.EISDIR)
	case errors.Is(err, upper.ErrNoAnswer):
		failure.Code, failure.Hint = exitTimeout, "does it serve --udp there? Else raise --timeout or --retries"
	case errors.Is(err, os.ErrDeadlineExceeded):
		failure.Code, failure.Cause = exitTimeout, fmt.Errorf("nothing for %v", time.Duration(s.timeout))
	case errors.Is(err, upper.ErrCut) && n > 0:
		failure.Cause, failure.Code, failure.Hint = upper.ErrCut, exitIncomplete, "the reply lacks its end"
	case errors.Is(err, upper.ErrCut):
		failure.Cause, failure.Code = upper.ErrCut, exitNetwork
	case errors.As(err, &dns):
		failure.What, failure.Cause, failure.Code = "looking up", errors.New(dns.Err), exitNetwork
	case errors.Is(err, syscall.ECONNREFUSED):
		failure.Hint = "nobody listens there: start eddy upper serve --" + s.String()
	}
	if errors.As(failure.Cause, &errno) { // "read udp 127.0.0.1:4000->127.0.0.1:12000: read: " says nothing more
		failure.Cause = errno
	}
	return failure
}
