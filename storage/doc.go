// Package storage keeps the content of one torrent: one run of bytes [0, Size), pieces laid end to end, padding
// included. It knows files, folders and disks; it knows no peers and no hashes.
//
// A caller's duties, for [Storage] as for anything that implements it (storage/storagetest checks the other side):
//
//  1. Any number of goroutines may read and write at once, but two writes that overlap, or a read that overlaps a write,
//     give unspecified bytes: write a piece, wait for the return, then read it.
//  2. A write that returned is visible to every later read of this process and survives the death of the process
//     (kill -9). It survives a power cut only once a later Sync returned nil.
//  3. Record that data is durable only after Sync returned nil. When Sync fails nothing written since the last good Sync
//     may be believed, not even by reading it back: the kernel may serve pages that never reached the disk. [Files]
//     therefore keeps failing until Recover dropped the cached pages; verify again after that.
//  4. A file is NAME.part until FinishFile renamed it: a final name means complete. Verify every piece of a file first.
//  5. Close once all calls returned.
//
// [Files] stores content below one folder and never leaves it: paths are opened element by element without following
// symbolic links, so that a link planted or swapped into the folder redirects nothing. [Memory] stores it in memory.
package storage
