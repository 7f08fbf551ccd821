package swarm

import (
	"math/rand/v2"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// Swarm is one torrent's brain. Not safe for concurrent use; doc.go numbers the driver's duties.
type Swarm struct {
	cfg    Config
	layout metainfo.Layout
	rng    *rand.Rand
	now    time.Duration // of the latest input
	tick   time.Duration // next housekeeping

	peers  []*peer // by handle; nil = not joined
	list   []*peer // in the order of joining: what all loops run over
	serial int32   // names a connection for ever, where handles are reused
	out    queue

	have bits.Set // verified pieces
	full bits.Set // all pieces: what every seed has, never written to

	down  download
	up    upload
	slots slots
	grant grants
	blame blame
	count counters
}

// download is what we fetch.
type download struct {
	wanted   bits.Set
	missing  int // wanted pieces not yet verified
	pieces   *pick.Pieces
	partial  []*partial // started and verifying pieces, in no order
	at       []int32    // index in partial by piece, or -1
	spare    []*partial // for reuse
	bytes    int64      // received and not yet PieceDone
	free     int        // blocks of partial that nobody was asked for
	bucket   rate.Bucket
	retry    time.Duration // the bucket is empty and requests wait: look again then; 0 = not so
	paused   bool
	complete bool          // Completed was emitted for the present wanted set
	since    time.Duration // when it was
	window   [2]int        // a Reader's pieces [from, to)
	fill     []*peer       // peers that may have room for requests
	query    pick.Query
}

// New returns the brain of a torrent. It starts nothing.
func New(cfg Config) (*Swarm, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	n := cfg.Layout.NumPieces()
	s := &Swarm{cfg: cfg, layout: cfg.Layout, rng: cfg.Rand, have: cfg.Have, full: bits.New(n)}
	s.full.Fill()
	s.down = download{wanted: cfg.Wanted, pieces: pick.New(n, cfg.Rand), at: make([]int32, n)}
	for i := range n {
		s.down.at[i] = -1
	}
	for _, i := range cfg.Rand.Perm(n) {
		if s.wants(i) {
			s.down.missing++
			s.down.pieces.Insert(i)
		}
	}
	s.down.complete = s.down.missing == 0
	s.down.bucket.Set(0, cfg.DownloadRate)
	s.up.bucket.Set(0, cfg.UploadRate)
	s.up.last = none
	s.blame.init()
	return s, nil
}

// wants reports whether piece i is wanted and not here.
func (s *Swarm) wants(i int) bool { return s.down.wanted.Has(i) && !s.have.Has(i) }

// Have returns the verified pieces: a view for reading, valid for the life of the Swarm.
func (s *Swarm) Have() bits.Set { return s.have }

// Complete reports whether every wanted piece is verified.
func (s *Swarm) Complete() bool { return s.down.missing == 0 }

// advance takes note of the time of an input.
func (s *Swarm) advance(now time.Duration) {
	if now > s.now {
		s.now = now
	}
}

// lookup returns the joined peer with that handle, or nil.
func (s *Swarm) lookup(p Peer) *peer {
	if p < 0 || int(p) >= len(s.peers) {
		return nil
	}
	return s.peers[p]
}

// Next returns the next thing to do, and false when there is nothing more for now.
func (s *Swarm) Next() (Action, bool) {
	if s.out.empty() {
		s.flush()
	}
	return s.out.pop()
}

// flush takes the decisions that were put off until all inputs of a batch were seen.
func (s *Swarm) flush() {
	s.flushFills()
	s.flushServes()
}

// SetRates changes the limits, bytes/s of blocks; 0 = none.
func (s *Swarm) SetRates(now time.Duration, up, down int64) {
	s.advance(now)
	s.up.bucket.Set(s.now, up)
	s.down.bucket.Set(s.now, down)
	s.fillAll()
	for _, p := range s.list {
		s.markServe(p)
	}
}

// SetPaused stops requesting, as on a full disk, or resumes it. Requests that are out stay out and their blocks are still
// taken; verified pieces are still served.
func (s *Swarm) SetPaused(now time.Duration, paused bool) {
	s.advance(now)
	s.down.paused = paused
	s.fillAll()
}

// SetSequential switches between the order of the content and rarest first.
func (s *Swarm) SetSequential(now time.Duration, on bool) {
	s.advance(now)
	s.cfg.Sequential = on
	s.fillAll()
}

// Prioritise makes the pieces [from, from+n) come first, in their order: the window of a Reader. n = 0 ends it.
func (s *Swarm) Prioritise(now time.Duration, from, n int) {
	s.advance(now)
	from = max(from, 0)
	s.down.window = [2]int{from, min(from+max(n, 0), s.full.Len())}
	s.fillAll()
}

// SetWanted replaces the set of pieces to fetch; the zero Set means all. Pieces of which blocks are here or on the way are
// finished all the same.
func (s *Swarm) SetWanted(now time.Duration, wanted bits.Set) {
	s.advance(now)
	if wanted.Len() != s.full.Len() {
		wanted = s.full
	}
	wanted = wanted.Clone()
	for i := range s.full.Len() {
		if s.down.at[i] >= 0 && s.down.wanted.Has(i) {
			wanted.Add(i)
		}
	}
	s.down.wanted, s.down.missing = wanted, 0
	for i := range s.full.Len() {
		switch {
		case !s.wants(i):
			s.down.pieces.Remove(i)
		case s.down.at[i] < 0:
			s.down.missing++
			if !s.down.pieces.Pickable(i) {
				s.down.pieces.Insert(i)
			}
		default:
			s.down.missing++
		}
	}
	for _, p := range s.list {
		p.useful = 0
		for i := p.has.NextNotIn(s.have, 0); i >= 0; i = p.has.NextNotIn(s.have, i+1) {
			if wanted.Has(i) {
				p.useful++
			}
		}
		s.updateInterest(p)
	}
	s.checkComplete()
	s.fillAll()
}

// checkComplete emits Completed once each time that nothing more is missing.
func (s *Swarm) checkComplete() {
	if s.down.missing > 0 {
		s.down.complete = false
		return
	}
	if s.down.complete {
		return
	}
	s.down.complete = true
	s.down.since = s.now
	s.out.push(Action{Kind: Completed})
}

// send queues a message without payload for p.
func (s *Swarm) send(p *peer, kind wire.Kind, index, begin, length uint32) {
	s.out.push(Action{Kind: Send, Peer: p.id, Msg: wire.Message{Kind: kind, Index: index, Begin: begin, Length: length}})
}

// queue is the drained output, in one buffer that is reused as soon as it is empty.
type queue struct {
	buf  []Action
	head int
}

func (q *queue) empty() bool { return q.head == len(q.buf) }

func (q *queue) push(a Action) { q.buf = append(q.buf, a) }

func (q *queue) pop() (Action, bool) {
	if q.empty() {
		q.buf, q.head = q.buf[:0], 0
		return Action{}, false
	}
	a := q.buf[q.head]
	q.buf[q.head] = Action{} // no payload or error is kept alive
	q.head++
	if q.empty() {
		q.buf, q.head = q.buf[:0], 0
	}
	return a, true
}
