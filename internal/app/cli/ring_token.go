package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

func newRingToken(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "token",
		Short:   "make and revoke the tokens that let machines and programs in",
		Example: "  eddy ring token new --client --ttl 24h\n  eddy ring token revoke ID",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, `
A token lets its holder into the ring: as a member that keeps data, or, with --client, as a program that only reads and writes it. Who is in
stays in when the token expires or is revoked; eddy ring evict puts a member out.`, exitOK, exitUsage)
	for _, sub := range []*cobra.Command{newRingTokenNew(inv), newRingTokenRevoke(inv)} {
		checkArgs := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cmd, checkArgs(cmd, args)) }
		cmd.AddCommand(sub)
	}
	return cmd
}

func newRingTokenNew(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	var ttl duration
	var client bool
	cmd := &cobra.Command{
		Use:     "new",
		Short:   "make a token; prints it",
		Example: "  eddy ring token new\n  eddy ring token new --client --ttl 24h > token; chmod 600 token",
		Args:    wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("ttl") && ttl <= 0 {
				return usageError("--ttl must be more than 0")
			}
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, c *ring.Client) error {
				token, err := c.NewToken(ctx, time.Duration(ttl), client)
				if err != nil {
					return ringFailure("making a token at", c.Addr(), err)
				}
				return inv.printToken(token)
			})
		},
	}
	flags.define(cmd)
	cmd.Flags().Var(&ttl, "ttl", "the token lets in for so long (default: the ring's)")
	cmd.Flags().BoolVar(&client, "client", false, "for programs that read and write data, and no more")
	setRingHelp(cmd, `
Make a token and print it on stdout, its ID and end on stderr. Who has it is let in until then: hand it on as you would a password.`,
		map[int]string{exitNotFound: not, exitConflict: not})
	return cmd
}

// printToken prints a new token alone on stdout, so that it can go into a file or a variable.
func (inv *invocation) printToken(token *ring.Token) error {
	if inv.global.json {
		return inv.events.document(token)
	}
	inv.say(fmt.Sprintf("token %s lets in for %s", token.ID, units.FormatDuration(time.Until(token.Expires).Round(time.Second))))
	if _, err := fmt.Fprintln(inv.Out, token.Token); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

func newRingTokenRevoke(inv *invocation) *cobra.Command {
	flags := &ringFlags{}
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "make a token let nobody in any more",
		Example: "  eddy ring token revoke 4f1c2a9e",
		Args:    wantArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return inv.withRing(cmd.Context(), flags, func(ctx context.Context, c *ring.Client) error {
				if err := c.RevokeToken(ctx, args[0]); err != nil {
					return ringFailure("revoking the token", args[0], err)
				}
				inv.say("the token " + args[0] + " lets nobody in any more")
				return inv.doneDocument("revoked", args[0])
			})
		},
	}
	flags.define(cmd)
	setRingHelp(cmd, `
Revoke a token by the ID that was told when it was made. Members that came in by it stay: eddy ring evict puts them out.`,
		map[int]string{exitNotFound: "there is no such token", exitConflict: not})
	return cmd
}

// doneDocument is the JSON of a command whose result is only that it was done to something.
func (inv *invocation) doneDocument(done, target string) error {
	if !inv.global.json {
		return nil
	}
	return inv.events.document(map[string]string{done: target})
}
