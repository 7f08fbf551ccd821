package engine

import "errors"

// Kinds of failure, for errors.Is.
var (
	ErrDuplicate     = errors.New("this torrent is already running")
	ErrConflict      = errors.New("existing data differs")
	ErrInUse         = errors.New("in use by another eddy")
	ErrSourceChanged = errors.New("the source changed while it was shared")
	ErrIncomplete    = errors.New("the content is not complete")
	ErrV2Only        = errors.New("a v2-only torrent cannot be transferred yet; create it as hybrid or v1")
	ErrClosed        = errors.New("the torrent was closed")
)
