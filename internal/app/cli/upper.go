package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newUpper(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "upper",
		Short:   "send a sentence and get it back in upper case, over UDP or TCP",
		Example: "  eddy upper serve --udp\n  eddy upper send --udp localhost:12000",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, `
The smallest programs that use sockets, made for real use: a server that sends back in upper case what clients send, and a client that
sends a line. Over UDP each line is a datagram, which may be lost; over TCP it goes over a connection of its own. Both work with
other programs of the kind, such as those of the textbooks. docs/sockets.md walks through their code.`, exitOK, exitUsage)
	addSubcommands(cmd, newUpperServe(inv), newUpperSend(inv))
	return cmd
}

// transport is the choice between the two protocols, for which there is no default: to know what one uses is the lesson.
type transport struct{ udp, tcp bool }

func (t *transport) define(cmd *cobra.Command, f *pflag.FlagSet) {
	f.BoolVar(&t.udp, "udp", false, "use UDP: datagrams, which may be lost or overtake each other")
	f.BoolVar(&t.tcp, "tcp", false, "use TCP: connections, which deliver every byte in order")
	cmd.MarkFlagsMutuallyExclusive("udp", "tcp")
}

func (t *transport) check() error {
	if !t.udp && !t.tcp {
		return usageError("give --udp or --tcp")
	}
	return nil
}

// onlyFor refuses flags that the chosen protocol has no use for.
func (t *transport) onlyFor(f *pflag.FlagSet, protocol string, names ...string) error {
	if t.udp == t.tcp || t.String() == protocol {
		return nil
	}
	for _, name := range names {
		if f.Changed(name) {
			return usageError("--%s is for --%s only", name, protocol)
		}
	}
	return nil
}

func (t *transport) String() string {
	if t.udp {
		return "udp"
	}
	return "tcp"
}
