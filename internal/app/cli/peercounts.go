package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxCounts is how many numbers of peers one command takes: rows of a table.
const maxCounts = 10_001

// countsGrammar is how plan, sim sweep and lab all take numbers of peers.
const countsGrammar = "N, LO..HI, LO..HI/STEP, or a list of these like 1,5,10..20"

// parseCounts reads numbers of peers from least to most: see countsGrammar. They come in order, each once.
func parseCounts(s string, least, most int) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(s, ",") {
		r, err := parsePeerRange(part, least, most)
		if err != nil {
			return nil, err
		}
		// Counted before anything is made: 0..9 a thousand times is no small list either.
		if rows := r.rows(); len(all)+rows > maxCounts {
			return nil, r.tooMany(len(all) + rows)
		}
		all = append(all, r.counts()...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// peerRange is low, low+step, ... and high.
type peerRange struct{ low, high, step int }

// parsePeerRange reads N, LO..HI or LO..HI/STEP.
func parsePeerRange(s string, least, most int) (peerRange, error) {
	low, high, isRange := strings.Cut(s, "..")
	high, step, stepped := strings.Cut(high, "/")
	if !isRange {
		high = low
	}
	if !stepped {
		step = "1"
	}
	var r peerRange
	for _, part := range []struct {
		text  string
		least int
		to    *int
	}{{low, least, &r.low}, {high, least, &r.high}, {step, 0, &r.step}} {
		text := strings.TrimSpace(part.text)
		n, err := strconv.ParseUint(text, 10, 63)
		switch {
		case errors.Is(err, strconv.ErrRange), err == nil && n > uint64(most):
			return r, fmt.Errorf("%s is too many: at most %d", text, most)
		case err != nil:
			return r, fmt.Errorf("%q is not a number of peers: want %s", text, countsGrammar)
		case int(n) < part.least:
			return r, fmt.Errorf("%s is too few: at least %d", text, part.least)
		}
		*part.to = int(n)
	}
	switch {
	case r.step == 0:
		return r, errors.New("a step of 0 never gets there: want " + countsGrammar)
	case r.low > r.high:
		return r, fmt.Errorf("%d..%d counts down: write %d..%d", r.low, r.high, r.high, r.low)
	}
	return r, nil
}

// rows is how many numbers counts returns.
func (r peerRange) rows() int {
	n := (r.high-r.low)/r.step + 1
	if (r.high-r.low)%r.step > 0 {
		n++ // high itself
	}
	return n
}

// tooMany refuses so many rows, and says by which step the range would be short enough.
func (r peerRange) tooMany(rows int) error {
	err := fmt.Errorf("%d rows are too many, at most %d", rows, maxCounts)
	if r.rows() <= maxCounts/2 { // it is the list that is long
		return err
	}
	enough := roundUp((r.high - r.low) / (maxCounts - 1))
	return fmt.Errorf("%w: give a step, like %d..%d/%d", err, r.low, r.high, enough)
}

// roundUp returns the next power of ten times 1, 2 or 5 that is more than n.
func roundUp(n int) int {
	for power := 1; ; power *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*power > n {
				return m * power
			}
		}
	}
}

// counts returns the numbers of the range; the last is always high.
func (r peerRange) counts() []int {
	var out []int
	for n := r.low; n <= r.high; n += r.step {
		out = append(out, n)
	}
	if out[len(out)-1] != r.high {
		out = append(out, r.high)
	}
	return out
}
