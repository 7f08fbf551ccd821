package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

// ringWatch is the state of `eddy ring watch`.
type ringWatch struct {
	inv *invocation
	ringFlags
	since string
	count int
}

func newRingWatch(inv *invocation) *cobra.Command {
	w := &ringWatch{inv: inv}
	cmd := &cobra.Command{
		Use:   "watch KEY",
		Short: "print a key's value, and every change of it, as they come",
		Example: `  eddy ring watch alice
  eddy ring watch alice --since "$VERSION" --count 1
  eddy ring watch alice --json`,
		Args:        wantArgs("KEY"),
		Annotations: map[string]string{longRunning: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseEmpty(cmd, "since"); err != nil {
				return err
			}
			return w.run(cmd.Context(), args[0])
		},
	}
	w.define(cmd)
	cmd.Flags().StringVar(&w.since, "since", "", "begin with the first change after version `V`")
	cmd.Flags().IntVar(&w.count, "count", 0, "end after `N` changes (default never)")
	setRingHelp(cmd, `
Print what is there now, and then a line for every change: the version and the value, between them a tab; what is no line of text as
base64:..., a key that is no more as two dashes. Quick successions may be told as one. It goes on through restarts of the node, after the
last change that was told. --timeout is for the connection only.`, map[int]string{exitNotFound: not, exitConflict: not})
	return cmd
}

// changeEvent is the JSON of one change. With deleted the key is no more.
type changeEvent struct {
	Type string `json:"type"`
	*ring.Get
}

// errEnough ends a watch that has told its --count.
var errEnough = errors.New("enough changes")

func (w *ringWatch) run(ctx context.Context, key string) error {
	if err := checkRingKey(key); err != nil {
		return err
	}
	if w.count < 0 {
		return usageError("--count must not be negative")
	}
	dialling, cancel := w.within(ctx)
	defer cancel()
	client, err := w.inv.dialRing(dialling, &w.ringFlags)
	if err != nil {
		return err
	}
	defer client.Close()
	told := 0
	err = client.Watch(ctx, key, w.since, func(change *ring.Get) error {
		if err := w.print(change); err != nil {
			return err
		}
		if told++; told == w.count {
			return errEnough
		}
		return nil
	})
	var failure *Failure
	switch {
	case errors.Is(err, errEnough):
		return nil
	case errors.As(err, &failure):
		return failure
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return ringFailure("watching", quoteKey(key), err)
}

func (w *ringWatch) print(change *ring.Get) error {
	if w.inv.events.on {
		if change.Siblings == nil {
			change.Siblings = [][]byte{}
		}
		w.inv.events.emit(changeEvent{"change", change})
		return nil
	}
	line := change.Version + "\t"
	switch {
	case change.Deleted:
		line = "-\t-"
	case change.Value != nil:
		line += showValue(change.Value)
	case len(change.Siblings) > 0:
		line += fmt.Sprintf("%d concurrent values", len(change.Siblings))
	default:
		line += units.Plural(max(change.MemberCount, len(change.Members)), "member")
	}
	if _, err := fmt.Fprintln(w.inv.Out, line); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}
