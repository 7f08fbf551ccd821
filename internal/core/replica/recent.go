package replica

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// recent remembers records as they were last on disk, so that a set of many members is not read and parsed for each question about one
// of them. What it has is never ahead of what Persisted confirmed.
type recent struct {
	byKey map[string]seen
	bytes int64
}

type seen struct {
	rec *ringwire.Record
	at  time.Duration // that rec is aged to
}

// maxRecent bounds the bytes that are remembered; beyond, all is forgotten, which costs no more than reading it again.
const maxRecent = 8 << 20

func (c *recent) put(key string, rec *ringwire.Record, at time.Duration) {
	c.drop(key)
	if size := int64(rec.Size()); rec != nil && size <= maxRecent/4 {
		if c.bytes+size > maxRecent || c.byKey == nil {
			c.byKey, c.bytes = map[string]seen{}, 0
		}
		c.byKey[key] = seen{rec, at}
		c.bytes += size
	}
}

func (c *recent) drop(key string) {
	if s, ok := c.byKey[key]; ok {
		c.bytes -= int64(s.rec.Size())
		delete(c.byKey, key)
	}
}

// load reads a record; a failing disk breaks the replica.
func (r *Replica) load(key string) *ringwire.Record {
	if r.index.byKey[key] == nil {
		return nil
	}
	if s, ok := r.recent.byKey[key]; ok {
		return s.rec.Age(r.now - s.at)
	}
	rec, err := r.cfg.Store.Load(r.now, key)
	if err != nil {
		r.fail()
		return nil
	}
	if r.writing[key] == 0 { // else it may be ahead of what was confirmed
		r.recent.put(key, rec, r.now)
	}
	return rec
}

// indexed is the digest of a key's record, zero for none, if the index knows it: a record that is on its way to the disk, and one of which a
// version's time is over since, have to be looked at.
func (r *Replica) indexed(key string) (d ringwire.Digest, ok bool) {
	if r.writing[key] != 0 {
		return d, false
	}
	e := r.index.byKey[key]
	if e == nil {
		return d, true
	}
	return e.digest, e.next == 0 || e.next > r.now
}

// digest is rec's, which load has just returned for the key.
func (r *Replica) digest(key string, rec *ringwire.Record) ringwire.Digest {
	if d, ok := r.indexed(key); ok {
		return d
	}
	return rec.Digest()
}
