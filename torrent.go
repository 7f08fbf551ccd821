package eddy

import (
	"context"

	"net/netip"

	"github.com/eddy-p2p/eddy/internal/drive/engine"
	"github.com/eddy-p2p/eddy/metainfo"
)

// Torrent is one torrent of a Client. Its methods may be called from any goroutine.
type Torrent struct {
	t *engine.Torrent
}

// State is what a torrent is doing.
type State = engine.State

// The states, in the usual order.
const (
	Checking    = engine.Checking    // looking at what is on disk
	Downloading = engine.Downloading // fetching wanted pieces
	Seeding     = engine.Seeding     // complete, serving others
	Paused      = engine.Paused      // waiting for disk space; goes on by itself
	Failed      = engine.Failed      // ended by an error
)

// ID returns the torrent's identity.
func (t *Torrent) ID() metainfo.ID { return t.t.Meta().ID }

// Info returns what the torrent describes.
func (t *Torrent) Info() *metainfo.Info { return &t.t.Meta().Info }

// Path returns where the content is, or will be: a file, or the directory of a torrent of several files.
func (t *Torrent) Path() string { return t.t.Path() }

// Done is closed when all that is wanted is verified and has its final name.
func (t *Torrent) Done() <-chan struct{} { return t.t.Done() }

// Wait blocks until the content is complete. It returns an error when the torrent fails, is closed, or ctx is done.
func (t *Torrent) Wait(ctx context.Context) error {
	select {
	case <-t.t.Done():
		return nil
	default:
	}
	select {
	case <-t.t.Done():
		return nil
	case <-t.t.Failed():
		return t.t.Err()
	case <-t.t.Gone():
		if err := t.t.Err(); err != nil {
			return err
		}
		select {
		case <-t.t.Done():
			return nil
		default:
			return ErrClosed
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Failed is closed when the torrent has failed; Err says why.
func (t *Torrent) Failed() <-chan struct{} { return t.t.Failed() }

// Err returns why the torrent failed, nil while it did not.
func (t *Torrent) Err() error { return t.t.Err() }

// Recheck looks at every finished file, and fails the torrent with ErrSourceChanged where one is no longer what was verified.
// What is sent is looked at anyway; call this now and then to notice while nobody asks for anything.
func (t *Torrent) Recheck() { t.t.Recheck() }

// Stats returns a snapshot.
func (t *Torrent) Stats() Stats { return Stats(t.t.Stats()) }

// Peers returns a snapshot of the connections, in the order in which they were made.
func (t *Torrent) Peers() []PeerStats {
	inner := t.t.Peers()
	out := make([]PeerStats, len(inner))
	for i, p := range inner {
		out[i] = PeerStats(p)
	}
	return out
}

// AddPeers offers addresses to connect to.
func (t *Torrent) AddPeers(addrs ...netip.AddrPort) { t.t.AddPeers(addrs...) }

// Close leaves the swarm and returns when all is written down.
func (t *Torrent) Close() error { return t.t.Close() }
