package cli

import (
	"context"
	"errors"
	"time"
)

// abandonAfter is how long work that does not look at its context may go on after a signal, before the command ends without it.
const abandonAfter = 500 * time.Millisecond

// obeying runs work of which a part may not look at its context for long: reading from a pipe that nobody writes to, or preparing
// millions of peers. When ctx is done and work does not end soon, it is left to itself: the process is about to end.
func obeying[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		value, err := work()
		ended <- outcome{value, err}
	}()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-ctx.Done():
	}
	patience := time.NewTimer(abandonAfter)
	defer patience.Stop()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-patience.C:
		var none T
		return none, context.Cause(ctx)
	}
}

// stopped is a signal as the cause that a command has no result.
type stopped struct {
	by *signalError
	at string // how far it was; may be empty
}

func (s *stopped) Error() string {
	text := "interrupted"
	if s.at != "" {
		text += " " + s.at
	}
	return text + ": no result, and nothing was lost"
}

// Unwrap makes it a cancellation.
func (s *stopped) Unwrap() error { return s.by }

// interruption is the failure of a command that a signal ended before it had a result; how far it was stands in at, if it is known. It
// is for commands that show nothing before their end: of them nobody could tell what became of the work. An end for another reason
// than a signal is returned as it is.
func interruption(ctx context.Context, what, target, at string) error {
	var ended *signalError
	if !errors.As(context.Cause(ctx), &ended) {
		return context.Cause(ctx)
	}
	return &Failure{What: what, Target: target, Cause: &stopped{ended, at}, Code: ended.code()}
}
