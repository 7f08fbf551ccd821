package tracker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// ErrScheme is wrapped when a tracker's URL is not one of http, https and udp.
var ErrScheme = errors.New("no tracker protocol that eddy knows")

// ClientConfig says how to reach trackers. The zero value is ready.
type ClientConfig struct {
	// Source is the local address of all announces, as set by an explicit IP in --listen; only its family is then used.
	// Zero or unspecified: the system chooses, and a tracker with addresses of both families is announced to over both.
	Source netip.Addr

	// Min is the scope of who named the trackers: netx.Forbidden, the zero value, for the user, whose trackers may be
	// private; netx.Public for strangers, whose trackers may not.
	Min netx.Scope

	// Proxy is as in http.Transport; nil means http.ProxyFromEnvironment. UDP does not go through it.
	Proxy func(*http.Request) (*url.URL, error)

	UserAgent string // default "eddy"

	HTTPTimeout time.Duration // for a whole HTTP exchange, redirects included; default 30 s
	UDPTimeout  time.Duration // until the first retransmission, doubled each time; default 15 s (BEP 15)
}

// Client talks to trackers. It is safe for concurrent use. UDP connection ids are kept for a minute (BEP 15), so use one
// Client for all torrents of a process.
type Client struct {
	cfg ClientConfig
	udp udpTargets
}

// NewClient returns a client.
func NewClient(cfg ClientConfig) *Client {
	if cfg.Proxy == nil {
		cfg.Proxy = http.ProxyFromEnvironment
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "eddy"
	}
	if cfg.HTTPTimeout <= 0 {
		cfg.HTTPTimeout = 30 * time.Second
	}
	if cfg.UDPTimeout <= 0 {
		cfg.UDPTimeout = 15 * time.Second
	}
	if cfg.Source = cfg.Source.Unmap(); cfg.Source.IsUnspecified() {
		cfg.Source = netip.Addr{}
	}
	c := &Client{cfg: cfg}
	c.udp.init(cfg.Source)
	return c
}

// Close gives up sockets kept for later announces; exchanges under way fail.
func (c *Client) Close() error { return c.udp.close() }

// Announce sends one announce to the tracker at rawURL and returns its answer. Where tracker and machine have IPv4 and
// IPv6, it announces over both, so that peers of both find us, and returns both answers as one. A refusal is a
// *announce.RefusedError beside a Response with RetryIn.
func (c *Client) Announce(ctx context.Context, rawURL string, req *announce.Request) (announce.Response, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return announce.Response{}, err
	}
	var over []exchange
	if u.Scheme == "udp" {
		over, err = c.udpExchanges(ctx, u, req)
	} else {
		over, err = c.httpExchanges(ctx, u, req)
	}
	if err != nil {
		return announce.Response{}, fmt.Errorf("announce to %s: %w", display(u), err)
	}
	r, err := overAll(ctx, over)
	if err == nil && r.Failure != "" {
		err = &announce.RefusedError{Reason: r.Failure}
	}
	if err != nil {
		err = fmt.Errorf("announce to %s: %w", display(u), err)
	}
	return r, err
}

// within drops the peers that are less public than the tracker that named them: nothing public makes us contact a private
// network, and nothing private this machine (trust: promise 9).
func within(peers []announce.Peer, tracker netx.Scope) []announce.Peer {
	return slices.DeleteFunc(peers, func(p announce.Peer) bool { return netx.CheckScope(p.Addr.Addr(), tracker) != nil })
}

// Scrape asks the tracker with the announce URL rawURL for the counts of up to announce.MaxScrape torrents; the rows are in
// the order of hashes, with -1 for what it did not say.
func (c *Client) Scrape(ctx context.Context, rawURL string, hashes [][20]byte) ([]announce.Counts, error) {
	if len(hashes) == 0 || len(hashes) > announce.MaxScrape {
		return nil, fmt.Errorf("scrape %d torrents: 1 to %d at once", len(hashes), announce.MaxScrape)
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	var rows []announce.Counts
	if u.Scheme == "udp" {
		rows, err = c.udpScrape(ctx, u, hashes)
	} else {
		rows, err = c.httpScrape(ctx, rawURL, hashes)
	}
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", display(u), err)
	}
	return rows, nil
}

