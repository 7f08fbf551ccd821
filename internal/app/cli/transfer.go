package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// maxRows is how many peers the live display lists; the rest is a count.
const maxRows = 10

// swarmFlags are the flags of every command that talks to peers.
type swarmFlags struct {
	listen   string
	limitUp  rate
	trackers list
	peers    list
	policy   string
}

// cooperative is the value of --policy that serves everybody, where no limit is set.
const cooperative = "cooperative"

// definePolicy defines --policy.
func (s *swarmFlags) definePolicy(f *pflag.FlagSet) {
	choiceVar(f, &s.policy, "policy", "whom to serve: who gives most, or, without --limit-up, everybody (up to 40), for equal machines that trust each other", "tit-for-tat", cooperative)
}

// clientConfig is what all commands that talk to peers tell the library.
func (inv *invocation) clientConfig(f *swarmFlags) eddy.Config {
	return eddy.Config{
		StateDir:    inv.stateDir(),
		Listen:      f.listen,
		UploadLimit: int64(f.limitUp),
		Policy:      f.policy,
		Logger:      inv.log,
	}
}

// newClient binds the socket for peers.
func (inv *invocation) newClient(config eddy.Config) (*eddy.Client, error) {
	if err := checkListen("--listen", config.Listen); err != nil {
		return nil, err
	}
	client, err := eddy.NewClient(config)
	if err != nil {
		f := fail("listening for peers on", cmp.Or(config.Listen, "any port"), err)
		var op *net.OpError
		if errors.As(err, &op) {
			f.Cause = op.Err
		}
		return nil, f
	}
	if config.Policy == cooperative && config.UploadLimit > 0 {
		inv.say("--policy cooperative serves everybody only where no --limit-up is set: with it, a few at a time, first who has least")
	}
	return client, nil
}

// runClient runs client until stop is called, which waits until the swarm is told and all is on disk. failed is done when
// the client ended by itself; its cause says why.
func runClient(client *eddy.Client) (failed context.Context, stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	failed, fell := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() {
		err := client.Run(ctx)
		if err != nil {
			fell(err)
		}
		done <- err
	}()
	// Once: commands stop the client for its error, and again in a defer for their early returns.
	return failed, sync.OnceValue(func() error {
		cancel()
		err := <-done
		fell(nil)
		return err
	})
}

// tiers makes each tracker a tier of its own: all of them are asked (BEP 12).
func tiers(trackers []string) [][]string {
	var out [][]string
	for _, t := range trackers {
		out = append(out, []string{t})
	}
	return out
}

// stats is one look at a torrent. Copies counts also the peers that told the embedded tracker of their completion, since not
// every client tells its peers of the last piece. Most are in both counts, under ids that may differ: so the larger is right.
func (inv *invocation) stats(t *eddy.Torrent) eddy.Stats {
	s := t.Stats()
	s.Copies = max(s.Copies, inv.completed.count(t.ID().Wire()))
	return s
}

// progressOf is the JSON event of one look.
func (inv *invocation) progressOf(t *eddy.Torrent) progressEvent {
	s := inv.stats(t)
	e := progressEvent{
		Type: "progress", Infohash: t.ID().String(), State: s.State.String(),
		Bytes: s.Have, Size: s.Wanted, DownBPS: s.DownRate, UpBPS: s.UpRate, UpTotal: s.Uploaded,
		Peers: s.Peers, Seeds: s.Seeds, Copies: s.Copies,
	}
	if left, ok := eta(&s); ok {
		seconds := left.Seconds()
		e.ETA = &seconds
	}
	return e
}

// eta returns the time left at the present rate; false where it cannot be told.
func eta(s *eddy.Stats) (time.Duration, bool) {
	left := s.Wanted - s.Have
	if left <= 0 {
		return 0, s.State == eddy.Seeding
	}
	if s.DownRate <= 0 || s.State != eddy.Downloading {
		return 0, false
	}
	return time.Duration(float64(left) / float64(s.DownRate) * float64(time.Second)), true
}

// addStats sums the looks of several torrents for one display.
func addStats(a, b eddy.Stats) eddy.Stats {
	a.Wanted += b.Wanted
	a.Have += b.Have
	a.Size += b.Size
	a.Checked += b.Checked
	a.DownRate += b.DownRate
	a.UpRate += b.UpRate
	a.Uploaded += b.Uploaded
	a.Downloaded += b.Downloaded
	a.Wasted += b.Wasted
	a.Peers += b.Peers
	a.Seeds += b.Seeds
	a.Copies += b.Copies
	a.State = min(a.State, b.State) // the one that has furthest to go tells what is going on
	a.Problem = cmp.Or(a.Problem, b.Problem)
	a.TrackerProblem = cmp.Or(a.TrackerProblem, b.TrackerProblem)
	return a
}

