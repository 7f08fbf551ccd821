package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/drive/tracker"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// trackerCommand is the state of `eddy tracker`.
type trackerCommand struct {
	inv         *invocation
	http, udp   string
	store       string
	allow, deny string
	interval    duration
	metrics     string
}

func newTracker(inv *invocation) *cobra.Command {
	t := &trackerCommand{inv: inv}
	cmd := &cobra.Command{
		Use:   "tracker",
		Short: "run a tracker for any number of torrents",
		Example: `  eddy tracker --http :6969 --udp :6969
  eddy tracker --http :6969 --allow hashes.txt --metrics 127.0.0.1:9100
  eddy tracker --http :6969 --store redis:localhost:6379`,
		Args:        wantArgs(""),
		Annotations: map[string]string{longRunning: "yes"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.http, "http", "", "`IP:PORT` for announces over HTTP; IPv4 and IPv6 without an IP (default :6969 if no --udp is given)")
	f.StringVar(&t.udp, "udp", "", "`IP:PORT` for announces over UDP (default as --http; port 0 is --http's port)")
	f.StringVar(&t.store, "store", "memory", "where the peers are kept: memory, or `redis:URL` for several trackers behind one name")
	f.StringVar(&t.allow, "allow", "", "serve only the torrents in `FILE`, a hex infohash a line")
	f.StringVar(&t.deny, "deny", "", "do not serve the torrents in `FILE`, a hex infohash a line")
	f.Var(&t.interval, "interval", "how often peers announce (default 30m); small swarms are told a little less")
	f.StringVar(&t.metrics, "metrics", "", "`IP:PORT` for Prometheus metrics at /metrics")
	setHelp(cmd, `
Run a tracker until interrupted: announces and scrapes over HTTP (/announce, /scrape, figures at /stats) and UDP. The announce URLs are
printed on stdout.

With --store redis:HOST:PORT, or redis: and a URL (redis://USER:PASSWORD@HOST:PORT/DB, rediss:// with TLS, unix:///SOCKET), trackers
that share a Redis or Valkey serve the same swarms. While it does not answer, announces are refused for a minute. A password on the
command line can be read by others on the machine; EDDY_TRACKER_STORE and the configuration file take it too.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitConflict)
	return cmd
}

// config makes the server's of the flags.
func (t *trackerCommand) config() (tracker.ServerConfig, error) {
	config := tracker.ServerConfig{HTTP: t.http, UDP: t.udp, MetricsAddr: t.metrics, Logger: t.inv.log}
	if config.HTTP == "" && config.UDP == "" {
		config.HTTP = ":6969"
	}
	if config.UDP == "" {
		config.UDP = config.HTTP
	}
	var err error
	if config.Redis, err = storeURL(t.store); err != nil {
		return config, err
	}
	for flag, address := range map[string]string{"--http": t.http, "--udp": t.udp, "--metrics": t.metrics} {
		if err := checkListen(flag, address); err != nil {
			return config, err
		}
	}
	if d := time.Duration(t.interval); d > 0 {
		// A tenth around it, so that peers which came together do not return together.
		config.IntervalLow, config.IntervalHigh = d-d/10, d+d/10
	}
	for _, file := range []struct {
		path string
		has  *func([20]byte) bool
	}{{t.allow, &config.Allow}, {t.deny, &config.Deny}} {
		if file.path == "" {
			continue
		}
		set, err := readHashes(file.path)
		if err != nil {
			return config, fail("reading the list of infohashes", file.path, err)
		}
		*file.has = set.Has
	}
	return config, nil
}

// storeURL returns the Redis URL of a --store, "" for memory. Errors do not quote it, since a password may be in it.
func storeURL(store string) (string, error) {
	if store == "memory" {
		return "", nil
	}
	url, ok := strings.CutPrefix(store, "redis:")
	if strings.HasPrefix(url, "//") || strings.HasPrefix(store, "rediss://") {
		url, ok = store, true // a URL of Redis as it is
	}
	if !ok {
		return "", usageError("--store: want memory or redis:URL")
	}
	if err := tracker.CheckRedis(url); err != nil {
		return "", usageError("--store: %v", err)
	}
	return url, nil
}

func readHashes(path string) (tracker.HashSet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return tracker.ReadHashes(f)
}

func (t *trackerCommand) run(ctx context.Context) error {
	config, err := t.config()
	if err != nil {
		return err
	}
	where := strings.TrimSpace(config.HTTP + " " + config.UDP)
	server, err := tracker.NewServer(config)
	if err != nil {
		return fail("starting the tracker on", where, err)
	}
	if err := server.Listen(); err != nil {
		return fail("starting the tracker on", where, err)
	}
	if err := t.ready(server); err != nil {
		server.Close()
		return err
	}
	look := func() view {
		s := server.Stats()
		return view{label: "tracker", parts: []string{units.Plural(int(s.Swarms), "torrent"), units.Plural(int(s.Peers), "peer"),
			fmt.Sprintf("%d announces", s.HTTPAnnounces+s.UDPAnnounces)}}
	}
	stop := t.inv.follow(look, func() {
		t.inv.events.emit(struct {
			Type string `json:"type"`
			tracker.Stats
		}{"progress", server.Stats()})
	})
	defer stop()
	if err := server.Run(ctx); err != nil {
		return fail("serving", where, err)
	}
	return nil
}

// ready prints where the tracker can be reached.
func (t *trackerCommand) ready(server *tracker.Server) error {
	event := readyEvent{Type: "ready"}
	var urls []string
	if a := server.HTTPAddr(); a.IsValid() {
		host := eddy.AdvertisedHost()
		if !a.Addr().IsUnspecified() {
			host = a.Addr().String()
		}
		event.HTTP = known(a.String())
		urls = append(urls, "http://"+joinHostPort(host, a.Port())+"/announce")
	}
	if a := server.UDPAddr(); a.IsValid() {
		host := eddy.AdvertisedHost()
		if !a.Addr().IsUnspecified() {
			host = a.Addr().String()
		}
		event.Listen = known(a.String())
		urls = append(urls, "udp://"+joinHostPort(host, a.Port())+"/announce")
	}
	event.URL = &urls[0]
	if a := server.MetricsAddr(); a.IsValid() {
		event.Metrics = known(a.String())
		t.inv.say("metrics are at http://" + a.String() + "/metrics")
	}
	t.inv.events.emit(event)
	if t.inv.events.on {
		return nil
	}
	if _, err := fmt.Fprintln(t.inv.Out, strings.Join(urls, "\n")); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}
