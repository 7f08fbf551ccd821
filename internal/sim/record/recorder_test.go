package record

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// swarm is a scenario of two classes, of which the second cheats.
func swarm(failing bool) (*scenario.Scenario, []scenario.Peer) {
	sc := &scenario.Scenario{Name: "test", Size: 70, PieceLength: 10, Server: scenario.Server{Count: 2, Up: 7}, Classes: []scenario.Class{
		{Name: "honest", Count: 4, Up: 5},
		{Name: "cheats", Count: 3, Up: 3, Strategy: scenario.FreeRider},
	}}
	if failing {
		sc.Classes[0].Fail = 0.001
	}
	return sc, sc.Population()
}

// An oracle that keeps every event and sums up in the plainest way.
type oracle struct {
	sc    *scenario.Scenario
	peers []scenario.Peer
	log   []event
}

type event struct {
	at       time.Duration
	what     string
	a, b     int
	n, waste int64
	on       bool
}

func (o *oracle) group(p int) int { return int(o.peers[p].Class) + 1 }

// copies of each piece just before the events at a time.
func (o *oracle) copies(before time.Duration) []int {
	out := make([]int, o.sc.Pieces())
	has := map[[2]int]bool{}
	for s := range o.sc.Servers() {
		for k := range out {
			has[[2]int{s, k}] = true
		}
	}
	for _, e := range o.log {
		if e.at >= before {
			break
		}
		switch e.what {
		case "got":
			has[[2]int{e.a, e.b}] = true
		case "left":
			for k := range out {
				delete(has, [2]int{e.a, k})
			}
		}
	}
	for at := range has {
		out[at[1]]++
	}
	return out
}

// bytes and seconds of unchoke from group to group; capable is the integral of the honest uploads between two times.
func (o *oracle) matrix(from, to int) (bytes int64, seconds float64) {
	open := map[[2]int]time.Duration{}
	end := o.log[len(o.log)-1].at
	for _, e := range o.log {
		if e.what != "moved" && e.what != "choke" || o.group(e.a) != from || o.group(e.b) != to {
			continue
		}
		link := [2]int{e.a, e.b}
		switch {
		case e.what == "moved":
			bytes += e.n
		case e.on:
			open[link] = e.at
		default:
			seconds += (e.at - open[link]).Seconds()
			delete(open, link)
		}
	}
	for _, since := range open {
		seconds += (end - since).Seconds()
	}
	return bytes, seconds
}

func (o *oracle) capable(from, to time.Duration) float64 {
	sum := 0.0
	for i, p := range o.peers {
		if p.Strategy != scenario.Honest {
			continue
		}
		start, stop := to, to
		if i < o.sc.Servers() {
			start = 0
		}
		for _, e := range o.log {
			if e.a == i && e.what == "joined" {
				start = min(start, e.at)
			}
			if e.a == i && e.what == "left" {
				stop = min(stop, e.at)
			}
		}
		sum += max(0, min(stop, to)-max(start, from)).Seconds() * float64(p.Up)
	}
	return sum
}

