// Package ringapi is the ring as its users see it: the operations of a node, their options and results, and the JSON documents
// that the command line and the HTTP interface print. A node in this process and a node far away are both a Service.
package ringapi

import "time"

// Limits that every node holds.
const (
	MaxKey     = 1 << 10 // bytes of a key
	MaxValue   = 1 << 20 // bytes of a value, or of one member of a set
	MaxMembers = 1000    // members of a set
	Sample     = 50      // members that a read returns unless told otherwise

	MaxTTL = 100 * 365 * 24 * time.Hour // time to live of a value
)

// None as IfVersion demands that the key does not exist.
const None = "none"

// GetOptions say how to read.
type GetOptions struct {
	Trace    bool // fill Path, by an iterative lookup
	Siblings bool // several concurrent values are a result, not a conflict
	Sample   int  // members of a set to return; 0 = Sample, negative = all

	// AtLeast is a version of the key that the answer must have seen, from an earlier get, put or delete: so a session reads its own writes through
	// whichever node it asks. Holders that are behind are waited for, and TooFew is said where nobody is found in time who has seen it.
	AtLeast string
}

// PutOptions say how to write.
type PutOptions struct {
	TTL       time.Duration // at most MaxTTL; 0 = for ever
	IfVersion string        // "" = unconditional; None; or the version that must still be there
	Set       bool          // add the value as a member of a set
}

// Get is what a read found. Value is nil for a set, whose Members are a random sample.
type Get struct {
	Key          string   `json:"key"`
	Value        []byte   `json:"value_b64"`
	Version      string   `json:"version"`
	Deleted      bool     `json:"deleted,omitempty"` // told to watchers alone: the key is no more; Version is then the deletion's, "" if that is forgotten
	Siblings     [][]byte `json:"siblings"`          // all concurrent values, when there is more than one
	Members      [][]byte `json:"members,omitempty"`
	MemberCount  int      `json:"member_count,omitempty"`
	TTL          *float64 `json:"ttl_s"` // seconds left; null = for ever
	Owner        string   `json:"owner"`
	Path         []Hop    `json:"path"`
	Hops         int      `json:"hops"`          // forwardings from the asked node to the owner; 0 when it is the owner
	ExpectedHops float64  `json:"expected_hops"` // by theory, for the ring's size and routing
}

// Hop is one step of a lookup.
type Hop struct {
	ID    string  `json:"id"`
	Addr  string  `json:"addr"`
	RTTms float64 `json:"rtt_ms"`
}

// Put is what a write achieved.
type Put struct {
	Key      string   `json:"key"`
	Version  string   `json:"version"`
	Acks     int      `json:"acks"`     // of the Holders, those that have said by now that they have it on disk: at least W
	Replicas []string `json:"replicas"` // their addresses
	Holders  int      `json:"holders"`  // R: hosts that will have it; 0 from who does not tell
}

// Node names a member.
type Node struct {
	ID   string `json:"id"`
	Addr string `json:"addr"`
}

// States of a node as Status reports them.
const (
	StateOK       = "ok"
	StateMerging  = "merging"  // two rings are becoming one
	StateDegraded = "degraded" // too few hosts, an arc not yet synchronised, or a broken invariant
)

// Status is a node's view of itself and its ring.
type Status struct {
	ID              string            `json:"id"`
	Addr            string            `json:"addr"`
	Predecessor     *Node             `json:"predecessor"`
	Successors      []Node            `json:"successors"`
	Fingers         []Node            `json:"fingers"`
	Keys            int               `json:"keys"`       // that have a value
	Tombstones      int               `json:"tombstones"` // deleted and ended keys, remembered for a while lest they come back
	Bytes           int64             `json:"bytes"`
	UnderReplicated int               `json:"under_replicated"` // records of own arcs, tombstones too, with fewer than R known holders
	Members         int               `json:"members"`          // hosts, as far as known
	State           string            `json:"state"`
	Reasons         []string          `json:"reasons"` // why it is not ok
	Counters        map[string]uint64 `json:"counters"`
}

// Check is a walk around the ring.
type Check struct {
	OK              bool     `json:"ok"`
	Members         []Node   `json:"members"` // positions in ring order
	Hosts           int      `json:"hosts"`
	Keys            int      `json:"keys"`             // that have a value
	Tombstones      int      `json:"tombstones"`       // deleted and ended keys that are remembered
	UnderReplicated int      `json:"under_replicated"` // records, tombstones too, that fewer than R hosts hold
	Arcs            int      `json:"arcs"`             // parts of the ring with the same holders
	Differing       int      `json:"differing"`        // of these, those whose holders do not hold the same
	Unsure          int      `json:"unsure"`           // those that not all holders answer for yet: who has not synchronised says so
	Refused         int      `json:"refused"`          // those that fewer hosts answer for than a read or a write needs
	Problems        []string `json:"problems"`         // all of the above in words; empty if and only if OK
}

// Token admits hosts (or, with client true, programs that only use the data).
type Token struct {
	ID      string    `json:"id"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Code classifies an Error; the command line makes its exit code of it, the HTTP interface its status.
type Code string

const (
	NotFound Code = "not_found" // exit 4, 404
	Conflict Code = "conflict"  // exit 10, 412 (a failed condition) or 409 (siblings)
	TooFew   Code = "too_few"   // exit 6, 503: holders unreachable, too few or not synchronised
	Denied   Code = "denied"    // exit 8, 401
	Invalid  Code = "invalid"   // exit 2, 400
	TooLarge Code = "too_large" // exit 2, 413
	Busy     Code = "busy"      // exit 6, 429: over a byte budget
	Failed   Code = "failed"    // exit 1, 500
)

// Error is how a Service fails: what went wrong, and what to do about it.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Version string `json:"version,omitempty"` // of a conflict: what is there now; of a read that was behind AtLeast: what was found
}

func (e *Error) Error() string { return e.Message }
