// Package peer drives one established connection to a peer: a reader that parses many messages per read, and a writer
// that answers many block requests per write (design: two goroutines a peer, one event batch a read, one write a batch).
//
// The package decides nothing. What arrives goes to the Handler in batches; what is to be sent is queued by Send and
// Serve, which never block. The duties of the owner:
//
//  1. Do the handshake first (Handshake, Accept), then New, then Run, which blocks until the connection ends.
//  2. In Handler.Receive, Retain the slab for every payload that outlives the call.
//  3. After queueing, call Flush once; the writer then sends all of it in as few writes as it can.
package peer
