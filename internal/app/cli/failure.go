package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
)

// The exit codes of all commands. They are part of the contract with scripts: add, never change.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitIncomplete  = 3
	exitNotFound    = 4
	exitTimeout     = 5
	exitNetwork     = 6
	exitAuth        = 8
	exitDisk        = 9
	exitConflict    = 10
	exitInterrupted = 130
	exitPipe        = 141
	exitTerminated  = 143
)

// codeMeanings is how help explains the codes; a command may say more in its own words.
var codeMeanings = map[int]string{
	exitOK:          "done",
	exitFailed:      "failed (an invalid torrent, or one of another infohash, too)",
	exitUsage:       "wrong usage, or a configuration that cannot be read",
	exitIncomplete:  "incomplete: pieces are bad or missing, or some inputs failed",
	exitNotFound:    "not found",
	exitTimeout:     "timed out or stalled",
	exitNetwork:     "network or tracker",
	exitAuth:        "not allowed: the token is wrong, expired, revoked, or a client's where a member's is needed",
	exitDisk:        "disk: full, read-only or failing",
	exitConflict:    "conflict: something else is there already",
	exitInterrupted: "ended by SIGINT (Ctrl-C)",
	exitPipe:        "the reader of the output went away, as head -1 does",
	exitTerminated:  "ended by SIGTERM",
}

// Failure is an error told in the four parts that a user needs, and the exit code that goes with it. It prints as one line.
type Failure struct {
	What   string // what was being done, as a participle: "reading the torrent"
	Target string // to what: a path, URL or address; may be empty
	Cause  error  // why it failed; may be nil where What says it all
	Hint   string // what to do about it; may be empty
	Code   int    // exit code
}

// Error returns the line "what target: cause (hint)".
func (f *Failure) Error() string {
	line := f.What
	if f.Target != "" {
		line += " " + f.Target
	}
	if f.Cause != nil {
		line += ": " + f.Cause.Error()
	}
	if f.Hint != "" {
		line += " (" + f.Hint + ")"
	}
	return oneLine(line)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// maxLine is how many bytes of a message are shown: some quote what they could not read.
const maxLine = 2000

// oneLine joins the lines of s and drops control characters: a remote text must neither break the one-line rule nor drive the
// terminal. Of a long one it keeps the beginning.
func oneLine(s string) string {
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "..."
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
}

// usageError is a Failure of the command line itself.
func usageError(format string, args ...any) *Failure {
	return &Failure{What: fmt.Sprintf(format, args...), Code: exitUsage}
}

// fail makes a Failure whose code and hint follow from the cause.
func fail(what, target string, cause error) *Failure {
	code, hint := classify(cause)
	return &Failure{What: what, Target: target, Cause: bare(cause, target), Hint: hint, Code: code}
}

// failOutput is the failure to write the result. What is on disk is not concerned: no hint of fail's fits.
func failOutput(what string, err error) *Failure {
	f := fail(what, "stdout", err)
	var p *fs.PathError
	if errors.As(err, &p) {
		f.Cause = p.Err
	}
	f.Hint = ""
	return f
}

// quietly reports whether a failure is that the reader of stdout went away. One-shot commands then end as all tools do that SIGPIPE ends:
// without a word, and with the code that a shell gives them.
func quietly(f *Failure) bool { return f.Target == "stdout" && errors.Is(f, syscall.EPIPE) }

// watchedWriter passes on what is written, and keeps the first error for those who look at none.
type watchedWriter struct {
	to  io.Writer
	err error
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// bare drops the path from an *fs.PathError about target, which the line names already.
func bare(cause error, target string) error {
	if p, ok := cause.(*fs.PathError); ok && p.Path == target {
		return p.Err
	}
	return cause
}

// classify chooses the exit code and the hint for an error of the layers below.
func classify(err error) (code int, hint string) {
	var status *statusError
	if errors.As(err, &status) {
		return status.code, ""
	}
	for _, k := range kinds {
		if k.matches(err) {
			return k.code, k.hint
		}
	}
	return exitFailed, ""
}

// kind is a family of errors that end with the same code and advice.
type kind struct {
	matches func(error) bool
	code    int
	hint    string
}

// is makes a matcher of errors.Is.
func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// kinds is searched in order: the more particular first.
var kinds = []kind{
	{is(eddy.ErrNoSpace), exitDisk, "free some space and run the same command again: it resumes"},
	{is(eddy.ErrConflict), exitConflict, "choose another directory, or give --overwrite to replace it"},
	{is(eddy.ErrInUse), exitConflict, "wait for the other eddy, or give this one another directory or --state"},
	{is(eddy.ErrDuplicate), exitConflict, "name each torrent once"},
	{is(eddy.ErrIncomplete), exitIncomplete, "eddy verify --bad lists what differs; eddy get completes it"},
	{is(eddy.ErrSourceChanged), exitFailed, "share it again when it no longer changes"},
	{is(eddy.ErrV2Only), exitFailed, ""},
	{is(eddy.ErrEscape), exitFailed, "leave it out with --exclude"},
	{is(eddy.ErrCycle), exitFailed, "leave it out with --exclude"},
	{is(context.DeadlineExceeded), exitTimeout, ""},
	{is(syscall.ENOSPC), exitDisk, "free some space and run the same command again: it resumes"},
	{is(syscall.EDQUOT), exitDisk, "your disk quota is used up"},
	{is(syscall.EROFS), exitDisk, "the file system is mounted read-only"},
	{is(syscall.EIO), exitDisk, "the disk reports a fault; look at the system log"},
	{is(syscall.EADDRINUSE), exitConflict, "another program listens there; choose another port, or port 0 for any"},
	{is(syscall.EADDRNOTAVAIL), exitUsage, "this machine has no such address"},
	{is(syscall.EISDIR), exitUsage, "want a file"},
	{is(fs.ErrNotExist), exitNotFound, ""},
	{is(fs.ErrPermission), exitFailed, "check the permissions of the path and its directories"},
	{isTimeout, exitTimeout, ""},
	{isNetwork, exitNetwork, ""},
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() && !errors.Is(err, os.ErrDeadlineExceeded)
}

func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns)
}

// exitCodesHelp renders the section of a command's help that lists its codes.
func exitCodesHelp(codes ...int) string {
	var b strings.Builder
	b.WriteString("\n\nExit codes:\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "  %-3d %s\n", c, codeMeanings[c])
	}
	return strings.TrimRight(b.String(), "\n")
}

// setHelp gives a command its long help: the text, then the units of the flags that it has by now, then the exit codes.
func setHelp(cmd *cobra.Command, text string, codes ...int) {
	cmd.Long = strings.TrimSpace(text) + unitsHelp(cmd.Flags()) + exitCodesHelp(codes...)
}
