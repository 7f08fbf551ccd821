package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/ring"
)

func newRingLeave(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "leave",
		Short:   "make a node hand over what it keeps, and end",
		Example: "  eddy ring leave\n  eddy ring leave --node 10.0.0.5:7000 --timeout 1h",
		Args:    wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, client *ring.Client) error {
				if err := client.Leave(ctx); err != nil {
					return ringFailure("leaving with", client.Addr(), err)
				}
				inv.say("the node has handed over everything and left")
				if inv.global.json {
					return inv.events.document(struct {
						Left string `json:"left"` // address of the node
					}{client.Addr()})
				}
				return nil
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Make a node hand over everything to those that keep it from now on, tell the ring, and end. A node that merely stops is missed after 30
seconds, and what it kept is copied from the others then.`, map[int]string{exitNotFound: not, exitConflict: not})
	return cmd
}
