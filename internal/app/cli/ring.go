package cli

import "github.com/spf13/cobra"

func newRing(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ring",
		Short:   "keep (key, value) pairs on a ring of machines",
		Example: "  eddy ring explain --bits 6 --nodes 1,12,13,25,32,40,48,60 --from 12 --key 53",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, `
Any number of machines form a ring. Each keeps the (key, value) pairs whose keys fall between the machine before it and itself, and any of
them finds any pair in a few messages. docs/ring.md explains it.`, exitOK, exitUsage)
	for _, command := range []func(*invocation) *cobra.Command{
		// One line a subcommand: newRingX, in its own file ring_x.go.
		newRingNode, newRingPut, newRingGet, newRingDelete, newRingWatch, newRingStatus, newRingCheck, newRingLoad, newRingLeave, newRingToken, newRingEvict, newRingRotate,
		newRingExplain,
	} {
		sub := command(inv)
		checkArgs := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cmd, checkArgs(cmd, args)) }
		cmd.AddCommand(sub)
	}
	return cmd
}
