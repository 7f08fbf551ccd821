package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy/internal/sim"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// defaultLatency is between peers where no scenario says otherwise: that of a country.
const defaultLatency = 20 * time.Millisecond

func newSim(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sim",
		Short:   "simulate swarms and rings in virtual time, with the code that decides in live ones",
		Example: "  eddy sim run --scenario course\n  eddy sim sweep --scenario course --peers 5,10,20,35 --seeds 3",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, `
What would a swarm do? sim runs one in virtual time and tells how long everybody took, against the least time that any swarm could take;
how evenly the pieces spread; who served whom; and what cheating pays. It takes its decisions by the code that live swarms run. docs/sim.md
explains the output and how it is validated. sim ring does the same for rings of nodes (docs/ring.md).`, exitOK, exitUsage)
	addSubcommands(cmd, newSimRun(inv), newSimSweep(inv), newSimRing(inv))
	return cmd
}

// simFlags describe the swarm of run and sweep. Those that a sweep varies are its own.
type simFlags struct {
	scenario string
	size     size
	server   rate
	up, down rate
	slots    int
	latency  duration
	shaping  string
	seed     uint64
	fidelity string
}

func (s *simFlags) define(f *pflag.FlagSet) {
	f.StringVar(&s.scenario, "scenario", "", "`FILE.toml`, or one of "+strings.Join(scenario.Shipped(), ", ")+"; flags beside it override it")
	f.Var(&s.size, "size", "of the content")
	f.Var(&s.server, "server", "upload rate of the server")
	f.Var(&s.up, "up", "upload rate of each peer")
	f.Var(&s.down, "down", "download rate of each peer; 0 = no limit")
	f.IntVar(&s.slots, "slots", 0, "regular upload slots of a peer, the optimistic one on top; 0 = 4, as live")
	f.Var(&s.latency, "latency", "one way, between any two peers (default 20ms without a scenario)")
	choiceVar(f, &s.shaping, "shaping", "who keeps to the rates: the peers, as by --limit-up, or their links, which tell nobody how fast they are; only then do "+
		"cooperative peers serve everybody", shapings...)
	f.Uint64Var(&s.seed, "seed", 0, "of all chance: equal seeds give equal digests (default 1)")
	choiceVar(f, &s.fidelity, "fidelity",
		fmt.Sprintf("engine: whole live machines, block by block; fast: piece by piece; auto = engine up to %d peers", sim.EnginePeers), "auto", "engine", "fast")
}

// shapings are the values of --shaping, in the words of scenarios; the default first.
var shapings = []string{"limit", string(scenario.ByLink)}

// shapingOf is the value of --shaping that sc stands for.
func shapingOf(sc *scenario.Scenario) string { return cmp.Or(string(sc.Shaping), shapings[0]) }

// options are those of the fidelity.
func (s *simFlags) options() sim.Options {
	if s.fidelity == "auto" {
		return sim.Options{}
	}
	return sim.Options{Fidelity: sim.Fidelity(s.fidelity)}
}

// build makes the scenario: the named one, or one of flags alone, with what the flags override.
func (s *simFlags) build(ctx context.Context, f *pflag.FlagSet) (*scenario.Scenario, error) {
	sc := scenario.FromFlags()
	if s.scenario == "" {
		if err := needed(f, "peers", "size", "server", "up"); err != nil {
			return nil, err
		}
		sc.Latency = defaultLatency
	} else {
		var err error
		if sc, err = loadScenario(ctx, s.scenario); err != nil {
			return nil, err
		}
	}
	s.override(f, sc)
	return sc, nil
}

// override sets what flags say.
func (s *simFlags) override(f *pflag.FlagSet, sc *scenario.Scenario) {
	if f.Changed("size") {
		sc.Size = int64(s.size)
	}
	if f.Changed("server") {
		sc.Server.Up = int64(s.server)
	}
	if f.Changed("up") {
		sc.SetUp(int64(s.up))
	}
	if f.Changed("down") {
		sc.SetDown(int64(s.down))
	}
	if f.Changed("slots") {
		sc.Slots = s.slots
	}
	if f.Changed("latency") {
		sc.Latency = time.Duration(s.latency)
	}
	if f.Changed("shaping") {
		sc.Shaping = scenario.ByLimit
		if s.shaping == string(scenario.ByLink) {
			sc.Shaping = scenario.ByLink
		}
	}
	if f.Changed("seed") {
		sc.Seed = s.seed
	}
}

// needed refuses a command line without scenario that lacks one of the flags which nothing could stand in for.
func needed(f *pflag.FlagSet, names ...string) error {
	var missing []string
	for _, name := range names {
		if !f.Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &Failure{What: "describing the swarm", Cause: errors.New("missing " + strings.Join(missing, ", ")),
		Hint: "or give --scenario, like --scenario course", Code: exitUsage}
}

// loadScenario reads a scenario: a file where the name looks like a path, else one that ships with us.
func loadScenario(ctx context.Context, name string) (*scenario.Scenario, error) {
	if !strings.HasSuffix(name, ".toml") && !strings.ContainsRune(name, filepath.Separator) {
		sc, err := scenario.Load(name)
		if err != nil {
			return nil, &Failure{What: "loading the scenario", Cause: err, Hint: "a file's name ends in .toml", Code: exitUsage}
		}
		return sc, nil
	}
	const reading = "reading the scenario"
	text, err := obeying(ctx, func() ([]byte, error) { return readLimited(name, maxScenario) })
	switch {
	case ctx.Err() != nil:
		return nil, interruption(ctx, reading, name, "")
	case errors.Is(err, errTooLong):
		return nil, &Failure{What: reading, Target: name, Cause: err, Hint: "is it a scenario?", Code: exitUsage}
	case err != nil:
		return nil, fail(reading, name, err)
	}
	sc, err := scenario.Parse(strings.TrimSuffix(filepath.Base(name), ".toml"), text, func(path string) ([]byte, error) {
		if !filepath.IsAbs(path) { // beside the scenario
			path = filepath.Join(filepath.Dir(name), path)
		}
		return obeying(ctx, func() ([]byte, error) { return readLimited(path, maxTrace) })
	})
	switch {
	case err == nil:
		return sc, nil
	case ctx.Err() != nil:
		return nil, interruption(ctx, reading, name, "")
	case errors.Is(err, fs.ErrNotExist): // of a file of arrivals
		return nil, &Failure{What: reading, Target: name, Cause: err, Code: exitNotFound}
	}
	return nil, &Failure{What: reading, Target: name, Cause: err, Hint: "docs/sim.md lists the keys", Code: exitUsage}
}

// The most that is read of files: a device or a pipe may never end.
const (
	maxScenario = 1 << 20
	maxTrace    = 512 << 20 // MaxPeers lines
)

// errTooLong says that a file is longer than it may be.
var errTooLong = errors.New("too long")

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%w: at most %d MiB", errTooLong, limit>>20)
	}
	return text, err
}

// check validates what scenario and flags came to.
func (s *simFlags) check(sc *scenario.Scenario) error {
	if err := sc.Validate(); err != nil {
		return s.wrong(err)
	}
	return nil
}

// wrong is the failure of a swarm that cannot be simulated.
func (s *simFlags) wrong(err error) error {
	return &Failure{What: "describing the swarm", Target: cmp.Or(s.scenario, "of the flags"), Cause: err, Code: exitUsage}
}
