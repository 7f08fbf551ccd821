package swarm

import (
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// Peer is the driver's handle of one connection: a small integer that the driver chooses, unique among the joined peers
// and free for reuse after Leave.
type Peer int32

// Kind says what the driver has to do for an Action.
type Kind uint8

const (
	// Send: encode Msg and send it to Peer. Msg.Payload, where there is one, is valid until the next call into the Swarm.
	// Choke, Unchoke and Reject keep their order with Serve; all other messages may overtake queued blocks.
	Send Kind = iota + 1
	// Serve: read block (Msg.Index, Msg.Begin, Msg.Length) from the content and send it to Peer as a piece message; then
	// call Sent.
	Serve
	// Verify: every block of piece Msg.Index was handed over by Receive; finish hashing, compare, then call PieceDone.
	// Digests says whether PieceDone needs the SHA-1 of each block even when the piece is good.
	Verify
	// Close: end the connection of Peer for the reason Err, and call Leave. With Ban its address is not to be connected or accepted
	// again for this torrent.
	Close
	// Completed: the last wanted piece was verified. Emitted once each time that the wanted set becomes complete.
	Completed
)

// Action is one thing for the driver to do, drained by Next.
type Action struct {
	Kind    Kind
	Ban     bool // Close
	Digests bool // Verify
	Peer    Peer
	Msg     wire.Message
	Err     error // Close: what the peer did, a *PeerError; or ErrRedundant, which is nobody's fault
}
