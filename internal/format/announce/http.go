package announce

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/eddy-p2p/eddy/bencode"
)

// AppendResponse appends r as the body of an HTTP answer: with compact peers (BEP 23, BEP 7), or, if dictionaries is set,
// with BEP 3's list. Such a list has no peer ids, as if asked with no_peer_id.
func AppendResponse(b []byte, r *Response, dictionaries bool) []byte {
	b = append(b, 'd')
	if r.Failure != "" {
		b = bencode.AppendString(bencode.AppendString(b, "failure reason"), r.Failure)
		if r.RetryIn != 0 {
			b = appendRetry(bencode.AppendString(b, "retry in"), r.RetryIn)
		}
		return append(b, 'e')
	}
	// Keys in the order that BEP 3 demands: sorted as raw bytes.
	b = appendCount(b, "complete", r.Complete)
	b = appendCount(b, "downloaded", r.Downloaded)
	if r.ExternalIP.IsValid() {
		b = bencode.AppendBytes(bencode.AppendString(b, "external ip"), r.ExternalIP.Unmap().AsSlice())
	}
	b = appendCount(b, "incomplete", r.Incomplete)
	b = appendCount(b, "interval", int(r.Interval/time.Second))
	if r.MinInterval > 0 {
		b = appendCount(b, "min interval", int(r.MinInterval/time.Second))
	}
	b = r.appendPeers(b, dictionaries)
	if r.TrackerID != "" {
		b = bencode.AppendString(bencode.AppendString(b, "tracker id"), r.TrackerID)
	}
	if r.Warning != "" {
		b = bencode.AppendString(bencode.AppendString(b, "warning message"), r.Warning)
	}
	return append(b, 'e')
}

// appendCount appends a key and its number; a negative one is unknown and left out.
func appendCount(b []byte, key string, n int) []byte {
	if n < 0 {
		return b
	}
	return bencode.AppendInt(bencode.AppendString(b, key), int64(n))
}

// appendRetry appends minutes, rounded up, or "never" (BEP 31).
func appendRetry(b []byte, d time.Duration) []byte {
	if d < 0 {
		return bencode.AppendString(b, "never")
	}
	return bencode.AppendInt(b, int64((d+time.Minute-1)/time.Minute))
}

func (r *Response) appendPeers(b []byte, dictionaries bool) []byte {
	if !dictionaries && len(r.Peers) == 0 { // our tracker's way: nothing to convert
		b = bencode.AppendBytes(bencode.AppendString(b, "peers"), r.Compact4)
		if len(r.Compact6) > 0 {
			b = bencode.AppendBytes(bencode.AppendString(b, "peers6"), r.Compact6)
		}
		return b
	}
	b4, b6 := r.splitPeers(nil, nil)
	b = bencode.AppendString(b, "peers")
	if !dictionaries {
		b = bencode.AppendBytes(b, b4)
		if len(b6) > 0 {
			b = bencode.AppendBytes(bencode.AppendString(b, "peers6"), b6)
		}
		return b
	}
	all, _ := appendCompact(nil, b4, Stride4)
	all, _ = appendCompact(all, b6, Stride6)
	b = append(b, 'l')
	for _, p := range all {
		b = append(b, 'd')
		b = bencode.AppendString(bencode.AppendString(b, "ip"), p.Addr.Addr().String())
		b = bencode.AppendInt(bencode.AppendString(b, "port"), int64(p.Addr.Port()))
		b = append(b, 'e')
	}
	return append(b, 'e')
}

// httpLimits bound what a tracker may send: lists of dictionaries take some nine tokens a peer.
var httpLimits = bencode.Limits{MaxBytes: MaxResponse, MaxTokens: 1 << 18, MaxDepth: 8}

