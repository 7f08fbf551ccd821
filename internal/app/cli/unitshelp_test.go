package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helped lists the commands whose help is held to what follows.
var helped = []string{"share", "get", "seed", "create", "plan", "sim run", "sim sweep", "lab", "upper serve", "upper send"}

// Help explains the unit of every value that has one, and of no other.
func TestHelpTellsUnits(t *testing.T) {
	for _, name := range helped {
		cmd := commandOf(t, name)
		for _, u := range unitMeanings {
			has := false
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				value, _ := pflag.UnquoteUsage(f)
				has = has || value == u.value || strings.HasPrefix(value, u.value+",")
			})
			if told := strings.Contains(cmd.Long, u.means); told != has {
				t.Errorf("%s: takes %s: %v, help explains it: %v", name, u.value, has, told)
			}
		}
	}
}

// "failed" alone explains nothing, and only some commands read torrents: each says what its code 1 is.
func TestHelpTellsWhatFailed(t *testing.T) {
	for _, name := range helped {
		if name == "seed" || name == "create" { // which do read or make torrents
			continue
		}
		if cmd := commandOf(t, name); strings.Contains(cmd.Long, codeMeanings[exitFailed]) || !strings.Contains(cmd.Long, "\n  1   ") {
			t.Errorf("%s: code 1 is not explained:\n%s", name, cmd.Long)
		}
	}
	for _, name := range []string{"sim run", "sim sweep", "lab"} {
		if long := commandOf(t, name).Long; !strings.Contains(long, "\n  130 ") || !strings.Contains(long, "\n  143 ") || !strings.Contains(long, "Ctrl-C ends") {
			t.Errorf("%s: what a signal does is not told:\n%s", name, long)
		}
	}
}

// Defaults of amounts are shown with their unit.
func TestLabDefaultsHaveUnits(t *testing.T) {
	usage := commandOf(t, "lab").Flags().FlagUsages()
	for _, want := range []string{"(default 64.0 MB)", "(default 8.0 MB/s)", "(default 800.0 kB/s)"} {
		if !strings.Contains(usage, want) {
			t.Errorf("%q is not in\n%s", want, usage)
		}
	}
}

func commandOf(t *testing.T, name string) *cobra.Command {
	t.Helper()
	cmd, rest, err := newInvocation(Stdio{}).rootCommand().Find(strings.Fields(name))
	if err != nil || len(rest) > 0 {
		t.Fatalf("%s: %v, %q", name, err, rest)
	}
	return cmd
}
