package eddy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/drive/engine"
	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// Version is this program's version, told to peers and trackers.
const Version = "0.1.0"

// Config describes a Client. The zero value listens on any port, limits nothing and keeps no state.
type Config struct {
	StateDir      string       // resume records of transfers; "" = none are kept
	Listen        string       // IP:PORT for peers; "" = ":0", any port. An explicit IP is also the source of outgoing connections
	UploadLimit   int64        // bytes/s of content, all torrents together; 0 = none
	DownloadLimit int64        // bytes/s of content, all torrents together; 0 = none
	MaxPeers      int          // connections a torrent; 0 = 200
	Policy        string       // by what peers are served: "" or "tit-for-tat", or "cooperative" where equal machines trust each other
	Logger        *slog.Logger // nil = none
}

// Client takes part in swarms. Its methods may be called from any goroutine.
type Client struct {
	engine *engine.Engine
	policy policy.Policy
}

// NewClient binds the listen socket and starts nothing: Run does.
func NewClient(cfg Config) (*Client, error) {
	decides, err := policy.Named(cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	e, err := engine.New(engine.Config{
		Listen: cfg.Listen, UploadLimit: cfg.UploadLimit, DownloadLimit: cfg.DownloadLimit, MaxPeers: cfg.MaxPeers,
		StateDir: cfg.StateDir, Logger: cfg.Logger, ClientName: "eddy/" + Version,
	})
	if err != nil {
		return nil, err
	}
	return &Client{e, decides}, nil
}

// Run runs the client and its torrents until ctx is done. It then announces their leave, which takes at most 3 s, writes
// the resume records and returns nil; or it returns the error that stopped it.
func (c *Client) Run(ctx context.Context) error { return c.engine.Run(ctx) }

// Addr returns the address that peers can connect to, as bound: the IP may be unspecified.
func (c *Client) Addr() netip.AddrPort { return c.engine.Addr() }

// AdvertisedHost returns the address of this machine that other machines most likely reach: that of the interface of the
// default route, else of any interface that is up, else 127.0.0.1.
func AdvertisedHost() string { return netx.AdvertisedHost(netip.Addr{}) }

// TorrentOptions says which torrent to add and where its content is.
type TorrentOptions struct {
	Meta       *metainfo.MetaInfo // the torrent; with Source it may be nil
	Dir        string             // directory that holds, or will hold, the content under its name; "" = "."
	Source     *Source            // content made by Create: served as it is, without being verified again
	Seed       bool               // serve only: the content must be complete, is verified (unless the resume record vouches for it) and never written
	Path       string             // with Seed: the content itself, where it is not Dir/NAME
	Wanted     []int              // indices into Meta.Info.Files; nil = all
	Sequential bool               // fetch from start to end rather than rarest first: for streaming, slower for the swarm
	Overwrite  bool               // existing files that differ may be replaced; else they are ErrConflict
	Prealloc   storage.Prealloc
	Peers      []string     // HOST:PORT to connect to besides the peers that trackers name
	Trackers   [][]string   // tiers to announce to besides those of Meta (BEP 12)
	NoTrackers bool         // announce to no tracker
	Sources    []PeerSource // asked for peers besides the trackers: a ring, say
}

// Errors, for errors.Is.
var (
	ErrNoSpace       = storage.ErrNoSpace      // the disk is full
	ErrConflict      = engine.ErrConflict      // existing data differs and Overwrite was not given
	ErrInUse         = engine.ErrInUse         // another process is fetching the same torrent into the same place
	ErrDuplicate     = engine.ErrDuplicate     // this client runs the torrent already
	ErrIncomplete    = engine.ErrIncomplete    // Seed was given and pieces are missing or differ
	ErrSourceChanged = engine.ErrSourceChanged // a shared file was changed, so it is no longer served
	ErrV2Only        = engine.ErrV2Only        // v2-only torrents cannot be transferred yet
	ErrClosed        = engine.ErrClosed        // the torrent was closed
)

// Add registers a torrent; it starts once Run runs. Trouble with its files is found after that and reported by Wait.
func (c *Client) Add(opts TorrentOptions) (*Torrent, error) {
	spec, err := opts.spec()
	if err != nil {
		return nil, err
	}
	spec.Policy, spec.Sources = c.policy, opts.Sources
	t, err := c.engine.Add(spec)
	if err != nil {
		return nil, err
	}
	return &Torrent{t}, nil
}

// spec turns the options into what the engine needs.
func (o *TorrentOptions) spec() (engine.Spec, error) {
	if o.Source != nil {
		return o.Source.spec(o)
	}
	if o.Meta == nil {
		return engine.Spec{}, errors.New("adding a torrent: neither Meta nor Source given")
	}
	info := &o.Meta.Info
	root, files := layOut(info, o.Dir)
	content := ""
	if o.Path != "" {
		var err error
		if root, content, files, err = locate(info, o.Path); err != nil {
			return engine.Spec{}, err
		}
	}
	spec := engine.Spec{
		Meta: o.Meta, Root: root, Content: content, Files: files, Peers: o.Peers, ReadOnly: o.Seed, Overwrite: o.Overwrite,
		Sequential: o.Sequential, Prealloc: o.Prealloc,
	}
	if !o.NoTrackers {
		spec.Trackers = append(append([][]string{}, o.Meta.Trackers()...), o.Trackers...)
	}
	if o.Wanted != nil {
		spec.Wanted = make([]bool, len(info.Files))
		for _, i := range o.Wanted {
			if i < 0 || i >= len(info.Files) {
				return spec, fmt.Errorf("selecting file %d of %s, which has %d files", i, info.Name, len(info.Files))
			}
			spec.Wanted[i] = true
		}
	}
	return spec, nil
}
