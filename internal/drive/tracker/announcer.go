package tracker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// Transport is what an Announcer announces through: a *Client.
type Transport interface {
	Announce(ctx context.Context, url string, req *announce.Request) (announce.Response, error)
}

// Counters are a torrent's, as announces report them: bytes of payload since the torrent was started, and missing.
type Counters struct {
	Uploaded, Downloaded, Left int64
}

// Outcome is how one announce went.
type Outcome struct {
	URL      string
	Event    announce.Event
	Response announce.Response // with Err it may still hold Failure and RetryIn
	Err      error
}

// AnnouncerConfig is a torrent as trackers see it. Transport, Tiers, Counters, Notify and Rand are required.
type AnnouncerConfig struct {
	Transport Transport
	Tiers     [][]string // announce URLs, best tier first (BEP 12); the announcer makes its own copy

	InfoHash, PeerID [20]byte
	Port             uint16 // where the torrent accepts peers
	Key              uint32 // random, the same for the life of the process
	NumWant          int    // peers to ask for each time; 0 leaves it to the tracker

	Counters func() Counters // the torrent's present counters; called from Run
	Notify   func(Outcome)   // called from Run for every announce but those of Stopped; must not block

	Rand   *rand.Rand   // for the order within tiers and for jitter; used by Run only
	Logger *slog.Logger // nil: silence
}

func (c *AnnouncerConfig) validate() error {
	switch {
	case c.Transport == nil || c.Counters == nil || c.Notify == nil || c.Rand == nil:
		return errors.New("announcer: Transport, Counters, Notify and Rand are required")
	case c.NumWant < 0:
		return fmt.Errorf("announcer: NumWant is %d", c.NumWant)
	}
	return nil
}

// Waits between announces.
const (
	attemptTimeout = 45 * time.Second // for one tracker: 15 + 30, two tries over UDP (BEP 15)
	stopTimeout    = 3 * time.Second  // for saying goodbye to all of them (cli.md "signals")
	firstBackoff   = 5 * time.Second  // doubled at each failure
	maxBackoff     = 10 * time.Minute
	firstAskAgain  = 5 * time.Second // after an answer without peers, if the tracker allows; doubled each time
	// Trackers that do not name a min interval get one of a minute: BEP 3 knows only the interval, and clients that ask
	// again much sooner are banned.
	assumedMinInterval = time.Minute
	assumedInterval    = 30 * time.Minute // for a tracker that names none
)

// Announcer keeps one torrent announced. Its methods but Run are safe for concurrent use.
type Announcer struct {
	cfg       AnnouncerConfig
	wake      chan struct{} // buffered: something has changed
	completed chan struct{} // buffered

	// Only Run's.
	tiers      [][]*target
	wasLeecher bool
	failures   int // rounds in which no tracker answered, in a row
	lonely     int // answers without peers, in a row

	mu     sync.Mutex
	wanted bool // more peers are wanted
	status map[string]TargetStatus
}

// target is one tracker of an Announcer.
type target struct {
	url       string
	known     bool // it may list us: Stopped is due in the end
	started   bool // it has answered Started
	completed bool // it has answered Completed
	never     bool // it does not want to hear from us again, or cannot
	retryAt   time.Time
	trackerID string
}

// TargetStatus is how a tracker is doing, for people to read.
type TargetStatus struct {
	At  time.Time         // of the last announce
	Err error             // of the last announce, nil if it was answered
	OK  announce.Response // the last good answer, without its peers
}

