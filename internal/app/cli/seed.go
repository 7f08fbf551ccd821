package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// seed is the state of `eddy seed`.
type seed struct {
	inv *invocation
	swarmFlags
	many string
	data string
}

func newSeed(inv *invocation) *cobra.Command {
	s := &seed{inv: inv}
	cmd := &cobra.Command{
		Use:   "seed TORRENT PATH | seed --many TDIR -d DATADIR",
		Short: "serve content that is complete",
		Example: `  eddy seed big.iso.torrent /srv/images/big.iso
  eddy seed big.iso.torrent /srv/images --limit-up 100Mbit
  eddy seed --many /srv/torrents -d /srv/images`,
		Args: func(cmd *cobra.Command, args []string) error {
			if s.many != "" {
				return wantArgs("")(cmd, args)
			}
			return wantArgs("TORRENT PATH")(cmd, args)
		},
		Annotations: map[string]string{longRunning: "yes"},
		RunE:        func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&s.many, "many", "", "serve every .torrent of `TDIR`")
	f.StringVarP(&s.data, "dir", "d", "", "with --many: `DATADIR` that holds the contents under their names")
	f.StringVar(&s.listen, "listen", "", "`IP:PORT` for peers; an explicit IP is also where connections come from (default any port)")
	f.Var(&s.limitUp, "limit-up", "upload at most this fast, all torrents together")
	s.definePolicy(f)
	f.Var(&s.trackers, "tracker", "also announce to the tracker at `URL`; may be repeated")
	f.Var(&s.peers, "peer", "also connect to `HOST:PORT`; may be repeated")
	cmd.MarkFlagsRequiredTogether("many", "dir")
	setHelp(cmd, `
Serve content that is complete, until interrupted. PATH is the content, or the directory that holds it under its name. It is verified
first, unless the state directory knows it as verified and unchanged; nothing is ever written to it. Content that is not complete
is not served: code 3, of several with --many after the others were served.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitNotFound, exitTimeout, exitNetwork, exitDisk, exitConflict)
	return cmd
}

// place is a torrent and where its content is.
type place struct{ torrent, path string }

// places lists what is to be served.
func (s *seed) places(args []string) ([]place, error) {
	if s.many == "" {
		return []place{{args[0], args[1]}}, nil
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(s.many), "*.torrent"))
	if err != nil || len(files) == 0 {
		return nil, &Failure{What: "looking for torrents in", Target: s.many, Cause: errors.New("there is no .torrent file"), Code: exitNotFound}
	}
	slices.Sort(files)
	var places []place
	for _, f := range files {
		places = append(places, place{f, s.data})
	}
	return places, nil
}

// escapeGlob keeps the special characters of a directory's name from being a pattern.
func escapeGlob(dir string) string {
	var out []rune
	for _, r := range dir {
		if slices.Contains([]rune(`*?[`), r) && filepath.Separator == '/' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

func (s *seed) run(ctx context.Context, args []string) error {
	if err := errors.Join(checkPeers(s.peers), checkTrackers(s.trackers), checkListen("--listen", s.listen)); err != nil {
		return err
	}
	places, err := s.places(args)
	if err != nil {
		return err
	}
	if err := s.inv.makeStateDir(); err != nil {
		return err
	}
	client, err := s.inv.newClient(s.inv.clientConfig(&s.swarmFlags))
	if err != nil {
		return err
	}
	failed, stop := runClient(client)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(failed, func() { cancel(context.Cause(failed)) })()

	serving := &serving{inv: s.inv, ready: func(t *eddy.Torrent) { s.tell(t, client, len(places) == 1) }}
	for _, p := range places {
		t, err := s.add(ctx, client, p)
		if err != nil && (len(places) == 1 || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			serving.partial = true
			s.inv.complainOf(err)
			continue
		}
		serving.torrents = append(serving.torrents, t)
	}
	if len(serving.torrents) == 0 {
		return silentCode(exitIncomplete)
	}
	start := time.Now()
	endDisplay := s.inv.follow(
		func() view { return s.inv.lookAt(serving.torrents) },
		func() { s.inv.emitProgress(serving.torrents) })
	defer endDisplay()
	err = serving.run(ctx)
	endDisplay()
	if v := s.inv.lookAt(serving.torrents); err == nil {
		s.inv.say(v.line() + " in " + units.FormatDuration(time.Since(start)))
	}
	if stopErr := stop(); stopErr != nil && err == nil {
		err = fail("serving peers", "", stopErr)
	}
	return err
}

// tell says that peers can have the torrent now: before, while it is being verified, they are turned away.
func (s *seed) tell(t *eddy.Torrent, client *eddy.Client, alone bool) {
	hash, listen := t.ID().String(), client.Addr().String()
	s.inv.events.emit(readyEvent{Type: "ready", Infohash: &hash, Listen: &listen})
	if alone {
		s.inv.say("serving " + t.Info().Name + " to peers on " + listen + " (Ctrl-C ends)")
	}
}

// add gives one torrent to the client.
func (s *seed) add(ctx context.Context, client *eddy.Client, p place) (*eddy.Torrent, error) {
	file, err := s.inv.loadTorrent(ctx, p.torrent)
	if err != nil {
		return nil, err
	}
	t, err := client.Add(eddy.TorrentOptions{
		Meta: file.meta, Path: p.path, Seed: true, Peers: s.peers, Trackers: tiers(s.trackers),
	})
	if err != nil {
		return nil, fail("seeding", p.path, err)
	}
	return t, nil
}