// history draws a run and tells it to both.
func history(t *rapid.T, r *Recorder, o *oracle) {
	var now time.Duration
	n := len(o.peers)
	here, got, open := make([]bool, n), make([][]bool, n), map[[2]int]bool{}
	gone := make([]bool, n)
	for i := range n {
		here[i], got[i] = i < o.sc.Servers(), make([]bool, o.sc.Pieces())
	}
	say := func(e event) {
		e.at = now
		o.log = append(o.log, e)
		switch e.what {
		case "joined":
			r.Joined(now, e.a)
		case "moved":
			r.Transferred(now, e.a, e.b, e.n, e.waste)
		case "got":
			r.Got(now, e.a, e.b)
		case "choke":
			r.Unchoked(now, e.a, e.b, e.on)
		case "done":
			r.Done(now, e.a)
		case "left":
			r.Left(now, e.a, e.on)
		}
	}
	say(event{what: "joined", a: o.sc.Servers()})
	here[o.sc.Servers()] = true
	for range rapid.IntRange(10, 300).Draw(t, "events") {
		now += time.Duration(rapid.SampledFrom([]int{0, 1e3, 7e6, 2e9}).Draw(t, "pause"))
		a, b := rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b")
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			if !here[a] && !gone[a] {
				here[a] = true
				say(event{what: "joined", a: a})
			}
		case 1, 2:
			if here[a] && here[b] && a != b {
				bytes := int64(rapid.IntRange(1, 20).Draw(t, "bytes"))
				say(event{what: "moved", a: a, b: b, n: bytes, waste: bytes / 3})
			}
		case 3:
			if k := rapid.IntRange(0, o.sc.Pieces()-1).Draw(t, "piece"); here[a] && a >= o.sc.Servers() && !got[a][k] {
				// Now and then all that is missing comes at once, so that runs have completions.
				whole := rapid.IntRange(0, 3).Draw(t, "whole") == 0
				for i := range got[a] {
					if !got[a][i] && whole || i == k {
						got[a][i] = true
						say(event{what: "got", a: a, b: i})
					}
				}
				if !slices.Contains(got[a], false) {
					say(event{what: "done", a: a})
				}
			}
		case 4:
			if link := [2]int{a, b}; here[a] && here[b] && a != b {
				open[link] = !open[link]
				say(event{what: "choke", a: a, b: b, on: open[link]})
			}
		case 5:
			if here[a] && rapid.IntRange(0, 9).Draw(t, "leaves") < 3 {
				for i := range n { // in order: a recorder hears of all before Left
					for _, link := range [][2]int{{a, i}, {i, a}} {
						if open[link] {
							open[link] = false
							say(event{what: "choke", a: link[0], b: link[1]})
						}
					}
				}
				here[a], gone[a] = false, true
				say(event{what: "left", a: a, on: b%2 == 0 && a >= o.sc.Servers()})
			}
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*(1+math.Abs(b)) }

func TestRecorderAgainstTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc, peers := swarm(true)
		r, o := New(sc, peers), &oracle{sc: sc, peers: peers}
		history(t, r, o)
		res := r.Result()
		var sent, wasted int64
		came, complete, failed := map[int]time.Duration{}, []time.Duration(nil), 0
		up, down, lent := map[int]int64{}, map[int]int64{}, map[int]int64{}
		last, lastSent := time.Duration(-1), int64(0)
		for _, e := range o.log {
			switch e.what {
			case "joined":
				came[e.a] = e.at
			case "moved":
				sent, wasted = sent+e.n, wasted+e.waste
				up[e.a], down[e.b] = up[e.a]+e.n, down[e.b]+e.n
			case "done":
				complete = append(complete, e.at-came[e.a])
				lent[e.a] = up[e.a]
				last, lastSent = e.at, sent
			case "left":
				if _, is := lent[e.a]; e.on && !is {
					failed++
				}
			}
		}
		first := o.log[0].at
		slices.Sort(complete)
		if res.Peers != len(came) || res.Complete != len(complete) || res.Failed != failed || !slices.Equal(res.All, complete) {
			t.Fatalf("%d peers, %d complete %v, %d failed; want %d, %v, %d", res.Peers, res.Complete, res.All, res.Failed, len(came), complete, failed)
		}
		if res.Sent != sent || res.Wasted != wasted || res.First != first {
			t.Fatalf("sent %d, wasted %d, first %v; want %d, %d, %v", res.Sent, res.Wasted, res.First, sent, wasted, first)
		}
		for from := range 3 {
			for to := range 3 {
				bytes, seconds := o.matrix(from, to)
				if res.Flow.Bytes[from][to] != bytes || !near(res.Flow.Unchoked[from][to], seconds) {
					t.Fatalf("%d to %d: %d bytes, %v s; want %d, %v", from, to, res.Flow.Bytes[from][to], res.Flow.Unchoked[from][to], bytes, seconds)
				}
			}
		}
		use := -1.0
		if could := o.capable(first, last); last > first && could > 0 {
			use = float64(lastSent) / could
		}
		if last > first && !near(res.UploadUse, use) {
			t.Fatalf("upload use %v, want %v", res.UploadUse, use)
		}
		checkClasses(t, o, res, up, down, lent)
		checkLine(t, o, res)
		// Looking changes nothing.
		if again := r.Result(); again.Digest != res.Digest || len(again.Line) != len(res.Line) {
			t.Fatal("a second look is different")
		}
	})
}

