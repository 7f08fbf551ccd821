package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// Stdio is what one run of the command line touches of its surroundings.
type Stdio struct {
	Args    []string // without the program's name
	In      io.Reader
	Out     io.Writer        // the result
	Err     io.Writer        // progress, logs, errors
	Environ []string         // NAME=VALUE; the last of a name counts
	Signals <-chan os.Signal // nil = none come
}

// invocation is one run: its streams and what was made of the global flags. Commands hang their state off it.
type invocation struct {
	Stdio
	global globals
	exit   func(code int) // ends the process at the second signal

	log     *slog.Logger
	console *console // stderr, shared by log and progress
	events  *events  // stdout as JSON lines; also knows whether --json is on

	mu     sync.Mutex
	status func() string // what USR1 prints; set by commands that run long

	help watchedWriter // stdout for cobra, which looks at no error when it prints help

	completed completions // peers that told the embedded tracker that they are complete
}

// longRunning marks commands whose JSON is a line an event with "exit" as the last, not one document.
const longRunning = "eddy-long-running"

// Main runs the command line of this process and returns its exit code.
func Main() int {
	// A reader of our stdout that goes away must not kill us before the swarm is told: writing then fails as any write does.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, watchedSignals...)
	return Run(context.Background(), Stdio{os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ(), signals})
}

// Run executes one command line and returns its exit code. It ends at the first SIGINT or SIGTERM on io.Signals, or when ctx
// is done, as gracefully as the command can; a second signal ends the process.
func Run(ctx context.Context, stdio Stdio) int {
	inv := newInvocation(stdio)
	ctx, stop := inv.watchSignals(ctx)
	defer stop()
	root := inv.rootCommand()
	root.SetArgs(slices.Clone(stdio.Args))
	cmd, err := root.ExecuteContextC(ctx)
	inv.events.stream = cmd != nil && cmd.Annotations[longRunning] != "" // flags may be wrong before prepare ran
	if err == nil && inv.help.err != nil {
		err = failOutput("writing to", inv.help.err)
	}
	code, failure := inv.outcome(ctx, err)
	if failure != nil {
		inv.complain(failure)
	}
	inv.events.close(failure, code)
	return code
}

func newInvocation(stdio Stdio) *invocation {
	inv := &invocation{Stdio: stdio, exit: os.Exit, log: slog.New(slog.DiscardHandler)}
	inv.console = newConsole(stdio.Err)
	// Known before the flags are parsed, since wrong flags are to be told in JSON too.
	inv.events = &events{out: stdio.Out, on: slices.Contains(stdio.Args, "--json")}
	return inv
}

// rootCommand builds the tree of commands.
func (inv *invocation) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "eddy",
		Short: "copy one big file to many machines at the speed of the whole swarm",
		Long: strings.TrimSpace(`
eddy copies one big file (or directory) to many machines. Every machine that receives a part passes it on, so the time stops
growing with the number of machines. It speaks standard BitTorrent: any client can join on either side.

On the machine that has the file:        eddy share big.iso
It prints a line; on each other machine: eddy get http://10.0.0.5:40001/big.iso.torrent#btih=...

Sizes and rates: a bare number is bytes; 10MB, 10MiB, 10Mbit, 10Gbit; a limit of 0 is none. Times: 90, 90s, 1m30s.
Settings: a flag, else the environment (EDDY_LOG_FORMAT, EDDY_GET_LIMIT_UP), else the configuration file, else the default.`),
		Example:       "  eddy share big.iso\n  eddy get big.iso.torrent -d /srv/images",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetIn(inv.In)
	inv.help.to = inv.Out
	root.SetOut(&inv.help)
	root.SetErr(inv.Err)
	inv.global.define(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return asUsage(cmd, plainNumbers(err)) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return inv.prepare(cmd) }
	for _, command := range []func(*invocation) *cobra.Command{
		newShare, newGet, newSeed, newCreate, newShow, newEdit, newVerify, newTracker, newPlan, newSim, newRing, newLab, newUpper, newVersion, newCompletion,
	} {
		cmd := command(inv)
		checkArgs := cmd.Args
		cmd.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cmd, checkArgs(cmd, args)) }
		root.AddCommand(cmd)
	}
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Short = "print the help of a command"
		}
	}
	return root
}

