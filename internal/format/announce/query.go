package announce

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

const hexDigits = "0123456789ABCDEF"

// appendEscaped appends b with every byte but the unreserved ones of RFC 3986 as %XX. A space becomes %20, never "+",
// which trackers read differently.
func appendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// AppendURL appends base, a tracker's announce URL, with r as its query. A query that base has already (a passkey, say)
// is kept in front; a fragment is dropped.
func AppendURL(b []byte, base string, r *Request) []byte {
	base, _, _ = strings.Cut(base, "#")
	b = append(b, base...)
	return AppendQuery(append(b, separator(base)), r)
}

func separator(base string) byte {
	if strings.IndexByte(base, '?') >= 0 {
		return '&'
	}
	return '?'
}

// AppendQuery appends r as the query string of an HTTP announce, without the leading "?" (BEP 3, 7, 23).
func AppendQuery(b []byte, r *Request) []byte {
	b = appendEscaped(append(b, "info_hash="...), r.InfoHash[:])
	b = appendEscaped(append(b, "&peer_id="...), r.PeerID[:])
	b = strconv.AppendUint(append(b, "&port="...), uint64(r.Port), 10)
	b = strconv.AppendInt(append(b, "&uploaded="...), r.Uploaded, 10)
	b = strconv.AppendInt(append(b, "&downloaded="...), r.Downloaded, 10)
	b = strconv.AppendInt(append(b, "&left="...), r.Left, 10)
	if r.Dictionaries {
		b = append(b, "&compact=0"...)
	} else {
		b = append(b, "&compact=1"...)
	}
	key := strconv.AppendUint(nil, uint64(r.Key), 16)
	b = append(append(b, "&key="...), strings.Repeat("0", 8-len(key))...)
	b = append(b, key...)
	if r.NumWant != DefaultNumWant {
		b = strconv.AppendInt(append(b, "&numwant="...), int64(r.NumWant), 10)
	}
	if r.Event != None {
		b = append(append(b, "&event="...), r.Event.String()...)
	}
	if r.IPv4.IsValid() {
		b = append(append(b, "&ipv4="...), r.IPv4.String()...)
	}
	if r.IPv6.IsValid() {
		b = appendEscaped(append(b, "&ipv6="...), []byte(r.IPv6.String()))
	}
	if r.TrackerID != "" {
		b = appendEscaped(append(b, "&trackerid="...), []byte(r.TrackerID))
	}
	return b
}

// ParseQuery reads the query string of an HTTP announce, without the leading "?". Unknown parameters are skipped; of a
// repeated one the last counts. The info hash, the peer id and the port are required; a missing "left" reads as unknown,
// that is as a leecher's. It allocates nothing but a tracker id.
func ParseQuery(query string) (Request, error) {
	r := Request{NumWant: DefaultNumWant, Left: math.MaxInt64}
	var has requestFields
	err := eachParameter(query, func(name, value string) error { return r.set(name, value, &has) })
	switch {
	case err != nil:
		return Request{}, err
	case !has.hash:
		return Request{}, fmt.Errorf("%w: no info_hash", ErrMalformed)
	case !has.id:
		return Request{}, fmt.Errorf("%w: no peer_id", ErrMalformed)
	case !has.port || r.Port == 0 && r.Event != Stopped:
		return Request{}, fmt.Errorf("%w: no port", ErrMalformed)
	}
	return r, nil
}

// requestFields records which of the required parameters have been seen.
type requestFields struct{ hash, id, port bool }

// set stores one parameter.
func (r *Request) set(name, value string, has *requestFields) (err error) {
	switch name {
	case "info_hash":
		has.hash = true
		r.InfoHash, err = unescape20(name, value)
	case "peer_id":
		has.id = true
		r.PeerID, err = unescape20(name, value)
	case "port":
		var n int64
		has.port = true
		n, err = number(name, value)
		if err == nil && n > 65535 {
			err = fmt.Errorf("%w: port %d", ErrMalformed, n)
		}
		r.Port = uint16(n)
	case "uploaded":
		r.Uploaded, err = number(name, value)
	case "downloaded":
		r.Downloaded, err = number(name, value)
	case "left":
		r.Left, err = number(name, value)
	case "numwant", "num want":
		r.NumWant = numWant(value)
	case "compact":
		r.Dictionaries = value == "0"
	default:
		err = r.setOptional(name, value)
	}
	return err
}

