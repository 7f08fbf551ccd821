package eddy

import "github.com/eddy-p2p/eddy/internal/drive/engine"

// PeerSource knows who takes part in a torrent, as a tracker does, but is none: a ring, say. Its methods may be called from any
// goroutine.
type PeerSource = engine.Source

// Announcement is what a PeerSource is told of this client's part in a torrent.
type Announcement = engine.Announcement
