package metainfo

import "encoding/hex"

// ID identifies a torrent by the hashes of its info dictionary. A zero field means that the torrent has no metadata of
// that version: v1-only torrents have a zero V2, v2-only torrents a zero V1, hybrids have both (BEP 3, BEP 52).
type ID struct {
	V1 [20]byte // SHA-1 of the raw info dictionary
	V2 [32]byte // SHA-256 of the raw info dictionary
}

// HasV1 reports whether the torrent has v1 metadata.
func (id ID) HasV1() bool { return id.V1 != [20]byte{} }

// HasV2 reports whether the torrent has v2 metadata.
func (id ID) HasV2() bool { return id.V2 != [32]byte{} }

// Wire returns the 20 bytes by which trackers and handshakes know the torrent: the v1 infohash, or for v2-only torrents
// the v2 infohash cut to 20 bytes (BEP 52).
func (id ID) Wire() [20]byte {
	if id.HasV1() || !id.HasV2() {
		return id.V1
	}
	return [20]byte(id.V2[:20])
}

// String returns the hex form of the v1 infohash, or of the whole v2 infohash for v2-only torrents.
func (id ID) String() string {
	if id.HasV1() || !id.HasV2() {
		return hex.EncodeToString(id.V1[:])
	}
	return hex.EncodeToString(id.V2[:])
}
