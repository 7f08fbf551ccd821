package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

func newRingCheck(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "walk around the ring, and prove its order and replication",
		Example: "  eddy ring check\n  eddy ring check --node 10.0.0.5:7000 --timeout 10m",
		Args:    wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, client *ring.Client) error {
				check, err := client.Check(ctx)
				if err != nil {
					return ringFailure("checking the ring of", client.Addr(), err)
				}
				return inv.printCheck(check)
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Go from successor to successor until the walk closes: every node must be the successor of its predecessor, in order and once; and the
holders of each part of the ring must hold the same, as often as the ring replicates, and answer for it: who has just come or come back does not
before it is synchronised. Each problem is a line on stderr; code 3 if there is one. While machines come and go, problems that pass are normal.`,
		map[int]string{exitIncomplete: "a problem was found", exitNotFound: not, exitConflict: not})
	return cmd
}

func (inv *invocation) printCheck(c *ring.Check) error {
	if c.Members == nil {
		c.Members = []ring.Member{}
	}
	if c.Problems == nil {
		c.Problems = []string{}
	}
	if inv.global.json {
		if err := inv.events.document(c); err != nil {
			return err
		}
	} else {
		verdict := "in order, fully replicated"
		if !c.OK {
			verdict = units.Plural(len(c.Problems), "problem")
		}
		_, err := fmt.Fprintf(inv.Out, "%s, %s, keys %d: %s\n", units.Plural(c.Hosts, "host"), units.Plural(len(c.Members), "position"), c.Keys, verdict)
		if err != nil {
			return failOutput("writing the result to", err)
		}
	}
	for _, p := range c.Problems {
		inv.complain(&Failure{What: p})
	}
	if !c.OK {
		return silentCode(exitIncomplete)
	}
	return nil
}
