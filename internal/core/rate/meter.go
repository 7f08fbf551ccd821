package rate

import "time"

// Window is the length of the sliding average that the choker ranks by (BEP 3: "a rolling 20-second average").
const Window = 20 * time.Second

const (
	cells   = 20
	cellLen = Window / cells
)

// Meter counts bytes and averages them over a sliding window of 20 s in cells of 1 s. The zero Meter is ready; it starts
// with its first Add. Adding costs some nanoseconds: it is called for each block. Not safe for concurrent use.
type Meter struct {
	cell    [cells]int64
	current int64 // number of the newest cell, in cellLen since 0
	start   time.Duration
	began   bool
	total   int64
}

// Add counts n bytes that were moved up to now.
func (m *Meter) Add(now time.Duration, n int64) {
	if !m.began {
		m.began, m.start, m.current = true, now, int64(now/cellLen)
	}
	m.roll(now)
	m.cell[m.current%cells] += n
	m.total += n
}

// Total returns all bytes ever added.
func (m *Meter) Total() int64 { return m.total }

// Rate returns the mean of the last 20 s in bytes/s, or since the first Add if that is less.
func (m *Meter) Rate(now time.Duration) int64 { return m.Over(now, Window) }

// Over returns the mean in bytes/s over about the last d (1 s <= d <= 20 s, whole seconds), or since the first Add if that
// is less. In the first tenth of a second it takes a tenth of a second as the divisor, so that one block is no great rate.
func (m *Meter) Over(now, d time.Duration) int64 {
	if !m.began {
		return 0
	}
	m.roll(now)
	n := min(int64(d/cellLen), cells)
	var sum int64
	for i := range n {
		if c := m.current - i; c >= 0 {
			sum += m.cell[c%cells]
		}
	}
	// The newest cell has only begun: the window is n-1 whole cells and a part.
	span := time.Duration(n-1)*cellLen + (now - time.Duration(m.current)*cellLen)
	span = max(min(span, now-m.start), cellLen/10)
	return int64(float64(sum) / span.Seconds())
}

func (m *Meter) roll(now time.Duration) {
	c := int64(now / cellLen)
	if c-m.current >= cells {
		m.cell = [cells]int64{}
		m.current = c
	}
	for m.current < c {
		m.current++
		m.cell[m.current%cells] = 0
	}
}
