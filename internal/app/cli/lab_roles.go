package cli

import (
	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/lab"
)

// newLabRoles are the commands that a lab runs on its machines: the ends of a calibration's flows, the HTTP server, a plain download.
// They are nobody else's, so help does not list them.
func newLabRoles(inv *invocation) []*cobra.Command {
	var limit rate
	role := func(use, args string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
		cmd := &cobra.Command{Use: use + " " + args, Hidden: true, Args: wantArgs(args), RunE: run}
		cmd.Flags().Var(&limit, "limit", "bytes/s to keep to; 0 = the link does")
		return cmd
	}
	return []*cobra.Command{
		role("flow", "DIRECTION HUB SOURCE", func(cmd *cobra.Command, args []string) error {
			return lab.Flow(cmd.Context(), args[0], args[1], args[2], int64(limit), inv.Out)
		}),
		role("serve", "ADDRESS FILE", func(cmd *cobra.Command, args []string) error {
			return lab.ServeFile(cmd.Context(), args[0], args[1], int64(limit), inv.Out)
		}),
		role("fetch", "URL SOURCE", func(cmd *cobra.Command, args []string) error {
			return lab.FetchFile(cmd.Context(), args[0], args[1], int64(limit), inv.In, inv.Out)
		}),
	}
}
