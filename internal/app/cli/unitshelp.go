package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

// unitMeanings is how help explains the values that have a unit, by the word that stands for them behind the flags.
var unitMeanings = []struct{ value, means string }{
	{"SIZE", "bytes: 65536, or with a unit 64kB, 64KiB, 10MB, 512Mbit"},
	{"RATE", "bytes a second: 800000, or with a unit 800kB, 10MiB, 100Mbit"},
	{"T", "seconds: 90 or 0.5, or with units 90s, 200ms, 1m30s"},
}

// unitsHelp renders the section of a command's help that explains the units of its flags; "" where none has any.
func unitsHelp(f *pflag.FlagSet) string {
	taken := map[string]bool{}
	f.VisitAll(func(flag *pflag.Flag) {
		name, _ := pflag.UnquoteUsage(flag)
		for part := range strings.SplitSeq(name, ",") { // a list's is SIZE,SIZE,...
			taken[part] = true
		}
	})
	var b strings.Builder
	for _, u := range unitMeanings {
		if taken[u.value] {
			fmt.Fprintf(&b, "\n  %-5s%s", u.value, u.means)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n\nUnits:" + b.String()
}

// explainCode says in a command's own words what one of its exit codes means. It comes after setHelp.
func explainCode(cmd *cobra.Command, code int, means string) {
	line := func(words string) string { return fmt.Sprintf("  %-3d %s", code, words) }
	cmd.Long = strings.Replace(cmd.Long, line(codeMeanings[code]), line(means), 1)
}

// sizeDefault and rateDefault let help show a default with its unit.
func sizeDefault(f *pflag.FlagSet, name string, v size) {
	f.Lookup(name).DefValue = units.FormatSize(int64(v))
}

func rateDefault(f *pflag.FlagSet, name string, v rate) {
	f.Lookup(name).DefValue = units.FormatRate(int64(v))
}
