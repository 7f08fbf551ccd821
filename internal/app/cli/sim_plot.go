package cli

import (
	"math"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/sim/record"
)

// simPanels draws one run: when peers were complete, how many copies of pieces there were, how well uploads were used, and who
// unchoked whom.
func simPanels(res *record.Result) []plot.Panel {
	return []plot.Panel{completionChart(res), availabilityChart(res), uploadChart(res), unchokeMap(res)}
}

// completionChart is the distribution of the peers' own times, by class where there are several, with the bound beside it.
func completionChart(res *record.Result) plot.Chart {
	c := plot.Chart{Title: "Completion", XLabel: "seconds since a peer came", YLabel: "share of the peers complete", YMin0: true}
	if len(res.All) == 0 {
		c.Empty = "nobody was complete when it ended at " + units.FormatDuration(res.End)
		return c
	}
	all := plot.Series{Name: "peers", Style: plot.Steps, X: []float64{0}, Y: []float64{0}}
	// A curve of a thousand steps looks like one of a million.
	n := len(res.All)
	for k := range min(n, 1000) {
		i := (k+1)*n/min(n, 1000) - 1
		all.X, all.Y = append(all.X, res.All[i].Seconds()), append(all.Y, float64(i+1)/float64(res.Peers))
	}
	c.Series = append(c.Series, all)
	if len(res.Classes) > 1 {
		for _, class := range res.Classes {
			c.Series = append(c.Series, classCurve(class))
		}
	}
	if b := res.Bound.Seconds; b > 0 {
		c.Series = append(c.Series, plot.Series{Name: "bound for the last", Style: plot.Dashed, X: []float64{b, b}, Y: []float64{0, 1}})
	}
	return c
}

// classCurve is the distribution of a class through its quantiles.
func classCurve(class record.Class) plot.Series {
	s := plot.Series{Name: class.Name, Style: plot.LinePoints}
	if class.Complete == 0 {
		return s
	}
	share := float64(class.Complete) / float64(max(class.Peers, 1))
	t := class.Own
	for i, at := range []float64{t.Min.Seconds(), t.P10.Seconds(), t.P25.Seconds(), t.Median.Seconds(), t.P75.Seconds(), t.P90.Seconds(), t.P99.Seconds(), t.Max.Seconds()} {
		s.X, s.Y = append(s.X, at), append(s.Y, share*[]float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1}[i])
	}
	return s
}

// availabilityChart follows the copies of pieces over time.
func availabilityChart(res *record.Result) plot.Chart {
	c := plot.Chart{Title: "Availability of pieces", XLabel: "seconds", YLabel: "copies in the swarm", YMin0: true}
	rarest, mean, most := plot.Series{Name: "rarest piece"}, plot.Series{Name: "mean"}, plot.Series{Name: "most frequent piece"}
	for _, s := range res.Line {
		at := s.At.Seconds()
		rarest.X, rarest.Y = append(rarest.X, at), append(rarest.Y, float64(s.Rarest))
		mean.X, mean.Y = append(mean.X, at), append(mean.Y, s.Mean)
		most.X, most.Y = append(most.X, at), append(most.Y, float64(s.Most))
	}
	c.Series = []plot.Series{rarest, mean, most}
	return c
}

// uploadPoints is how many points the curve of upload use has: whole pieces that end in one step or the next make finer ones
// jagged.
const uploadPoints = 64

// uploadChart follows the share of the honest uplinks that is used.
func uploadChart(res *record.Result) plot.Chart {
	c := plot.Chart{Title: "Upload use", XLabel: "seconds", YLabel: "% of honest uplinks", YMin0: true}
	use, leechers := plot.Series{Name: "used", Style: plot.Line}, plot.Series{Name: "peers not complete, %", Style: plot.Dashed}
	most := 1
	for _, s := range res.Line {
		most = max(most, s.Leechers)
	}
	each := max(1, len(res.Line)/uploadPoints)
	for i := each; i < len(res.Line); i += each {
		sum, n := 0.0, 0
		for _, s := range res.Line[i-each+1 : i+1] {
			if s.UploadUse >= 0 {
				sum, n = sum+s.UploadUse, n+1
			}
		}
		at := res.Line[i].At.Seconds()
		if n > 0 {
			use.X, use.Y = append(use.X, at), append(use.Y, 100*sum/float64(n))
		}
		leechers.X, leechers.Y = append(leechers.X, at), append(leechers.Y, 100*float64(res.Line[i].Leechers)/float64(most))
	}
	c.Series = []plot.Series{use, leechers}
	return c
}

// unchokeMap shows whom each class unchokes: the seconds of unchoke, as a share of the row.
func unchokeMap(res *record.Result) plot.Heatmap {
	h := plot.Heatmap{Title: "Who unchokes whom", XLabel: "is unchoked", YLabel: "unchokes, % of its time", Rows: res.Flow.Names, Cols: res.Flow.Names[1:]}
	for _, row := range res.Flow.Unchoked {
		sum := 0.0
		for _, v := range row[1:] {
			sum += v
		}
		shares := make([]float64, len(row)-1)
		for i, v := range row[1:] {
			if shares[i] = math.NaN(); sum > 0 {
				shares[i] = 100 * v / sum
			}
		}
		h.Values = append(h.Values, shares)
	}
	return h
}
