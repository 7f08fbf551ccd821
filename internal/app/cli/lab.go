package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/lab"
	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// maxLabPeers is how many receivers a lab takes: each is a process, and with root a network namespace.
const maxLabPeers = 1000

// labCommand is the state of `eddy lab`.
type labCommand struct {
	inv *invocation
	createFlags

	peers            counts
	size             size
	server, up, down rate
	repeat           int
	client           string
	policy, shaping  string
	arch             string
	plot, keep       string

	given func(flag string) bool // the flag was set, to its default even

	mu    sync.Mutex // guards what follows: the progress is looked at from another goroutine
	step  lab.Step   // that goes on
	since time.Time
}

func newLab(inv *invocation) *cobra.Command {
	l := &labCommand{inv: inv, peers: counts{1, 5, 10, 20, 35}, size: 64e6, server: 8e6, up: 800e3}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "measure on this machine how long a distribution takes, with real processes",
		Example: `  eddy lab --peers 1,5,10,20,35 --size 64MB --server 8MB --up 800kB --plot lab.svg
  eddy lab --peers 10 --client libtorrent --json`,
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l.given = cmd.Flags().Changed
			return l.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.Var(&l.peers, "peers", "how many receivers, `COUNTS`: "+countsGrammar)
	f.Var(&l.size, "size", "of the content")
	f.Var(&l.pieceSize, "piece-size", "bytes of a piece, a power of two from 16KiB (default: 256KiB, more for large content)")
	f.Var(&l.server, "server", "what the server uploads")
	f.Var(&l.up, "up", "what each receiver uploads")
	f.Var(&l.down, "down", "what each receiver downloads (default: not limited)")
	f.IntVar(&l.repeat, "repeat", lab.DefaultRepeat, "measure each swarm `N` times; the median counts")
	choiceVar(f, &l.client, "client", "the client to measure", lab.ClientNames()...)
	choiceVar(f, &l.policy, "policy", "by what eddy serves: who gives most, or everybody, for equal machines that trust each other", "tit-for-tat", cooperative)
	choiceVar(f, &l.shaping, "shaping", "what keeps all to their rates: links of network namespaces, the clients themselves, or what is possible", "auto", string(lab.NetNS), string(lab.Internal))
	choiceVar(f, &l.arch, "arch", "measure one architecture only", "both", string(lab.ClientServer), string(lab.P2P))
	f.StringVar(&l.plot, "plot", "", "draw the times over the number of receivers to `FILE`.svg or .png")
	sizeDefault(f, "size", l.size)
	rateDefault(f, "server", l.server)
	rateDefault(f, "up", l.up)
	f.StringVar(&l.keep, "keep", "", "write what the members of each swarm print to files in `DIR`")
	setHelp(cmd, `
Measure how long it takes to bring one file to N receivers, both ways: N plain HTTP downloads from one server, and a swarm. All are real
processes on this machine. With root on Linux each is in a network namespace, behind a link whose upload is shaped; otherwise they are
addresses of the loopback network and limit themselves. What the links carry is measured first, by a long flow over each, and the theoretical
minimum is computed from that.

The clock starts when all receivers have announced themselves and the seed starts; it ends with the last verified piece. Of a swarm the median
of several runs counts. Ctrl-C ends the lab at any moment, while links are calibrated as well as during a run, with code 130 and without a
result. Nothing is left behind: processes, namespaces, links and files all go.

--client measures another client the same way: aria2, transmission or libtorrent, as Debian packages them.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitDisk, exitInterrupted, exitTerminated)
	explainCode(cmd, exitFailed, "a member of the lab failed or took too long, a copy was not the original, or the result could not be written")
	explainCode(cmd, exitNotFound, "a program that it needs is not installed (a client, ip or tc), or there is no such directory for --plot")
	cmd.AddCommand(newLabRoles(inv)...)
	return cmd
}

// counts is a flag value: numbers of receivers, ascending.
type counts []int

func (v *counts) Type() string { return "COUNTS" }

func (v *counts) String() string {
	var parts []string
	for _, n := range *v {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}

func (v *counts) Set(s string) error {
	list, err := parseCounts(s, 1, maxLabPeers)
	if err == nil {
		*v = list
	}
	return err
}

// check refuses what cannot be measured.
func (l *labCommand) check() error {
	switch {
	case l.size <= 0:
		return usageError("--size must not be 0")
	case l.server <= 0:
		return usageError("--server must not be 0: a server that is not limited has no theoretical minimum")
	case l.up <= 0:
		return usageError("--up must not be 0: receivers that are not limited have no theoretical minimum")
	case l.policy != "tit-for-tat" && l.client != "eddy":
		return usageError("--policy is eddy's; leave it out with --client %s", l.client)
	case l.repeat < 1:
		return usageError("--repeat must be at least 1")
	}
	if err := checkPlot(l.given("plot"), l.plot); err != nil {
		return err
	}
	if l.given("keep") {
		if l.keep == "" {
			return usageError("--keep: want a directory")
		}
		if err := checkDirectory("--keep", l.keep); err != nil {
			return err
		}
	}
	return l.createFlags.check()
}

func (l *labCommand) run(ctx context.Context) error {
	if err := l.check(); err != nil {
		return err
	}
	exe, err := thisProgram()
	if err != nil {
		return fail("finding the program of", "eddy", err)
	}
	config := lab.Config{
		Peers: l.peers, Size: int64(l.size), PieceLength: int64(l.pieceSize), Server: int64(l.server), Up: int64(l.up), Down: int64(l.down),
		Repeat: l.repeat, Client: l.client, Executable: exe, Keep: l.keep, Progress: l.tell, Policy: l.policy,
	}
	if l.arch != "both" {
		config.Archs = []lab.Arch{lab.Arch(l.arch)}
	}
	if l.shaping != "auto" {
		config.Shaping = lab.Shaping(l.shaping)
	}
	stop := l.inv.follow(l.look, nil)
	result, err := lab.Run(ctx, config)
	stop()
	if err != nil {
		return l.failure(ctx, err)
	}
	return l.inv.show(l.plot, []plot.Panel{lab.Figure(result)}, result, func() string { return labTable(result) })
}

// thisProgram is a path to the program that runs: the very file, even where another was built at its place meanwhile.
func thisProgram() (string, error) {
	if running := fmt.Sprintf("/proc/%d/exe", os.Getpid()); runtime.GOOS == "linux" {
		if _, err := os.Stat(running); err == nil {
			return running, nil
		}
	}
	return os.Executable()
}

// failure tells why nothing was measured.
func (l *labCommand) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		l.mu.Lock()
		defer l.mu.Unlock()
		at := ""
		if step := about(l.step); step != "" {
			at = "at " + step
		}
		return interruption(ctx, "measuring", "", at)
	}
	f := fail("measuring", "", err)
	var missing *lab.MissingError
	switch {
	case errors.As(err, &missing):
		f.Hint, f.Code = missing.Hint, exitNotFound
	case errors.Is(err, lab.ErrNoRoom):
		f.Hint, f.Code = "choose a smaller --size or fewer --peers", exitDisk
	}
	return f
}

// tell shows a step on stderr: warnings, and the beginning and end of each run.
func (l *labCommand) tell(s lab.Step) {
	if s.Warning != "" {
		l.inv.log.Warn(s.Warning)
		return
	}
	l.mu.Lock()
	l.step, l.since = s, time.Now()
	l.mu.Unlock()
	if l.inv.global.progress == "none" {
		return
	}
	switch {
	case s.Measured > 0:
		l.inv.say(fmt.Sprintf("%s: %s, %.3f of the minimum", about(s), units.FormatDuration(s.Measured), s.Measured.Seconds()/s.Expected.Seconds()))
	case s.Arch != "" && s.What == "":
		l.inv.say(fmt.Sprintf("%s: at least %s (with all that follow %s)", about(s), units.FormatDuration(s.Expected), units.FormatDuration(s.Left)))
	case s.Arch == "":
		l.inv.say(s.What)
	}
}

// look is the step that goes on.
func (l *labCommand) look() view {
	l.mu.Lock()
	s, since := l.step, l.since
	l.mu.Unlock()
	if s.What == "" && s.Arch == "" {
		return view{label: "lab", parts: []string{"preparing"}}
	}
	elapsed := units.FormatDuration(time.Since(since).Truncate(time.Second))
	v := view{label: about(s), parts: []string{elapsed}}
	if s.Expected > 0 {
		v.parts[0] += " of at least " + units.FormatDuration(s.Expected)
	}
	if s.Left > 0 {
		v.parts = append(v.parts, "with all that follow "+units.FormatDuration(s.Left))
	}
	return v
}

// about names what a step is part of.
func about(s lab.Step) string {
	if s.Arch == "" {
		return s.What
	}
	text := labArchs[s.Arch] + ", " + units.Plural(s.Peers, "receiver")
	if s.Repeats > 1 {
		text += fmt.Sprintf(", run %d of %d", s.Repeat, s.Repeats)
	}
	if s.What != "" {
		text += ", " + s.What
	}
	return text
}

// labArchs is how people call the architectures.
var labArchs = map[lab.Arch]string{lab.ClientServer: "client-server", lab.P2P: "peer-to-peer"}

// labTable is the result for people.
func labTable(r *lab.Result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "receivers\tarchitecture\tminimum\tlimited by\tsimulated\tmeasured\tratio\t")
	for _, row := range r.Rows {
		simulated := "-"
		if row.Sim != nil {
			simulated = formatSeconds(*row.Sim)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%.3f\t\n", row.Peers, labArchs[row.Arch],
			formatSeconds(row.Bound), row.Limit, simulated, formatSeconds(row.Measured), row.Ratio)
	}
	_ = w.Flush() // into memory
	shaped := "network namespaces with shaped links"
	if r.Shaping == lab.Internal {
		shaped = "every process limits itself"
	}
	fmt.Fprintf(&b, "%s; %s, pieces of %s; server %s, receivers %s measured; %s\n", r.Client, units.FormatSize(r.Size),
		units.FormatSize(r.PieceLength), units.FormatRate(int64(r.Server.Least)), units.FormatRate(int64(r.Up.Least)), shaped)
	return b.String()
}

func formatSeconds(s float64) string {
	return strconv.FormatFloat(s, 'f', 2, 64) + " s"
}
