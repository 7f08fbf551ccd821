package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/drive/tracker"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// The embedded tracker's intervals: short, because a sharing is short and news of new peers is what speeds it up; they grow
// with the swarm between these.
const (
	shareIntervalLow  = 30 * time.Second
	shareIntervalHigh = 60 * time.Second
)

// share is the state of `eddy share`.
type share struct {
	inv *invocation
	swarmFlags
	createFlags
	host        string
	http        string
	name        string
	untilCopies int
	ring        rendezvous
	publish     string // name in the ring

	// made by run
	site    *site
	tracker *tracker.Server
	client  *eddy.Client
	partial bool // some paths could not be shared
}

func newShare(inv *invocation) *cobra.Command {
	s := &share{inv: inv}
	cmd := &cobra.Command{
		Use:   "share PATH...",
		Short: "share a file or directory; prints the line that receivers run",
		Example: `  eddy share big.iso
  eddy share /srv/release --until-copies 40 --limit-up 500Mbit
  eddy share big.iso --host build.example.org --http :8080 --listen :6881
  eddy share big.iso --ring 10.0.0.5:7000 --publish big`,
		Args:        wantArgs("PATH..."),
		Annotations: map[string]string{longRunning: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("publish") && s.publish == "" {
				return usageError("--publish is empty: give it a name, or leave it out")
			}
			return s.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.host, "host", "", "`HOST`: name or address of this machine that receivers use (default: that of the default route)")
	f.StringVar(&s.listen, "listen", "", "`IP:PORT` for peers; an explicit IP is also where connections come from (default any port)")
	f.StringVar(&s.http, "http", "", "`IP:PORT` for the tracker, TCP and UDP, and the .torrent (default any port)")
	f.Var(&s.trackers, "tracker", "also use the tracker at `URL`; may be repeated")
	f.Var(&s.limitUp, "limit-up", "upload at most this fast")
	s.definePolicy(f)
	f.IntVar(&s.untilCopies, "until-copies", 0, "end once `N` distinct peers are complete")
	f.StringVar(&s.name, "name", "", "`NAME` that receivers see (default: the path's last element)")
	s.ring.define(cmd)
	f.StringVar(&s.publish, "publish", "", "with --ring: put the torrent into the ring under `NAME`, and use no tracker")
	s.createFlags.define(f)
	setHelp(cmd, `
Share files or directories with any number of machines: hash them, start a tracker here, serve the .torrent and the content. For each
PATH one line is printed on stdout; run it on the other machines. Any BitTorrent client can open the URL in it too.

It shares until it is interrupted, or until --until-copies peers are complete; at the end it says how long that took, from the moment
when the first receiver came until the last one that became complete. Unchanged files are not hashed again. A source
that changes is no longer served, and ends it with code 1. With --ring the peers find each other through a ring too, and with --publish
through it alone: no tracker is started, and receivers run eddy get --ring ADDR ring:NAME. Of a directory, links to files inside are followed, others refused, and
unreadable files are listed. Where some files or paths cannot be shared, the others are; the exit code then is 3.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitNotFound, exitNetwork, exitAuth, exitDisk, exitConflict)
	explainCode(cmd, exitFailed, "the content cannot be read, or changed while it was shared; or the line could not be printed")
	explainCode(cmd, exitIncomplete, "some files or paths could not be shared; the others were")
	return cmd
}

func (s *share) check(paths []string) error {
	if err := s.createFlags.check(); err != nil {
		return err
	}
	switch {
	case s.untilCopies < 0:
		return usageError("--until-copies must not be negative")
	case s.name != "" && len(paths) > 1:
		return usageError("--name takes one PATH")
	case s.publish != "" && len(paths) > 1:
		return usageError("--publish takes one PATH: a name stands for one torrent")
	case s.publish != "" && eddy.CheckTorrentName(s.publish) != nil:
		return usageError("--publish: %v", eddy.CheckTorrentName(s.publish))
	case s.publish != "" && s.ring.node == "":
		return usageError("--publish needs --ring ADDR, a node of the ring that is to hold the name")
	}
	if err := checkListen("--http", s.http); err != nil {
		return err
	}
	return checkTrackers(s.trackers)
}

// run binds both ports first, since the torrents name them; then hashes; then serves.
func (s *share) run(ctx context.Context, paths []string) error {
	if err := s.check(paths); err != nil {
		return err
	}
	if err := s.bind(ctx); err != nil {
		return err
	}
	defer s.ring.close()
	sources, err := s.hash(ctx, paths)
	if err != nil {
		s.closeTracker()
		return s.interrupted(ctx, err)
	}
	failed, stop := runClient(s.client)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(failed, func() { cancel(context.Cause(failed)) })()
	// The tracker outlives the client's leave: peers and our own client say goodbye to it.
	defer s.runTracker(ctx, cancel)()

	serving, err := s.addAll(ctx, sources, len(paths))
	if err != nil {
		return err
	}
	err = s.serve(ctx, serving)
	if stopErr := stop(); stopErr != nil && err == nil {
		err = fail("serving peers", "", stopErr)
	}
	return err
}

// runTracker runs the embedded tracker, however ctx ends, until the returned function is called, which waits for its end. Its
// failure is told to failed.
func (s *share) runTracker(ctx context.Context, failed context.CancelCauseFunc) (stop func()) {
	if s.tracker == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.tracker.Run(ctx); err != nil {
			failed(err)
		}
	}()
	return func() { cancel(); <-done }
}

// addAll serves the sources of so many paths. One that cannot be served ends the command only where it was the only path.
func (s *share) addAll(ctx context.Context, sources []*eddy.Source, paths int) (*serving, error) {
	serving := &serving{inv: s.inv, untilCopies: s.untilCopies, partial: s.partial, lost: s.site.remove}
	for _, source := range sources {
		t, err := s.add(ctx, source)
		if err != nil && paths == 1 {
			return nil, err
		}
		if err != nil {
			serving.partial = true
			s.inv.complainOf(err)
			continue
		}
		serving.torrents = append(serving.torrents, t)
		serving.partial = serving.partial || len(source.Unreadable) > 0
	}
	if len(serving.torrents) == 0 {
		return nil, silentCode(exitIncomplete)
	}
	return serving, nil
}

// serve shows how the serving goes until it ends, and then says what it came to.
func (s *share) serve(ctx context.Context, serving *serving) error {
	deliveries := make([]delivery, len(serving.torrents))
	serving.look = func() {
		for i, t := range serving.torrents {
			st := s.inv.stats(t)
			came, done := s.inv.completed.times(t.ID().Wire())
			deliveries[i].look(time.Now(), &st, came, done)
		}
	}
	endDisplay := s.inv.follow(
		func() view { return s.inv.lookAt(serving.torrents) },
		func() { s.inv.emitProgress(serving.torrents) })
	defer endDisplay()
	err := serving.run(ctx)
	endDisplay()
	s.inv.emitProgress(serving.torrents) // the last figures, which may be less than a second old news
	serving.look()
	s.summarize(serving.torrents, deliveries)
	return err
}

// closeTracker gives back the tracker's sockets where it never ran.
func (s *share) closeTracker() {
	if s.tracker != nil {
		s.tracker.Close()
	}
}

// interrupted turns the end of the hashing by a signal into the good end that it is for a server.
func (s *share) interrupted(ctx context.Context, err error) error {
	var signal *signalError
	if errors.As(err, &signal) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// bind opens the sockets of peers and tracker.
func (s *share) bind(ctx context.Context) error {
	client, err := s.inv.newClient(s.inv.clientConfig(&s.swarmFlags))
	if err != nil {
		return err
	}
	s.client = client
	s.site = newSite()
	if err := s.ring.connect(ctx, s.inv, cmp.Or(s.host, explicitHost(s.listen))); err != nil || s.publish != "" {
		return err
	}
	hosts, err := s.advertise(ctx)
	if err != nil {
		return err
	}
	config := tracker.ServerConfig{
		HTTP: s.http, IntervalLow: shareIntervalLow, IntervalHigh: shareIntervalHigh,
		Allow: s.site.tracks, Announced: s.inv.completed.hear, Fallback: s.site, Host: hosts, Logger: s.inv.log,
		Static: s.seeders(hosts, client.Addr()),
	}
	if config.HTTP == "" {
		config.HTTP = ":0"
	}
	config.UDP = config.HTTP
	if s.tracker, err = tracker.NewServer(config); err != nil {
		return fail("starting the tracker on", config.HTTP, err)
	}
	if err := s.tracker.Listen(); err != nil {
		return fail("starting the tracker on", config.HTTP, err)
	}
	s.site.base = joinHostPort(s.host, s.tracker.HTTPAddr().Port())
	return nil
}

// advertise settles the host that others are told, and its addresses: --host, else the address that --http or --listen
// names, else the one that this machine most likely has for others.
func (s *share) advertise(ctx context.Context) ([]netip.Addr, error) {
	if s.host == "" {
		s.host = explicitHost(s.http)
	}
	if s.host == "" {
		s.host = explicitHost(s.listen)
	}
	if s.host == "" {
		s.host = eddy.AdvertisedHost()
	}
	hosts, err := resolve(ctx, s.host)
	if err != nil {
		return nil, &Failure{What: "resolving --host", Target: s.host, Cause: err,
			Hint: "give a name or address by which the other machines reach this one", Code: exitNetwork}
	}
	return hosts, nil
}

// seeders is where the tracker says that the content is: under the host's addresses, or where --listen says.
func (s *share) seeders(hosts []netip.Addr, listen netip.AddrPort) []netip.AddrPort {
	if !listen.Addr().IsUnspecified() {
		hosts = []netip.Addr{listen.Addr().Unmap()}
	}
	var out []netip.AddrPort
	for _, h := range hosts {
		out = append(out, netip.AddrPortFrom(h, listen.Port()))
	}
	return out
}

// hash makes the sources of all paths.
func (s *share) hash(ctx context.Context, paths []string) ([]*eddy.Source, error) {
	urls := slices.Clone(s.trackers)
	if s.tracker != nil {
		announce := "://" + joinHostPort(s.host, s.tracker.HTTPAddr().Port()) + "/announce"
		// HTTP and UDP are tiers of their own: a client asks the second when the first does not answer (BEP 12).
		urls = append([]string{"http" + announce, "udp" + announce}, urls...)
	}
	var sources []*eddy.Source
	for _, path := range paths {
		source, err := s.inv.hashContent(ctx, "sharing", path, eddy.CreateOptions{
			Name: s.name, PieceLength: int64(s.pieceSize), Trackers: tiers(urls), Exclude: s.exclude, Include: s.include, Workers: s.workers,
		})
		if err != nil && (len(paths) == 1 || ctx.Err() != nil) {
			return nil, err
		}
		if err != nil {
			s.partial = true
			s.inv.complainOf(err)
			continue
		}
		s.inv.reportUnreadable(source)
		sources = append(sources, source)
	}
	if len(sources) == 0 {
		return nil, silentCode(exitIncomplete)
	}
	return sources, nil
}

// add serves one source and prints the line for the receivers.
func (s *share) add(ctx context.Context, source *eddy.Source) (*eddy.Torrent, error) {
	// Our own tracker lists us without being asked: only the others are told.
	elsewhere := *source.Meta
	elsewhere.Announce, elsewhere.AnnounceList = "", tiers(s.trackers)
	t, err := s.client.Add(eddy.TorrentOptions{Source: source, Meta: &elsewhere, Seed: true, Sources: s.ring.sources()})
	if err != nil {
		return nil, fail("sharing", source.Path, err)
	}
	hash := t.ID().String()
	listen := s.client.Addr().String()
	event := readyEvent{Type: "ready", Infohash: &hash, Listen: &listen}
	var url, command string
	if s.publish != "" {
		if err := s.ring.publish(ctx, s.publish, source.Meta); err != nil {
			return nil, err
		}
		url = ringScheme + s.publish + "#btih=" + hash
		command = "eddy get --ring " + shellWord(s.ring.node) + " " + shellWord(url)
	} else {
		url = s.site.add(source.Meta)
		command = "eddy get " + shellWord(url+"#btih="+hash)
		event.HTTP = known(s.tracker.HTTPAddr().String())
	}
	event.URL, event.Command = &url, &command
	s.inv.events.emit(event)
	if s.inv.events.on {
		return t, nil
	}
	if _, err := io.WriteString(s.inv.Out, command+"\n"); err != nil {
		return nil, failOutput("writing the result to", err)
	}
	return t, nil
}

// summarize says at the end what was delivered and how fast, against what one server alone would have needed where its rate is known.
func (s *share) summarize(torrents []*eddy.Torrent, deliveries []delivery) {
	for i, t := range torrents {
		st := s.inv.stats(t)
		line := t.Info().Name + ": " + copiesDelivered(st.Copies)
		if took, ok := deliveries[i].took(time.Now()); ok {
			line += " in " + units.FormatDuration(took)
		}
		line += ", " + units.FormatSize(st.Uploaded) + " sent"
		if s.limitUp > 0 && st.Copies > 0 {
			alone := theory.ClientServer(float64(st.Size), float64(s.limitUp), theory.Class{Peers: st.Copies})
			line += fmt.Sprintf("; sending them all from here would take %s", units.FormatDuration(seconds(alone.Seconds)))
		}
		s.inv.say(line)
	}
}
