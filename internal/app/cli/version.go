package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
)

// versionInfo is what `eddy version` knows.
type versionInfo struct {
	Version  string  `json:"version"`
	Commit   *string `json:"commit"`
	Modified bool    `json:"modified"` // built from a tree with changes that are not in Commit
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
}

func newVersion(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Example: "  eddy version\n  eddy version --json",
		Args:    wantArgs(""),
		RunE: func(*cobra.Command, []string) error {
			info := readVersion()
			if inv.global.json {
				return inv.events.document(info)
			}
			commit := ""
			if info.Commit != nil {
				commit = fmt.Sprintf(" (%.12s)", *info.Commit)
			}
			if _, err := fmt.Fprintf(inv.Out, "eddy %s%s %s %s/%s\n", info.Version, commit, info.Go, info.OS, info.Arch); err != nil {
				return failOutput("writing the result to", err)
			}
			return nil
		},
	}
	setHelp(cmd, "Print the version of eddy, the commit it was built from, and the platform.", exitOK, exitUsage)
	return cmd
}

func readVersion() versionInfo {
	info := versionInfo{Version: eddy.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range build.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Commit = known(s.Value)
			case "vcs.modified":
				info.Modified = s.Value == "true"
			}
		}
	}
	return info
}
