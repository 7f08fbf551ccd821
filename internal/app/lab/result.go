package lab

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Result is what a lab measured; the document of --json.
type Result struct {
	Rows    []Row   `json:"rows"`
	Shaping Shaping `json:"shaping"`

	Client      string   `json:"client"`
	Size        int64    `json:"size"`
	PieceLength int64    `json:"piece_length"`
	Server      Rates    `json:"server"`
	Up          Rates    `json:"up"`
	Down        *Rates   `json:"down"`  // null = not limited
	Cores       int      `json:"cores"` // of this machine
	Warnings    []string `json:"warnings"`
}

// Rates are the rates of one kind of link, bytes/s of payload.
type Rates struct {
	Asked int64   `json:"asked_bps"`
	Least float64 `json:"least_bps"` // measured
	Most  float64 `json:"most_bps"`
}

// Row is one architecture with one number of receivers. Times are seconds.
type Row struct {
	Peers    int      `json:"peers"`
	Arch     Arch     `json:"arch"`
	Bound    float64  `json:"bound_s"`
	Limit    string   `json:"limit"` // what sets the bound
	Sim      *float64 `json:"sim_s"`
	Measured float64  `json:"measured_s"` // the median of Runs
	Ratio    float64  `json:"ratio"`      // Measured / Bound
	Runs     []RunRow `json:"runs"`
}

// RunRow is one run of a row.
type RunRow struct {
	Measured float64   `json:"measured_s"`
	First    float64   `json:"first_done_s"`
	Median   float64   `json:"median_done_s"`
	Busy     float64   `json:"cpu"`  // of all cores, the share that was busy with anything
	Sent     []traffic `json:"sent"` // by the server and the peers, as their links count
}

// rows measures everything.
func (l *Lab) rows(ctx context.Context) (*Result, error) {
	result := l.describe()
	for _, n := range l.cfg.Peers {
		for _, arch := range []Arch{ClientServer, P2P} {
			row, err := l.row(ctx, arch, n)
			if err != nil {
				return nil, err
			}
			result.Rows = append(result.Rows, *row)
		}
	}
	return result, nil
}

// row measures one architecture with n receivers.
func (l *Lab) row(ctx context.Context, arch Arch, n int) (*Row, error) {
	bound := l.bound(arch, n)
	row := &Row{Peers: n, Arch: arch, Bound: bound.Seconds, Limit: string(bound.Limit)}
	repeats, measure := 1, l.clientServer
	if arch == P2P {
		repeats, measure = l.cfg.Repeat, l.swarm
	}
	for i := range repeats {
		step := Step{What: "measuring", Peers: n, Arch: arch, Repeat: i + 1, Repeats: repeats, Expected: seconds(bound.Seconds)}
		l.step(step)
		if l.cfg.Keep != "" {
			l.logs = filepath.Join(l.cfg.Keep, fmt.Sprintf("%s-%d-%d", arch, n, i+1))
		}
		m, err := measure(ctx, n)
		if err != nil {
			return nil, err
		}
		step.Measured = seconds(m.last)
		l.step(step)
		row.Runs = append(row.Runs, RunRow{m.last, m.each[0], m.each[len(m.each)/2], m.cores / float64(runtime.NumCPU()), m.sent})
	}
	row.Measured = median(row.Runs)
	row.Ratio = row.Measured / row.Bound
	return row, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// median is that of the runs' times; of an even number the mean of the two in the middle.
func median(runs []RunRow) float64 {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b RunRow) int { return cmp.Compare(a.Measured, b.Measured) })
	n := len(sorted)
	return (sorted[(n-1)/2].Measured + sorted[n/2].Measured) / 2
}

// describe is the result without its rows.
func (l *Lab) describe() *Result {
	r := &Result{Rows: []Row{}, Shaping: NetNS, Client: l.client.name, Size: l.cfg.Size, PieceLength: l.cfg.PieceLength, Cores: runtime.NumCPU(), Warnings: []string{}}
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

// note keeps the times of completion.
func (m *measurement) note(start time.Time, done map[int]time.Time) {
	for _, at := range done {
		m.each = append(m.each, at.Sub(start).Seconds())
	}
	slices.Sort(m.each)
	m.last = m.each[len(m.each)-1]
}

// since is the traffic from before to t.
func (t traffic) since(before traffic) traffic {
	return traffic{t.Bytes - before.Bytes, t.Packets - before.Packets, t.Drops - before.Drops, t.Backlog}
}
