package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/ring"
)

func newRingEvict(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "evict NODE",
		Short:   "put a member out: nobody in the ring talks to it any more",
		Example: "  eddy ring evict 8d4f0c11a2b3c4d5e6f708192a3b4c5d6e7f8091",
		Args:    wantArgs("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, client *ring.Client) error {
				if err := client.Evict(ctx, args[0]); err != nil {
					return ringFailure("evicting", args[0], err)
				}
				inv.say("the node that was asked refuses " + args[0] + " from now on, and all members do within 90 seconds; eddy ring rotate makes what it knew useless")
				return inv.doneDocument("evicted", args[0])
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Put out the member with the ID that eddy ring status or check shows. Members that the asked node is connected to hear of it at once, the others
within 90 seconds, or when as many nodes answer again as a write needs. What it kept is copied from the others, as when it fails. A machine
that was stolen knows the ring's secrets: follow with eddy ring rotate.`,
		map[int]string{exitNotFound: "there is no such member", exitConflict: not})
	return cmd
}
