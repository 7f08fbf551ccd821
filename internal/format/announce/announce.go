// Package announce holds the formats by which peers and trackers talk: HTTP queries and bencoded answers (BEP 3, 7, 23,
// 24, 31, 48) and UDP packets (BEP 15, 41). Client and server share it, so that what one writes the other reads.
//
// Everything here turns bytes into values and back, without sockets, clocks or state. All input is hostile: every
// parser is bounded by the length of what it reads and returns an error rather than a half-read value.
package announce

import (
	"errors"
	"net/netip"
	"time"
)

// Event is why a peer announces (BEP 3 "event"); the numbers are those of BEP 15.
type Event uint32

// The events. None is a regular announce, at an interval.
const (
	None Event = iota
	Completed
	Started
	Stopped
)

// String returns the name that an HTTP announce carries; None has the empty one.
func (e Event) String() string {
	switch e {
	case Completed:
		return "completed"
	case Started:
		return "started"
	case Stopped:
		return "stopped"
	}
	return ""
}

// DefaultNumWant in Request.NumWant leaves the number of peers to the tracker (BEP 15 "num_want: -1").
const DefaultNumWant = -1

// Request is one announce, as a peer means it.
type Request struct {
	InfoHash [20]byte
	PeerID   [20]byte
	Port     uint16 // where the peer listens; 0 is only meaningful with Stopped

	Uploaded, Downloaded int64 // bytes since the Started event
	Left                 int64 // bytes that the peer still misses; 0 is a seeder

	Event     Event
	NumWant   int    // peers asked for; DefaultNumWant leaves it to the tracker
	Key       uint32 // stays the same when the peer's address changes (BEP 3, BEP 7)
	TrackerID string // as the tracker gave it in an earlier Response

	// Dictionaries asks for BEP 3's list of dictionaries in place of compact peers. BEP 23 makes it advisory: trackers
	// may answer compactly all the same, and clients have to read both.
	Dictionaries bool

	// IPv4 and IPv6 are further addresses of the peer (BEP 7 "ipv4=", "ipv6="). Our tracker ignores them, as it does
	// "ip=": an address that nothing has proven would let one peer point a swarm at a stranger.
	IPv4, IPv6 netip.Addr
}

// Peer is one entry of a tracker's list.
type Peer struct {
	Addr netip.AddrPort // never IPv4 mapped into IPv6
	ID   [20]byte       // zero when the tracker did not say, as in every compact list
}

// Never in Response.RetryIn says that the tracker does not want to hear of this torrent again (BEP 31 "never").
const Never time.Duration = -1

// Response is what a tracker answers to an announce. With a Failure only Failure and RetryIn mean anything.
type Response struct {
	Interval    time.Duration // wait this long before the next regular announce
	MinInterval time.Duration // and at least this long before any; 0 when the tracker did not say

	Complete, Incomplete int // seeders and leechers; -1 when the tracker did not say
	Downloaded           int // times that a peer completed; -1 when the tracker did not say

	Peers []Peer

	// Compact4 and Compact6 are peers in compact form, 6 and 18 bytes each (BEP 23, BEP 7), that the Append functions
	// write besides Peers: a tracker keeps them so, and need not take them apart. Parsers leave them empty.
	Compact4, Compact6 []byte

	ExternalIP netip.Addr    // the peer's address as the tracker saw it (BEP 24)
	Warning    string        // for the user; the announce counts nevertheless
	Failure    string        // why the tracker refused
	RetryIn    time.Duration // with Failure: ask again then (BEP 31); 0 when the tracker did not say, or Never
	TrackerID  string        // to be sent back with the next announce
}

// Counts is one torrent's row of a scrape (BEP 48).
type Counts struct {
	Complete, Incomplete, Downloaded int
}

// Limits on what is accepted.
const (
	MaxScrape       = 74        // hashes in one scrape: "up to about 74 torrents can be scraped at once" (BEP 15)
	MaxResponse     = 2 << 20   // bytes of an HTTP answer, before and after decompression
	MaxPeers        = 5000      // peers taken from one answer; more is a mistake or an attack
	maxText         = 1024      // bytes kept of a failure reason, a warning, a tracker id
	maxInterval     = 24 * 3600 // seconds; a tracker cannot silence a client for longer than a day
	maxQuery        = 8 << 10   // bytes of a query string
	maxParameters   = 128       // in one query string
	maxNumWant      = 1 << 16
	maxRetryMinutes = 7 * 24 * 60
)

// Errors of the parsers; the wrapped form names what was wrong.
var (
	ErrMalformed = errors.New("malformed")
	ErrTooLarge  = errors.New("too large")
)

// clip bounds a tracker's text, so that an answer cannot fill logs or memory.
func clip(s []byte) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return string(s)
}

// seconds turns a tracker's number of seconds into a duration within [0, a day].
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), maxInterval)) * time.Second
}