// NewAnnouncer returns an announcer that has not announced yet. URLs that occur twice count once.
func NewAnnouncer(cfg AnnouncerConfig) (*Announcer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.NumWant == 0 {
		cfg.NumWant = announce.DefaultNumWant
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Announcer{cfg: cfg, wake: make(chan struct{}, 1), completed: make(chan struct{}, 1), status: make(map[string]TargetStatus)}
	seen := make(map[string]bool)
	for _, urls := range cfg.Tiers {
		var tier []*target
		for _, u := range urls {
			if !seen[u] {
				seen[u] = true
				tier = append(tier, &target{url: u})
			}
		}
		// BEP 12: "URLs within each tier will be processed in a randomly chosen order".
		cfg.Rand.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
		if len(tier) > 0 {
			a.tiers = append(a.tiers, tier)
		}
	}
	return a, nil
}

// WantPeers hints that more peers are wanted: the next announce comes as soon as the tracker allows.
func (a *Announcer) WantPeers() {
	a.mu.Lock()
	a.wanted = true
	a.mu.Unlock()
	nudge(a.wake)
}

// Completed tells that the torrent has become complete; the trackers hear of it at once. Counters must say so already.
func (a *Announcer) Completed() { nudge(a.completed) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Status returns how each tracker that has been announced to is doing, by URL.
func (a *Announcer) Status() map[string]TargetStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := make(map[string]TargetStatus, len(a.status))
	for u, s := range a.status {
		m[u] = s
	}
	return m
}

// Run announces until ctx ends, then says goodbye within 3 s and returns nil. It runs once.
func (a *Announcer) Run(ctx context.Context) error {
	a.wasLeecher = a.cfg.Counters().Left > 0
	for ctx.Err() == nil {
		asked := time.Now()
		regular, earliest := a.round(ctx)
		if ctx.Err() == nil {
			a.wait(ctx, asked, regular, earliest)
		}
	}
	a.stop(ctx)
	return nil
}

// round announces to the first tracker that answers, best tier first. It returns how long to wait before the next round,
// and before one that is due to WantPeers.
func (a *Announcer) round(ctx context.Context) (regular, earliest time.Duration) {
	a.takeWanted()
	now := time.Now()
	soonest := maxBackoff
	for _, tier := range a.tiers {
		for i, t := range tier {
			if t.never {
				continue
			}
			if d := t.retryAt.Sub(now); d > 0 {
				soonest = min(soonest, d)
				continue
			}
			r, ok := a.announce(ctx, t)
			if ctx.Err() != nil {
				return 0, 0
			}
			if ok {
				// BEP 12: "if a connection with a tracker is successful, it will be moved to the front of the tier".
				copy(tier[1:i+1], tier[:i])
				tier[0] = t
				a.failures = 0
				return a.pace(&r)
			}
		}
	}
	a.failures++
	backoff := min(firstBackoff<<min(a.failures-1, 16), maxBackoff)
	backoff = a.jitter(backoff)
	if !a.anyDue(now.Add(backoff)) {
		backoff = max(backoff, soonest) // all have named a time to come back
	}
	return backoff, min(backoff, a.jitter(firstBackoff))
}

// anyDue reports whether a tracker may be asked at the given time.
func (a *Announcer) anyDue(at time.Time) bool {
	for _, tier := range a.tiers {
		for _, t := range tier {
			if !t.never && !t.retryAt.After(at) {
				return true
			}
		}
	}
	return false
}

// jitter spreads d by a quarter either way: torrents whose tracker went away must not all come back at once.
func (a *Announcer) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + a.cfg.Rand.Float64()/2))
}

// pace returns when to announce after an answer. One without peers is asked again soon: others arrive at the same time as
// we do, and in a young swarm nobody else tells of them.
func (a *Announcer) pace(r *announce.Response) (regular, earliest time.Duration) {
	regular = r.Interval
	if regular <= 0 {
		regular = assumedInterval
	}
	earliest = r.MinInterval
	if earliest <= 0 {
		earliest = min(regular, assumedMinInterval)
	}
	earliest = max(earliest, time.Second)
	regular = max(regular, earliest)
	if !a.alone(r.Peers) || a.cfg.Counters().Left == 0 {
		a.lonely = 0
		return regular, earliest
	}
	soon := max(earliest, firstAskAgain<<min(a.lonely, 16))
	a.lonely++
	return min(regular, soon), earliest
}

// alone reports whether an answer names nobody but, as some trackers do, ourselves. Another peer that happens to have our
// port only makes us ask again sooner.
func (a *Announcer) alone(peers []announce.Peer) bool {
	return len(peers) == 0 || len(peers) == 1 && peers[0].Addr.Port() == a.cfg.Port
}

