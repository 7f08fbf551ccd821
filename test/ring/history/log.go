// Package history decides whether a ring kept its promises: it takes the log of what clients asked and were told, and what every node
// says of every key after everything has come to rest. It knows nothing of how the nodes ran: in virtual time, or as
// processes that were killed.
package history

import (
	"sync"
)

// Kind is what a client asked for.
type Kind uint8

const (
	Put Kind = iota + 1
	Delete
	Get
)

var kinds = [...]string{"?", "put", "delete", "get"}

func (k Kind) String() string { return kinds[k] }

// Outcome is what the client was told.
type Outcome uint8

const (
	Unknown  Outcome = iota // nothing, or that too few holders answered: a write may have taken place
	OK                      // of a Get: values were found
	NotFound                // of a Get or Delete: there is no value
	Conflict                // the condition does not hold; nothing was written
	Refused                 // for another reason; nothing was written
)

var outcomes = [...]string{"unknown", "ok", "not found", "conflict", "refused"}

func (o Outcome) String() string { return outcomes[o] }

// Op is one operation. Values are unique among all Puts of a history.
type Op struct {
	Client  int
	Node    string // that the client talked to
	Kind    Kind
	Key     string
	Value   string   // Put
	If      string   // the condition: "", "none", or a version
	IfSeen  []string // with a version: the values that the client saw at it
	Session string   // the version that this client knew before, and told the node
	Invoke  int64    // on one clock for all clients
	Return  int64
	Outcome Outcome
	Values  []string // Get: all that were there
	Version string   // of OK, and of a Get's NotFound; "" where the interface does not tell
}

// Log collects operations from many clients.
type Log struct {
	mu  sync.Mutex
	ops []Op
}

// Invoke notes an operation that begins and returns its number. Until End its outcome is Unknown.
func (l *Log) Invoke(op Op) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	op.Return, op.Outcome = forever, Unknown
	l.ops = append(l.ops, op)
	return len(l.ops) - 1
}

// forever is the return of what never returned.
const forever = 1<<63 - 1

// End notes how operation i ended. An unknown end stays open: the write may take place at any later time.
func (l *Log) End(i int, at int64, o Outcome, values []string, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	op := &l.ops[i]
	op.Outcome, op.Values, op.Version = o, values, version
	if o != Unknown {
		op.Return = at
	}
}

// Ops returns all operations in the order of their beginnings.
func (l *Log) Ops() []Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Op(nil), l.ops...)
}
