package cli

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
	simring "github.com/eddy-p2p/eddy/internal/sim/ring"
)

// simRingDoc is the JSON document of `eddy sim ring`. Times are virtual but wall_s. nil = unknown, or does not apply.
type simRingDoc struct {
	Nodes      int     `json:"nodes"`
	Lookups    int     `json:"lookups"`
	Seed       uint64  `json:"seed"`
	Digest     string  `json:"digest"`
	Routing    string  `json:"routing"`
	Start      string  `json:"start"`
	Successors int     `json:"successors"`
	Vnodes     int     `json:"vnodes"`
	Replicas   int     `json:"replicas"`
	Fail       float64 `json:"fail"`
	Churn      float64 `json:"churn_s"`

	Hops        simRingHops    `json:"hops"`
	Latency     simRingLatency `json:"latency_s"`
	Keys        simRingKeys    `json:"keys_per_node"`
	Failed      int            `json:"failed_lookups"` // for keys of which a replica lives
	Wrong       int            `json:"wrong_owners"`   // of those the ones with an answer
	Lost        int            `json:"lost_keys"`      // lookups for keys of which no replica lives
	Timeouts    uint64         `json:"timeouts"`
	Violations  int            `json:"violations"`
	Broken      uint64         `json:"assumption_broken"`
	Repaired    *float64       `json:"repaired_s"` // from the failures until every node knew its neighbours
	InOrder     *bool          `json:"in_order"`   // at the end; unknown with churn, where it never is for long
	Dropped     uint64         `json:"caches_dropped"`
	Came        int            `json:"came"`
	Went        int            `json:"went"`
	Maintenance float64        `json:"maintenance_msgs_per_node_s"`
	Events      uint64         `json:"events"`
	Virtual     float64        `json:"virtual_s"`
	Wall        float64        `json:"wall_s"`
	Memory      *int64         `json:"peak_rss_bytes"`

	result *simring.Result
}

type simRingHops struct {
	Mean      *float64 `json:"mean"`
	Expected  float64  `json:"expected"`
	P50       *int     `json:"p50"`
	P99       *int     `json:"p99"`
	Histogram []int    `json:"histogram"` // lookups that took 0, 1, 2, ... hops
}

type simRingLatency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}

type simRingKeys struct {
	Total int     `json:"total"`
	Mean  float64 `json:"mean"`
	P1    float64 `json:"p1"`
	P99   float64 `json:"p99"`
	Max   int     `json:"max"`
}

func newSimRingDoc(res *simring.Result, wall time.Duration) *simRingDoc {
	c := res.Config
	d := &simRingDoc{
		Nodes: c.Nodes, Lookups: c.Lookups, Seed: c.Seed, Digest: res.Digest, Routing: string(c.Routing), Start: "ideal", Successors: c.Successors,
		Vnodes: c.Vnodes, Replicas: c.Replicas, Fail: c.Fail, Churn: c.Churn.Seconds(),
		Hops:    simRingHops{Expected: res.Expected, Histogram: res.Hops.Histogram},
		Latency: simRingLatency{res.Elapsed.Mean.Seconds(), res.Elapsed.P50.Seconds(), res.Elapsed.P99.Seconds()},
		Keys:    simRingKeys{res.Keys.Total, res.Keys.Mean, res.Keys.P1, res.Keys.P99, res.Keys.Max},
		Failed:  res.Failed, Wrong: res.Wrong, Lost: res.LostKeys, Timeouts: res.Timeouts, Violations: res.Violations, Broken: res.AssumptionBroken,
		Dropped: res.CachesDropped, Came: res.Came, Went: res.Went, Maintenance: res.Maintenance,
		Events: res.Events, Virtual: res.Virtual.Seconds(), Wall: wall.Seconds(), Memory: known(peakMemory()), result: res,
	}
	if c.Join {
		d.Start = "join"
	}
	if d.Hops.Histogram == nil {
		d.Hops.Histogram = []int{}
	}
	if res.Done > 0 {
		d.Hops.Mean, d.Hops.P50, d.Hops.P99 = &res.Hops.Mean, &res.Hops.P50, &res.Hops.P99
	}
	if c.Churn == 0 {
		d.InOrder = &res.IsRepaired
		if c.Fail > 0 && res.IsRepaired {
			d.Repaired = known(res.Repaired.Seconds())
		}
	}
	return d
}