// wait returns when the next round is due.
func (a *Announcer) wait(ctx context.Context, asked time.Time, regular, earliest time.Duration) {
	timer := time.NewTimer(time.Until(asked.Add(regular)))
	defer timer.Stop()
	for {
		if a.peekWanted() {
			timer.Reset(max(0, min(time.Until(asked.Add(earliest)), time.Until(asked.Add(regular)))))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-a.wake:
		case <-a.completed:
			if a.event(a.first()) == announce.Completed {
				return
			}
		}
	}
}

func (a *Announcer) takeWanted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = false
}

func (a *Announcer) peekWanted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wanted
}

// first returns the tracker that the next round begins with, nil if there is none.
func (a *Announcer) first() *target {
	for _, tier := range a.tiers {
		for _, t := range tier {
			if !t.never {
				return t
			}
		}
	}
	return nil
}

// event returns the event that is due at t.
func (a *Announcer) event(t *target) announce.Event {
	switch {
	case t == nil:
		return announce.None
	case !t.started:
		return announce.Started
	// BEP 3: "no completed is sent if the file was complete when started".
	case a.wasLeecher && !t.completed && a.cfg.Counters().Left == 0:
		return announce.Completed
	}
	return announce.None
}

// announce announces to one tracker and reports whether it answered.
func (a *Announcer) announce(ctx context.Context, t *target) (announce.Response, bool) {
	event := a.event(t)
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	t.known = true // it may have heard us even if we do not hear it
	r, err := a.safely(attempt, t, event)
	if err != nil && ctx.Err() != nil {
		return r, false // we are being stopped: no fault of the tracker
	}
	if err != nil {
		t.known = t.started // a goodbye to who has never answered only delays the end
	}
	switch {
	case err == nil && event == announce.Started:
		t.started = true
	case err == nil && event == announce.Completed:
		t.completed = true
	case r.RetryIn == announce.Never || errors.Is(err, ErrScheme):
		t.never = true
	case r.RetryIn > 0:
		t.retryAt = time.Now().Add(r.RetryIn)
	}
	if err == nil && r.TrackerID != "" {
		t.trackerID = r.TrackerID
	}
	a.note(t, event, r, err)
	return r, err == nil
}

// safely announces; a panic becomes this announce's error.
func (a *Announcer) safely(ctx context.Context, t *target, event announce.Event) (r announce.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.cfg.Logger.Error("announcer: panic", "url", t.url, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("announce to %s: panic: %v", t.url, p)
		}
	}()
	return a.cfg.Transport.Announce(ctx, t.url, a.request(t, event))
}

func (a *Announcer) request(t *target, event announce.Event) *announce.Request {
	c := a.cfg.Counters()
	req := &announce.Request{
		InfoHash: a.cfg.InfoHash, PeerID: a.cfg.PeerID, Port: a.cfg.Port, Key: a.cfg.Key, NumWant: a.cfg.NumWant,
		Uploaded: c.Uploaded, Downloaded: c.Downloaded, Left: c.Left, Event: event, TrackerID: t.trackerID,
	}
	if event == announce.Stopped {
		req.NumWant = 0
	}
	return req
}

// note records and reports an outcome.
func (a *Announcer) note(t *target, event announce.Event, r announce.Response, err error) {
	a.mu.Lock()
	s := a.status[t.url]
	s.At, s.Err = time.Now(), err
	if err == nil {
		s.OK = r
		s.OK.Peers = nil
	}
	a.status[t.url] = s
	a.mu.Unlock()
	if err != nil {
		a.cfg.Logger.Debug("announce failed", "url", t.url, "error", err)
	}
	a.cfg.Notify(Outcome{URL: t.url, Event: event, Response: r, Err: err})
}

// stop says goodbye to every tracker that may list us, at the same time, within stopTimeout.
func (a *Announcer) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, t := range slices.Concat(a.tiers...) {
		if t.known {
			wg.Go(func() {
				if _, err := a.safely(ctx, t, announce.Stopped); err != nil {
					a.cfg.Logger.Debug("goodbye failed", "url", t.url, "error", err)
				}
			})
		}
	}
	wg.Wait()
}
