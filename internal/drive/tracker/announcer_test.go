package tracker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

var somebody = []announce.Peer{{Addr: netip.MustParseAddrPort("198.51.100.9:6881")}}

// script is a Transport that writes down what it is asked, with the seconds since its start, and answers by answer.
type script struct {
	start  time.Time
	answer func(url string, req *announce.Request) (announce.Response, error)

	mu  sync.Mutex
	log []string
}

func (s *script) Announce(ctx context.Context, url string, req *announce.Request) (announce.Response, error) {
	s.mu.Lock()
	s.log = append(s.log, fmt.Sprintf("%.0f %s %s", time.Since(s.start).Seconds(), url, req.Event))
	s.mu.Unlock()
	return s.answer(url, req)
}

// announcing runs an announcer in virtual time while do runs, and returns what it announced.
func announcing(t *testing.T, tiers [][]string, left *atomic.Int64, s *script, do func(*Announcer)) []string {
	t.Helper()
	s.start = time.Now()
	a, err := NewAnnouncer(AnnouncerConfig{
		Transport: s, Tiers: tiers, Port: 1, Rand: rand.New(rand.NewPCG(1, 1)),
		Counters: func() Counters { return Counters{Left: left.Load()} },
		Notify:   func(Outcome) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	synctest.Wait()
	do(a)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return s.log
}

func missing(n int64) *atomic.Int64 {
	var left atomic.Int64
	left.Store(n)
	return &left
}

// BEP 3: started at once, then at the interval, completed when complete, stopped at the end.
func TestAnnouncerEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := missing(5)
		s := &script{answer: func(string, *announce.Request) (announce.Response, error) {
			return announce.Response{Interval: 100 * time.Second, Peers: somebody}, nil
		}}
		got := announcing(t, [][]string{{"a"}}, left, s, func(a *Announcer) {
			time.Sleep(250 * time.Second)
			left.Store(0)
			a.Completed()
			synctest.Wait()
			a.Completed()
			time.Sleep(50 * time.Second)
		})
		if d := cmp.Diff([]string{"0 a started", "100 a ", "200 a ", "250 a completed", "300 a stopped"}, got); d != "" {
			t.Error(d)
		}
	})
}

// BEP 3: "no completed is sent if the file was complete when started".
func TestSeederSendsNoCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(string, *announce.Request) (announce.Response, error) {
			return announce.Response{Interval: 100 * time.Second}, nil
		}}
		got := announcing(t, [][]string{{"a"}}, missing(0), s, func(a *Announcer) {
			a.Completed()
			time.Sleep(101 * time.Second)
		})
		if d := cmp.Diff([]string{"0 a started", "100 a ", "101 a stopped"}, got); d != "" {
			t.Error(d)
		}
	})
}

// A flash crowd: the first to come are told of nobody, and ask again as soon as they may, ever less often.
func TestLonelyPeerAsksAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &script{answer: func(string, *announce.Request) (announce.Response, error) {
			r := announce.Response{Interval: 30 * time.Second, MinInterval: 5 * time.Second}
			switch n++; {
			case n == 2: // nobody but the asker, as some trackers tell
				r.Peers = []announce.Peer{{Addr: netip.MustParseAddrPort("198.51.100.1:1")}}
			case n > 4:
				r.Peers = somebody
			}
			return r, nil
		}}
		got := announcing(t, [][]string{{"a"}}, missing(1), s, func(a *Announcer) { time.Sleep(100 * time.Second) })
		want := []string{"0 a started", "5 a ", "15 a ", "35 a ", "65 a ", "95 a ", "100 a stopped"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// WantPeers brings the next announce forward, but not before the min interval is over.
func TestMinIntervalIsRespected(t *testing.T) {
	for name, c := range map[string]struct {
		min  time.Duration
		want string
	}{"named": {20 * time.Second, "20 a "}, "assumed": {0, "60 a "}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(string, *announce.Request) (announce.Response, error) {
					return announce.Response{Interval: 300 * time.Second, MinInterval: c.min, Peers: somebody}, nil
				}}
				got := announcing(t, [][]string{{"a"}}, missing(1), s, func(a *Announcer) {
					time.Sleep(3 * time.Second)
					a.WantPeers()
					a.WantPeers()
					time.Sleep(200 * time.Second)
				})
				if d := cmp.Diff([]string{"0 a started", c.want, "203 a stopped"}, got); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// BEP 12: tiers in order, all of one before the next; the one that answers goes to the front of its tier.
func TestBEP12Tiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(url string, req *announce.Request) (announce.Response, error) {
			if url != "c" {
				return announce.Response{}, errors.New("down")
			}
			return announce.Response{Interval: 100 * time.Second, Peers: somebody}, nil
		}}
		tiers := [][]string{{"a"}, {"b", "c", "d", "a"}}
		got := announcing(t, tiers, missing(1), s, func(a *Announcer) {
			time.Sleep(101 * time.Second)
			if st := a.Status(); st["a"].Err == nil || st["c"].Err != nil {
				t.Errorf("%+v", st)
			}
		})
		c := slices.Index(got, "0 c started")
		if got[0] != "0 a started" || c < 0 || !slices.Contains(got, "100 a started") || !slices.Contains(got, "100 c ") {
			t.Errorf("%q", got)
		}
		for _, line := range got[c+1:] { // second round: a again, then c at once
			if line == "100 b started" || line == "100 d started" {
				t.Errorf("%q came before c", line)
			}
		}
		if !slices.Contains(got, "101 c stopped") {
			t.Errorf("no goodbye: %q", got)
		}
	})
}

