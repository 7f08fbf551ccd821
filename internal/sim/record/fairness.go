package record

import (
	"math"

	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Fairness says whether peers got as they gave, over the honest ones that became complete and had to download.
type Fairness struct {
	// Jain is Jain's index of bytes uploaded over bytes downloaded, both until the peer was complete: (sum x)^2 / (n sum x^2).
	// 1: all gave the same share of what they took; 1/n: one gave all. -1 = unknown.
	Jain float64
	// Correlation is Pearson's, of the upload rate that a peer's class has and the mean rate at which the peer downloaded: what tit-for-tat
	// promises is that it is positive. -1..1; Known is false where all classes upload at the same rate.
	Correlation float64
	Known       bool
}

func (r *Recorder) fairness() Fairness {
	var jain struct{ n, sum, squares float64 }
	var pairs moments
	for i := r.sc.Servers(); i < len(r.list); i++ {
		p := &r.list[i]
		if p.done < 0 || p.down == 0 || r.peers[i].Strategy != scenario.Honest {
			continue
		}
		x := float64(p.lent) / float64(p.down)
		jain.n, jain.sum, jain.squares = jain.n+1, jain.sum+x, jain.squares+x*x
		if up := r.peers[i].Up; up > 0 && p.done > p.joined {
			pairs.add(float64(up), float64(p.down)/(p.done-p.joined).Seconds())
		}
	}
	f := Fairness{Jain: -1}
	if jain.squares > 0 {
		f.Jain = jain.sum * jain.sum / (jain.n * jain.squares)
	}
	f.Correlation, f.Known = pairs.correlation()
	return f
}

// moments sums pairs up for their correlation, in one pass that does not lose digits (Welford).
type moments struct{ n, mx, my, xx, yy, xy float64 }

func (m *moments) add(x, y float64) {
	m.n++
	dx := x - m.mx
	m.mx += dx / m.n
	m.xx += dx * (x - m.mx)
	dy := y - m.my
	m.my += dy / m.n
	m.yy += dy * (y - m.my)
	m.xy += dx * (y - m.my)
}

// correlation is unknown where x or y does not vary.
func (m *moments) correlation() (r float64, known bool) {
	if m.n < 2 || m.xx <= 0 || m.yy <= 0 {
		return 0, false
	}
	return m.xy / math.Sqrt(m.xx*m.yy), true
}