// ParseResponse reads the body of an HTTP answer to an announce. A tracker's refusal is no error: see Response.Failure.
// Peers without a usable address are left out; names in place of addresses (BEP 3 allows "dns name") are too, because
// nobody should be made to look up what a tracker names.
func ParseResponse(body []byte) (Response, error) {
	root, err := parseDict(body)
	if err != nil {
		return Response{}, err
	}
	if f := root.Get("failure reason"); f.Exists() {
		return parseFailure(root, f), nil
	}
	if !root.Get("interval").Exists() && !root.Get("peers").Exists() && !root.Get("peers6").Exists() {
		return Response{}, fmt.Errorf("%w: neither peers nor an interval nor a failure", ErrMalformed)
	}
	r := Response{
		Interval:    seconds(integer(root.Get("interval"), 0)),
		MinInterval: seconds(integer(root.Get("min interval"), 0)),
		Complete:    countOf(root.Get("complete")),
		Incomplete:  countOf(root.Get("incomplete")),
		Downloaded:  countOf(root.Get("downloaded")),
		Warning:     text(root.Get("warning message")),
		TrackerID:   text(root.Get("tracker id")),
	}
	if b, ok := root.Get("external ip").Bytes(); ok {
		if a, ok := netip.AddrFromSlice(b); ok { // 4 or 16 bytes (BEP 24)
			r.ExternalIP = a.Unmap()
		}
	}
	if r.Peers, err = parsePeers(root.Get("peers"), Stride4, nil); err != nil {
		return Response{}, err
	}
	if r.Peers, err = parsePeers(root.Get("peers6"), Stride6, r.Peers); err != nil {
		return Response{}, err
	}
	return r, nil
}

func parseDict(body []byte) (bencode.Node, error) {
	root, _, err := bencode.ParsePrefix(body, httpLimits) // some trackers end with a line feed
	if err != nil {
		return root, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if root.Kind() != bencode.Dict {
		return root, fmt.Errorf("%w: a %v in place of a dictionary", ErrMalformed, root.Kind())
	}
	return root, nil
}

func parseFailure(root, reason bencode.Node) Response {
	r := Response{Failure: text(reason), Complete: -1, Incomplete: -1, Downloaded: -1}
	if r.Failure == "" {
		r.Failure = "refused without a reason"
	}
	// BEP 31: "the key 'retry in' ... the value is either a positive integer in minutes or the string 'never'". Some send
	// the number as a string.
	retry := root.Get("retry in")
	minutes := integer(retry, 0)
	if s, ok := retry.Str(); ok {
		if s == "never" {
			r.RetryIn = Never
			return r
		}
		minutes, _ = strconv.ParseInt(s, 10, 64)
	}
	r.RetryIn = time.Duration(min(max(minutes, 0), maxRetryMinutes)) * time.Minute
	return r
}

// parsePeers reads a list of peers in any of its forms: compact for the given stride, or dictionaries.
func parsePeers(n bencode.Node, stride int, peers []Peer) ([]Peer, error) {
	switch n.Kind() {
	case bencode.Absent:
		return peers, nil
	case bencode.String:
		b, _ := n.Bytes()
		return appendCompact(peers, b, stride)
	case bencode.List:
		for item := range n.Items() {
			if len(peers) >= MaxPeers {
				break
			}
			if p, ok := parsePeer(item); ok {
				peers = append(peers, p)
			}
		}
		return peers, nil
	}
	return peers, fmt.Errorf("%w: peers are a %v", ErrMalformed, n.Kind())
}

func parsePeer(n bencode.Node) (Peer, bool) {
	ip, _ := n.Get("ip").Bytes()
	if len(ip) > 64 {
		return Peer{}, false
	}
	a, err := netip.ParseAddr(string(ip))
	port := integer(n.Get("port"), 0)
	if err != nil || a.Zone() != "" || port < 1 || port > 65535 {
		return Peer{}, false
	}
	p := Peer{Addr: netip.AddrPortFrom(a.Unmap(), uint16(port))}
	if id, _ := n.Get("peer id").Bytes(); len(id) == len(p.ID) {
		p.ID = [20]byte(id)
	}
	return p, usable(p.Addr)
}

func integer(n bencode.Node, otherwise int64) int64 {
	if v, ok := n.Int(); ok {
		return v
	}
	return otherwise
}

// countOf reads a count; -1 when it is absent or makes no sense.
func countOf(n bencode.Node) int {
	v := integer(n, -1)
	if v < 0 || v > 1<<31-1 {
		return -1
	}
	return int(v)
}

func text(n bencode.Node) string {
	b, _ := n.Bytes()
	return clip(b)
}
