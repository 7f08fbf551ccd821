package lab

import (
	"fmt"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// Figure draws both architectures over the number of receivers: the bound, what was simulated and what was measured. An
// architecture has the same colour in every figure, that of `eddy plan`, whether or not the client was simulated. The three may
// coincide, so each is drawn such that the others show: a dashed line, a ring, and a point inside of it.
func Figure(r *Result) plot.Chart {
	c := plot.Chart{
		Title: fmt.Sprintf("%s to N receivers: server %s, each receiver %s (%s)", units.FormatSize(r.Size),
			units.FormatRate(r.Server.Asked), units.FormatRate(r.Up.Asked), r.Client),
		XLabel: "receivers", YLabel: "seconds until the last has all", YMin0: true,
	}
	for i, arch := range []Arch{ClientServer, P2P} {
		bound := plot.Series{Name: arch.words() + ", minimum", Style: plot.Dashed, Color: i + 1}
		simulated := plot.Series{Name: arch.words() + ", simulated", Style: plot.Rings, Color: i + 1}
		measured := plot.Series{Name: arch.words() + ", measured", Style: plot.Points, Color: i + 1}
		for _, row := range r.Rows {
			if row.Arch != arch {
				continue
			}
			n := float64(row.Peers)
			bound.X, bound.Y = append(bound.X, n), append(bound.Y, row.Bound)
			measured.X, measured.Y = append(measured.X, n), append(measured.Y, row.Measured)
			if row.Sim != nil {
				simulated.X, simulated.Y = append(simulated.X, n), append(simulated.Y, *row.Sim)
			}
		}
		for _, s := range []plot.Series{bound, simulated, measured} {
			if len(s.X) > 0 {
				c.Series = append(c.Series, s)
			}
		}
	}
	return c
}
