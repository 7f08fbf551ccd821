package ringnode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/drive/boltfile"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

const storeFile = "ring.db"

// Buckets, and the keys in nodeBucket.
var (
	recordBucket = []byte("records") // key -> when it was stored, the record
	hostBucket   = []byte("hosts")   // public key -> certificate, presence
	nodeBucket   = []byte("node")
	queueBucket  = []byte("queue") // system records that the ring does not have yet: key, then member -> nothing
	lostBucket   = []byte("damaged")
	epochKey     = []byte("epoch")
	stampKey     = []byte("stamp")
	arcsKey      = []byte("arcs")
	firstKey     = []byte("first") // this host began its ring, and has not put its arcs on disk since
)

// store is what must survive: records, how far they are synchronised, the number of this start, known hosts.
type store struct {
	db   *bolt.DB
	log  *slog.Logger
	wall time.Time // the time of the store's clock that a Duration of zero stands for

	pauses []pause // oldest first; constant

	mu     sync.Mutex // held by each transaction that writes
	failed error      // why none is tried any more

	epoch uint32
	away  time.Duration // since the store was open last
	arcs  []replica.SureArc
	hosts int  // of the last PersistArcs
	first bool // see firstKey
	used  bool // a member has used it before

	arcsWait bool // the next transaction has to store arcs and hosts
}

// openStore opens the store in dir, making it if there is none, and begins the next epoch. A node must not go on with an empty store in the
// place of a damaged one: it would deny what it has acknowledged.
func openStore(dir string, log *slog.Logger, start time.Time) (*store, error) {
	name := filepath.Join(dir, storeFile)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if err := boltfile.Create(name); err != nil {
			return nil, fmt.Errorf("creating %s: %w", name, err)
		}
	}
	db, err := boltfile.Open(name, bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, boltfile.ErrInUse) {
		err = &ringapi.Error{Code: ringapi.Conflict, Message: "another eddy uses the data directory",
			Hint: "stop it, or give this one a directory of its own with --data"}
	}
	if errors.Is(err, boltfile.ErrDamaged) {
		return nil, fmt.Errorf("opening %s: %w; nothing was changed. Move the whole data directory away and join as a new node: the ring "+
			"has other copies", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	s := &store{db: db, log: log}
	if err := s.begin(start); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	return s, nil
}

// begin makes the buckets, counts the start, and reads what the replica needs to begin.
func (s *store) begin(wall time.Time) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{recordBucket, hostBucket, nodeBucket, queueBucket, lostBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		b := tx.Bucket(nodeBucket)
		if v := b.Get(epochKey); len(v) == 4 {
			s.epoch = binary.BigEndian.Uint32(v)
		}
		s.epoch++
		if err := b.Put(epochKey, binary.BigEndian.AppendUint32(nil, s.epoch)); err != nil {
			return err
		}
		s.first = b.Get(firstKey) != nil
		s.used = s.first || b.Get(arcsKey) != nil || !empty(tx, recordBucket) || !empty(tx, hostBucket)
		s.setClock(b, wall)
		if err := s.loadArcs(b.Get(arcsKey)); err != nil {
			return err
		}
		if s.away >= ringwire.MaxAway && s.metOthers(tx) {
			s.log.Warn("this node was away for longer than deletions are remembered: it begins empty; what it had is set aside in its database", "away", s.away.Round(time.Hour), "bucket", asideName(s.wall))
			return s.setAside(tx)
		}
		return s.setDamagedAside(tx)
	})
}

// metOthers reports whether another host was ever known. Where none was, nobody can have forgotten what this one remembers, and nobody else has it.
func (s *store) metOthers(tx *bolt.Tx) bool {
	c := tx.Bucket(hostBucket).Cursor()
	c.First()
	k, _ := c.Next() // the first is this host
	return k != nil
}

func empty(tx *bolt.Tx, bucket []byte) bool {
	k, _ := tx.Bucket(bucket).Cursor().First()
	return k == nil
}

// setAside moves all records to where nothing reads them, and forgets what they were good for. They are there for who knows better than the clock.
func (s *store) setAside(tx *bolt.Tx) error {
	aside, err := tx.CreateBucketIfNotExists([]byte(asideName(s.wall)))
	if err != nil {
		return err
	}
	if err := tx.MoveBucket(recordBucket, nil, aside); err != nil {
		return err
	}
	if _, err := tx.CreateBucket(recordBucket); err != nil {
		return err
	}
	s.arcs, s.hosts = nil, 0
	return tx.Bucket(nodeBucket).Delete(arcsKey)
}

