package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/ring"
)

// ringScheme stands before the name of a torrent that a ring holds.
const ringScheme = "ring:"

// rendezvous is a ring through which the peers of share and get find each other. Without --ring it does nothing.
type rendezvous struct {
	node, token, tokenFile string

	inv    *invocation
	client *ring.Client
	peers  *eddy.RingPeers
}

func (r *rendezvous) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.node, "ring", "", "find peers through the ring of the node at `ADDR`")
	f.StringVar(&r.token, "ring-token", "", "`T` that lets into the ring (default $EDDY_RING_TOKEN)")
	f.StringVar(&r.tokenFile, "ring-token-file", "", "read the ring's token from `FILE`")
	cmd.MarkFlagsMutuallyExclusive("ring-token", "ring-token-file")
}

// connect finds the ring, makes sure that it lets us in, and settles where its other users reach us: at host (a name or an address),
// or if that is "" at the address towards the node.
func (r *rendezvous) connect(ctx context.Context, inv *invocation, host string) error {
	if r.inv = inv; r.node == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	client, err := inv.dialRing(ctx, &ringFlags{node: r.node, token: r.token, tokenFile: r.tokenFile, prefix: "ring-"})
	if err != nil {
		return err
	}
	r.client = client
	if _, err := client.Status(ctx); err != nil {
		r.close()
		return ringFailure("asking the ring node", r.node, err)
	}
	addr, err := r.reach(ctx, host)
	if err != nil {
		r.close()
		return ringFailure("finding the address for other peers towards", r.node, err)
	}
	r.peers = &eddy.RingPeers{Ring: client, Addr: r.node, Host: addr}
	return nil
}

// reach returns the address for others.
func (r *rendezvous) reach(ctx context.Context, host string) (netip.Addr, error) {
	if host == "" {
		return eddy.HostFor(ctx, r.client, r.node)
	}
	addrs, err := resolve(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	return addrs[0], nil
}

func (r *rendezvous) close() {
	if r.client != nil {
		r.client.Close()
	}
}

// sources is what torrents are announced to.
func (r *rendezvous) sources() []eddy.PeerSource {
	if r.peers == nil {
		return nil
	}
	return []eddy.PeerSource{r.peers}
}

// sourcesOf is sources for a torrent that came from elsewhere. The peers of a private one come from its trackers alone (BEP 27).
func (r *rendezvous) sourcesOf(t *torrentFile) []eddy.PeerSource {
	if r.peers != nil && t.meta.Private {
		r.inv.say(t.origin + " is private: its peers come from its trackers alone, and not from the ring")
		return nil
	}
	return r.sources()
}

// publish puts a torrent into the ring.
func (r *rendezvous) publish(ctx context.Context, name string, meta *metainfo.MetaInfo) error {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	before, err := eddy.PublishTorrent(ctx, r.client, name, meta)
	switch {
	case errors.Is(err, eddy.ErrTorrentTooLarge):
		return &Failure{What: "publishing", Target: name, Cause: err, Code: exitUsage,
			Hint: fmt.Sprintf("use larger pieces: --piece-size %s", units.FormatSize(enoughPieceLength(meta)))}
	case err != nil:
		return ringFailure("publishing", name, err)
	case before != "":
		r.inv.say(fmt.Sprintf("%s%s named another torrent until now, with infohash %s", ringScheme, name, before))
	}
	return nil
}

// enoughPieceLength is the piece length with which the hashes take half of what a ring holds under a name; the other half is for the
// names of files.
func enoughPieceLength(meta *metainfo.MetaInfo) int64 {
	length := meta.PieceLength
	for hashes := int64(len(meta.InfoBytes)); hashes > ring.MaxValue/2; hashes /= 2 {
		length *= 2
	}
	return length
}

// find gets the torrent that ring:NAME or ring:NAME#btih=HEX stands for.
func (r *rendezvous) find(ctx context.Context, src string) (*torrentFile, error) {
	name, fragment, _ := strings.Cut(src[len(ringScheme):], "#")
	if err := eddy.CheckTorrentName(name); err != nil {
		return nil, &Failure{What: "getting", Target: src, Cause: err, Code: exitUsage, Hint: "want ring:NAME, as share --publish named it"}
	}
	if r.client == nil {
		return nil, &Failure{What: "getting", Target: src, Cause: errors.New("which ring?"), Code: exitUsage,
			Hint: "give --ring ADDR, the address of one of its nodes"}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(ringTimeout), context.DeadlineExceeded)
	defer cancel()
	found, err := eddy.FindTorrents(ctx, r.client, name)
	if err != nil {
		return nil, ringFailure("finding the torrent", src, err)
	}
	var fits []*metainfo.MetaInfo
	for _, meta := range found {
		if err = checkFragment(fragment, meta.ID); err == nil {
			fits = append(fits, meta)
		}
	}
	switch {
	case len(fits) == 0:
		return nil, &Failure{What: "finding the torrent", Target: src, Cause: err, Hint: "somebody published another torrent under the name", Code: exitFailed}
	case len(fits) > 1:
		var choices []string
		for _, meta := range fits {
			choices = append(choices, ringScheme+name+"#btih="+meta.ID.String())
		}
		return nil, &Failure{What: "finding the torrent", Target: src, Cause: errors.New("several torrents were published under the name at the same time"),
			Hint: "choose: " + strings.Join(choices, ", "), Code: exitConflict}
	}
	return &torrentFile{origin: src, meta: fits[0]}, nil
}
