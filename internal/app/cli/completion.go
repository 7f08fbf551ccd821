package cli

import (
	"github.com/spf13/cobra"
)

func newCompletion(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "print the completion script of a shell",
		Example:   "  source <(eddy completion bash)\n  eddy completion zsh > \"${fpath[1]}/_eddy\"\n  eddy completion fish | source",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cobra.MatchAll(wantArgs("bash|zsh|fish|powershell"), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(inv.Out, true)
			case "zsh":
				return root.GenZshCompletion(inv.Out)
			case "fish":
				return root.GenFishCompletion(inv.Out, true)
			}
			return root.GenPowerShellCompletionWithDesc(inv.Out)
		},
	}
	setHelp(cmd, "Print a script that makes the shell complete eddy's commands, flags and arguments.", exitOK, exitUsage)
	return cmd
}
