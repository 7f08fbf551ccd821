package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Defaults of Config.
const (
	DefaultReplicas = 3
	DefaultQuorum   = 2
	DefaultAbsence  = 30 * time.Second
	DefaultGiveUp   = 10 * time.Minute
)

// View is the routing as this host sees it now: core/ring, with its types turned into ringwire's.
type View interface {
	// Holders appends the first n distinct hosts from the successor of key on. ok is false when this host does not see that
	// far. Fewer than n with ok: the ring has no more.
	Holders(key ringwire.ID, n int, buf []ringwire.Ref) (holders []ringwire.Ref, ok bool)
	// Arcs are the arcs for whose keys this host is among the first n hosts. ok is false while it does not know.
	Arcs(n int) (arcs []ringwire.Arc, ok bool)
	// Alive reports whether the host is not known to be dead or gone.
	Alive(h ringwire.Host) bool
	// Majority reports whether this host hears from more than half of the ring's hosts, those counted too that died within the last GiveUp: so not even with
	// all newcomers since could the others be as many. It must be false within Absence/3 after this host was cut off from them. counts is false where
	// nobody in this ring counts: then it does as if there never were a majority.
	Majority(now time.Duration) (yes, counts bool)
}

// Store is what is on disk. All methods are synchronous and see what Persisted has confirmed, or a little more.
type Store interface {
	// Load returns the record of a key aged to now; nil if there is none.
	Load(now time.Duration, key string) (*ringwire.Record, error)
	// Each calls f with every record until it returns false, in any fixed order.
	Each(now time.Duration, f func(*ringwire.Record) bool) error
}

// Signer signs this host's writes and checks others'.
type Signer interface {
	// Sign returns the signature of this host over b, and its certificate.
	Sign(b []byte) (sig, cert []byte)
	// Verify reports whether cert is of this ring, its key's hash is writer, and sig is its signature over b.
	Verify(writer ringwire.Writer, cert, b, sig []byte) bool
}

// Config is what a Replica is made of. Ring, Self, Writer, Epoch, View, Store, Signer and Rand are required.
type Config struct {
	Ring   ringwire.RingID
	Space  ringwire.Space
	Self   ringwire.Host
	Writer ringwire.Writer // the hash of this host's key
	Epoch  uint32          // of this start: greater than ever before
	View   View
	Store  Store
	Signer Signer
	Rand   *rand.Rand

	Replicas int // R: holders of a key; 0 = 3
	Write    int // W: holders that have synced a write before it is acknowledged; 0 = min(2, R)
	Read     int // Q: holders that answer a read; 0 = min(2, R)

	// First: this host begins a new ring, so what it does not have does not exist.
	First bool
	Arcs  []SureArc     // from the last PersistArcs
	Hosts int           // likewise
	Away  time.Duration // since this host ran last

	// Absence is how long a holder may be away before the next host takes its place. 0 = 30 s.
	Absence time.Duration
	// GiveUp is how long a holder waits for others that it needs to synchronise with before it takes them for lost for ever, and what they had
	// with them. 0 = 10 min, negative = never.
	GiveUp time.Duration
	// Retry is the time after which a question is repeated; half of it, after which another holder is asked too. 0 = 400 ms.
	Retry time.Duration
	// SyncEvery is how often each arc is compared with one other holder, jittered by half. 0 = 10 s.
	SyncEvery time.Duration
	// SyncRate bounds what synchronisation sends and fetches, bytes/s. 0 = 16 MiB/s.
	SyncRate int64
	// HostRate bounds what one other host may have written here, bytes/s; beyond, its writes are answered busy. 0 = 64 MiB/s.
	HostRate int64
	// MaxBytes bounds the records held. 0 = 8 GiB.
	MaxBytes int64
	// WatchEvery is how often a watched key is read. 0 = 1 s.
	WatchEvery time.Duration

	Faults Faults // for tests of the tests
}

// Faults break the machine on purpose, to show that the history checker notices. Only tests set them; the faults of a disk are the tests' own.
type Faults struct {
	LoseHints  bool // drop a record of others' arcs without handing it over
	Majority   bool // believe always to hear from more than half of the ring
	NeverWakes bool // not notice that the process was stopped for long
	NoHandOver bool // answer for new arcs without synchronising, and never give records on
}

// SureArc is an arc that this host had synchronised when it was stored.
type SureArc struct {
	Arc    ringwire.Arc
	Lapsed bool // but may have missed writes since
}

func orElse[T int | int64 | time.Duration](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

func (c *Config) setDefaults() {
	orElse(&c.Replicas, DefaultReplicas)
	orElse(&c.Write, min(DefaultQuorum, c.Replicas))
	orElse(&c.Read, min(DefaultQuorum, c.Replicas))
	orElse(&c.Absence, DefaultAbsence)
	orElse(&c.GiveUp, DefaultGiveUp)
	orElse(&c.Retry, 400*time.Millisecond)
	orElse(&c.SyncEvery, 10*time.Second)
	orElse(&c.SyncRate, 16<<20)
	orElse(&c.HostRate, 64<<20)
	orElse(&c.MaxBytes, 8<<30)
	orElse(&c.WatchEvery, time.Second)
}

func (c *Config) validate() error {
	switch {
	case c.View == nil || c.Store == nil || c.Signer == nil || c.Rand == nil:
		return errors.New("replica: View, Store, Signer and Rand are required")
	case c.Epoch == 0 || c.Writer == (ringwire.Writer{}):
		return errors.New("replica: no epoch or no writer")
	case c.Replicas < 1 || c.Replicas > 16:
		return fmt.Errorf("replica: %d replicas: use 1 to 16", c.Replicas)
	case c.Write < 1 || c.Write > c.Replicas || c.Read < 1 || c.Read > c.Replicas:
		return fmt.Errorf("replica: %d replicas with write %d, read %d: use 1 to %d", c.Replicas, c.Write, c.Read, c.Replicas)
	case c.Absence < 0 || c.Retry < 0 || c.SyncEvery < 0 || c.SyncRate < 0 || c.HostRate < 0 || c.MaxBytes < 0 || c.WatchEvery < 0:
		return errors.New("replica: negative period or limit")
	}
	return nil
}