func checkClasses(t *rapid.T, o *oracle, res *Result, up, down, lent map[int]int64) {
	for c, got := range res.Classes {
		var u, d, l int64
		for i, p := range o.peers {
			if int(p.Class) != c {
				continue
			}
			u, d = u+up[i], d+down[i]
			if v, ok := lent[i]; ok {
				l += v
			} else {
				l += up[i]
			}
		}
		server, _ := o.matrix(0, c+1)
		if got.Up != u || got.Down != d || got.FromServer != server || !near(got.Share, ratio(u, d)) || !near(got.Lent, ratio(l, d)) {
			t.Fatalf("class %d: %+v, want up %d, down %d, lent %d, from servers %d", c, got, u, d, l, server)
		}
	}
}

// Each sample says what the swarm was just before its time.
func checkLine(t *rapid.T, o *oracle, res *Result) {
	if len(res.Line) > maxSamples+1 {
		t.Fatalf("%d samples", len(res.Line))
	}
	for i, s := range res.Line {
		copies := o.copies(s.At)
		sum := 0
		for _, c := range copies {
			sum += c
		}
		rarest, set := slices.Min(copies), 0
		for _, c := range copies {
			if c == rarest {
				set++
			}
		}
		if i < len(res.Line)-1 || s.At < res.End { // the last one is taken after the events of its time
			if s.Rarest != rarest || s.Most != slices.Max(copies) || s.RarestSet != set || !near(s.Mean, float64(sum)/float64(len(copies))) {
				t.Fatalf("at %v: %+v, want copies %v", s.At, s, copies)
			}
			if s.Evenness < 0 || s.Evenness > 1+1e-9 || (s.Evenness == 1) != (s.Rarest == s.Most) {
				t.Fatalf("at %v: evenness %v of %v", s.At, s.Evenness, copies)
			}
		}
		if i > 0 && s.At-res.Line[i-1].At <= 0 {
			t.Fatal("samples are out of order")
		}
	}
}

// The line covers a run of any length with enough samples, at equal steps, and loses no bytes.
func TestTimelineThinsOut(t *testing.T) {
	for _, end := range []time.Duration{10 * time.Millisecond, time.Second, 47 * time.Minute, 300 * time.Hour} {
		sc, peers := swarm(false)
		r := New(sc, peers)
		r.Joined(0, 2)
		const n = 5000
		for i := range n {
			r.Transferred(end*time.Duration(i+1)/n, 0, 2, 10, 0)
		}
		line := r.Result().Line
		if want := min(maxSamples/2, int(end/firstStep)); len(line) < want || len(line) > maxSamples+1 {
			t.Errorf("%v: %d samples", end, len(line))
		}
		sum := 0.0
		for i, s := range line[1:] {
			step := s.At - line[i].At
			sum += s.Up[0] * step.Seconds()
			if i+2 < len(line) && step != line[1].At {
				t.Errorf("%v: a step of %v, then one of %v", end, line[1].At, step)
			}
		}
		if !near(sum, 10*n) {
			t.Errorf("%v: %v bytes on the line, want %d", end, sum, 10*n)
		}
	}
}

// One who gives a tenth of what the others give: Jain's (1+1+1+0.1)^2 / (4 (1+1+1+0.01)). What comes after completion does not count.
func TestFairness(t *testing.T) {
	sc, peers := swarm(false)
	r := New(sc, peers)
	k := 0
	for i := sc.Servers(); i < len(peers); i++ {
		r.Joined(0, i)
		given := int64(100)
		if peers[i].Strategy == scenario.Honest {
			if k == 0 {
				given = 10
			}
			k++
		} else {
			given = 0 // cheats are not asked
		}
		r.Transferred(time.Second, 0, i, 100, 0)
		r.Transferred(time.Second, i, 0, given, 0)
	}
	for i := sc.Servers(); i < len(peers); i++ {
		r.Done(2*time.Second, i)
		r.Transferred(3*time.Second, i, 0, 1000, 0)
	}
	f := r.Result().Fairness
	if want := 3.1 * 3.1 / (4 * 3.01); !near(f.Jain, want) || f.Known {
		t.Errorf("%+v, want Jain %v and no correlation of equal rates", f, want)
	}
}

