package metainfo

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Magnet is a magnet link: enough to find a torrent and check its info dictionary.
type Magnet struct {
	ID       ID
	Name     string // dn: what to show until the metadata is there
	Length   int64  // xl: bytes; 0 if not given
	Trackers []string
	WebSeeds []string
	Peers    []string      // x.pe: host:port
	Select   []SelectRange // so, BEP 53: indices of the files to get; nil means all
}

// SelectRange is a range of file indices, both ends included.
type SelectRange struct{ First, Last int }

// ErrNotMagnet is returned for text that is no magnet link at all.
var ErrNotMagnet = errors.New("metainfo: not a magnet link")

// IsMagnet reports whether s looks like a magnet link.
func IsMagnet(s string) bool {
	return len(s) >= 8 && strings.EqualFold(s[:8], "magnet:?")
}

// ParseMagnet reads a magnet link (BEP 9, BEP 52, BEP 53). It must name at least one infohash: v1 in hex or base32, v2 as
// a multihash. Numbered forms (tr.1) count; unknown parameters are ignored.
func ParseMagnet(s string) (Magnet, error) {
	var m Magnet
	s = strings.TrimSpace(s)
	if !IsMagnet(s) {
		return m, ErrNotMagnet
	}
	query := s[8:]
	if len(query) > 64<<10 {
		return m, errors.New("metainfo: the magnet link is too long")
	}
	for param := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(param, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			return Magnet{}, fmt.Errorf("metainfo: reading the magnet link: %w", err)
		}
		key = strings.ToLower(key)
		if key != "x.pe" {
			key, _, _ = strings.Cut(key, ".")
		}
		if err := m.set(key, value); err != nil {
			return Magnet{}, err
		}
	}
	if m.ID == (ID{}) {
		return Magnet{}, errors.New("metainfo: the magnet link has no infohash")
	}
	return m, nil
}

// set takes one parameter. Only those that decide what is fetched can be wrong; the others are hints.
func (m *Magnet) set(key, value string) error {
	switch key {
	case "xt":
		return m.setTopic(value)
	case "dn":
		m.Name = value
	case "xl":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			m.Length = n
		}
	case "tr":
		m.Trackers = addLink(m.Trackers, value)
	case "ws":
		m.WebSeeds = addLink(m.WebSeeds, value)
	case "x.pe":
		if _, _, ok := splitHostPort(value); ok {
			m.Peers = addLink(m.Peers, value)
		}
	case "so":
		return m.setSelect(value)
	}
	return nil
}

func addLink(list []string, value string) []string {
	if value = strings.TrimSpace(value); value == "" || len(list) >= maxLinks {
		return list
	}
	for _, have := range list {
		if have == value {
			return list
		}
	}
	return append(list, value)
}

// setTopic reads an exact topic. Topics of other networks are ignored.
func (m *Magnet) setTopic(value string) error {
	if hash, ok := cutPrefixFold(value, "urn:btih:"); ok {
		var raw []byte
		var err error
		if len(hash) == 32 {
			raw, err = base32.StdEncoding.DecodeString(strings.ToUpper(hash))
		} else {
			raw, err = hex.DecodeString(hash)
		}
		if err != nil || len(raw) != 20 {
			return fmt.Errorf("metainfo: the magnet link's infohash %q is neither 40 hex nor 32 base32 digits", hash)
		}
		m.ID.V1 = [20]byte(raw)
	}
	if hash, ok := cutPrefixFold(value, "urn:btmh:"); ok {
		// A multihash: 0x12 is SHA-256, 0x20 its length.
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != 34 || raw[0] != 0x12 || raw[1] != 0x20 {
			return fmt.Errorf("metainfo: the magnet link's v2 infohash %q is not 1220 and 64 hex digits", hash)
		}
		m.ID.V2 = [32]byte(raw[2:])
	}
	return nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return "", false
}

// setSelect reads the file indices of BEP 53: 0,2,4,6-8.
func (m *Magnet) setSelect(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 31)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(last, 10, 31)
		}
		if err != nil || b < a {
			return fmt.Errorf("metainfo: the magnet link selects files %q", value)
		}
		m.Select = append(m.Select, SelectRange{int(a), int(b)})
	}
	return nil
}

// splitHostPort splits host:port, where the host may be an IPv6 address in brackets.
func splitHostPort(s string) (host string, port int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	host = s[:i]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return "", 0, false
	}
	return host, int(n), err == nil && n > 0 && host != ""
}

// String returns the link: topics, name and length first, so that the start identifies it.
func (m Magnet) String() string {
	var b strings.Builder
	b.WriteString("magnet:?")
	sep := ""
	add := func(key, value string) {
		b.WriteString(sep + key + "=" + value)
		sep = "&"
	}
	if m.ID.HasV1() {
		add("xt", "urn:btih:"+hex.EncodeToString(m.ID.V1[:]))
	}
	if m.ID.HasV2() {
		add("xt", "urn:btmh:1220"+hex.EncodeToString(m.ID.V2[:]))
	}
	if m.Name != "" {
		add("dn", url.QueryEscape(m.Name))
	}
	if m.Length > 0 {
		add("xl", strconv.FormatInt(m.Length, 10))
	}
	for _, u := range m.Trackers {
		add("tr", url.QueryEscape(u))
	}
	for _, u := range m.WebSeeds {
		add("ws", url.QueryEscape(u))
	}
	for _, p := range m.Peers {
		add("x.pe", url.QueryEscape(p))
	}
	if len(m.Select) > 0 {
		parts := make([]string, len(m.Select))
		for i, r := range m.Select {
			parts[i] = strconv.Itoa(r.First)
			if r.Last > r.First {
				parts[i] += "-" + strconv.Itoa(r.Last)
			}
		}
		add("so", strings.Join(parts, ","))
	}
	return b.String()
}

// Magnet returns the torrent's magnet link.
func (m *MetaInfo) Magnet() string {
	link := Magnet{ID: m.ID, Name: m.Name, Length: m.Length(), WebSeeds: m.URLList}
	for _, tier := range m.Trackers() {
		link.Trackers = append(link.Trackers, tier...)
	}
	return link.String()
}
