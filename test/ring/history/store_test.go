package history_test

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// disk is a host's store in memory: what was written but not synced is lost in a crash. Mutants break it on purpose.
type disk struct {
	now     func() time.Duration
	synced  map[string]saved
	pending map[string]saved // ackEarly: looks written, is not
	arcs    []replica.SureArc
	hosts   int
	mutant  mutant
}

type saved struct {
	bytes []byte
	at    time.Duration
}

func newDisk(now func() time.Duration, m mutant) *disk {
	return &disk{now: now, synced: map[string]saved{}, pending: map[string]saved{}, mutant: m}
}

func (d *disk) read(key string) *ringwire.Record {
	s, ok := d.pending[key]
	if !ok {
		s, ok = d.synced[key]
	}
	if !ok {
		return nil
	}
	rec, err := ringwire.ParseRecord(s.bytes)
	if err != nil {
		panic(err) // it wrote that itself
	}
	return rec.Age(d.now() - s.at)
}

func (d *disk) Load(_ time.Duration, key string) (*ringwire.Record, error) { return d.read(key), nil }

func (d *disk) Each(_ time.Duration, f func(*ringwire.Record) bool) error {
	var keys []string
	for k := range d.synced {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if rec := d.read(k); rec != nil && !f(rec) {
			break
		}
	}
	return nil
}

// merge is what the driver does for Persist.
func (d *disk) merge(rec *ringwire.Record) {
	d.write(rec.Key, ringwire.Merge(d.read(rec.Key), rec), d.mutant == ackBeforeSync)
}

func (d *disk) write(key string, rec *ringwire.Record, unsynced bool) {
	switch d.mutant {
	case lastWriteWins:
		rec = newest(rec)
	case droppedTombstone:
		rec = withoutTombstones(rec)
	}
	switch {
	case rec == nil || len(rec.Versions) == 0:
		delete(d.synced, key)
		delete(d.pending, key)
	case unsynced:
		d.pending[key] = saved{rec.Append(nil), d.now()}
	default:
		d.synced[key] = saved{rec.Append(nil), d.now()}
	}
}

// forget is what the driver does for Forget.
func (d *disk) forget(key string, digest ringwire.Digest) {
	if rec := d.read(key); rec == nil || rec.Digest() == digest {
		delete(d.synced, key)
		delete(d.pending, key)
	}
}

// newest keeps one version and drops its siblings.
func newest(rec *ringwire.Record) *ringwire.Record {
	if rec == nil || len(rec.Versions) < 2 {
		return rec
	}
	return &ringwire.Record{Key: rec.Key, Versions: rec.Versions[len(rec.Versions)-1:]}
}

func withoutTombstones(rec *ringwire.Record) *ringwire.Record {
	if rec == nil {
		return nil
	}
	out := &ringwire.Record{Key: rec.Key}
	for _, v := range rec.Versions {
		if !v.Tombstone {
			out.Versions = append(out.Versions, v)
		}
	}
	if len(out.Versions) < len(rec.Versions) {
		// The value goes, and so does the memory of it.
		return nil
	}
	return out
}
