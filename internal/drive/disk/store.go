package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/metainfo"
)

// Store keeps the two records of progress: durable bitfields in a bbolt file PATH, and beside it, in the folder
// PATH.journal, a journal of verified pieces for each torrent that has any. One process opens it at a time.
type Store struct {
	// constant
	db  *bolt.DB
	dir string // of the journals
	log *slog.Logger

	mu       sync.Mutex
	journals map[metainfo.ID]*journal // guarded by mu: those in use; each has its own lock
}

// Record is what a Store knows about a torrent.
type Record struct {
	Known     bool   // there is a durable record, also if no piece was there yet
	Durable   []byte // bitfield (BEP 3 order) of pieces whose data was synced before they were recorded; nil if none
	Journaled []byte // bitfield of pieces that verified since: hash them again; nil if none
	Meta      []byte // the caller's part, as given to Commit
}

var progressBucket = []byte("progress")

// recordVersion starts every value in the bucket. The rest: CRC-32C of what follows (4 bytes, big-endian), length of the
// bitfield (uvarint), bitfield, meta. The checksum is ours: bbolt has none for its data pages.
const recordVersion = 1

// OpenStore opens the store at path, creating it if absent. A file that is no intact store is set aside as PATH.bad with a
// warning, and a new one begun: the data on disk can be hashed again, a program that does not start helps nobody. The
// error is ErrInUse if another process has it. A nil logger discards the warnings.
func OpenStore(path string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db, err := openDB(path, log)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	s := &Store{db: db, dir: path + ".journal", log: log, journals: make(map[metainfo.ID]*journal)}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(progressBucket)
		return err
	})
	if err == nil {
		err = os.MkdirAll(s.dir, 0o700)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	return s, nil
}

// DB returns the database, for other state of the same process in buckets of its own.
func (s *Store) DB() *bolt.DB { return s.db }

// Close closes the store; journals stay as they are.
func (s *Store) Close() error {
	s.mu.Lock()
	for _, j := range s.journals {
		j.mu.Lock()
		j.close()
		j.mu.Unlock()
	}
	s.mu.Unlock()
	return s.db.Close()
}

// Load returns what is known about a torrent; nothing known is no error. A damaged record counts as absent, with a
// warning.
func (s *Store) Load(id metainfo.ID) (Record, error) {
	var r Record
	err := s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(progressBucket).Get(recordKey(id))
		if v == nil {
			return nil
		}
		bits, meta, err := parseRecord(v)
		if err != nil {
			s.log.Warn("a torrent's record of progress is damaged, its data will be checked again", "torrent", id, "err", err)
			return nil
		}
		r.Known = true
		r.Durable = append([]byte(nil), bits...)
		r.Meta = append([]byte(nil), meta...)
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("load progress of %v: %w", id, err)
	}
	pieces, err := s.journal(id).load()
	if err != nil {
		return r, err
	}
	for _, p := range pieces {
		for p>>3 >= len(r.Journaled) {
			r.Journaled = append(r.Journaled, 0)
		}
		setBit(r.Journaled, p)
	}
	return r, nil
}

// AppendVerified implements Progress: the journal survives the death of the process, not a power cut. What cannot be
// written now, on a full disk, is written with the next piece.
func (s *Store) AppendVerified(id metainfo.ID, piece int) error {
	if piece < 0 || piece > maxJournaled {
		return fmt.Errorf("journal piece %d: out of range", piece)
	}
	return s.journal(id).append(piece)
}

// Commit implements Progress. Call it only after the data of all pieces in bits was synced. Pieces journaled meanwhile
// that are not in bits stay in the journal.
func (s *Store) Commit(id metainfo.ID, bits, meta []byte) error {
	if bits == nil {
		bits = []byte{}
	}
	v := appendRecord(nil, bits, meta)
	// Batch lets torrents that commit at the same moment share one sync.
	err := s.db.Batch(func(tx *bolt.Tx) error { return tx.Bucket(progressBucket).Put(recordKey(id), v) })
	if err != nil {
		return fmt.Errorf("commit progress of %v: %w", id, err)
	}
	if err := s.journal(id).remove(bits); err != nil {
		// Harmless: the journal says again what is already recorded.
		s.log.Warn("cannot shorten a journal", "torrent", id, "err", err)
	}
	return nil
}

// Delete forgets a torrent.
func (s *Store) Delete(id metainfo.ID) error {
	err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(progressBucket).Delete(recordKey(id)) })
	if err != nil {
		return fmt.Errorf("delete progress of %v: %w", id, err)
	}
	return s.journal(id).remove(nil)
}

// Release frees what the store keeps in memory for a torrent, open file included. The next use brings it back.
func (s *Store) Release(id metainfo.ID) {
	s.mu.Lock()
	j := s.journals[id]
	delete(s.journals, id)
	s.mu.Unlock()
	if j != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.close()
	}
}

// IDs returns the torrents that have a durable record, in order of their keys.
func (s *Store) IDs() ([]metainfo.ID, error) {
	var ids []metainfo.ID
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(progressBucket).ForEach(func(k, _ []byte) error {
			if len(k) == 52 {
				ids = append(ids, metainfo.ID{V1: [20]byte(k[:20]), V2: [32]byte(k[20:])})
			}
			return nil
		})
	})
	return ids, err
}

func (s *Store) journal(id metainfo.ID) *journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journals[id]
	if j == nil {
		name := fmt.Sprintf("%x-%x", id.V1, id.V2[:20])
		j = &journal{path: filepath.Join(s.dir, name), seed: crc32.Checksum(recordKey(id), castagnoli)}
		s.journals[id] = j
	}
	return j
}

func recordKey(id metainfo.ID) []byte {
	return append(append(make([]byte, 0, 52), id.V1[:]...), id.V2[:]...)
}

func appendRecord(b, bits, meta []byte) []byte {
	b = append(b, recordVersion, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(len(bits)))
	b = append(append(b, bits...), meta...)
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b
}

func parseRecord(v []byte) (bits, meta []byte, err error) {
	if len(v) < 6 {
		return nil, nil, errors.New("record too short")
	}
	if v[0] != recordVersion {
		return nil, nil, fmt.Errorf("record of unknown version %d", v[0])
	}
	if binary.BigEndian.Uint32(v[1:]) != crc32.Checksum(v[5:], castagnoli) {
		return nil, nil, errors.New("record with a wrong checksum")
	}
	n, w := binary.Uvarint(v[5:])
	if w <= 0 || n > uint64(len(v)-5-w) {
		return nil, nil, errors.New("record with a wrong length")
	}
	rest := v[5+w:]
	return rest[:n], rest[n:], nil
}
