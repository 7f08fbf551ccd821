package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/ring"
)

// ringDelete is the state of `eddy ring delete`.
type ringDelete struct {
	inv *invocation
	ringFlags
	ifVersion string
}

func newRingDelete(inv *invocation) *cobra.Command {
	d := &ringDelete{inv: inv}
	cmd := &cobra.Command{
		Use:     "delete KEY",
		Short:   "remove a key, and all members of a set",
		Example: "  eddy ring delete alice\n  eddy ring delete counter --if-version \"$VERSION\"",
		Args:    wantArgs("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseEmpty(cmd, "if-version"); err != nil {
				return err
			}
			return d.run(cmd.Context(), args[0])
		},
	}
	d.define(cmd)
	cmd.Flags().StringVar(&d.ifVersion, "if-version", "", "only if the key still has version `V`")
	setRingHelp(cmd, `
Remove a key with everything under it; prints the version of the deletion. A value that somebody writes at the same time survives it.`, writing(nil))
	return cmd
}

func (d *ringDelete) run(ctx context.Context, key string) error {
	if err := checkRingKey(key); err != nil {
		return err
	}
	if d.ifVersion == ring.None {
		return usageError("--if-version none: what does not exist cannot be deleted")
	}
	return d.inv.withRing(ctx, &d.ringFlags, func(ctx context.Context, client *ring.Client) error {
		put, err := client.Delete(ctx, key, d.ifVersion)
		if err != nil {
			return ringFailure("deleting", quoteKey(key), err)
		}
		return d.inv.tellWrite(put, "deleted on")
	})
}