func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		var opErr *url.Error
		if errors.As(err, &opErr) {
			err = opErr.Err // the rest is the URL, and maybe a passkey
		}
		return nil, fmt.Errorf("tracker URL: %w", err)
	}
	if u.Host == "" || !slices.Contains([]string{"http", "https", "udp"}, u.Scheme) {
		return nil, fmt.Errorf("tracker URL %s: %w", display(u), ErrScheme)
	}
	return u, nil
}

// display names a tracker in errors, which end in logs and bug reports: without path and query, which may hold a passkey.
func display(u *url.URL) string { return u.Scheme + "://" + u.Host }

// exchange is one announce over one family.
type exchange func(context.Context) (announce.Response, error)

// familyGrace is how long the answer over one family waits for the other's: long enough for a slow path, and short enough
// that a dead one does not keep peers waiting.
const familyGrace = 2 * time.Second

// result is how one exchange ended.
type result struct {
	response announce.Response
	err      error
}

// overAll runs the exchanges side by side and merges their answers. It fails only if all do, with the first error.
func overAll(ctx context.Context, over []exchange) (announce.Response, error) {
	if len(over) == 1 {
		return over[0](ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(over)) // with room for all: an exchange that nobody waits for any more can end
	for _, f := range over {
		go func() { results <- f.run(ctx) }()
	}
	var all answers
	grace := time.NewTimer(time.Hour)
	defer grace.Stop()
	for range over {
		select {
		case r := <-results:
			if all.add(&r) {
				grace.Reset(familyGrace)
			}
		case <-grace.C:
			return all.outcome()
		}
	}
	return all.outcome()
}

// run makes the exchange; a panic becomes its error.
func (f exchange) run(ctx context.Context) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	r.response, r.err = f(ctx)
	return r
}

// answers is what the exchanges with one tracker came to so far.
type answers struct {
	merged  announce.Response // of those that were served
	served  int
	refused announce.Response // the last refusal
	err     error             // the first error
}

// add takes the next result and reports whether it is the first answer, from which on the others have to hurry.
func (a *answers) add(r *result) (first bool) {
	switch {
	case r.err != nil:
		if a.err == nil {
			a.err = r.err
		}
		return false
	case r.response.Failure != "":
		a.refused = r.response
		return false
	}
	a.served++
	if a.served == 1 {
		a.merged = r.response
		return true
	}
	merge(&a.merged, &r.response)
	return false
}

// outcome is one answer for all: what was served counts more than a refusal, and a refusal more than an error.
func (a *answers) outcome() (announce.Response, error) {
	switch {
	case a.served > 0:
		return a.merged, nil
	case a.refused.Failure != "":
		return a.refused, nil
	}
	return announce.Response{}, a.err
}

// merge adds another family's answer of the same tracker.
func merge(r, other *announce.Response) {
	r.Interval = max(r.Interval, other.Interval)
	r.MinInterval = max(r.MinInterval, other.MinInterval)
	r.Complete = max(r.Complete, other.Complete)
	r.Incomplete = max(r.Incomplete, other.Incomplete)
	r.Downloaded = max(r.Downloaded, other.Downloaded)
	for _, p := range other.Peers {
		if !slices.ContainsFunc(r.Peers, func(q announce.Peer) bool { return q.Addr == p.Addr }) {
			r.Peers = append(r.Peers, p)
		}
	}
	if !r.ExternalIP.IsValid() {
		r.ExternalIP = other.ExternalIP
	}
	if r.Warning == "" {
		r.Warning = other.Warning
	}
	if r.TrackerID == "" {
		r.TrackerID = other.TrackerID
	}
}

// addresses returns one address of host for each family that can be used, IPv4 first.
func (c *Client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var v4, v6 netip.Addr
	for _, a := range all {
		switch a = a.Unmap(); {
		case a.Is4() && !v4.IsValid():
			v4 = a
		case a.Is6() && !v6.IsValid():
			v6 = a
		}
	}
	var use []netip.Addr
	for _, a := range []netip.Addr{v4, v6} {
		if a.IsValid() && (!c.cfg.Source.IsValid() || c.cfg.Source.Is4() == a.Is4()) {
			use = append(use, a)
		}
	}
	if len(use) == 0 {
		return nil, fmt.Errorf("%s has no address that can be reached from %v: %w", host, c.cfg.Source, netx.ErrNoSource)
	}
	return use, nil
}
