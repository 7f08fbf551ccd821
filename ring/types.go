package ring

import (
	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// Service is what a ring can be asked, wherever the node is.
type Service = ringhttp.Service

// Options and results of a Service, which are also the documents of the HTTP interface.
type (
	GetOptions = ringapi.GetOptions
	PutOptions = ringapi.PutOptions
	Get        = ringapi.Get
	Put        = ringapi.Put
	Hop        = ringapi.Hop
	Member     = ringapi.Node
	Status     = ringapi.Status
	Check      = ringapi.Check
	Token      = ringapi.Token
)

// Error is how a Service fails.
type Error = ringapi.Error

// Code classifies an Error.
type Code = ringapi.Code

// The codes.
const (
	NotFound = ringapi.NotFound // the key does not exist, for sure
	Conflict = ringapi.Conflict // a condition does not hold, or there are siblings
	TooFew   = ringapi.TooFew   // holders, or the node, are unreachable, too few or not synchronised; a write may have happened
	Denied   = ringapi.Denied   // the token is wrong, expired, revoked or a client's
	Invalid  = ringapi.Invalid  // the question makes no sense
	TooLarge = ringapi.TooLarge // the value is larger than MaxValue
	Busy     = ringapi.Busy     // over a budget: try again later
	Failed   = ringapi.Failed   // the node failed
)

// Limits that every node holds, and states of a Status.
const (
	MaxKey     = ringapi.MaxKey     // bytes of a key
	MaxValue   = ringapi.MaxValue   // bytes of a value, or of a member of a set
	MaxMembers = ringapi.MaxMembers // members of a set
	MaxTTL     = ringapi.MaxTTL     // of a value; longer ones are refused, 0 is for ever
	None       = ringapi.None       // IfVersion of what must not exist

	StateOK       = ringapi.StateOK
	StateMerging  = ringapi.StateMerging
	StateDegraded = ringapi.StateDegraded
)
