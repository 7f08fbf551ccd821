package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// The most that one plan takes.
const (
	maxPlanPeers = 1_000_000_000 // peers in all: times and sums stay exact to many digits
	maxPlanLines = 100_000       // lines of a CSV file
	maxPlanBytes = 16 << 20      // bytes of it
	maxPlanLine  = 4 << 10       // bytes of a line
)

// countsPattern matches a number, a list that begins with one, and what begins or ends with a range.
var countsPattern = regexp.MustCompile(`^\s*[-+]?[0-9][-+.,_0-9]*\s*$|^\s*[-+]?[0-9]+\s*(,|\.\.)|\.\.\s*[-+]?[0-9]+\s*(/[^/]*)?$`)

// countsLike reports whether s can only be meant as numbers of peers; all else names a file, ../peers.csv among them.
func countsLike(s string) bool {
	return countsPattern.MatchString(s) && !strings.HasSuffix(strings.ToLower(s), ".csv")
}

// planColumns are those that a CSV file of peers may have; true = it must.
var planColumns = map[string]bool{"up": true, "down": false, "count": false}

// readPlanCSV reads peers: a header, then a line a peer (or count of equal peers) with rates as flags take them. A blank down, or 0,
// is no limit. Lines that start with # and blank lines are skipped. Errors name the line.
func readPlanCSV(in io.Reader) ([]theory.Class, error) {
	bounded := &io.LimitedReader{R: &lineLimit{in: in, most: maxPlanLine}, N: maxPlanBytes + 1}
	r := csv.NewReader(bounded)
	r.Comment, r.TrimLeadingSpace, r.ReuseRecord = '#', true, true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: want the header up,down and a line for each peer")
	} else if err != nil {
		return nil, csvError(err)
	}
	at, err := planHeader(header)
	if err != nil {
		return nil, err
	}
	var classes []theory.Class
	total := 0
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, csvError(err)
		}
		line, _ := r.FieldPos(0)
		if len(classes) == maxPlanLines {
			return nil, fmt.Errorf("line %d: at most %d lines of peers; a column count says how many are alike", line, maxPlanLines)
		}
		c, err := planClass(record, at)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if total += c.Peers; total > maxPlanPeers {
			return nil, fmt.Errorf("line %d: more than %d peers in all", line, maxPlanPeers)
		}
		classes = append(classes, c)
	}
	switch {
	case bounded.N <= 0:
		return nil, fmt.Errorf("longer than the %d MiB that a list of peers may have", maxPlanBytes>>20)
	case total == 0:
		return nil, errors.New("it lists no peers: want a line for each below the header")
	}
	return classes, nil
}

// planHeader returns where the columns are.
func planHeader(header []string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))) // spreadsheets put a mark in front
		_, known := planColumns[name]
		_, twice := at[name]
		switch {
		case !known:
			return nil, fmt.Errorf("line 1: unknown column %.40q: want the header up,down (count is allowed too)", name)
		case twice:
			return nil, fmt.Errorf("line 1: column %q stands there twice", name)
		}
		at[name] = i
	}
	if _, ok := at["up"]; !ok {
		return nil, errors.New("line 1: no column up: want the header up,down")
	}
	return at, nil
}

// planClass reads one line of peers.
func planClass(record []string, at map[string]int) (theory.Class, error) {
	cell := func(column string) string {
		if i, ok := at[column]; ok {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	c := theory.Class{Peers: 1}
	if text := cell("count"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil || n > maxPlanPeers {
			return c, fmt.Errorf("count %.40q is not a number from 0 to %d", text, maxPlanPeers)
		}
		c.Peers = int(n)
	}
	if cell("up") == "" {
		return c, errors.New("up is blank: want a rate, 0 for a peer that uploads nothing")
	}
	up, err := units.ParseRate(cell("up"))
	if err != nil {
		return c, fmt.Errorf("up: %w", err)
	}
	c.Up = float64(up)
	if text := cell("down"); text != "" {
		down, err := units.ParseRate(text)
		if err != nil {
			return c, fmt.Errorf("down: %w", err)
		}
		c.Down = float64(down)
	}
	return c, nil
}

// csvError puts encoding/csv's words in the order of ours.
func csvError(err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return err
	}
	if errors.Is(p.Err, csv.ErrFieldCount) {
		return fmt.Errorf("line %d: not as many columns as the header has", p.Line)
	}
	return fmt.Errorf("line %d: %w", p.Line, p.Err)
}

// readPlanFile reads the CSV file at path, or stdin for "-".
func (inv *invocation) readPlanFile(ctx context.Context, path string) ([]theory.Class, error) {
	const reading = "reading the peers of"
	classes, err := obeying(ctx, func() ([]theory.Class, error) {
		if path == "-" {
			return readPlanCSV(inv.In)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, &unopened{err}
		}
		defer f.Close()
		return readPlanCSV(f)
	})
	var missing *unopened
	switch {
	case err == nil:
		return classes, nil
	case ctx.Err() != nil:
		return nil, interruption(ctx, reading, path, "")
	case errors.As(err, &missing):
		failure := fail(reading, path, missing.error)
		failure.Hint = "--peers takes " + countsGrammar + "; or a CSV file with the columns up,down"
		return nil, failure
	}
	return nil, &Failure{What: reading, Target: path, Cause: bare(err, path), Code: exitUsage}
}

// checkCounts refuses what is neither a file nor a number of peers, but may be meant as one.
func checkCounts(peers string) error {
	if _, err := os.Stat(peers); err == nil || !almostNumber.MatchString(peers) {
		return nil
	}
	return &Failure{What: "setting --peers", Target: peers, Cause: errors.New("neither a number of peers nor a file: want " + countsGrammar), Code: exitUsage}
}

// almostNumber matches what somebody may take for a number of peers, as 1e3, 0x10 or 5k, and hardly for a file.
var almostNumber = regexp.MustCompile(`^\s*[-+]?[0-9][0-9A-Za-z+_-]*\s*$`)

// unopened is the error of a file that could not be opened.
type unopened struct{ error }

func (u *unopened) Unwrap() error { return u.error }

// prefix returns the first n peers of classes.
func prefix(classes []theory.Class, n int) []theory.Class {
	for i, c := range classes {
		if n < c.Peers {
			cut := slices.Clone(classes[:i+1])
			cut[i].Peers = n
			return cut
		}
		n -= c.Peers
	}
	return classes
}

// equalUp returns one class for peers that upload alike, with the slowest download: what the bounds make of them.
func equalUp(classes []theory.Class) (theory.Class, bool) {
	out := theory.Class{Down: math.Inf(1)}
	for _, c := range classes {
		if c.Peers == 0 {
			continue
		}
		if out.Peers > 0 && c.Up != out.Up {
			return theory.Class{}, false
		}
		out.Peers, out.Up = out.Peers+c.Peers, c.Up
		if c.Down > 0 {
			out.Down = min(out.Down, c.Down)
		}
	}
	if math.IsInf(out.Down, 1) {
		out.Down = 0
	}
	return out, true
}
