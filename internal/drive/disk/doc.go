// Package disk puts verified pieces on the disk: its workers write blocks as they arrive, hash them while they are in the
// processor's cache, check finished pieces and keep the two records of progress.
//
// One piece walks through it like this. Write queues blocks that still lie in the slab they were received in; all jobs of
// one piece go to one worker, in order. The worker writes each run of adjacent blocks with one pwritev and, if the run
// continues what is already hashed, hashes it from the slab: nothing is copied, no piece is buffered. Blocks that come too
// early are written at once and hashed by pread when their turn comes. Verify finishes the hash and reports.
//
// Two records say which pieces are there. A piece that verifies is appended to a journal without syncing: that survives
// the death of the process. Every 5 s or 64 MiB a torrent's files are synced and then its bitfield is committed: that
// survives a power cut. On start the bitfield is trusted and what only the journal claims is hashed again (Load, Recheck).
//
// A caller's duties:
//
//  1. Run must be running for anything to happen; calls before it wait in the queue.
//  2. Give Write every block once; call Verify after the last. Each Verify yields exactly one Result.
//  3. After WriteFailed or ReadFailed the disk is at fault, never a peer. Call Forget and fetch the piece again, or call
//     Verify again to have the disk asked once more.
//  4. Stop requesting while Congested, or block a reader in Wait: Write itself never blocks.
//  5. Flush before Close to have the last pieces recorded durably; close the storage after Close.
package disk
