package lab

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, row := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	} {
		values := append([]float64{}, row.values...)
		if got := median(values); got != row.want {
			t.Errorf("median(%v) = %v, want %v", row.values, got, row.want)
		}
		if diff := cmp.Diff(row.values, values); diff != "" {
			t.Errorf("the runs were reordered: %s", diff)
		}
	}
}

// A row's time is the median of its runs, its ratio that over the bound: one lucky run does not count.
func TestRow(t *testing.T) {
	r := Row{Bound: 4, Runs: []Measurement{{Measured: 6}, {Measured: 4.1}, {Measured: 5}}}
	r.conclude()
	if r.Measured != 5 || r.Ratio != 1.25 {
		t.Errorf("measured %v, ratio %v, want 5 and 1.25", r.Measured, r.Ratio)
	}
}

// The clock starts when the gate opens and ends with the last receiver.
func TestMeasurement(t *testing.T) {
	start := time.Unix(100, 0)
	done := map[int]time.Time{1: start.Add(3 * time.Second), 2: start.Add(2 * time.Second), 3: start.Add(2500 * time.Millisecond)}
	m := newMeasurement(start, done)
	if diff := cmp.Diff([]float64{2, 2.5, 3}, m.Done); diff != "" || m.Measured != 3 {
		t.Errorf("measured %v, %s", m.Measured, diff)
	}
}

// The bound is of the links as they were measured, each with its own rate.
func TestBoundOfMeasuredRates(t *testing.T) {
	link := func(up, down float64) machine {
		return machine{up: rates{asked: 1e6, measured: up}, down: rates{measured: down}}
	}
	l := &Lab{cfg: Config{Size: 10e6}, net: &network{peers: []machine{link(4e6, 0), link(1e6, 0), link(3e6, 0), link(8e6, 1e6)}}}
	for _, row := range []struct {
		arch  Arch
		peers int
		want  float64
		limit string
	}{
		{ClientServer, 1, 2.5, "server"},
		{ClientServer, 2, 5, "server"},
		{P2P, 1, 2.5, "server"},
		{P2P, 2, 2.5, "server"},  // 2*10/(4+1+3) as well: ties go to the server
		{P2P, 3, 10, "download"}, // the third downloads at 1 MB/s
		{ClientServer, 3, 10, "download"},
	} {
		b := l.bound(row.arch, row.peers)
		if b.Seconds != row.want || string(b.Limit) != row.limit {
			t.Errorf("%s with %d: %v s by %s, want %v by %s", row.arch, row.peers, b.Seconds, b.Limit, row.want, row.limit)
		}
	}
}

func TestRatesOf(t *testing.T) {
	machines := []machine{{up: rates{5, 4.5}}, {up: rates{5, 5.5}}, {up: rates{5, 5}}}
	got := ratesOf(machines, func(m *machine) rates { return m.up })
	if diff := cmp.Diff(Rates{5, 4.5, 5.5}, got); diff != "" {
		t.Error(diff)
	}
}

// A flow's rate is that from read to read inside of the window: neither what came before nor the size of the first read counts.
func TestMeter(t *testing.T) {
	start := time.Unix(0, 0)
	m := newMeter(start)
	m.read(m.from.Add(-time.Millisecond), 1e6) // slow start
	m.read(m.from.Add(100*time.Millisecond), 7e5)
	for i := range 10 {
		m.read(m.from.Add(time.Duration(200+100*i)*time.Millisecond), 1000)
	}
	m.read(m.to.Add(time.Millisecond), 1e6)
	if got := m.rate(); math.Abs(got-10000) > 1e-6 {
		t.Errorf("%v bytes/s, want 10000", got)
	}
	if got := newMeter(start).rate(); got != 0 {
		t.Errorf("the rate of nothing is %v", got)
	}
}

// What a link sent is counted from the opening of the gate.
func TestTrafficSince(t *testing.T) {
	got := Traffic{Bytes: 100, Packets: 10, Drops: 3, Backlog: 7}.since(Traffic{Bytes: 40, Packets: 4, Drops: 1, Backlog: 9})
	if diff := cmp.Diff(Traffic{60, 6, 2, 7}, got); diff != "" {
		t.Error(diff)
	}
}

// Only links that carry clearly less than was asked for are worth a warning.
func TestWarningOfSlowLinks(t *testing.T) {
	for _, row := range []struct {
		measured float64
		want     int
	}{{1e6, 0}, {0.98e6, 0}, {0.9e6, 1}} {
		l := &Lab{net: &network{peers: []machine{{up: rates{1e6, 1e6}}, {up: rates{1e6, row.measured}}}}}
		l.checkLinks()
		if len(l.warnings) != row.want {
			t.Errorf("%v of 1e6: %q", row.measured, l.warnings)
		}
	}
}

// core/policy: "Wide: who knows no upload limit of its own serves all who want something". Members that limit themselves know one.
func TestWarningOfCooperativeWithLimits(t *testing.T) {
	for policy, want := range map[string]int{"cooperative": 1, "tit-for-tat": 0, "": 0} {
		l := &Lab{cfg: Config{Shaping: Internal, Policy: policy}, client: &eddyClient}
		if err := l.build(2); err != nil || len(l.warnings) != want {
			t.Errorf("policy %q: %q, %v", policy, l.warnings, err)
		}
	}
}

func TestFigure(t *testing.T) {
	sim := 2.0
	c := Figure(&Result{Rows: []Row{
		{Peers: 1, Arch: ClientServer, Bound: 1, Measured: 1.5, Sim: &sim},
		{Peers: 1, Arch: P2P, Bound: 1, Measured: 1.6},
		{Peers: 5, Arch: ClientServer, Bound: 5, Measured: 5.5, Sim: &sim},
		{Peers: 5, Arch: P2P, Bound: 2, Measured: 2.5},
	}})
	var names []string
	for _, s := range c.Series {
		names = append(names, s.Name)
		if diff := cmp.Diff([]float64{1, 5}, s.X); diff != "" {
			t.Errorf("%s: %s", s.Name, diff)
		}
	}
	// Swarms of clients that are not simulated have no such line.
	want := []string{"client-server, minimum", "client-server, simulated", "client-server, measured", "peer-to-peer, minimum", "peer-to-peer, measured"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{1.6, 2.5}, c.Series[4].Y); diff != "" {
		t.Error(diff)
	}
	// One colour an architecture, whether or not it was simulated, and no two series of it drawn alike: they may coincide.
	drawn := map[[2]int]string{}
	for i, s := range c.Series {
		want := 1
		if i >= 3 {
			want = 2
		}
		look := [2]int{s.Color, int(s.Style)}
		if s.Color != want || drawn[look] != "" {
			t.Errorf("%s has colour %d and style %d, like %q", s.Name, s.Color, s.Style, drawn[look])
		}
		drawn[look] = s.Name
	}
}
