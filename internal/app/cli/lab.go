package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/lab"
)

// labCommand is the state of `eddy lab`.
type labCommand struct {
	inv              *invocation
	peers            []int
	size, piece      size
	server, up, down rate
	repeat           int
	client           string
	shaping          string
	plot, keep       string
}

func newLab(inv *invocation) *cobra.Command {
	l := &labCommand{inv: inv}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "measure how long a distribution takes, with real processes behind shaped links",
		Args:  wantArgs(""),
		RunE:  func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.IntSliceVar(&l.peers, "peers", []int{1, 5, 10}, "receivers")
	f.Var(&l.size, "size", "bytes of the content")
	f.Var(&l.piece, "piece-size", "bytes of a piece")
	f.Var(&l.server, "server", "the server's upload")
	f.Var(&l.up, "up", "each receiver's upload")
	f.Var(&l.down, "down", "each receiver's download")
	f.IntVar(&l.repeat, "repeat", 3, "swarms a row")
	choiceVar(f, &l.client, "client", "the client to measure", lab.ClientNames()...)
	f.StringVar(&l.plot, "plot", "", "`FILE` for the figure")
	f.StringVar(&l.keep, "keep", "", "`DIR` for what the members print")
	cmd.AddCommand(newLabRoles(inv)...)
	return cmd
}

func (l *labCommand) run(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	result, err := lab.Run(ctx, lab.Config{
		Peers: l.peers, Size: int64(l.size), PieceLength: int64(l.piece), Server: int64(l.server), Up: int64(l.up), Down: int64(l.down),
		Repeat: l.repeat, Client: l.client, Executable: exe, Keep: l.keep, Progress: func(s lab.Step) { l.inv.log.Warn("step", "s", s) },
	})
	if err != nil {
		return err
	}
	return l.inv.events.document(result)
}

// newLabRoles are the hidden commands that a lab runs on its machines.
func newLabRoles(inv *invocation) []*cobra.Command {
	flow := &cobra.Command{
		Use: "flow DIRECTION HUB", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Flow(cmd.Context(), args[0], args[1], inv.Out)
		},
	}
	serve := &cobra.Command{
		Use: "serve ADDR FILE", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.ServeFile(cmd.Context(), args[0], args[1], inv.Out)
		},
	}
	fetch := &cobra.Command{
		Use: "fetch URL", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.FetchFile(cmd.Context(), args[0], inv.In, inv.Out)
		},
	}
	return []*cobra.Command{flow, serve, fetch}
}
