package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/ring"
)

func newRingRotate(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "rotate",
		Short:   "replace the ring's secrets after a theft; prints a token of the new ones",
		Example: "  eddy ring evict NODE && eddy ring rotate > token",
		Args:    wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, client *ring.Client) error {
				token, err := client.Rotate(ctx)
				if err != nil {
					return ringFailure("rotating the secrets of the ring of", client.Addr(), err)
				}
				return inv.printToken(token)
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Make new secrets for the ring, and hand them to all members that are not evicted. All earlier tokens let nobody in any more; clients need one
of the new. Evict stolen machines first, or they get the new secrets too.`, map[int]string{exitNotFound: not, exitConflict: not})
	return cmd
}