// setOptional stores the parameters that a tracker can do without.
func (r *Request) setOptional(name, value string) error {
	switch name {
	case "event":
		r.Event = parseEvent(value)
	case "key":
		// BEP 3 leaves the form of the key open. Clients send up to 8 hex digits; others are folded, so that equal texts
		// stay equal.
		r.Key = foldKey(value)
	case "trackerid":
		var buf [maxText]byte
		b, err := unescape(buf[:0], value)
		if err != nil {
			return err
		}
		r.TrackerID = clip(b)
	case "ipv4":
		if a, err := netip.ParseAddr(value); err == nil && a.Is4() {
			r.IPv4 = a
		}
	case "ipv6":
		var buf [64]byte
		b, err := unescape(buf[:0], value)
		if err != nil {
			return nil // a hint only, and one that no parser of ours acts on
		}
		if a, err := netip.ParseAddr(string(b)); err == nil && a.Is6() && a.Zone() == "" {
			r.IPv6 = a
		}
	}
	return nil
}

// parseEvent maps unknown events (BEP 21 "paused" among them) to None: the peer is there, which is what matters.
func parseEvent(s string) Event {
	switch s {
	case "started":
		return Started
	case "completed":
		return Completed
	case "stopped":
		return Stopped
	}
	return None
}

// number parses a non-negative decimal. Old clients send negative or huge values after an overflow; those count as 0 and
// as the largest number, since refusing the announce would help nobody.
func number(name, s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && (s == "" || strings.Trim(s, "0123456789") != "") {
		return 0, fmt.Errorf("%w: %s is not a number", ErrMalformed, name)
	}
	return max(n, 0), nil
}

// numWant reads a wish: what cannot be read is no wish.
func numWant(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return DefaultNumWant
	}
	return min(n, maxNumWant)
}

func foldKey(s string) uint32 {
	if n, err := strconv.ParseUint(s, 16, 32); err == nil {
		return uint32(n)
	}
	h := uint32(2166136261) // FNV-1a
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// eachParameter calls f with every name=value of a query, as it is written: values are unescaped by who needs them.
func eachParameter(query string, f func(name, value string) error) error {
	if len(query) > maxQuery {
		return fmt.Errorf("%w: a query of %d bytes", ErrTooLarge, len(query))
	}
	for n := 0; query != ""; n++ {
		if n == maxParameters {
			return fmt.Errorf("%w: more than %d parameters", ErrTooLarge, maxParameters)
		}
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// unescape20 reads a value that has to be 20 bytes long once unescaped.
func unescape20(name, s string) (v [20]byte, err error) {
	var buf [20]byte
	if len(s) > 3*len(buf) {
		return v, fmt.Errorf("%w: %s is not 20 bytes long", ErrMalformed, name)
	}
	b, err := unescape(buf[:0], s)
	if err != nil {
		return v, err
	}
	if len(b) != len(v) {
		return v, fmt.Errorf("%w: %s is %d bytes long, not 20", ErrMalformed, name, len(b))
	}
	return [20]byte(b), nil
}

// unescape appends s with its %XX decoded. "+" is a space, as forms encode it: clients that mean a plus write %2B.
func unescape(dst []byte, s string) ([]byte, error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '%':
			if i+2 >= len(s) {
				return dst, fmt.Errorf("%w: an escape is cut short", ErrMalformed)
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return dst, fmt.Errorf("%w: %q is no escape", ErrMalformed, s[i:i+3])
			}
			dst = append(dst, hi<<4|lo)
			i += 2
		case '+':
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst, nil
}

// unhex returns the value of a hex digit, or 255.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