// Those who upload more get more: the correlation is that of the textbook.
func TestCorrelation(t *testing.T) {
	var m moments
	xs, ys := []float64{1, 2, 3, 4}, []float64{2, 4, 5, 9}
	for i := range xs {
		m.add(xs[i], ys[i])
	}
	// cov = 11, var x = 5, var y = 26
	if r, ok := m.correlation(); !ok || !near(r, 11/math.Sqrt(5*26)) {
		t.Errorf("%v %v", r, ok)
	}
	sc := &scenario.Scenario{Size: 100, PieceLength: 100, Server: scenario.Server{Up: 1}, Classes: []scenario.Class{
		{Name: "a", Count: 3, Up: 10}, {Name: "b", Count: 3, Up: 20}}}
	peers := sc.Population()
	r := New(sc, peers)
	for i := 1; i < len(peers); i++ {
		r.Joined(0, i)
		r.Transferred(1, 0, i, 100, 0)
	}
	for _, class := range []int32{1, 0} {
		for i := 1; i < len(peers); i++ {
			if peers[i].Class == class {
				r.Done(time.Duration(2-class)*time.Second, i)
			}
		}
	}
	if f := r.Result().Fairness; !f.Known || !near(f.Correlation, 1) {
		t.Errorf("%+v, want a correlation of 1", f)
	}
}

func TestQuantile(t *testing.T) {
	list := []time.Duration{10, 20, 30, 40}
	for p, want := range map[float64]time.Duration{0: 10, 0.5: 25, 1: 40, 1.0 / 3: 20, 0.9: 37} {
		if got := Quantile(list, p); got != want {
			t.Errorf("%v: %v, want %v", p, got, want)
		}
	}
	if times(nil) != (Times{}) {
		t.Error("times of nothing")
	}
}

// The digest tells any difference of a peer's times or bytes.
func TestDigest(t *testing.T) {
	run := func(change func(r *Recorder)) string {
		sc, peers := swarm(false)
		r := New(sc, peers)
		r.Joined(1, 2)
		change(r)
		return r.Result().Digest
	}
	seen := map[string]string{}
	for name, change := range map[string]func(r *Recorder){
		"nothing": func(*Recorder) {}, "joined": func(r *Recorder) { r.Joined(2, 3) }, "moved": func(r *Recorder) { r.Transferred(2, 0, 2, 1, 0) },
		"from another": func(r *Recorder) { r.Transferred(2, 1, 2, 1, 0) }, "done": func(r *Recorder) { r.Done(2, 2) },
		"done later": func(r *Recorder) { r.Done(3, 2) }, "left": func(r *Recorder) { r.Left(2, 2, false) },
	} {
		d := run(change)
		if other, same := seen[d]; same || len(d) != 16 {
			t.Errorf("%s and %s have the digest %s", name, other, d)
		}
		seen[d] = name
		if run(change) != d {
			t.Errorf("%s: the digest changes", name)
		}
	}
}

// What 1e8 calls cost: Got and Transferred have to stay around 10 ns, without allocations.
func BenchmarkRecorder(b *testing.B) {
	sc := &scenario.Scenario{Size: 128 << 18, PieceLength: 1 << 18, Server: scenario.Server{Up: 1 << 20}, Classes: []scenario.Class{{Name: "x", Count: 10000, Up: 1}}}
	peers := sc.Population()
	r := New(sc, peers)
	b.Run("transferred", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			r.Transferred(r.last+1000, i%10000, (i*7919)%10000, 1<<18, 0)
		}
	})
	b.Run("got", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			r.Got(r.last+1000, i%10000, i&127)
		}
	})
}
