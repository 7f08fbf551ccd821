package ring

import "github.com/eddy-p2p/eddy/internal/format/ringwire"

// Member is one host's entry in the membership, as messages carry it.
type Member = ringwire.Member

// Kind says what a Message is.
type Kind uint8

// The messages. Each names the fields that it uses beside Kind, From and To; all may carry Members.
const (
	// GetState asks position To for its predecessor and successors (Seq); answered by State, Busy or Gone.
	GetState Kind = iota + 1
	// State answers GetState: Pred with HasPred, List = the successor list, Seq.
	State
	// Busy answers GetState while To waits for an answer itself: try later (Seq).
	Busy
	// Gone answers anything for a position that is not in the ring (any more): Seq. For the asker that position is dead.
	Gone
	// Notify tells position To that From believes to be its predecessor.
	Notify
	// Ping asks a host for a sign of life (Seq); From and To are not used.
	Ping
	// Pong answers Ping (Seq).
	Pong
	// Lookup travels towards the owner of Key: Seq and Origin of the asker, Hops so far, Path so far with Trace. Final: the sender believes that
	// To is the owner. OneHop: answer NotMine instead of forwarding. Each receiver answers the sender with Ack at once (Ack is the sender's number for that).
	Lookup
	// Ack: the Lookup with that Ack has arrived.
	Ack
	// Found tells the origin of lookup Seq: From is the owner of Key, List its successors, Hops and Path as they were on arrival.
	Found
	// NotMine tells the origin of a OneHop lookup Seq that From is not the owner; Ref is the better hint.
	NotMine
	// Step asks for the next hop to Key (Seq): answered by Found (the owner), or Hint with Ref (and Final when Ref is the owner).
	Step
	// Hint answers Step and FindPredecessor: Ref, Seq, Final.
	Hint
	// FindPredecessor asks for the closest known predecessor of Key (Seq): answered by Hint. A position joins by asking until one names itself.
	FindPredecessor
	// Merge travels towards the predecessor of Key = Ref.ID: a live position of another ring, or unknown to this one. Hops as in Lookup.
	Merge
	// Leaving: host `from` leaves the ring by its own will; Pred and List are what position From had.
	Leaving
	// News carries Members alone; with Reply they answer a Digest.
	News
	// Digest compares memberships: Digests of the sender's, by ranges of positions, From unused; answered by News with what differs, and by a Digest with Reply set.
	// Final: the sender believes to know all.
	Digest
)

var kindNames = [...]string{"", "get_state", "state", "busy", "gone", "notify", "ping", "pong", "lookup", "ack", "found", "not_mine", "step", "hint",
	"find_predecessor", "merge", "leaving", "news", "digest"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Limits that Receive holds messages to; a longer list is refused. The codec holds them before it allocates.
const (
	MaxList    = 512 // refs in List
	MaxPath    = 128 // refs in Path; a longer path is cut
	MaxMembers = 64  // entries in Members
	MaxDigests = 256
)

// Message is one message between two positions or two hosts. Handles in it are the receiver's.
type Message struct {
	Kind    Kind
	HasPred bool
	Final   bool
	Trace   bool
	OneHop  bool
	Reply   bool
	Hops    uint16
	To      ID     // the addressed position
	From    ID     // the sending position
	Seq     uint64 // the asker's number for its question; an answer repeats it
	Ack     uint64
	Key     ID
	Origin  Ref
	Pred    Ref
	Ref     Ref
	List    []Ref
	Path    []Ref
	Members []Member
	Digests []uint64
}
