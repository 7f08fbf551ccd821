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
			root, err := cmd.Root(), error(nil)
			switch args[0] {
			case "bash":
				err = root.GenBashCompletionV2(inv.Out, true)
			case "zsh":
				err = root.GenZshCompletion(inv.Out)
			case "fish":
				err = root.GenFishCompletion(inv.Out, true)
			default:
				err = root.GenPowerShellCompletionWithDesc(inv.Out)
			}
			if err != nil {
				return failOutput("writing the script to", err)
			}
			return nil
		},
	}
	setHelp(cmd, "Print a script that makes the shell complete eddy's commands, flags and arguments.", exitOK, exitFailed, exitUsage, exitDisk)
	return cmd
}
