package lab

import (
	"slices"
	"time"
)

// Result is what a lab measured; the document of --json. Rates are bytes/s, times seconds.
type Result struct {
	Rows    []Row   `json:"rows"`
	Shaping Shaping `json:"shaping"`

	Client      string   `json:"client"`
	Size        int64    `json:"size"`
	PieceLength int64    `json:"piece_length"`
	Repeat      int      `json:"repeat"`
	Server      Rates    `json:"server"`
	Up          Rates    `json:"up"`
	Down        *Rates   `json:"down"`     // null = not limited
	Cores       int      `json:"cores"`    // of this machine
	Warnings    []string `json:"warnings"` // what to know before believing the figures
}

// Rates are the rates of one kind of link: of payload, as measured by one long flow over each, all at once.
type Rates struct {
	Asked int64   `json:"asked_bps"`
	Least float64 `json:"least_bps"`
	Most  float64 `json:"most_bps"`
}

// Row is one architecture with one number of receivers.
type Row struct {
	Peers    int           `json:"peers"`
	Arch     Arch          `json:"arch"`
	Bound    float64       `json:"bound_s"`
	Limit    string        `json:"limit"`      // what sets the bound: server, download or aggregate
	Sim      *float64      `json:"sim_s"`      // null = there is no simulation of this client
	Measured float64       `json:"measured_s"` // the median of Runs
	Ratio    float64       `json:"ratio"`      // Measured over Bound
	Runs     []Measurement `json:"runs"`
}

// Measurement is one run of a row, from the opening of the gate.
type Measurement struct {
	Measured float64   `json:"measured_s"` // until the last receiver was complete
	Done     []float64 `json:"done_s"`     // until each was, the first first
	CPU      float64   `json:"cpu"`        // share of all cores that was busy, with anything: 0 to 1
	Own      float64   `json:"cpu_own"`    // the part of that share which is the lab's processes, at most cpu
	Sent     []Traffic `json:"sent"`       // by the server and each peer; null where links are not shaped
}

// newResult is the result without its rows.
func (l *Lab) newResult() *Result {
	r := &Result{
		Rows: []Row{}, Warnings: []string{}, Shaping: l.cfg.Shaping, Client: l.client.name, Size: l.cfg.Size,
		PieceLength: l.cfg.PieceLength, Repeat: l.cfg.Repeat, Cores: cores,
	}
	r.Server = ratesOf(l.net.peers[:1], func(m *machine) rates { return m.up })
	r.Up = ratesOf(l.net.peers[1:], func(m *machine) rates { return m.up })
	if l.cfg.Down > 0 {
		down := ratesOf(l.net.peers[1:], func(m *machine) rates { return m.down })
		r.Down = &down
	}
	return r
}

// ratesOf sums up one kind of link.
func ratesOf(machines []machine, link func(*machine) rates) Rates {
	first := link(&machines[0])
	r := Rates{int64(first.asked), first.measured, first.measured}
	for i := range machines {
		m := link(&machines[i]).measured
		r.Least, r.Most = min(r.Least, m), max(r.Most, m)
	}
	return r
}

// conclude makes the figures of a row from its runs.
func (r *Row) conclude() {
	var times []float64
	for _, run := range r.Runs {
		times = append(times, run.Measured)
	}
	r.Measured = median(times)
	r.Ratio = r.Measured / r.Bound
}

// median is the value in the middle; of an even number the mean of the two there.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// newMeasurement sums up what was seen of a run.
func newMeasurement(start time.Time, done map[int]time.Time) Measurement {
	var r Measurement
	for _, at := range done {
		r.Done = append(r.Done, at.Sub(start).Seconds())
	}
	slices.Sort(r.Done)
	r.Measured = r.Done[len(r.Done)-1]
	return r
}

// seconds is a time of so many seconds, of at most a year: sums of some, and patience with them, still fit in a Duration.
func seconds(s float64) time.Duration {
	const year = 365 * 86400
	return time.Duration(min(s, year) * float64(time.Second))
}