// lookAt is the view of one or several torrents on the way in, and afterwards of what they give back.
func (inv *invocation) lookAt(torrents []*eddy.Torrent) view {
	if len(torrents) == 0 {
		return view{parts: []string{"nothing to do"}}
	}
	label := torrents[0].Info().Name
	if len(torrents) > 1 {
		label = units.Plural(len(torrents), "torrent")
	}
	s := inv.stats(torrents[0])
	for _, t := range torrents[1:] {
		s = addStats(s, inv.stats(t))
	}
	v := view{label: label, done: s.Have, total: s.Wanted}
	switch s.State {
	case eddy.Checking:
		v.done, v.total, v.parts = s.Checked, s.Size, []string{"checking what is there"}
	case eddy.Downloading:
		v.parts = downloadParts(&s)
	case eddy.Seeding:
		v.total, v.parts = 0, seedParts(&s)
	default:
		v.parts = []string{s.State.String() + ": " + s.Problem}
	}
	if s.State == eddy.Seeding && len(torrents) == 1 {
		v.rows = peerRows(torrents[0].Peers(), s.Wanted)
	}
	return v
}

// downloadParts is rate, time left and peers.
func downloadParts(s *eddy.Stats) []string {
	left := "time left unknown"
	if d, ok := eta(s); ok {
		left = units.FormatLeft(d) + " left"
	} else if s.Have >= s.Wanted {
		left = "finishing"
	}
	parts := []string{units.FormatRate(s.DownRate), left, fmt.Sprintf("%s (%s)", units.Plural(s.Peers, "peer"), units.Plural(s.Seeds, "seed"))}
	if s.Peers == 0 && s.TrackerProblem != "" {
		parts = append(parts, "tracker: "+s.TrackerProblem)
	}
	return append(parts, "up "+units.FormatRate(s.UpRate))
}

// seedParts is who is there and what was given.
func seedParts(s *eddy.Stats) []string {
	parts := []string{units.Plural(s.Peers, "peer"), copiesDelivered(s.Copies), "up " + units.FormatRate(s.UpRate), units.FormatSize(s.Uploaded) + " sent"}
	if s.TrackerProblem != "" {
		parts = append(parts, "tracker: "+s.TrackerProblem)
	}
	return parts
}

func copiesDelivered(n int) string {
	if n == 1 {
		return "1 copy delivered"
	}
	return fmt.Sprintf("%d copies delivered", n)
}

// peerRows lists the peers with what they have, those that still need most first.
func peerRows(peers []eddy.PeerStats, size int64) []string {
	slices.SortStableFunc(peers, func(a, b eddy.PeerStats) int { return cmp.Compare(a.Have, b.Have) })
	var rows []string
	for i, p := range peers {
		if i == maxRows {
			rows = append(rows, fmt.Sprintf("  and %d more", len(peers)-maxRows))
			break
		}
		rows = append(rows, fmt.Sprintf("  %-24s %-22s %5.1f %%  up %11s", p.Addr, shorten(p.Client, 22), percent(p.Have, size), units.FormatRate(p.UpRate)))
	}
	return rows
}

// failedTorrent tells why a torrent ended, with the code and the advice that go with the kinds of the library.
func failedTorrent(what string, t *eddy.Torrent, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var failure *Failure
	if errors.As(err, &failure) {
		return err
	}
	return fail(what, t.Path(), err)
}

// checkPeers checks the form of --peer values, so that a slip is told at once and not as a peer that never answers.
func checkPeers(peers []string) error {
	for _, p := range peers {
		host, port, ok := cutPort(p)
		if !ok || host == "" || port == "" || port == "0" {
			return usageError("--peer %s: want HOST:PORT", p)
		}
	}
	return nil
}

// cutPort splits HOST:PORT at the last colon; false where there is none, or an IPv6 address lacks its brackets.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	host, port = s[:i], s[i+1:]
	if strings.HasPrefix(host, "[") != strings.HasSuffix(host, "]") || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return s, "", false
	}
	digits := strings.Trim(port, "0123456789") == ""
	return strings.Trim(host, "[]"), port, digits && len(port) <= 5
}
