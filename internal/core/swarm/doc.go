// Package swarm is the brain of one torrent: what to request from whom, whom to upload to, whom to believe. It is a pure
// state machine: the driver tells it what happened, with the time as an argument, and drains what is to be done. There
// are no sockets, disks, clocks, goroutines or locks in it, so that its tests can run whole swarms in virtual time.
//
// The driver's duties:
//
//  1. One goroutine (or lock) at a time: a Swarm is not safe for concurrent use.
//  2. Time is a Duration since any fixed start and never runs backwards. After a batch of inputs drain Next until it
//     reports false, then call Tick at NextTick. Requests are chosen in Next, not in Receive: draining after a batch of
//     received messages makes them one write.
//  3. Join a connection after its handshake and before its first message; give every peer message but Extended to Receive in
//     order; Leave exactly once when the connection is gone, also after a Close action. Actions for a peer that has left
//     may still be in the queue: drop them.
//  4. Where Receive returns true, store the payload at (Index, Begin) before the Verify of that piece is carried out. Where
//     it returns false, drop it.
//  5. Answer each Verify with one PieceDone, or PieceLost when the content could not be written or read back. PieceDone with
//     ok = false always brings the SHA-1 of every block, in order; with ok = true when the Verify asked for Digests.
//  6. Answer each Serve with Sent, once the bytes went to the socket (several blocks in one call are welcome), or with
//     Unserved when the block could not be read. Serves of one peer are sent in their order. After Leave owe nothing.
//  7. Choke, Unchoke and Reject keep their order with the Serves of that peer; other messages may overtake blocks.
//  8. Carry out Close: write what was queued for the peer before, end the connection, then Leave. With Ban keep the address away from this torrent.
package swarm
