package cli

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// plan is the state of `eddy plan`.
type plan struct {
	inv       *invocation
	size      size
	pieceSize size
	server    rate
	up, down  rate
	peers     string
	deadline  duration
	schedule  bool
	plot      string
	term      bool
	csv       bool

	given func(flag string) bool // the flag was set, to its default even
}

func newPlan(inv *invocation) *cobra.Command {
	p := &plan{inv: inv}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "tell how long a distribution must take, by theory",
		Example: `  eddy plan --size 360MB --server 1MB --up 100kB --peers 0..35 --plot course.svg
  eddy plan --size 4GiB --server 1Gbit --up 100Mbit --down 500Mbit --peers 200 --schedule
  eddy plan --size 4GiB --server 1Gbit --up 100Mbit --peers 10..1000/10 --deadline 30m
  eddy plan --size 4GiB --server 1Gbit --peers peers.csv --json`,
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.given = func(flag string) bool { return cmd.Flags().Changed(flag) }
			return p.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.Var(&p.size, "size", "of the content")
	f.Var(&p.server, "server", "the server's upload")
	f.Var(&p.up, "up", "each peer's upload; 0 = it uploads nothing")
	f.Var(&p.down, "down", "each peer's download; 0 = no limit")
	f.StringVar(&p.peers, "peers", "", "`COUNTS`: "+countsGrammar+"; or a CSV file with the columns up,down; - is stdin")
	f.Var(&p.pieceSize, "piece-size", "tell what pieces of that size add, for peers that upload alike")
	f.BoolVar(&p.schedule, "schedule", false, "tell who sends what to whom so that the P2P time is attained, for the most peers asked about")
	f.Var(&p.deadline, "deadline", "tell the server rate, the peers' upload and the number of peers that meet it")
	f.StringVar(&p.plot, "plot", "", "draw the times over the number of peers into `FILE`, .svg or .png")
	f.BoolVar(&p.term, "term", false, "draw them here")
	f.BoolVar(&p.csv, "csv", false, "write the table as CSV, times in seconds")
	cmd.MarkFlagsMutuallyExclusive("csv", "term")
	cmd.MarkFlagsMutuallyExclusive("csv", "schedule")
	setHelp(cmd, `
Tell the least time in which one server and N peers can all have a file, and which link sets it:

  client-server   the server sends N copies:      max(N F/us, F/dmin)
  P2P             peers pass on what they have:   max(F/us, F/dmin, N F/(us + sum of ui))

F is --size, us --server, ui --up, dmin the slowest --down. limit is server, download (the slowest peer's) or aggregate (all uploads
together); of equal ones the first. Peers that differ come from a CSV file with a line each: up,down; a blank down is no limit, and a
column count, if there is one, says how many are alike. Figures then show the first n peers of the file.

--piece-size adds a column: peers pass on only whole pieces, and each copy of a piece comes from one sender. The schedule is Kumar and Ross's.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitDisk, exitInterrupted, exitTerminated)
	explainCode(cmd, exitFailed, "the result or the figure could not be written, or the CSV file not be read")
	explainCode(cmd, exitNotFound, "there is no such CSV file, or no such directory for --plot")
	return cmd
}

func (p *plan) run(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	q, err := p.question(ctx)
	if err != nil {
		return err
	}
	answer := q.answer()
	var figure []plot.Panel
	if p.plot != "" {
		figure = append(figure, q.chart())
	}
	err = p.inv.show(p.plot, figure, answer, func() string { return p.text(q, answer) })
	if err == nil && p.plot != "" {
		p.inv.say("drew " + p.plot)
	}
	return err
}

// text is the answer as it was asked for.
func (p *plan) text(q *planQuestion, answer *planAnswer) string {
	switch {
	case p.csv:
		return answer.csv()
	case p.term:
		columns, lines := p.screen()
		return answer.table() + "\n" + q.chart().Terminal(columns, lines)
	}
	return answer.table()
}

// check refuses flags that make no sense, before any file is read.
func (p *plan) check() error {
	if err := p.missing(); err != nil {
		return err
	}
	switch {
	case p.size == 0:
		return usageError("--size must be more than 0: of nothing there is nothing to plan")
	case p.server == 0:
		return usageError("--server must be more than 0: without it nothing leaves the server")
	case p.given("deadline") && p.deadline == 0:
		return usageError("--deadline must be more than 0")
	case p.given("piece-size") && p.pieceSize == 0:
		return usageError("--piece-size must be more than 0")
	case p.inv.global.json && (p.csv || p.term):
		return usageError("--json, --csv and --term all want stdout; give one of them")
	}
	return checkPlot(p.given("plot"), p.plot)
}

// missing names all flags at once that nothing could stand in for.
func (p *plan) missing() error {
	var names, like []string
	for _, flag := range []struct {
		name, like string
		needed     bool
	}{
		{"--peers", "0..35", p.peers == ""},
		{"--size", "360MB", !p.given("size")},
		{"--server", "1MB", !p.given("server")},
		{"--up", "100kB", !p.given("up") && (p.peers == "" || countsLike(p.peers))}, // a CSV file has its own
	} {
		if flag.needed {
			names, like = append(names, flag.name), append(like, flag.name+" "+flag.like)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &Failure{What: "asking for a plan", Cause: errors.New("missing " + strings.Join(names, ", ")),
		Hint: "like " + strings.Join(like, " "), Code: exitUsage}
}

// question makes of the flags what is asked, reading the CSV file if there is one.
func (p *plan) question(ctx context.Context) (*planQuestion, error) {
	q := &planQuestion{
		size: float64(p.size), server: float64(p.server), piece: float64(p.pieceSize),
		deadline: time.Duration(p.deadline).Seconds(), schedule: p.schedule,
	}
	if !countsLike(p.peers) {
		if err := checkCounts(p.peers); err != nil {
			return nil, err
		}
		if p.given("up") || p.given("down") {
			return nil, usageError("--up and --down are in the CSV file %s; give either those or the file", p.peers)
		}
		classes, err := p.inv.readPlanFile(ctx, p.peers)
		if err != nil {
			return nil, err
		}
		q.listed = classes
		equal, ok := equalUp(classes)
		if !ok && p.pieceSize > 0 {
			return nil, usageError("--piece-size needs peers that upload alike, and those of %s do not", p.peers)
		}
		if ok {
			q.equal = &equal
		}
		return q, nil
	}
	counts, err := parseCounts(p.peers, 0, maxPlanPeers)
	if err != nil {
		return nil, &Failure{What: "setting --peers", Target: p.peers, Cause: err, Code: exitUsage}
	}
	q.counts = counts
	q.equal = &theory.Class{Peers: math.MaxInt, Up: float64(p.up), Down: float64(p.down)}
	return q, nil
}

// screen returns the size of the terminal, or a usual one for a file.
func (p *plan) screen() (columns, lines int) {
	if out, ok := p.inv.Out.(*os.File); ok {
		if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 0 {
			return min(w, 100), min(h-2, 24)
		}
	}
	return 80, 20
}
