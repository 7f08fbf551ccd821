package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

func newRingStatus(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "show a node: its place, its neighbours, what it keeps, and whether all is well",
		Example: "  eddy ring status\n  eddy ring status --node 10.0.0.5:7000 --json",
		Args:    wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, client *ring.Client) error {
				status, err := client.Status(ctx)
				if err != nil {
					return ringFailure("asking for the status of", client.Addr(), err)
				}
				return inv.printStatusOf(status)
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Show one node's view: state is ok, merging (two rings are becoming one) or degraded, with the reasons. Tombstones are keys that were deleted or
have ended, and are remembered for a while lest they come back. eddy ring check looks at the whole ring.`, map[int]string{exitNotFound: not, exitConflict: not})
	return cmd
}

// maxNeighbours is how many successors and fingers the table lists; --json has all.
const maxNeighbours = 8

func (inv *invocation) printStatusOf(s *ring.Status) error {
	for _, list := range []*[]ring.Member{&s.Successors, &s.Fingers} {
		if *list == nil {
			*list = []ring.Member{}
		}
	}
	if s.Reasons == nil {
		s.Reasons = []string{}
	}
	if inv.global.json {
		return inv.events.document(s)
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	state := s.State
	if len(s.Reasons) > 0 {
		state += ": " + strings.Join(s.Reasons, "; ")
	}
	row("state", "%s", state)
	row("node", "%s at %s", s.ID, s.Addr)
	row("members", "%d", s.Members)
	row("keys", "%d, %s, %d under-replicated", s.Keys, units.FormatSize(s.Bytes), s.UnderReplicated)
	row("tombstones", "%d", s.Tombstones)
	if s.Predecessor != nil {
		row("predecessor", "%s at %s", s.Predecessor.ID, s.Predecessor.Addr)
	} else {
		row("predecessor", "unknown")
	}
	neighbours(row, "successor", s.Successors)
	neighbours(row, "finger", s.Fingers)
	w.Flush()
	if _, err := inv.Out.Write(b.Bytes()); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// neighbours writes a row for each of the first members of a list.
func neighbours(row func(name, format string, args ...any), name string, list []ring.Member) {
	for i, m := range list {
		if i == maxNeighbours {
			row(name+"s", "%d more (--json lists them)", len(list)-i)
			return
		}
		row(fmt.Sprintf("%s %d", name, i+1), "%s at %s", m.ID, m.Addr)
	}
}
