// Package metainfo reads, checks and makes torrents: the metainfo files of BEP 3, their v2 and hybrid forms of BEP 52, and
// magnet links (BEP 9, BEP 53). It also knows the geometry of the content (Layout), its Merkle trees, and how the names in
// a torrent become safe paths on a given operating system.
//
// All of it is pure: no files, no network. Parsing is bounded: it keeps at most 32 times the input plus 64 KiB alive, and
// nothing that passes Parse can later make a path leave the chosen folder, an offset overflow or a piece index miss.
// Parsed values refer to the input, which must not be changed afterwards.
package metainfo
