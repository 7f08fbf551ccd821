package swarm

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/metainfo"
)

// ReqQ is how many unanswered requests we accept from a peer; the driver advertises it as reqq (BEP 10).
const ReqQ = 2000

const (
	defaultReqQ   = 250       // of a peer that advertises none (BEP 10: "An integer, the number of outstanding requests")
	minUnverified = 32 << 20  // bytes
	randomFirst   = 4         // pieces picked at random before rarest first
	partialBytes  = 32 << 20  // started pieces never held back by their number, in bytes
	maxPieceSize  = 256 << 20 // bytes; blocks are counted in int32
)

// Config is what a Swarm is made of. Only Layout and Rand are required.
type Config struct {
	Layout   metainfo.Layout // geometry of the content
	Have     bits.Set        // verified pieces at start; copied; the zero Set means none
	Wanted   bits.Set        // pieces to fetch; copied; the zero Set means all
	InfoHash [20]byte        // for the allowed-fast set (BEP 6)
	Rand     *rand.Rand      // the only source of chance: the same seed and events give the same actions

	Slots        int   // regular unchokes; 0 = 4; one optimistic comes on top
	UploadRate   int64 // bytes/s of blocks; 0 = no limit
	DownloadRate int64 // bytes/s of blocks; 0 = no limit

	// MaxUnverified bounds the bytes received and not yet answered by PieceDone: no piece is started beyond it, so that a slow
	// disk slows the peers down instead of filling memory. 0 = 32 MiB, and never less than 4 pieces.
	MaxUnverified int64

	Sequential bool          // pieces in the order of the content instead of rarest first
	Policy     policy.Policy // by what it decides; the zero value is tit-for-tat
}

func (c *Config) validate() error {
	l := c.Layout
	switch {
	case l.Size < 0 || l.PieceLength <= 0:
		return fmt.Errorf("swarm: layout of %d bytes in pieces of %d", l.Size, l.PieceLength)
	case l.PieceLength > maxPieceSize:
		return fmt.Errorf("swarm: pieces of %d bytes, at most %d", l.PieceLength, maxPieceSize)
	case c.Rand == nil:
		return errors.New("swarm: no Rand")
	case c.Slots < 0 || c.UploadRate < 0 || c.DownloadRate < 0 || c.MaxUnverified < 0:
		return errors.New("swarm: negative limit")
	}
	n := l.NumPieces()
	if x := c.Have.Len(); x != 0 && x != n {
		return fmt.Errorf("swarm: Have of %d pieces for a torrent of %d", x, n)
	}
	if x := c.Wanted.Len(); x != 0 && x != n {
		return fmt.Errorf("swarm: Wanted of %d pieces for a torrent of %d", x, n)
	}
	return nil
}

func (c *Config) setDefaults() {
	n := c.Layout.NumPieces()
	if c.Slots == 0 {
		c.Slots = choke.DefaultSlots
	}
	if c.Have.Len() == 0 {
		c.Have = bits.New(n)
	} else {
		c.Have = c.Have.Clone()
	}
	if c.Wanted.Len() == 0 {
		c.Wanted = bits.New(n)
		c.Wanted.Fill()
	} else {
		c.Wanted = c.Wanted.Clone()
	}
	if c.MaxUnverified == 0 {
		c.MaxUnverified = minUnverified
	}
	c.MaxUnverified = max(c.MaxUnverified, 4*c.Layout.PieceLength)
	c.Policy = c.Policy.WithDefaults()
}
