// Package netx is the sockets under the peer protocol: connections that read
// into borrowed memory and write batches, listeners and dialers with the
// options that we want, the classes of addresses that guard against forged
// requests, and the address by which others reach this machine.
//
// Memory: a Conn borrows a Slab from a SlabPool only when its socket is
// readable, so that ten thousand idle peers hold none. Slabs lie outside the Go
// heap, so that they neither count for the garbage collector's pace nor are
// scanned or zeroed.
//
// The caller's duties:
//
//  1. One goroutine reads a Conn and one writes it; the two may differ. Close
//     may come from anywhere and ends both.
//  2. Each Slab that ReadSlab returns is released once, plus once for each
//     Retain; nothing that aliases it is used afterwards.
//  3. Before waiting for more bytes, copy a partial message out of the slab and
//     release it: otherwise a peer that sends half a message holds a slab for
//     as long as it likes.
package netx
