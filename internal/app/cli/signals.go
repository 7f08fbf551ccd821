package cli

import (
	"context"
	"log/slog"
	"os"
	"syscall"
)

// signalError is the cause with which the context of a command ends when the operating system asks it to.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "ended by " + e.signal.String() }

// Unwrap makes it a cancellation for whoever asks only that.
func (e *signalError) Unwrap() error { return context.Canceled }

// code returns the exit code of a command that this signal ended: 128 + the signal's number.
func (e *signalError) code() int {
	if e.signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// watchSignals returns a context that the first SIGINT or SIGTERM ends. The second ends the process at once; SIGUSR1 prints a
// line of status. stop ends the watching and waits for it.
func (inv *invocation) watchSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var ended *signalError
		for {
			select {
			case <-quit:
				return
			case s := <-inv.Signals:
				switch {
				case s == statusSignal:
					inv.printStatus()
				case ended != nil:
					inv.exit((&signalError{s}).code())
				default:
					ended = &signalError{s}
					cancel(ended)
				}
			}
		}
	}()
	return ctx, func() { close(quit); <-done; cancel(nil) }
}

// printStatus answers SIGUSR1.
func (inv *invocation) printStatus() {
	inv.mu.Lock()
	status := inv.status
	inv.mu.Unlock()
	if status != nil {
		inv.line(slog.LevelInfo, "", status())
	}
}
