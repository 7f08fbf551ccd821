package replica

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Condition is what a write demands of the key before. The zero Condition demands nothing.
type Condition struct {
	Absent  bool             // the key must have no live version
	Version ringwire.Context // unless empty: the key must still be as it was at this version
}

// Get reads a key.
type Get struct {
	Key      string
	Covers   ringwire.Context // the read must have seen this version, else Behind: so that sessions read their writes
	Deadline time.Duration    // on the Replica's clock
}

// Put writes a key.
type Put struct {
	Key      string
	Value    []byte
	Set      bool          // add Value as a member
	TTL      time.Duration // 0 = for ever; rounded up to milliseconds
	If       Condition
	Deadline time.Duration
}

// Delete deletes a key, with all members of a set. A key that is not there: NotFound.
type Delete struct {
	Key      string
	If       Condition
	Deadline time.Duration
}

// Watch reports each change of a key, by reading it every WatchEvery, until Cancel. The first report is of the state that differs
// from Since, at once if it does.
type Watch struct {
	Key   string
	Since ringwire.Context
}
