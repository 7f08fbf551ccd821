package cli

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/upper"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// upperServe is the state of `eddy upper serve`.
type upperServe struct {
	inv *invocation
	transport
	listen     string
	timeout    duration
	quietTime  duration
	maxClients int
}

// upperReady says that the server can be used now.
type upperReady struct {
	Type      string `json:"type"`
	Transport string `json:"transport"` // "udp" or "tcp"
	Listen    string `json:"listen"`    // IP:PORT
}

func newUpperServe(inv *invocation) *cobra.Command {
	s := &upperServe{inv: inv, timeout: duration(upper.DefaultIdle), quietTime: duration(upper.DefaultQuiet)}
	cmd := &cobra.Command{
		Use:   "serve --udp|--tcp",
		Short: "send back in upper case what clients send",
		Example: `  eddy upper serve --udp
  eddy upper serve --tcp --listen 127.0.0.1:12000 --timeout 30`,
		Args:        wantArgs(""),
		Annotations: map[string]string{longRunning: "yes"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.onlyFor(cmd.Flags(), "tcp", "timeout", "quiet-time", "max-clients"); err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	s.define(cmd, f)
	f.StringVar(&s.listen, "listen", ":12000", "`IP:PORT`, or :PORT for all addresses, IPv4 and IPv6")
	f.Var(&s.timeout, "timeout", "TCP: hang up on clients that neither send nor take anything for so long")
	f.Var(&s.quietTime, "quiet-time", "TCP: answer what has come when nothing came for so long, without waiting for the end of the line")
	f.IntVar(&s.maxClients, "max-clients", upper.DefaultMaxClients, "TCP: serve up to `N` clients at once; more of them wait")
	setHelp(cmd, `
Answer until interrupted. When it can be used it prints "The server is ready to receive".

UDP: each datagram is sent back in upper case to where it came from. Not answered are datagrams whose upper case would not fit
into one (65,507 bytes), and datagrams from the server's own port number: two servers would answer each other for ever.

TCP: each client has a connection of its own, on which it may send lines of any length. What has come is answered at the end of a
line, when the client sends no more, or after the quiet time; the connection stays open until the client closes it or is silent
for the timeout.

Text is UTF-8; characters are replaced one for one and never split, and bytes that are not UTF-8 stay as they are. SIGUSR1 prints what
was done so far; so does the end, and --json once a second.`,
		exitOK, exitFailed, exitUsage, exitConflict)
	explainCode(cmd, exitFailed, "it cannot listen there, or its output cannot be written")
	explainCode(cmd, exitConflict, "another program listens there")
	return cmd
}

func (s *upperServe) check() error {
	switch err := s.transport.check(); {
	case err != nil:
		return err
	case s.timeout <= 0:
		return usageError("--timeout must be more than 0")
	case s.quietTime <= 0:
		return usageError("--quiet-time must be more than 0")
	case s.maxClients <= 0:
		return usageError("--max-clients must be more than 0")
	case s.listen == "":
		return usageError("--listen: want IP:PORT, like :12000")
	}
	return checkListen("--listen", s.listen)
}

func (s *upperServe) run(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.udp {
		return s.serveUDP(ctx)
	}
	return s.serveTCP(ctx)
}

func (s *upperServe) serveUDP(ctx context.Context) error {
	conn, err := upper.ListenUDP(ctx, s.listen)
	if err != nil {
		return fail("listening on UDP", s.listen, err)
	}
	defer conn.Close()
	server := &upper.UDPServer{Log: s.inv.log}
	return s.serve(conn.LocalAddr(), func() error { return server.Serve(ctx, conn) }, func() ([]string, any) {
		stats := server.Stats()
		return []string{
				units.Plural(int(stats.Answered), "datagram") + " answered",
				fmt.Sprintf("%d ignored, %d too long, %d unsent", stats.Ignored, stats.TooLong, stats.Unsent),
			}, struct {
				Type string `json:"type"`
				upper.UDPStats
			}{"progress", stats}
	})
}

func (s *upperServe) serveTCP(ctx context.Context) error {
	listener, err := upper.ListenTCP(ctx, s.listen)
	if err != nil {
		return fail("listening on TCP", s.listen, err)
	}
	defer listener.Close()
	server := &upper.TCPServer{Quiet: time.Duration(s.quietTime), Idle: time.Duration(s.timeout), MaxClients: s.maxClients, Log: s.inv.log}
	return s.serve(listener.Addr(), func() error { return server.Serve(ctx, listener) }, func() ([]string, any) {
		stats := server.Stats()
		return []string{
				units.Plural(int(stats.Open), "client"), fmt.Sprintf("%d so far", stats.Accepted),
				fmt.Sprintf("%s answered", units.FormatSize(stats.BytesOut)),
				fmt.Sprintf("%d timed out, %d broken", stats.TimedOut, stats.Failed),
			}, struct {
				Type string `json:"type"`
				upper.TCPStats
			}{"progress", stats}
	})
}

// serve runs a server that listens on addr; look tells what it has done, for people and as an event.
func (s *upperServe) serve(addr net.Addr, run func() error, look func() ([]string, any)) error {
	if err := s.ready(addr); err != nil {
		return err
	}
	show := func() view {
		parts, _ := look()
		return view{label: s.String(), parts: parts}
	}
	emit := func() {
		_, event := look()
		s.inv.events.emit(event)
	}
	stop := s.inv.follow(show, emit)
	err := run()
	stop()
	emit() // the final counts
	final := show()
	s.inv.say(final.line())
	if err != nil {
		return fail("serving", addr.String(), err)
	}
	return nil
}

// ready prints the chapter's sentence.
func (s *upperServe) ready(addr net.Addr) error {
	s.inv.events.emit(upperReady{"ready", s.String(), addr.String()})
	if s.inv.events.on {
		return nil
	}
	if _, err := fmt.Fprintln(s.inv.Out, "The server is ready to receive"); err != nil {
		return failOutput("writing the result to", err)
	}
	s.inv.say("listening on " + addr.String() + " (" + s.String() + ")")
	return nil
}