// A tracker that is down is asked again ever less often, and for ever.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		s := &script{answer: func(_ string, req *announce.Request) (announce.Response, error) {
			if req.Event != announce.Stopped {
				times = append(times, time.Now())
			}
			return announce.Response{}, errors.New("down")
		}}
		announcing(t, [][]string{{"a"}}, missing(1), s, func(a *Announcer) { time.Sleep(24 * time.Hour) })
		for i, at := range times[1:] {
			gap, want := at.Sub(times[i]), min(firstBackoff<<min(i, 16), maxBackoff)
			if gap < want*3/4 || gap > want*5/4 {
				t.Errorf("gap %d is %v, not %v and a quarter either way", i, gap, want)
			}
		}
		if len(times) < 100 {
			t.Errorf("%d announces in a day", len(times))
		}
	})
}

// BEP 31: "retry in" is a time to keep, and "never" is final.
func TestBEP31(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(url string, _ *announce.Request) (announce.Response, error) {
			retry := 20 * time.Minute
			if url == "n" {
				retry = announce.Never
			}
			return announce.Response{Failure: "no", RetryIn: retry}, &announce.RefusedError{Reason: "no"}
		}}
		got := announcing(t, [][]string{{"n"}, {"r"}}, missing(1), s, func(a *Announcer) { time.Sleep(41 * time.Minute) })
		want := []string{"0 n started", "0 r started", "1200 r started", "2400 r started"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// A tracker that does not answer the goodbye holds up the end for 3 s at most (cli.md, signals).
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := NewAnnouncer(AnnouncerConfig{
			Transport: deaf{}, Tiers: [][]string{{"a", "b"}}, Rand: rand.New(rand.NewPCG(1, 1)),
			Counters: func() Counters { return Counters{} }, Notify: func(o Outcome) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		began := time.Now()
		<-done
		if d := time.Since(began); d != stopTimeout {
			t.Errorf("the end took %v", d)
		}
	})
}

// deaf answers nothing.
type deaf struct{}

func (deaf) Announce(ctx context.Context, _ string, _ *announce.Request) (announce.Response, error) {
	<-ctx.Done()
	return announce.Response{}, ctx.Err()
}

// A fault in the transport is a failed announce, not the end of the process.
func TestAnnouncerSurvivesPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &script{answer: func(string, *announce.Request) (announce.Response, error) {
			if n++; n == 1 {
				panic("oh")
			}
			return announce.Response{Interval: time.Hour, Peers: somebody}, nil
		}}
		if got := announcing(t, [][]string{{"a"}}, missing(1), s, func(a *Announcer) { time.Sleep(time.Minute) }); len(got) != 3 {
			t.Errorf("%q", got)
		}
	})
}

func TestAnnouncerWithoutTrackers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		if got := announcing(t, nil, missing(1), s, func(a *Announcer) { a.WantPeers(); time.Sleep(time.Hour) }); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
	if _, err := NewAnnouncer(AnnouncerConfig{}); err == nil {
		t.Error("an empty config was accepted")
	}
}