// text is the result for people.
func (d *simRingDoc) text() string {
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-13s%s\n", name, fmt.Sprintf(format, a...)) }
	ring := fmt.Sprintf("%s, %s each, %s, seed %d", units.Plural(d.Nodes, "node"), units.Plural(d.Successors, "successor"), d.routing(), d.Seed)
	if d.Vnodes > 1 {
		ring += fmt.Sprintf(", %d positions a node", d.Vnodes)
	}
	line("ring", "%s", ring)
	if d.Fail > 0 {
		line("failures", "%g %% of the nodes at one moment", 100*d.Fail)
	}
	if d.Churn > 0 {
		line("churn", "mean session %s: %d nodes failed, %d came", units.FormatDuration(seconds(d.Churn)), d.Went, d.Came)
	}
	if d.Hops.Mean != nil {
		theory := fmt.Sprintf("theory %.2f", d.Hops.Expected)
		if d.Hops.Expected > 0 { // a node alone asks nobody
			theory += fmt.Sprintf(", %+.1f %%", 100*(*d.Hops.Mean/d.Hops.Expected-1))
		}
		line("hops", "%.2f on average (%s), median %d, 99 %% within %d", *d.Hops.Mean, theory, *d.Hops.P50, *d.Hops.P99)
		line("latency", "%.0f ms on average, median %.0f ms, 99 %% within %.0f ms", 1000*d.Latency.Mean, 1000*d.Latency.P50, 1000*d.Latency.P99)
	}
	line("lookups", "%d, %d failed (%d found a wrong owner), %d for keys that lost every replica; %s", d.Lookups, d.Failed, d.Wrong, d.Lost, units.Plural(int(d.Timeouts), "time-out"))
	line("keys a node", "%.4g on average, 1 %% have at most %.2f and 1 %% at least %.2f times that", d.Keys.Mean, d.Keys.P1/d.Keys.Mean, d.Keys.P99/d.Keys.Mean)
	line("maintenance", "%.2f messages a node a second", d.Maintenance)
	line("invariant", "%s, assumption broken %s", units.Plural(d.Violations, "violation"), units.Plural(int(d.Broken), "time"))
	switch {
	case d.InOrder == nil:
	case !*d.InOrder:
		line("order", "not everybody knows its neighbours at the end")
	case d.Repaired != nil:
		line("order", "everybody knew its neighbours again within %.1f s", *d.Repaired)
	}
	if d.Dropped > 0 {
		line("caches", "%d dropped: news came faster than the budget allows", d.Dropped)
	}
	line("digest", "%s (equal for equal runs)", d.Digest)
	memory := ""
	if d.Memory != nil {
		memory = ", peak memory " + units.FormatSize(*d.Memory)
	}
	line("took", "%s of real time for %s of virtual time and %d events%s", units.FormatDuration(seconds(d.Wall)), units.FormatDuration(seconds(d.Virtual)),
		d.Events, memory)
	return b.String()
}

func (d *simRingDoc) routing() string {
	switch simring.Routing(d.Routing) {
	case simring.BySuccessor:
		return "routing by the immediate successor"
	case simring.ByCache:
		return "routing by the cache"
	}
	return "routing by fingers"
}

// simRingPanels draws the two distributions.
func simRingPanels(res *simring.Result) []plot.Panel {
	return []plot.Panel{hopsChart(res), keysChart(res)}
}

// hopsChart is the share of lookups by hops, with the mean and theory's.
func hopsChart(res *simring.Result) plot.Chart {
	c := plot.Chart{Title: "Hops of a lookup", XLabel: "hops", YLabel: "share of the lookups", YMin0: true}
	s := plot.Series{Name: "lookups", Style: plot.LinePoints}
	most := 0.0
	for hops, n := range res.Hops.Histogram {
		share := float64(n) / float64(max(res.Done, 1))
		s.X, s.Y = append(s.X, float64(hops)), append(s.Y, share)
		most = max(most, share)
	}
	c.Series = []plot.Series{s}
	if res.Done > 0 {
		c.Series = append(c.Series,
			plot.Series{Name: fmt.Sprintf("mean %.2f", res.Hops.Mean), X: []float64{res.Hops.Mean, res.Hops.Mean}, Y: []float64{0, most}},
			plot.Series{Name: fmt.Sprintf("theory %.2f", res.Expected), Style: plot.Dashed, X: []float64{res.Expected, res.Expected}, Y: []float64{0, most}})
	}
	return c
}

// keysChart is the distribution of keys over nodes, in units of the mean.
func keysChart(res *simring.Result) plot.Chart {
	k := res.Keys
	c := plot.Chart{Title: fmt.Sprintf("Keys of a node, %s each", units.Plural(res.Config.Vnodes, "position")), XLabel: "keys, times the mean",
		YLabel: "share of the nodes with at most so many", YMin0: true}
	s := plot.Series{Name: "nodes", Style: plot.Steps, X: []float64{0}, Y: []float64{0}}
	n := len(k.Counts)
	points := min(n, 1000) // a curve of a thousand steps looks like one of a million
	for i := range points {
		at := (i+1)*n/points - 1
		s.X, s.Y = append(s.X, float64(k.Counts[at])/math.Max(k.Mean, 1)), append(s.Y, float64(at+1)/float64(n))
	}
	c.Series = []plot.Series{s}
	for _, q := range []struct {
		name string
		at   float64
	}{{"1 %", k.P1}, {"99 %", k.P99}} {
		x := q.at / math.Max(k.Mean, 1)
		c.Series = append(c.Series, plot.Series{Name: fmt.Sprintf("%s: %.2f", q.name, x), Style: plot.Dashed, X: []float64{x, x}, Y: []float64{0, 1}})
	}
	return c
}
