package piece

import "time"

// meter is core/rate's Meter in 28 bytes: what was sent in the last 20 s, in four cells of 5 s, since a swarm has tens of
// millions of them. Bytes are counted in units of 256.
type meter struct {
	cell    [cells]uint32
	current uint32 // number of the newest cell
	first   uint32 // ms of the first Add + 1; 0 = none yet
	last    uint32 // ms
}

const (
	cells   = 4
	cellLen = 5 * time.Second
	unit    = 8 // bits that a byte count is shifted by
)

// add counts n bytes that were sent evenly from from to now.
func (m *meter) add(from, now time.Duration, n int64) {
	ms := uint32(now / time.Millisecond)
	if m.first == 0 {
		m.first, m.current = uint32(from/time.Millisecond)+1, uint32(now/cellLen)
	}
	m.last = ms
	m.roll(now)
	if from >= time.Duration(m.current)*cellLen || from >= now {
		m.cell[m.current%cells] += uint32(n >> unit)
		return
	}
	for c := int64(m.current); c >= 0 && int64(m.current)-c < cells; c-- {
		start := max(from, time.Duration(c)*cellLen)
		end := min(now, time.Duration(c+1)*cellLen)
		if end <= start {
			return
		}
		m.cell[c%cells] += uint32(float64(n) * float64(end-start) / float64(now-from) / (1 << unit))
	}
}

// rate returns the mean over the last 15 to 20 s in bytes/s, or since the first add if that is less.
func (m *meter) rate(now time.Duration) int64 {
	if m.first == 0 {
		return 0
	}
	m.roll(now)
	var sum int64
	for _, c := range m.cell {
		sum += int64(c)
	}
	if sum == 0 {
		return 0
	}
	span := (cells-1)*cellLen + (now - time.Duration(m.current)*cellLen)
	span = max(min(span, now-time.Duration(m.first-1)*time.Millisecond), cellLen/50)
	return int64(float64(sum<<unit) / span.Seconds())
}

func (m *meter) roll(now time.Duration) {
	c := uint32(now / cellLen)
	if c-m.current >= cells {
		m.cell = [cells]uint32{}
		m.current = c
		return
	}
	for m.current < c {
		m.current++
		m.cell[m.current%cells] = 0
	}
}
