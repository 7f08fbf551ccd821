package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/sim"
	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// simRun is the state of `eddy sim run`.
type simRun struct {
	inv *invocation
	simFlags
	peers     oneCount
	pieceSize size
	degree    int
	policy    string
	plot      string
	trace     string
	story     bool
}

// oneCount is a flag value: a number of peers where a list would be several runs.
type oneCount int

func (v *oneCount) Type() string   { return "N" }
func (v *oneCount) String() string { return strconv.Itoa(int(*v)) }

func (v *oneCount) Set(s string) error {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > scenario.MaxPeers:
		return fmt.Errorf("too many: at most %d", scenario.MaxPeers)
	case err == nil:
		*v = oneCount(n)
	case countsLike(s):
		return errors.New("want one number of peers: eddy sim sweep takes lists and ranges")
	default:
		return errors.New("want a number of peers, like 35")
	}
	return nil
}

func newSimRun(inv *invocation) *cobra.Command {
	r := &simRun{inv: inv}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "simulate one swarm and tell how it went",
		Example: "  eddy sim run --peers 35 --size 64MiB --server 10MiB --up 1MiB\n" +
			"  eddy sim run --scenario flash-crowd --plot crowd.svg\n" +
			"  eddy sim run --scenario alice --story\n" +
			"  eddy sim run --scenario free-riders --policy cooperative --json",
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.defineAll(cmd.Flags())
	setHelp(cmd, `
Simulate one swarm in virtual time: a server and peers as given by flags, or a scenario file (docs/sim.md lists its keys), or a scenario that ships
with eddy:

`+scenarioList()+`
Flags override what the scenario says; --up and --down hold for all its classes, and --peers scales them.
The same scenario and seed give the same digest on any machine. A run that was cut off by the scenario's end is no failure: the
result says how many peers are complete. Ctrl-C ends a run without a result.`, exitOK, exitFailed, exitUsage, exitNotFound, exitDisk, exitInterrupted, exitTerminated)
	explainSimCodes(cmd)
	return cmd
}

// explainSimCodes says what the exit codes mean for a simulation.
func explainSimCodes(cmd *cobra.Command) {
	explainCode(cmd, exitFailed, "a run was faster than is possible, which is a bug of eddy; or the result, --plot or --trace could not be written")
	explainCode(cmd, exitNotFound, "there is no such file of a scenario, or no such directory for --plot or --trace")
}

// defineAll adds the flags of run: those of the swarm, and its own.
func (r *simRun) defineAll(f *pflag.FlagSet) {
	r.define(f)
	f.Var(&r.peers, "peers", "how many come, the server not counted: one number")
	f.Var(&r.pieceSize, "piece-size", "bytes of a piece (default: as eddy create chooses)")
	f.IntVar(&r.degree, "degree", 0, "neighbours of a peer on average; 0 = everybody")
	names, _ := scenario.PolicyNames()
	choiceVar(f, &r.policy, "policy", "by what peers decide that the scenario does not say it of", names...)
	f.StringVar(&r.plot, "plot", "", "draw completion, availability, upload use and who unchokes whom into `FILE.svg|png`")
	f.StringVar(&r.trace, "trace", "", "write each event as a line into `FILE` (engine only)")
	f.BoolVar(&r.story, "story", false, "tell in words how two peers become partners (--scenario alice)")
}

// scenarioList is the part of help that lists what ships.
func scenarioList() string {
	text := ""
	for _, name := range scenario.Shipped() {
		if sc, err := scenario.Load(name); err == nil {
			text += fmt.Sprintf("  %-14s%s\n", name, sc.Title)
		}
	}
	return text
}

func (r *simRun) run(cmd *cobra.Command) error {
	sc, err := r.scenarioOf(cmd)
	if err != nil {
		return err
	}
	if err := checkPlot(cmd.Flags().Changed("plot"), r.plot); err != nil {
		return err
	}
	watch, err := r.watchers(cmd, sc)
	if err != nil {
		return err
	}
	doc, err := r.simulate(cmd.Context(), sc, watch)
	unwritten := watch.close()
	if err != nil {
		return err
	}
	err = r.inv.show(r.plot, simPanels(doc.result), doc, doc.text)
	if err == nil && unwritten != nil { // the result is no worse for it
		err = failWrite("writing the trace to", r.trace, unwritten)
	}
	return err
}

