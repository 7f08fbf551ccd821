package metainfo

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/eddy-p2p/eddy/bencode"
)

// Limits of what Parse accepts, above what is seen in the field.
const (
	MaxBytes       = 10 << 20 // of a metainfo file
	MaxPieces      = 2_097_152
	MaxPieceLength = 1 << 30
	maxLinks       = 1000 // trackers, web seeds or nodes that are kept, each
)

// MetaInfo is a torrent file: the info dictionary, and what stands around it and is not part of the identity.
type MetaInfo struct {
	Info
	InfoBytes []byte // the info dictionary as it stands in the input; ID is taken over it
	ID        ID

	Announce     string
	AnnounceList [][]string // BEP 12: tiers
	URLList      []string   // BEP 19: web seeds
	HTTPSeeds    []string   // BEP 17
	Nodes        []string   // BEP 5: host:port of DHT nodes
	Comment      string
	CreatedBy    string
	CreationDate int64 // seconds since 1970; 0 if not given

	// PieceLayers holds, by the root of a file that is longer than a piece, the 32-byte hashes of its pieces (BEP 52). All
	// of them are verified against their root. A torrent may lack some, as one from a magnet link does.
	PieceLayers map[[32]byte][]byte

	source []byte // the whole input, for keys that Bytes must keep though we do not know them
}

// Parse reads a torrent file. The result refers to data, which must not be modified afterwards.
func Parse(data []byte) (*MetaInfo, error) {
	root, used, err := bencode.ParsePrefix(data, bencode.Limits{MaxBytes: MaxBytes, Numbers: true})
	if err != nil {
		return nil, fmt.Errorf("metainfo: reading the torrent: %w", err)
	}
	if root.Kind() != bencode.Dict {
		return nil, errors.New("metainfo: the torrent is not a dictionary")
	}
	// Editors and mailers add a line end; more than that is not ours.
	if tail := data[used:]; len(tail) > 2 || strings.Trim(string(tail), "\r\n") != "" {
		return nil, fmt.Errorf("metainfo: %d bytes after the end of the torrent", len(tail))
	}
	info, err := single(root, "info")
	if err != nil {
		return nil, err
	}
	m := &MetaInfo{source: data[:used:used]}
	if err := m.setInfo(info); err != nil {
		return nil, err
	}
	m.readLinks(root)
	if m.HasV2() {
		if m.PieceLayers, err = parseLayers(&m.Info, root.Get("piece layers")); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ParseInfo reads an info dictionary alone, as peers send it (BEP 9). Check its hash first.
func ParseInfo(raw []byte) (*MetaInfo, error) {
	info, err := bencode.Parse(raw, bencode.Limits{MaxBytes: MaxBytes, Numbers: true})
	if err != nil {
		return nil, fmt.Errorf("metainfo: reading the info dictionary: %w", err)
	}
	m := &MetaInfo{}
	if err := m.setInfo(info); err != nil {
		return nil, err
	}
	return m, nil
}

// single returns the value of a key that must not be repeated, since readers would disagree on which one counts.
func single(dict bencode.Node, key string) (bencode.Node, error) {
	var found bencode.Node
	for k, v := range dict.Entries() {
		if string(k) != key {
			continue
		}
		if found.Exists() {
			return bencode.Node{}, fmt.Errorf("metainfo: two %q keys", key)
		}
		found = v
	}
	return found, nil
}

// setInfo parses the info dictionary and takes the hashes that identify it.
func (m *MetaInfo) setInfo(n bencode.Node) error {
	if n.Kind() != bencode.Dict {
		return errors.New("metainfo: no info dictionary")
	}
	m.InfoBytes = n.Raw()
	if err := m.Info.parse(n); err != nil {
		return err
	}
	if m.HasV1() {
		m.ID.V1 = sha1.Sum(m.InfoBytes)
	}
	if m.HasV2() {
		m.ID.V2 = sha256.Sum256(m.InfoBytes)
	}
	m.Info.fallback = m.ID.String()
	return nil
}

// readLinks reads what surrounds the info dictionary. Nothing there can make a torrent invalid: odd values are left out.
func (m *MetaInfo) readLinks(root bencode.Node) {
	m.Announce = trimmed(root.Get("announce"))
	total := 0
	for tier := range root.Get("announce-list").Items() {
		urls := links(tier, maxLinks-total)
		if len(urls) > 0 {
			m.AnnounceList = append(m.AnnounceList, urls)
			total += len(urls)
		}
	}
	m.URLList = links(root.Get("url-list"), maxLinks)
	m.HTTPSeeds = links(root.Get("httpseeds"), maxLinks)
	for n := range root.Get("nodes").Items() {
		if len(m.Nodes) == maxLinks {
			break
		}
		if s := hostPort(n); s != "" {
			m.Nodes = append(m.Nodes, s)
		}
	}
	m.Comment, _ = root.Get("comment").Str()
	m.CreatedBy, _ = root.Get("created by").Str()
	m.CreationDate, _ = root.Get("creation date").Int()
}

// trimmed returns a string without the blanks that hand-made torrents have around URLs.
func trimmed(n bencode.Node) string {
	s, _ := n.Str()
	return strings.TrimSpace(s)
}

// links returns the distinct non-empty strings of a list, or of a single string, up to a number.
func links(n bencode.Node, most int) []string {
	if s := trimmed(n); s != "" && most > 0 {
		return []string{s}
	}
	var out []string
	seen := map[string]bool{}
	for item := range n.Items() {
		if len(out) >= most {
			break
		}
		if s := trimmed(item); s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// hostPort joins a [host, port] pair; "" if it is not one.
func hostPort(n bencode.Node) string {
	var host string
	var port int64
	i := 0
	for v := range n.Items() {
		switch i {
		case 0:
			host = trimmed(v)
		case 1:
			port, _ = v.Int()
		}
		i++
	}
	if i != 2 || host == "" || port < 1 || port > 65535 {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.FormatInt(port, 10)
}

// Trackers returns the tiers of trackers to use: the announce list where there is one, else the announce URL (BEP 12: "If
// the client is compatible with the multitracker specification, and if the announce-list key is present, the client will
// ignore the announce key").
func (m *MetaInfo) Trackers() [][]string {
	if len(m.AnnounceList) > 0 {
		return m.AnnounceList
	}
	if m.Announce != "" {
		return [][]string{{m.Announce}}
	}
	return nil
}

// HasLayers reports whether the piece layers of all files that need one are there, as is always so in v1 torrents.
func (m *MetaInfo) HasLayers() bool {
	if !m.HasV2() {
		return true
	}
	for _, f := range m.Files {
		if !f.Pad && f.Length > m.PieceLength && m.PieceLayers[f.Root] == nil {
			return false
		}
	}
	return true
}
