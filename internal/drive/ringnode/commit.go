package ringnode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/drive/boltfile"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// stampEvery is how often a running node notes the time, so that after a crash it knows how long it was away.
const stampEvery = 10 * time.Second

// change is one thing to put on disk.
type change struct {
	action  replica.Action // Persist, Forget or PersistArcs
	at      time.Duration  // when it was asked for
	refused bool           // by the committer: the record would have become too large
}

// committer puts changes on disk. All that gather while one transaction is synced go into the next: the more writers wait, the
// fewer syncs each of them costs.
type committer struct {
	s    *store
	wake chan struct{}

	noRoom atomic.Int64 // when a transaction found no room last, in nanoseconds since 1970

	mu      sync.Mutex
	waiting []change
}

func newCommitter(s *store) *committer { return &committer{s: s, wake: make(chan struct{}, 1)} }

// add queues a change. The replica bounds how many there are, by its bounds of operations and its budgets.
func (c *committer) add(x change) {
	c.mu.Lock()
	c.waiting = append(c.waiting, x)
	c.mu.Unlock()
	c.signal()
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) take() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.waiting
	c.waiting = nil
	return all
}

// maxBatch bounds the bytes of one transaction, so that the first of a long queue does not wait for all of it.
const maxBatch = 16 << 20

// run commits until ctx ends, and then what still waits. committed hears of every change, in order.
func (c *committer) run(ctx context.Context, committed func([]change, error)) {
	for {
		select {
		case <-ctx.Done():
			c.commitAll(committed)
			return
		case <-c.wake:
			c.commitAll(committed)
		}
	}
}

func (c *committer) commitAll(committed func([]change, error)) {
	for all := c.take(); len(all) > 0; {
		n, size := 0, 0
		for n < len(all) && (n == 0 || size < maxBatch) {
			size += all[n].action.Record.Size()
			n++
		}
		err := c.s.commit(all[:n])
		if errors.Is(err, replica.ErrNoRoom) {
			c.noRoom.Store(time.Now().UnixNano())
		}
		committed(all[:n], err)
		all = all[n:]
	}
}

// commit applies changes in one transaction, which is on disk when it returns nil.
func (s *store) commit(changes []change) error {
	err := s.update(func(tx *bolt.Tx) error {
		records := tx.Bucket(recordBucket)
		for i := range changes {
			if err := s.apply(tx, records, &changes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, boltfile.ErrNoRoom) {
		return fmt.Errorf("%w: %w", replica.ErrNoRoom, err)
	}
	return err
}

// update is every transaction. After one of which nobody knows what is on disk none is tried any more. One that finds no room leaves all
// as it was, but the arcs that it should have stored go into the next: on disk must not be for long that this host answers for what it does not.
func (s *store) update(f func(*bolt.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	err := boltfile.Update(s.db, func(tx *bolt.Tx) error {
		if err := f(tx); err != nil || !s.arcsWait {
			return err
		}
		if err := tx.Bucket(nodeBucket).Delete(firstKey); err != nil {
			return err
		}
		return tx.Bucket(nodeBucket).Put(arcsKey, s.appendArcs(nil))
	})
	switch {
	case err == nil:
		s.arcsWait = false
	case errors.Is(err, boltfile.ErrUncertain):
		s.failed = err
	}
	return err
}

func (s *store) apply(tx *bolt.Tx, records *bolt.Bucket, x *change) error {
	a := &x.action
	switch a.Kind {
	case replica.Persist:
		key := []byte(a.Record.Key)
		merged := a.Record
		if v := records.Get(key); v != nil {
			old, err := s.aged(x.at, v)
			if err != nil {
				return err
			}
			merged = ringwire.Merge(old, a.Record)
		}
		// One that could not be read again would be gone, with all that was acknowledged of it.
		if x.refused = !merged.Fits(); x.refused {
			return nil
		}
		return records.Put(key, appendStored(nil, s.at(x.at), merged))
	case replica.Forget:
		key := []byte(a.Key)
		v := records.Get(key)
		if v == nil {
			return nil
		}
		old, err := s.aged(x.at, v)
		if err != nil {
			return err
		}
		if old == nil || old.Digest() == a.Digest {
			return records.Delete(key)
		}
	case replica.PersistArcs:
		s.arcs, s.hosts, s.arcsWait = a.Arcs, a.Hosts, true
	}
	return nil
}

// stamp notes that the node runs at now, when the wall clock tells wall, and what changed of the hosts that it knows.
func (s *store) stamp(now time.Duration, wall time.Time, changed []hostEntry) error {
	return s.update(func(tx *bolt.Tx) error {
		hosts := tx.Bucket(hostBucket)
		for i := range changed {
			e := &changed[i]
			if err := hosts.Put(e.certificate.Public[:], e.presence.Append(e.certificate.Append(nil))); err != nil {
				return err
			}
		}
		return s.putClock(tx.Bucket(nodeBucket), now, wall)
	})
}

// known returns the hosts that earlier runs knew. Entries that cannot be read are left out: they can be learned anew.
func (s *store) known() (all []papers, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(hostBucket).ForEach(func(_, v []byte) error {
			r := ringwire.NewReader(v)
			p := papers{r.Certificate(), r.Presence()}
			if r.Done() == nil {
				all = append(all, p)
			}
			return nil
		})
	})
	return all, err
}

// forgetHosts drops hosts from those known.
func (s *store) forgetHosts(public ...[32]byte) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, k := range public {
			if err := tx.Bucket(hostBucket).Delete(k[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// queue keeps a member of a system set until the ring has it; unqueue forgets it.
func (s *store) queue(key string, member []byte, until time.Time) error {
	return s.update(func(tx *bolt.Tx) error {
		return tx.Bucket(queueBucket).Put(queueKey(key, member), binary.BigEndian.AppendUint64(nil, uint64(until.Unix())))
	})
}

func (s *store) unqueue(key string, member []byte) error {
	return s.update(func(tx *bolt.Tx) error { return tx.Bucket(queueBucket).Delete(queueKey(key, member)) })
}

func queueKey(key string, member []byte) []byte {
	return append(ringwire.AppendBytes(nil, []byte(key)), member...)
}

// queued is a member of a system set that the ring does not have yet.
type queued struct {
	key    string
	member []byte
	until  time.Time
}

func (s *store) queuedAll() (all []queued, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(queueBucket).ForEach(func(k, v []byte) error {
			r := ringwire.NewReader(k)
			key := string(r.Bytes(len(k)))
			if r.Err() != nil || len(v) != 8 {
				return nil
			}
			all = append(all, queued{key, append([]byte(nil), r.Fixed(r.Len())...), time.Unix(int64(binary.BigEndian.Uint64(v)), 0)})
			return nil
		})
	})
	return all, err
}
