package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

// loadLanes is how many pairs are on their way at once. A key stays in its lane, so that of equal keys the last counts.
const loadLanes = 16

// ringLoad is the state of `eddy ring load`.
type ringLoad struct {
	inv *invocation
	ringFlags
	set bool
	ttl duration

	size          int64
	read          atomic.Int64 // bytes of the file
	stored, wrong atomic.Int64

	mu       sync.Mutex
	failures []loadFailure
}

// loadFailure is one pair that was not stored.
type loadFailure struct {
	Line  int    `json:"line"`
	Key   string `json:"key"`
	Cause string `json:"cause"`
}

// maxLoadFailures is how many failures the document lists.
const maxLoadFailures = 1000

// pair is one record of the file.
type pair struct {
	line       int
	key, value string
}

func newRingLoad(inv *invocation) *cobra.Command {
	l := &ringLoad{inv: inv}
	cmd := &cobra.Command{
		Use:     "load FILE.csv",
		Short:   "store a table of keys and values",
		Example: "  eddy ring load titles.csv\n  eddy ring load titles.csv --set\n  zcat titles.csv.gz | eddy ring load -",
		Args:    wantArgs("FILE.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTTL(cmd, l.ttl); err != nil {
				return err
			}
			return l.run(cmd.Context(), args[0])
		},
	}
	l.define(cmd)
	cmd.Flags().BoolVar(&l.set, "set", false, "add each value to the set of its key: a key may then occur in several lines")
	cmd.Flags().Var(&l.ttl, "ttl", "the values go after this time (default never)")
	setRingHelp(cmd, `
Store each line KEY,VALUE of a file (- is stdin), in the form of RFC 4180: a comma between two fields, quotation marks around those that hold
commas, quotation marks or line ends. A first line that reads "key,value" is a header and not stored. Of lines with equal keys the last
counts, or with --set all.

A line that cannot be read or stored is told with its number on stderr, and the others go on; the code then is 3. --timeout is for each pair.`,
		map[int]string{exitIncomplete: "some lines were not stored", exitNotFound: "there is no such file", exitConflict: not,
			exitNetwork: "the node cannot be reached", exitTimeout: not})
	return cmd
}

// loaded is the JSON document of `eddy ring load`.
type loaded struct {
	Stored   int64         `json:"stored"`
	Failed   int64         `json:"failed"`
	Failures []loadFailure `json:"failures"` // the first 1,000
	Wall     float64       `json:"wall_s"`
}

func (l *ringLoad) run(ctx context.Context, path string) error {
	in, closeFile, err := l.open(path)
	if err != nil {
		return err
	}
	defer closeFile()
	client, err := l.inv.dialRing(ctx, &l.ringFlags)
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.Now()
	stop := l.inv.follow(l.look, nil)
	defer stop()
	err = l.load(ctx, client, &countingReader{in, &l.read})
	stop()
	if err != nil {
		return err
	}
	return l.report(path, time.Since(start))
}

func (l *ringLoad) open(path string) (io.Reader, func(), error) {
	if path == "-" {
		return l.inv.In, func() {}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fail("loading", path, err)
	}
	if stat, err := f.Stat(); err == nil {
		l.size = stat.Size()
		if stat.IsDir() {
			f.Close()
			return nil, nil, fail("loading", path, errors.New("is a directory"))
		}
	}
	return f, func() { f.Close() }, nil
}

// countingReader counts for the display what was read.
type countingReader struct {
	r    io.Reader
	read *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (l *ringLoad) look() view {
	return view{label: "loading", done: min(l.read.Load(), l.size), total: l.size,
		parts: []string{fmt.Sprintf("%d stored", l.stored.Load()), fmt.Sprintf("%d failed", l.wrong.Load())}}
}

// load stores the pairs of in. It ends early where none could be stored any more.
func (l *ringLoad) load(ctx context.Context, client *ring.Client, in io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var lanes [loadLanes]chan pair
	var wg sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan pair, 4)
		wg.Go(func() {
			for p := range lanes[i] {
				l.store(ctx, client, p, cancel)
			}
		})
	}
	seed := maphash.MakeSeed()
	err := l.parse(in, func(p pair) error {
		select {
		case lanes[maphash.String(seed, p.key)%loadLanes] <- p:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	for _, lane := range lanes {
		close(lane)
	}
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// parse reads the pairs, and notes lines that are none.
func (l *ringLoad) parse(in io.Reader, each func(pair) error) error {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1 // judged here, so that one wrong line does not end it
	for first := true; ; first = false {
		fields, err := r.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			l.note(wrong.StartLine, "", wrong.Err)
			continue
		case err != nil:
			return fail("reading the table from", "", err)
		}
		line, _ := r.FieldPos(0)
		if first {
			fields[0] = strings.TrimPrefix(fields[0], "\ufeff") // as some spreadsheets begin their files
			if len(fields) == 2 && strings.EqualFold(strings.TrimSpace(fields[0]), "key") && strings.EqualFold(strings.TrimSpace(fields[1]), "value") {
				continue
			}
		}
		if len(fields) != 2 {
			l.note(line, fields[0], fmt.Errorf("has %s, want KEY,VALUE", units.Plural(len(fields), "field")))
			continue
		}
		if err := each(pair{line, fields[0], fields[1]}); err != nil {
			return err
		}
	}
}

// store puts one pair. A token that is refused will be refused for all, so that ends the whole.
func (l *ringLoad) store(ctx context.Context, client *ring.Client, p pair, abort context.CancelCauseFunc) {
	if ctx.Err() != nil {
		return
	}
	err := error(nil)
	switch {
	case p.key == "" || len(p.key) > ring.MaxKey:
		err = fmt.Errorf("the key has %d bytes, want 1 to %d", len(p.key), ring.MaxKey)
	case len(p.value) > ring.MaxValue:
		err = errors.New("the value is larger than 1 MiB")
	default:
		one, cancel := l.within(ctx)
		_, err = client.Put(one, p.key, []byte(p.value), ring.PutOptions{Set: l.set, TTL: time.Duration(l.ttl)})
		cancel()
	}
	if err == nil {
		l.stored.Add(1)
		return
	}
	if ctx.Err() != nil {
		return
	}
	var known *ring.Error
	if errors.As(err, &known) && known.Code == ring.Denied {
		abort(ringFailure("storing", quoteKey(p.key), err))
		return
	}
	l.note(p.line, p.key, err)
}

// note tells of one line that was not stored.
func (l *ringLoad) note(line int, key string, err error) {
	l.wrong.Add(1)
	l.mu.Lock()
	if len(l.failures) < maxLoadFailures {
		l.failures = append(l.failures, loadFailure{line, key, oneLine(err.Error())})
	}
	l.mu.Unlock()
	target := fmt.Sprintf("line %d", line)
	if key != "" {
		target += " (" + quoteKey(key) + ")"
	}
	l.inv.complain(&Failure{What: "storing", Target: target, Cause: err})
}

func (l *ringLoad) report(path string, wall time.Duration) error {
	if l.inv.global.json {
		document := loaded{Stored: l.stored.Load(), Failed: l.wrong.Load(), Failures: l.failures, Wall: wall.Seconds()}
		if document.Failures == nil {
			document.Failures = []loadFailure{}
		}
		if err := l.inv.events.document(document); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(l.inv.Out, "%d stored, %d failed\n", l.stored.Load(), l.wrong.Load()); err != nil {
		return failOutput("writing the result to", err)
	}
	if l.wrong.Load() > 0 {
		return silentCode(exitIncomplete)
	}
	return nil
}
