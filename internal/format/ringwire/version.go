package ringwire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// Limits of what a record holds; the API's are the same or tighter.
const (
	MaxKeyBytes   = 1 << 10
	MaxValueBytes = 1 << 20
	MaxCert       = 4 << 10
	MaxSig        = 128
	MaxVersions   = 4096                   // in one record: members of a set, their siblings and tombstones
	MaxRecord     = MaxDataFrame - 128<<10 // canonical bytes of a record
)

// Retention is how long a tombstone lives, and any other version that is kept only so that what it overwrote does not come back. A host that
// was away for MaxAway or longer drops its data before it rejoins: it could bring back what everybody else has forgotten.
const (
	Retention = 8 * 24 * time.Hour
	MaxAway   = 7 * 24 * time.Hour
)

// Version is one write to a key. Everything but Value, Gone and Left is signed (the value by its hash); none of the signed fields
// ever changes.
type Version struct {
	Dot       Dot
	Context   Context       // the writes that this one overwrites, of the same member in a set
	Set       bool          // Value is a member of a set; else the value of a register
	Member    Digest        // of a set: the SHA-256 of the member; else zero
	Tombstone bool          // a deletion
	Linger    bool          // stay without the value for Retention after TTL: it overwrote something that might outlive it
	TTL       time.Duration // whole milliseconds; 0 = for ever
	Hash      Digest        // of Value; zero for a tombstone
	Cert      []byte        // the signer's certificate, opaque here
	Sig       []byte        // over SignedBytes

	// Value is nil when there is none: for tombstones, and when Gone.
	Value []byte
	// Gone: the value was dropped, since its time is over or another version overwrote it; only Context still counts.
	Gone bool
	// Left is the time that remains, at the moment for which the record was read: of TTL, or of Retention for a tombstone and when Gone. At
	// its end the version goes on to the next state. Not signed; at most TTL or Retention. 0 = for ever.
	Left time.Duration
}

// recordTag separates these signatures from all others of a host.
const recordTag = "eddy ring record\x00"

// SignedBytes appends what a signature covers: ring, key and all of v that never changes but Cert and Sig.
func (v *Version) SignedBytes(b []byte, ring RingID, key string) []byte {
	b = append(b, recordTag...)
	b = append(b, ring[:]...)
	b = AppendBytes(b, []byte(key))
	return v.appendFixed(b)
}

// appendFixed appends the signed fields, without the ring and the key.
func (v *Version) appendFixed(b []byte) []byte {
	b = v.Dot.append(b)
	b = append(b, v.flags())
	if v.Set {
		b = append(b, v.Member[:]...)
	}
	b = binary.AppendUvarint(b, uint64(v.TTL/time.Millisecond))
	if !v.Tombstone {
		b = append(b, v.Hash[:]...)
	}
	return v.Context.Append(b)
}

const (
	flagSet = 1 << iota
	flagTombstone
	flagLinger
)

func (v *Version) flags() (f byte) {
	for i, set := range [...]bool{v.Set, v.Tombstone, v.Linger} {
		if set {
			f |= 1 << i
		}
	}
	return f
}

// append appends the canonical bytes.
func (v *Version) append(b []byte) []byte {
	b = AppendBool(b, v.Gone)
	b = v.appendFixed(b)
	b = AppendBytes(b, v.Cert)
	b = AppendBytes(b, v.Sig)
	// Rounded up, so that a version does not end early by being passed on.
	b = binary.AppendUvarint(b, uint64((v.Left+time.Millisecond-1)/time.Millisecond))
	if !v.Gone && !v.Tombstone {
		b = AppendBytes(b, v.Value)
	}
	return b
}

// versionMin is the least number of bytes that append makes.
const versionMin = 1 + dotSize + 1 + 1 + 1 + 1 + 1 + 1

// version takes a version and copies what it keeps.
func (r *Reader) version() (v Version) {
	v.Gone = r.Bool()
	v.Dot = r.dot()
	flags := r.Byte()
	if flags >= flagLinger<<1 || v.Dot.Counter == 0 || v.Dot.Epoch == 0 {
		r.Fail()
	}
	v.Set, v.Tombstone, v.Linger = flags&flagSet != 0, flags&flagTombstone != 0, flags&flagLinger != 0
	if v.Set {
		v.Member = Digest(r.Fixed(len(v.Member)))
	}
	v.TTL = r.duration(MaxTTL)
	if !v.Tombstone {
		v.Hash = Digest(r.Fixed(len(v.Hash)))
	}
	v.Context = r.Context()
	v.Cert, v.Sig = bytes.Clone(r.Bytes(MaxCert)), bytes.Clone(r.Bytes(MaxSig))
	v.Left = r.duration(MaxTTL)
	if !v.Gone && !v.Tombstone {
		v.Value = append(make([]byte, 0), r.Bytes(MaxValueBytes)...)
	}
	if r.Err() == nil && !v.consistent() {
		r.Fail()
	}
	return v
}

// consistent reports whether the fields agree with each other; whether the signature does is the reader's business.
func (v *Version) consistent() bool {
	switch {
	case v.Tombstone && (v.Gone || v.TTL != 0):
		return false
	case v.Set && !v.Tombstone && v.Member != v.Hash:
		return false
	case v.Tombstone || v.Gone:
		return v.Left > 0 && v.Left <= Retention
	}
	return (v.Left == 0) == (v.TTL == 0) && v.Left <= v.TTL && Digest(sha256.Sum256(v.Value)) == v.Hash
}

// MaxTTL is the longest time to live that a version may have, a hundred years: beyond it a value is meant to stay for ever.
const MaxTTL = 100 * 365 * 24 * time.Hour

// duration takes milliseconds.
func (r *Reader) duration(limit time.Duration) time.Duration {
	ms := r.Uvarint()
	if ms > uint64(limit/time.Millisecond) {
		r.Fail()
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
