package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/storage"
)

// get is the state of `eddy get`.
type get struct {
	inv *invocation
	swarmFlags

	// where and what
	dir        string
	selection  string
	sequential bool
	stdout     bool
	overwrite  bool
	prealloc   string

	// how long and how fast
	noSeed, seed bool
	seedRatio    float64
	seedTime     duration
	limitDown    rate
	stallTimeout duration
	onComplete   string

	ring   rendezvous
	failed int // sources that could not be started

	rates knownRates
}

// preallocs are the values of --prealloc.
var preallocs = []storage.Prealloc{storage.PreallocSparse, storage.PreallocNone, storage.PreallocFull}

func newGet(inv *invocation) *cobra.Command {
	g := &get{inv: inv}
	cmd := &cobra.Command{
		Use:   "get SRC...",
		Short: "fetch what a torrent describes, and pass it on meanwhile",
		Example: `  eddy get http://10.0.0.5:40001/big.iso.torrent#btih=0123456789abcdef0123456789abcdef01234567
  eddy get big.iso.torrent -d /srv/images --no-seed
  eddy get photos.torrent --select 1,3-5,'*.jpg'
  eddy get film.torrent --sequential --stdout | player -
  eddy get --ring 10.0.0.5:7000 ring:big
  eddy get big.iso.torrent --on-complete 'sha256sum "$EDDY_PATH"'`,
		Args:        wantArgs("SRC..."),
		Annotations: map[string]string{longRunning: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			// 0 is what the policy takes for "not by this"; the user means: not at all.
			given := cmd.Flags().Changed
			g.noSeed = g.noSeed || given("seed-ratio") && g.seedRatio == 0 || given("seed-time") && g.seedTime == 0
			return g.run(cmd.Context(), args)
		},
	}
	g.defineFlags(cmd)
	setHelp(cmd, `
Fetch the content of torrents into a directory. SRC is a .torrent file (- is stdin), an http(s) URL of one, or with --ring the
ring:NAME that one was published under; what follows #btih= must be its infohash. --ring finds peers of the others too.

It resumes after any interruption, verifies every piece, and reuses what is there already. Files are called NAME.part until they
are complete. What differs from the torrent is overwritten with --overwrite only. While fetching and afterwards it passes on
what it has: after completion until it gave back as much as the file, or no connected peer needs it, at most 10 minutes.
--no-seed leaves at once, --seed stays until it is interrupted, which then counts as success.

The path of the finished content is printed on stdout, the report of the transfer on stderr. With --server-rate, --peer-rate and
--peers-total the report also says how close to the theoretical minimum it came: max(F/us, F/dmin, N*F/(us+N*u)).

--on-complete runs a command with the shell once the content is verified; EDDY_PATH and EDDY_INFOHASH are in its environment, its
output goes to stderr. Its failure ends with code 1, but leaves what was fetched and the seeding as they are.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitNotFound, exitTimeout, exitNetwork, exitAuth, exitDisk, exitConflict, exitInterrupted, exitTerminated)
	explainCode(cmd, exitFailed, "the torrent is invalid or has another infohash, the files cannot be written, or --on-complete failed")
	return cmd
}

func (g *get) defineFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&g.dir, "dir", "d", ".", "`DIR` that the content goes into")
	f.StringVar(&g.selection, "select", "", "only these files: `LIST` of numbers as in show --files, ranges and globs, like 1,3-5,*.txt")
	f.BoolVar(&g.sequential, "sequential", false, "fetch in order of the content, to use it meanwhile")
	f.BoolVar(&g.stdout, "stdout", false, "write the verified bytes of the one file to stdout while fetching")
	f.BoolVar(&g.overwrite, "overwrite", false, "overwrite existing data that differs from the torrent")
	var names []string
	for _, p := range preallocs {
		names = append(names, p.String())
	}
	choiceVar(f, &g.prealloc, "prealloc", "disk space before the first write", names...)
	f.BoolVar(&g.noSeed, "no-seed", false, "leave when complete")
	f.BoolVar(&g.seed, "seed", false, "stay until interrupted")
	f.Float64Var(&g.seedRatio, "seed-ratio", 0, "stay until `R` times the file's size was given back; 0 leaves at once")
	f.Var(&g.seedTime, "seed-time", "stay this long; 0 leaves at once")
	cmd.MarkFlagsMutuallyExclusive("no-seed", "seed", "seed-ratio", "seed-time")
	f.Var(&g.peers, "peer", "also connect to `HOST:PORT`; may be repeated")
	f.Var(&g.trackers, "tracker", "also ask the tracker at `URL`; may be repeated")
	f.Var(&g.limitDown, "limit-down", "download at most this fast")
	f.Var(&g.limitUp, "limit-up", "upload at most this fast")
	g.definePolicy(f)
	f.Var(&g.stallTimeout, "stall-timeout", "give up, with code 5, after this long without progress (default never)")
	f.StringVar(&g.listen, "listen", "", "`IP:PORT` for peers; an explicit IP is also where connections come from (default any port)")
	g.ring.define(cmd)
	f.StringVar(&g.onComplete, "on-complete", "", "shell command `CMD` to run when complete")
	f.Var(&g.rates.server, "server-rate", "the sharing machine's upload, for the theoretical minimum")
	f.Var(&g.rates.peer, "peer-rate", "each receiver's upload, for the theoretical minimum")
	f.IntVar(&g.rates.peers, "peers-total", 0, "`N` receivers there are in all, for the theoretical minimum")
}

// check refuses what does not go together.
func (g *get) check(sources []string) error {
	switch {
	case g.stdout && g.inv.global.json:
		// Said on stderr alone: whoever reads stdout expects the file there.
		g.inv.events.on = false
		return usageError("--stdout and --json both want stdout; choose one")
	case g.stdout && isTerminal(g.inv.Out):
		return &Failure{What: "writing the content to a terminal", Cause: errors.New("refused"), Hint: "pipe it into a program or a file", Code: exitUsage}
	case g.stdout && len(sources) != 1:
		return usageError("--stdout takes one SRC")
	case g.selection != "" && len(sources) != 1:
		return usageError("--select takes one SRC: numbers mean something else in each torrent")
	case g.seedRatio < 0 || g.seedRatio != g.seedRatio:
		return usageError("--seed-ratio must not be negative")
	}
	if err := checkTrackers(g.trackers); err != nil {
		return err
	}
	if err := checkListen("--listen", g.listen); err != nil {
		return err
	}
	if err := g.rates.check(); err != nil {
		return err
	}
	return checkPeers(g.peers)
}

// run fetches all sources at once and stays as long as the policy says.
func (g *get) run(ctx context.Context, sources []string) error {
	if err := g.check(sources); err != nil {
		return err
	}
	if err := g.ring.connect(ctx, g.inv, explicitHost(g.listen)); err != nil {
		return err
	}
	defer g.ring.close()
	downloads, err := g.load(ctx, sources)
	if err != nil {
		return err
	}
	if err := g.inv.makeStateDir(); err != nil {
		return err
	}
	config := g.inv.clientConfig(&g.swarmFlags)
	config.DownloadLimit = int64(g.limitDown)
	client, err := g.inv.newClient(config)
	if err != nil {
		return err
	}
	failed, stop := runClient(client)
	defer stop()
	downloads, err = g.add(ctx, client, downloads, len(sources))
	if err != nil {
		return err
	}
	var torrents []*eddy.Torrent
	for _, d := range downloads {
		torrents = append(torrents, d.torrent)
	}
	endDisplay := g.inv.follow(
		func() view { return g.inv.lookAt(torrents) },
		func() { g.inv.emitProgress(torrents) })
	defer endDisplay()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(failed, func() { cancel(context.Cause(failed)) })()
	errs := make([]error, len(downloads))
	var wg sync.WaitGroup
	for i, d := range downloads {
		wg.Go(func() { errs[i] = d.run(ctx) })
	}
	wg.Wait()
	endDisplay()
	err = stop()
	return g.outcome(ctx, errs, err)
}

// outcome makes one result of those of the downloads: alone its own, among several "incomplete" when some failed.
func (g *get) outcome(ctx context.Context, errs []error, clientErr error) error {
	if clientErr != nil {
		return fail("serving peers", "", clientErr)
	}
	all := len(errs) + g.failed
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		if g.failed > 0 {
			return silentCode(exitIncomplete)
		}
		return nil
	}
	for _, err := range errs {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return err
		}
	}
	last := errs[len(errs)-1]
	if all == 1 {
		return last
	}
	for _, err := range errs {
		g.inv.complainOf(err)
	}
	return silentCode(exitIncomplete)
}

// excuse notes that one source of several failed, so that the others go on; it reports false where err ends the command.
func (g *get) excuse(ctx context.Context, err error, sources int) bool {
	var failure *Failure
	if sources == 1 || ctx.Err() != nil || !errors.As(err, &failure) || failure.Code == exitUsage {
		return false
	}
	g.failed++
	g.inv.complain(failure)
	return true
}

// find reads one torrent from where src says.
func (g *get) find(ctx context.Context, src string) (*torrentFile, error) {
	if schemeOf(src) == "ring" {
		return g.ring.find(ctx, src)
	}
	return g.inv.loadTorrent(ctx, src)
}

// load reads all torrents before anything is transferred.
func (g *get) load(ctx context.Context, sources []string) ([]*download, error) {
	var downloads []*download
	for _, src := range sources {
		torrent, err := g.find(ctx, src)
		if err != nil && g.excuse(ctx, err, len(sources)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d := &download{get: g, source: torrent, file: -1}
		if g.selection != "" {
			if d.wanted, err = selectFiles(&torrent.meta.Info, g.selection); err != nil {
				return nil, err
			}
		}
		if g.stdout {
			if d.file, err = onlyFile(torrent, d.wanted); err != nil {
				return nil, err
			}
		}
		downloads = append(downloads, d)
	}
	if len(downloads) == 0 {
		return nil, silentCode(exitIncomplete)
	}
	return downloads, nil
}

// onlyFile returns the index of the file that --stdout writes.
func onlyFile(t *torrentFile, wanted []int) (int, error) {
	if wanted == nil {
		for i := range t.meta.Files {
			if !t.meta.Files[i].Pad {
				wanted = append(wanted, i)
			}
		}
	}
	if len(wanted) != 1 {
		return 0, &Failure{
			What: "writing to stdout", Target: t.origin, Cause: fmt.Errorf("%d files are wanted, stdout takes one", len(wanted)),
			Hint: "choose it with --select; eddy show --files lists them", Code: exitUsage,
		}
	}
	return wanted[0], nil
}

// add gives the torrents to the client and says that peers can connect.
func (g *get) add(ctx context.Context, client *eddy.Client, downloads []*download, sources int) ([]*download, error) {
	var added []*download
	taken := make(map[string]bool) // two torrents that write to one place would spoil each other's files
	listen := client.Addr().String()
	for _, d := range downloads {
		t, err := client.Add(eddy.TorrentOptions{
			Meta: d.source.meta, Dir: g.dir, Wanted: d.wanted,
			Sequential: g.sequential || g.stdout, Overwrite: g.overwrite, Prealloc: g.preallocValue(),
			Peers: g.peers, Trackers: tiers(g.trackers), Sources: g.ring.sourcesOf(d.source),
		})
		if err != nil {
			err = fail("starting the download of", d.source.origin, err)
		} else if err = g.place(t.Path(), taken); err != nil {
			err = errors.Join(t.Close(), err)
		}
		if err != nil {
			if g.excuse(ctx, err, sources) {
				continue
			}
			return nil, err
		}
		d.torrent = t
		added = append(added, d)
		hash := t.ID().String()
		g.inv.events.emit(readyEvent{Type: "ready", Infohash: &hash, Listen: &listen})
	}
	if len(added) == 0 {
		return nil, silentCode(exitIncomplete)
	}
	return added, nil
}

// place takes a path for one torrent, or says why it cannot be written there.
func (g *get) place(path string, taken map[string]bool) error {
	if taken[path] {
		return &Failure{What: "getting", Target: path, Cause: errors.New("another of these torrents has the same name"),
			Hint: "get them into different directories", Code: exitConflict}
	}
	taken[path] = true
	if err := canCreate(path); err != nil {
		return fail("getting", path, err)
	}
	return nil
}

func (g *get) preallocValue() storage.Prealloc {
	i := slices.IndexFunc(preallocs, func(p storage.Prealloc) bool { return p.String() == g.prealloc })
	return preallocs[i]
}

// stayPolicy is what the flags ask for after completion.
func (g *get) stayPolicy() eddy.StayPolicy {
	return eddy.StayPolicy{Forever: g.seed, Ratio: g.seedRatio, Time: time.Duration(g.seedTime)}
}

// stayText tells the user what happens after completion.
func (g *get) stayText() string {
	until := "until it gave back as much as the file or no connected peer needs it, at most 10 minutes"
	switch {
	case g.seed:
		until = "until interrupted"
	case g.seedRatio > 0:
		until = fmt.Sprintf("until it gave back %g times the file", g.seedRatio)
	case g.seedTime > 0:
		until = "for " + units.FormatDuration(time.Duration(g.seedTime))
	}
	return "staying for others " + until + " (Ctrl-C leaves)"
}

// download is one torrent of a get.
type download struct {
	*get
	source  *torrentFile
	wanted  []int // nil = all
	file    int   // that goes to stdout; -1 = none
	torrent *eddy.Torrent
}

// run waits for the content, reports, and stays. An interruption after completion is no error.
func (d *download) run(ctx context.Context) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	streamed := make(chan error, 1)
	go func() { streamed <- d.stream(waiting, cancel) }()
	if d.stallTimeout > 0 {
		go watchStall(waiting, d.torrent, time.Duration(d.stallTimeout), cancel)
	}
	go d.tellPauses(waiting)
	err := d.torrent.Wait(waiting)
	var unsaid error // the result could not be printed; the content is there all the same
	if err == nil {
		unsaid = d.report()
		err = <-streamed
	}
	if err != nil {
		if cause := context.Cause(waiting); cause != nil && ctx.Err() == nil {
			err = cause // a stall, or a reader of stdout that went away
		}
		if s := d.torrent.Stats(); errors.Is(err, context.Canceled) && s.State != eddy.Failed {
			d.inv.say(fmt.Sprintf("%s is left at %.1f %%; the same command goes on from there", filepath.Base(d.torrent.Path()), percent(s.Have, s.Wanted)))
		}
		return failedTorrent("getting", d.torrent, err)
	}
	result := cmp.Or(d.runHook(ctx), unsaid)
	if d.noSeed {
		return result
	}
	d.inv.say(d.stayText())
	if err := d.torrent.Stay(ctx, d.stayPolicy()); err != nil && ctx.Err() == nil {
		return failedTorrent("seeding", d.torrent, err)
	}
	return result
}

// stream writes the wanted file to stdout as it is verified; it returns at once where that was not asked for.
func (d *download) stream(ctx context.Context, abort context.CancelCauseFunc) error {
	if d.file < 0 {
		return nil
	}
	r, err := d.torrent.FileReader(ctx, d.file)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(d.inv.Out, r); err != nil {
		if ctx.Err() == nil {
			err = failOutput("writing to", err)
			abort(err)
		}
		return err
	}
	return nil
}

// watchStall ends a download that makes no progress for limit.
func watchStall(ctx context.Context, t *eddy.Torrent, limit time.Duration, end context.CancelCauseFunc) {
	tick := time.NewTicker(min(limit, lookEvery))
	defer tick.Stop()
	var last eddy.Stats
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.Done():
			return
		case now := <-tick.C:
			s := t.Stats()
			if s.Have != last.Have || s.Checked != last.Checked || s.State != last.State || s.Downloaded-s.Wasted > last.Downloaded-last.Wasted {
				last, since = s, now
			}
			if now.Sub(since) >= limit {
				end(stalled(t, &s, limit))
				return
			}
		}
	}
}

// stalled says why there was no progress, as far as it is known.
func stalled(t *eddy.Torrent, s *eddy.Stats, limit time.Duration) *Failure {
	f := &Failure{
		What: "getting", Target: t.Path(), Code: exitTimeout, Hint: "run the same command again: it resumes",
		Cause: fmt.Errorf("no progress for %s at %.1f %%, %s", units.FormatDuration(limit), percent(s.Have, s.Wanted), units.Plural(s.Peers, "peer")),
	}
	if s.TrackerProblem != "" {
		f.Cause = fmt.Errorf("%w; tracker: %s", f.Cause, s.TrackerProblem)
	}
	if s.State == eddy.Paused {
		f.Cause, f.Code = fmt.Errorf("%w; %s", f.Cause, s.Problem), exitDisk
	}
	return f
}

// report tells how the transfer went: the event, the path as the result, and the sentences for people.
func (d *download) report() error {
	s := d.torrent.Stats()
	path := d.torrent.Path()
	r := newReport(&s, &d.rates, int64(d.limitDown))
	d.inv.events.emit(r.event(path, d.torrent.ID().String()))
	for _, line := range r.lines(filepath.Base(path)) {
		d.inv.say(line)
	}
	if !d.inv.events.on && !d.stdout {
		if _, err := fmt.Fprintln(d.inv.Out, path); err != nil {
			return failOutput("writing the result to", err)
		}
	}
	return nil
}
