// Package tracker is both sides of BitTorrent trackers over HTTP and UDP: a server that peers announce to, a client that
// announces, and an Announcer that keeps one torrent announced to its tiers of trackers.
//
// The server answers from core/roster, or from a Redis that several servers share; this package adds sockets, locks and defences. Nothing that comes from the network
// is believed: an address counts once a TCP connection or a UDP connection id has proven it.
package tracker
