package ring

import (
	"errors"
	"fmt"
	"time"
)

// ActionKind says what the driver has to do for an Action.
type ActionKind uint8

const (
	// Send: send Message to host To.
	Send ActionKind = iota + 1
	// LookupDone: the lookup that Lookup began under Result.Token has ended.
	LookupDone
	// ViewChanged: a predecessor or a successor list has changed, so may have Holders and Arcs. Reported once until drained.
	ViewChanged
	// Joined: every position of this host has its place in the ring.
	Joined
	// Left: the neighbours were told; the host may go.
	Left
	// CacheDropped: news came faster than CacheBudget allows to pass on; lookups go by fingers until a quieter time.
	CacheDropped
)

// Action is one thing for the driver to do, drained by Next.
type Action struct {
	Kind    ActionKind
	To      Host // Send
	Message Message
	Result  Result // LookupDone
}

// How says how a lookup travels.
type How uint8

const (
	// Recursive: from host to host, and the owner answers the asker. By the cache where it is warm.
	Recursive How = iota
	// Traced is Recursive without the cache, and with the Path.
	Traced
	// Iterative: the asker asks each host for the next one, and measures each. Without the cache.
	Iterative
)

// Errors of a lookup.
var (
	ErrNoAnswer  = errors.New("ring: no answer to the lookup")
	ErrNotMember = errors.New("ring: not a member of the ring yet")
	ErrTooMany   = fmt.Errorf("ring: %d lookups are under way: wait for some to end, or begin fewer at a time", maxLookups)
)

// Result is how a lookup ended.
type Result struct {
	Token      uint64
	Key        ID
	Owner      Ref
	Successors []Ref           // the owner's successor list
	Hops       int             // forwardings from the asker to the owner: 0 when it is the owner
	Path       []Ref           // Traced, Iterative: from the asker (its position that knew best) to the owner
	RTT        []time.Duration // Iterative: of each host in Path after the first
	Timeouts   int             // hosts that did not answer the asker
	Elapsed    time.Duration
	Err        error
}
