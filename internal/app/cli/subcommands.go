package cli

import "github.com/spf13/cobra"

// addSubcommands gives a command its subcommands. What their argument checks find is told as wrong usage is.
func addSubcommands(parent *cobra.Command, subs ...*cobra.Command) {
	for _, sub := range subs {
		checkArgs := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cmd, checkArgs(cmd, args)) }
		parent.AddCommand(sub)
	}
}
