package replica

import (
	"errors"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// ErrTooLarge is what Persisted is told when the merge would not fit into a record (ringwire.Record.Fits): the store has what it had before.
var ErrTooLarge = errors.New("replica: the record would be too large")

// ErrNoRoom is what Persisted is told when the disk has no room: nothing of the transaction was written, the store has what it had before, and a
// later one may succeed. Any other error means that nobody knows what is on the disk.
var ErrNoRoom = errors.New("replica: no room on the disk")

// Kind says what the driver has to do for an Action.
type Kind uint8

const (
	// Send: send Message to host To.
	Send Kind = iota + 1
	// Persist: merge Record into the store, sync, then Persisted(Token).
	Persist
	// Forget: delete Key from the store if its record's digest is still Digest, sync, then Persisted(Token).
	Forget
	// PersistArcs: store Arcs and Hosts in place of the former ones.
	PersistArcs
	// Locate: look Position up, then Located(Token).
	Locate
	// Done: operation Op has ended with Result.
	Done
	// Changed: the key that operation Op watches is now as Result says.
	Changed
	// Left: everything was handed over; the host may stop.
	Left
)

// Action is one thing for the driver to do, drained by Next.
type Action struct {
	Kind     Kind
	To       ringwire.Host
	Op       uint64
	Token    uint64
	Hosts    int
	Message  *ringwire.Data
	Record   *ringwire.Record
	Key      string
	Digest   ringwire.Digest
	Position ringwire.ID
	Arcs     []SureArc
	Result   Result
}

// Status says how an operation ended.
type Status uint8

const (
	OK       Status = iota
	NotFound        // Q holders that are sure have no live version
	Conflict        // the condition does not hold, or the key is of the other kind; Result has what is there
	TooFew          // too few holders answered before the deadline; a write may have taken place all the same
	TooLarge        // value, set or record beyond the limits
	Busy            // too many operations at once, or the holders are over their budgets
	Broken          // this host's disk failed, or a member forged this host's writes
	Gone            // this host leaves the ring
	Behind          // of a Get: holders answered before the deadline, but none that has seen what it Covers
	Full            // too few holders have room for it; a write may have taken place all the same
)

var statuses = [...]string{"ok", "not found", "conflict", "too few", "too large", "busy", "broken", "gone", "behind", "full"}

func (s Status) String() string {
	if int(s) < len(statuses) {
		return statuses[s]
	}
	return "unknown"
}

// Result is how an operation ended.
type Result struct {
	Status  Status
	Record  *ringwire.Record // Get, and Conflict: what is there; Live are its values. Puts: what was written
	Version ringwire.Context // the version: of a Get what it saw, of a write what it made
	Holders []ringwire.Ref   // that answered the read; of a write, of the R that answer for the key those that have synced it, at least W; the first is the owner if it did
	Members int              // of a set, live ones
}
