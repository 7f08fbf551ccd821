package metainfo

import "github.com/eddy-p2p/eddy/bencode"

// knownKeys are the keys of a torrent file that MetaInfo has fields for.
var knownKeys = map[string]bool{
	"announce": true, "announce-list": true, "comment": true, "created by": true, "creation date": true,
	"httpseeds": true, "info": true, "nodes": true, "piece layers": true, "url-list": true,
}

// Bytes returns the torrent file. The info dictionary is kept to the byte, so that the identity stays; keys around it that
// we do not know are kept too, and all keys are sorted.
func (m *MetaInfo) Bytes() []byte {
	dict := map[string]any{"info": bencode.Raw(m.InfoBytes)}
	m.keepUnknown(dict)
	putString(dict, "announce", m.Announce)
	putString(dict, "comment", m.Comment)
	putString(dict, "created by", m.CreatedBy)
	if m.CreationDate != 0 {
		dict["creation date"] = m.CreationDate
	}
	if len(m.AnnounceList) > 0 {
		tiers := make([]any, len(m.AnnounceList))
		for i, tier := range m.AnnounceList {
			tiers[i] = tier
		}
		dict["announce-list"] = tiers
	}
	if len(m.URLList) > 0 {
		dict["url-list"] = m.URLList
	}
	if len(m.HTTPSeeds) > 0 {
		dict["httpseeds"] = m.HTTPSeeds
	}
	if nodes := nodePairs(m.Nodes); len(nodes) > 0 {
		dict["nodes"] = nodes
	}
	// BEP 52 wants the key in every v2 torrent, if empty.
	if m.HasV2() {
		layers := make(map[string]any, len(m.PieceLayers))
		for root, layer := range m.PieceLayers {
			layers[string(root[:])] = layer
		}
		dict["piece layers"] = layers
	}
	out, err := bencode.Append(nil, dict)
	if err != nil {
		panic("metainfo: " + err.Error()) // only our own types are in dict
	}
	return out
}

// keepUnknown copies the entries of the parsed file that have no field here, the first of each key.
func (m *MetaInfo) keepUnknown(dict map[string]any) {
	if m.source == nil {
		return
	}
	root, err := bencode.Parse(m.source, bencode.Limits{MaxBytes: MaxBytes})
	if err != nil {
		return // it parsed before; the caller has since changed the bytes
	}
	for k, v := range root.Entries() {
		if _, have := dict[string(k)]; !have && !knownKeys[string(k)] {
			dict[string(k)] = bencode.Raw(v.Raw())
		}
	}
}

func putString(dict map[string]any, key, value string) {
	if value != "" {
		dict[key] = value
	}
}

// nodePairs turns host:port into the [host, port] lists of BEP 5.
func nodePairs(nodes []string) []any {
	var out []any
	for _, n := range nodes {
		if host, port, ok := splitHostPort(n); ok {
			out = append(out, []any{host, port})
		}
	}
	return out
}