// prepare makes of the settings what the command works with.
func (inv *invocation) prepare(cmd *cobra.Command) error {
	if err := inv.applySettings(cmd); err != nil {
		return err
	}
	if err := checkExclusive(cmd); err != nil {
		return err
	}
	// cobra checks this after us, but in words without a next step.
	if err := cmd.ValidateFlagGroups(); err != nil {
		return asUsage(cmd, err)
	}
	inv.events.on = inv.global.json
	inv.events.stream = cmd.Annotations[longRunning] != ""
	inv.console.setColor(inv.global.color, inv.getenv)
	inv.log = inv.newLogger()
	return nil
}

// getenv reads the environment of this run.
func (inv *invocation) getenv(name string) string {
	for _, variable := range slices.Backward(inv.Environ) {
		if value, found := strings.CutPrefix(variable, name+"="); found {
			return value
		}
	}
	return ""
}

// asUsage gives an error of cobra's parsing the usage code and the next step.
func asUsage(cmd *cobra.Command, err error) error {
	var failure *Failure
	if err == nil || errors.As(err, &failure) && failure.Hint != "" {
		return err
	}
	return &Failure{
		What: "reading the command line of", Target: cmd.CommandPath(), Cause: err,
		Hint: "see " + cmd.CommandPath() + " --help", Code: exitUsage,
	}
}

// wantArgs is the argument check of a command that takes what names lists, like "TORRENT PATH"; names that end in "..." take
// one or more.
func wantArgs(names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		n := len(strings.Fields(names))
		switch {
		case len(args) == n, len(args) > n && strings.HasSuffix(names, "..."):
			return nil
		case n == 0:
			return fmt.Errorf("takes no argument, got %s", strings.Join(args, " "))
		}
		return fmt.Errorf("want %s, got %s", names, cmp.Or(strings.Join(args, " "), "nothing"))
	}
}

// unknownCommand is the argument check of eddy itself, and of commands that are nothing but their subcommands: what is left
// over there is a command that does not exist.
func unknownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	path := parent.CommandPath()
	hint := "see " + path + " --help"
	parent.SuggestionsMinimumDistance = 2
	if near := parent.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return &Failure{What: "running", Target: path + " " + args[0], Cause: errors.New("no such command"), Hint: hint, Code: exitUsage}
}

// outcome returns the exit code for the error of a command, and the failure to tell if nobody told it yet.
func (inv *invocation) outcome(ctx context.Context, err error) (code int, failure *Failure) {
	var ended *signalError
	var silent silentCode
	switch {
	case err == nil:
		return exitOK, nil
	case errors.As(context.Cause(ctx), &ended) && errors.Is(err, context.Canceled):
		if errors.As(err, &failure) && failure.Code == ended.code() {
			return failure.Code, failure // the command says itself how far it was
		}
		return ended.code(), nil
	case errors.As(err, &silent):
		return int(silent), nil
	case !errors.As(err, &failure):
		failure = fail("running eddy", "", err)
	}
	if !inv.events.stream && quietly(failure) {
		return exitPipe, nil
	}
	return failure.Code, failure
}

// complain prints one failure without ending the command.
func (inv *invocation) complain(f *Failure) {
	inv.line(slog.LevelError, sgrError, f.Error())
	inv.events.emit(newErrorEvent(f))
}

// silentCode ends a command with a code when all has been said already.
type silentCode int

func (c silentCode) Error() string { return "exit code " + strings.TrimSpace(codeMeanings[int(c)]) }

// setStatus says what USR1 prints from now on.
func (inv *invocation) setStatus(status func() string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.status = status
}