// scenarioOf makes the scenario of the flags, and checks it.
func (r *simRun) scenarioOf(cmd *cobra.Command) (*scenario.Scenario, error) {
	f := cmd.Flags()
	sc, err := r.build(cmd.Context(), f)
	if err != nil {
		return nil, err
	}
	if f.Changed("peers") {
		if err := sc.SetPeers(int(r.peers)); err != nil {
			return nil, r.wrong(err)
		}
	}
	if f.Changed("degree") {
		sc.Degree = r.degree
	}
	if f.Changed("policy") {
		if err := sc.SetPolicy(r.policy); err != nil {
			return nil, r.wrong(err)
		}
	}
	sc.SetPieceLength(int64(r.pieceSize), f.Changed("piece-size"))
	return sc, r.check(sc)
}

// watchers are those who follow the events of a run: the story and the trace, each nil where it was not asked for.
type watchers struct {
	story *sim.Story
	names sim.Names

	mu   sync.Mutex // a run that is abandoned goes on telling
	file *os.File
	out  *bufio.Writer // nil = there is none, or no longer
}

// watchers opens what the flags ask for.
func (r *simRun) watchers(cmd *cobra.Command, sc *scenario.Scenario) (*watchers, error) {
	w := &watchers{}
	if cmd.Flags().Changed("trace") && r.trace == "" {
		return nil, usageError("--trace: want the name of a file")
	}
	if !r.story && r.trace == "" {
		return w, nil
	}
	if r.fidelity == "fast" {
		return nil, usageError("--story and --trace tell the events of the engine; give --fidelity engine")
	}
	peers, err := obeying(cmd.Context(), func() ([]scenario.Peer, error) { return sc.Population(), nil })
	if err != nil {
		return nil, interruption(cmd.Context(), "simulating", sc.Name, "before it began")
	}
	if r.story {
		if w.story, err = sim.NewStory(sc, peers); err != nil {
			return nil, &Failure{What: "telling the story", Cause: err, Hint: "--scenario alice has one", Code: exitUsage}
		}
	}
	if r.trace != "" {
		if w.file, err = os.Create(r.trace); err != nil {
			return nil, failWrite("writing the trace to", r.trace, err)
		}
		w.names, w.out = sim.NewNames(sc, peers), bufio.NewWriterSize(w.file, 1<<16)
	}
	return w, nil
}

// trace returns what the simulator is to call, nil when nobody watches.
func (w *watchers) trace() func(block.Event) {
	if w.story == nil && w.file == nil {
		return nil
	}
	return func(e block.Event) {
		if w.story != nil {
			w.story.Watch(e)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.out != nil {
			_, _ = w.out.WriteString(w.names.Line(e) + "\n") // its error stays until close
		}
	}
}

// close ends the trace and tells the first error of writing it.
func (w *watchers) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return nil
	}
	err := w.out.Flush()
	if closing := w.file.Close(); err == nil {
		err = closing
	}
	w.out = nil
	return err
}

// simulate runs the scenario and shows how far it is.
func (r *simRun) simulate(ctx context.Context, sc *scenario.Scenario, w *watchers) (*simDoc, error) {
	var now, done, peers atomic.Int64
	stop := r.inv.follow(func() view {
		return view{label: "simulating " + sc.Name, parts: []string{
			"at " + units.FormatDuration(time.Duration(now.Load())),
			fmt.Sprintf("%d of %s complete", done.Load(), units.Plural(int(peers.Load()), "peer")),
		}}
	}, nil)
	defer stop()
	opt := r.options()
	opt.Trace = w.trace()
	opt.Progress = func(at time.Duration, complete, all int) {
		now.Store(int64(at))
		done.Store(int64(complete))
		peers.Store(int64(all))
	}
	start := time.Now()
	res, err := obeying(ctx, func() (*record.Result, error) { return sim.Run(ctx, sc, opt) })
	stop()
	switch {
	case err == nil:
		return newSimDoc(sc, res, w.story, time.Since(start)), nil
	case ctx.Err() != nil:
		at := "before it began"
		if peers.Load() > 0 {
			at = fmt.Sprintf("at %s of virtual time, with %d of %s complete",
				units.FormatDuration(time.Duration(now.Load())), done.Load(), units.Plural(int(peers.Load()), "peer"))
		}
		return nil, interruption(ctx, "simulating", sc.Name, at)
	case errors.Is(err, sim.ErrBoundBeaten):
		return nil, beaten(sc, err)
	}
	return nil, r.wrong(err)
}

// beaten is the failure of a simulator that claims more than is possible.
func beaten(sc *scenario.Scenario, err error) error {
	return &Failure{What: "simulating", Target: sc.Name, Cause: err, Hint: "this is a bug of eddy: please report it with the command line", Code: exitFailed}
}
