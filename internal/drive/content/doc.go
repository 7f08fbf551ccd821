// Package content looks at what a user wants to share or has downloaded: it scans files and directories (Scan), hashes
// them into torrents on all cores (Hash), tells whether they have changed since (Changed), and verifies content against a
// torrent (Verify).
//
// Torrents are deterministic: the same files give the same infohash, which for v1 is that of mktorrent. Hashes of pieces
// are remembered in a cache directory, if one is given, so that a restart reads nothing of what is unchanged.
package content
