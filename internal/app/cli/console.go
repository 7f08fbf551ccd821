package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// console is stderr, shared by the log, lines of progress and the bar, which must not write into each other. Safe for
// concurrent use.
type console struct {
	out   io.Writer
	color bool

	mu  sync.Mutex
	bar io.Writer // writes above the progress bar while there is one
}

func newConsole(out io.Writer) *console { return &console{out: out} }

// Write passes whole lines to the terminal, above the bar if there is one.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		if n, err := c.bar.Write(p); err == nil {
			return n, nil
		} // the bar has ended meanwhile: nothing of p was written
	}
	return c.out.Write(p)
}

// setBar makes later lines go above a bar; nil when it is gone.
func (c *console) setBar(bar io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bar = bar
}

// setColor decides on colours: --color, then the conventions NO_COLOR, CLICOLOR_FORCE and TERM=dumb, then whether stderr is a
// terminal.
func (c *console) setColor(mode string, getenv func(string) string) {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case mode != "auto":
		c.color = mode == "always"
	case getenv("NO_COLOR") != "":
		c.color = false
	case force != "" && force != "0":
		c.color = true
	default:
		c.color = isTerminal(c.out) && getenv("TERM") != "dumb"
	}
}

// paint wraps s in an SGR colour where colours are on.
func (c *console) paint(sgr, s string) string {
	if !c.color {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// sgrError is the colour of the program's name before an error: bold red.
const sgrError = "1;31"

// isTerminal reports whether a stream is an interactive terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newLogger returns the log of this run on stderr: warnings and errors, with -v everything, with -q errors only.
func (inv *invocation) newLogger() *slog.Logger {
	level := slog.LevelWarn
	switch {
	case inv.global.verbose:
		level = slog.LevelDebug
	case inv.global.quiet:
		level = slog.LevelError
	}
	if inv.global.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(inv.console, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewHandler(inv.console, &tint.Options{
		Level: level, NoColor: !inv.console.color, TimeFormat: time.TimeOnly,
	}))
}

// say tells the user one thing on stderr that is neither result nor error; -q silences it.
func (inv *invocation) say(text string) {
	if !inv.global.quiet {
		inv.line(slog.LevelInfo, "", text)
	}
}

// line writes one line to stderr, as a record where the log is JSON so that the stream stays parseable.
func (inv *invocation) line(level slog.Level, sgr, text string) {
	if inv.global.logFormat == "json" {
		record := slog.NewJSONHandler(inv.console, nil)
		slog.New(record).Log(context.Background(), level, oneLine(text))
		return
	}
	name := "eddy:"
	if sgr != "" {
		name = inv.console.paint(sgr, name)
	}
	_, _ = io.WriteString(inv.console, name+" "+oneLine(text)+"\n")
}