// asideName is the bucket that has the records which were set aside at a time.
func asideName(at time.Time) string { return "aside " + at.UTC().Format(time.RFC3339Nano) }

// setDamagedAside moves records away that cannot be read, by bit rot perhaps, and makes the host unsure of all its arcs, so that it
// fetches what it lost from others before it answers for them.
func (s *store) setDamagedAside(tx *bolt.Tx) error {
	var bad [][]byte
	b := tx.Bucket(recordBucket)
	err := b.ForEach(func(k, v []byte) error {
		if _, _, err := parseStored(v); err != nil {
			bad = append(bad, append([]byte(nil), k...))
		}
		return nil
	})
	if err != nil || len(bad) == 0 {
		return err
	}
	s.log.Warn("records are damaged: they were set aside, and will be fetched from other nodes", "records", len(bad))
	for _, k := range bad {
		if err := tx.Bucket(lostBucket).Put(k, append([]byte(nil), b.Get(k)...)); err != nil {
			return err
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	for i := range s.arcs {
		s.arcs[i].Lapsed = true
	}
	return tx.Bucket(nodeBucket).Put(arcsKey, s.appendArcs(nil))
}

// markFirst notes that this host begins a ring, before anybody else can know of it.
func (s *store) markFirst() error {
	s.first = true
	return s.update(func(tx *bolt.Tx) error { return tx.Bucket(nodeBucket).Put(firstKey, []byte{1}) })
}

// unmarkFirst takes that back: the beginning was not completed, and the host joins a ring that others have.
func (s *store) unmarkFirst() error {
	s.first = false
	return s.update(func(tx *bolt.Tx) error { return tx.Bucket(nodeBucket).Delete(firstKey) })
}

func (s *store) close() error { return s.db.Close() }

// at is the store's clock at a moment. Within a run it is the monotonic clock, so that a clock that is set does not age records.
func (s *store) at(now time.Duration) time.Time { return s.wall.Add(now) }

// appendStored and parseStored are a record as it is stored: when, in milliseconds since 1970, and its canonical bytes.
func appendStored(b []byte, at time.Time, r *ringwire.Record) []byte {
	return r.Append(binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli())))
}

func parseStored(v []byte) (time.Time, *ringwire.Record, error) {
	if len(v) < 8 {
		return time.Time{}, nil, ringwire.ErrMalformed
	}
	r, err := ringwire.ParseRecord(v[8:])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(v))), r, err
}

// aged reads a stored record as it is at a later moment.
func (s *store) aged(now time.Duration, v []byte) (*ringwire.Record, error) {
	at, r, err := parseStored(v)
	if err != nil {
		return nil, err
	}
	all, ran := s.since(at, now)
	return r.AgeRunning(all, ran), nil
}

// Load implements replica.Store.
func (s *store) Load(now time.Duration, key string) (r *ringwire.Record, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(recordBucket).Get([]byte(key))
		if v == nil {
			return nil
		}
		r, err = s.aged(now, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("loading the record of %.40q: %w", key, err)
	}
	return r, nil
}

// Each implements replica.Store, in the order of the keys' bytes.
func (s *store) Each(now time.Duration, f func(*ringwire.Record) bool) error {
	return s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(recordBucket).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			r, err := s.aged(now, v)
			if err != nil {
				return fmt.Errorf("loading the record of %.40q: %w", k, err)
			}
			if r != nil && !f(r) {
				return nil
			}
		}
		return nil
	})
}

// appendArcs and loadArcs are the last PersistArcs.
func (s *store) appendArcs(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.hosts))
	b = binary.AppendUvarint(b, uint64(len(s.arcs)))
	for _, a := range s.arcs {
		b = append(append(b, a.Arc.Lo[:]...), a.Arc.Hi[:]...)
		b = ringwire.AppendBool(b, a.Lapsed)
	}
	return b
}

func (s *store) loadArcs(v []byte) error {
	if v == nil {
		return nil
	}
	r := ringwire.NewReader(v)
	s.hosts = int(r.Uvarint())
	for range r.Count(2*len(ringwire.ID{}) + 1) {
		s.arcs = append(s.arcs, replica.SureArc{Arc: ringwire.Arc{Lo: r.ID(), Hi: r.ID()}, Lapsed: r.Bool()})
	}
	if err := r.Done(); err != nil {
		return fmt.Errorf("arcs: %w", err)
	}
	return nil
}
