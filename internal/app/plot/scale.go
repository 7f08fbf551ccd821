package plot

import (
	"math"
	"strconv"
	"strings"
)

// A scale maps the values of one axis to 0..1, and knows its ticks.
type scale struct {
	lo, hi float64 // lo < hi; both positive when log
	log    bool
	whole  bool // the values are integers: no ticks between
}

// A tick is a labelled value of an axis.
type tick struct {
	at    float64
	label string
}

// usable reports whether an axis can show v.
func usable(v float64, log bool) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

// newScale covers the usable ones of values; with zero, 0 too. A loose scale reaches up to the next tick on both sides, a tight
// one ends with the data.
func newScale(values [][]float64, log, zero, tight bool) scale {
	s := scale{lo: math.Inf(1), hi: math.Inf(-1), log: log, whole: true}
	for _, vs := range values {
		for _, v := range vs {
			if usable(v, log) {
				s.lo, s.hi = min(s.lo, v), max(s.hi, v)
				s.whole = s.whole && v == math.Trunc(v)
			}
		}
	}
	if s.lo > s.hi { // no point at all: an empty frame
		s.lo, s.hi = 0, 1
		if log {
			s.lo = 0.1
		}
		return s
	}
	if zero && !log {
		s.lo, s.hi = min(s.lo, 0), max(s.hi, 0)
	}
	s.widen()
	if !tight {
		s.loosen()
	}
	return s
}

// widen gives a scale of a single value some width. Half of what float64 reaches is the most: the difference of the ends must
// be a number too.
func (s *scale) widen() {
	const most = math.MaxFloat64 / 4
	s.lo, s.hi = min(max(s.lo, -most), most), min(max(s.hi, -most), most)
	if s.log {
		s.lo, s.hi = max(s.lo, 1e-300), max(s.hi, 1e-300)
		if s.hi < s.lo*1.01 {
			s.lo, s.hi = s.lo/2, s.hi*2
		}
		return
	}
	// Ends that differ by rounding alone are one value.
	if least := max(math.Abs(s.lo), math.Abs(s.hi)) * 1e-9; s.hi-s.lo <= least {
		by := max(0.5, math.Abs(s.lo)/10)
		s.lo, s.hi = s.lo-by, s.hi+by
		if s.whole && s.lo == -0.5 {
			s.lo, s.hi = 0, 1
		}
	}
}

// loosen moves the ends out to round values.
func (s *scale) loosen() {
	if s.log {
		s.lo, s.hi = roundLog(s.lo, false), roundLog(s.hi, true)
		return
	}
	step := s.step()
	lo, hi := math.Floor(s.lo/step+1e-9)*step, math.Ceil(s.hi/step-1e-9)*step
	if lo < hi {
		s.lo, s.hi = lo, hi
	}
}

// norm maps v to 0..1. v must be usable; what is beyond the ends, since it is larger than an axis can be, is shown at them.
func (s scale) norm(v float64) float64 {
	v = min(max(v, s.lo), s.hi)
	if s.log {
		return (math.Log(v) - math.Log(s.lo)) / (math.Log(s.hi) - math.Log(s.lo))
	}
	return (v - s.lo) / (s.hi - s.lo)
}

// denorm is the inverse of norm.
func (s scale) denorm(t float64) float64 {
	if s.log {
		return math.Exp(math.Log(s.lo) + t*(math.Log(s.hi)-math.Log(s.lo)))
	}
	return s.lo + t*(s.hi-s.lo)
}

// step is the round distance between ticks that makes four to eight of them.
func (s scale) step() float64 {
	step := roundStep((s.hi - s.lo) / 7.5)
	if s.whole {
		step = max(1, step)
	}
	return step
}

// roundStep returns the power of ten times 1, 2 or 5 that is nearest to v from above.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// roundLog returns the power of ten times 1, 2 or 5 next to v, up or down.
func roundLog(v float64, up bool) float64 {
	r := roundStep(v)
	switch {
	case up || r <= v*(1+1e-9):
		return r
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{5, 2} {
		if m*power <= v {
			return m * power
		}
	}
	return power
}

// ticks returns the labelled values, in rising order.
func (s scale) ticks() []tick {
	if s.log {
		return s.logTicks()
	}
	step, largest := s.step(), max(math.Abs(s.lo), math.Abs(s.hi))
	var out []tick
	// Multiples of the step, not sums: sums would drift to labels like 0.30000000000000004.
	for i := math.Ceil(s.lo/step - 1e-9); i*step <= s.hi+step*1e-9 && len(out) < 20; i++ {
		out = append(out, tick{i * step, formatTick(i*step, step, largest)})
	}
	return out
}

// logTicks labels powers of ten; of less than two decades also 2 and 5; of many only some. Where that is hardly any, the steps are as on
// a linear axis.
func (s scale) logTicks() []tick {
	if s.hi/s.lo < 4 {
		return scale{lo: s.lo, hi: s.hi, whole: s.whole}.ticks()
	}
	first, last := math.Floor(math.Log10(s.lo)+1e-9), math.Ceil(math.Log10(s.hi)-1e-9)
	mantissas := []float64{1, 2, 5}
	if s.hi/s.lo > 100 {
		mantissas = mantissas[:1]
	}
	every := max(1, math.Ceil((last-first)/8))
	var out []tick
	for e := first; e <= last; e += every {
		for _, m := range mantissas {
			v := m * math.Pow(10, e)
			if v >= s.lo*(1-1e-9) && v <= s.hi*(1+1e-9) {
				out = append(out, tick{v, formatTick(v, v, v)})
			}
		}
	}
	return out
}

// formatTick prints v with the digits that steps of step need, in the unit that fits the largest number beside it: 0.25, 1,500,
// 0.5M, 1e-6.
func formatTick(v, step, largest float64) string {
	switch {
	case math.Abs(v) < step*1e-9:
		return "0"
	case largest >= 1e15 || largest < 1e-4:
		return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e-").Replace(strconv.FormatFloat(v, 'g', 3, 64))
	}
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}} {
		if largest >= u.size {
			return decimals(v/u.size, step/u.size) + u.name
		}
	}
	return decimals(v, step)
}

// decimals prints v with as many decimals as step has, and groups thousands.
func decimals(v, step float64) string {
	places := 0
	if step < 1 {
		places = min(9, int(math.Ceil(-math.Log10(step)-1e-9)))
	}
	s := strconv.FormatFloat(v, 'f', places, 64)
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}
