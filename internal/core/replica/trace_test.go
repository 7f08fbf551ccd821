package replica

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestTraces plays the scenes in testdata, a line each:
//
//	start POS            a new host; the first is the ring's first
//	back HOST, crash HOST, broken HOST (its disk fails from now on)
//	run DURATION
//	drop FROM TO, drop FROM TO write, carry FROM TO
//	put HOST KEY VALUE [TTL], add HOST KEY MEMBER, twice HOST KEY VALUE VALUE (at once), get HOST KEY, delete HOST KEY: with "trace", the messages it takes
//	disks KEY            what each host has on disk, and "?" where it does not answer for the key
//	stats HOST
func TestTraces(t *testing.T) {
	datadriven.Walk(t, "testdata/trace", func(t *testing.T, path string) {
		n := newNet()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				if f := strings.Fields(line); len(f) > 0 {
					n.play(t, &out, f)
				}
			}
			if out.Len() == 0 {
				return "ok\n"
			}
			return out.String()
		})
	})
}

func (n *net) play(t *testing.T, out *strings.Builder, f []string) {
	number := func(i int) int {
		v, err := strconv.Atoi(f[i])
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	who := func(i int) *host { return n.hosts[number(i)-1] }
	trace := f[0] == "trace"
	if trace {
		f = f[1:]
	}
	switch f[0] {
	case "start":
		n.add(uint64(number(1))).start()
	case "back":
		who(1).start()
	case "crash":
		who(1).crash()
	case "broken":
		who(1).broken = errors.New("no space left on device")
	case "run":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			t.Fatal(err)
		}
		n.run(d)
	case "drop", "carry":
		what := ""
		if f[0] == "drop" {
			what = append(f, "all")[3]
		}
		n.drop[[2]ringwire.Host{ringwire.Host(number(1)), ringwire.Host(number(2))}] = what
	case "disks":
		pos := space.Hash(ringwire.KeyTag, []byte(f[1]))
		fmt.Fprintf(out, "%s at %s:", f[1], space.Format(pos))
		for _, h := range n.hosts {
			rec, _ := h.Load(n.now, f[1])
			fmt.Fprintf(out, " %d=%s", h.id, text(rec))
			if h.r == nil {
				out.WriteString(" (down)")
			} else if !h.r.sure(pos) {
				out.WriteString("?")
			}
		}
		out.WriteString("\n")
	case "stats":
		s := who(1).r.Stats()
		fmt.Fprintf(out, "repairs %d, hints %d, forged %d, unsure %d of %d, misplaced %d, broken %v\n", s.Repairs, s.Hints, s.Forged, s.Unsure, s.Arcs, s.Misplaced, s.BrokenStore)
	default:
		n.operate(out, trace, who(1), f)
	}
}

// operate runs a client's operation to its end.
func (n *net) operate(out *strings.Builder, trace bool, h *host, f []string) {
	if trace {
		begin := n.now
		n.log = func(line string) {
			if line != "" {
				fmt.Fprintf(out, "%5.1f ms %s\n", float64(n.now-begin)/1e6, line)
			}
		}
	}
	n.op++
	deadline := n.now + 3*time.Second
	switch f[0] {
	case "put", "add":
		ttl, _ := time.ParseDuration(append(f, "0s")[4])
		h.r.Put(n.now, n.op, Put{Key: f[2], Value: []byte(f[3]), Set: f[0] == "add", TTL: ttl, Deadline: deadline})
	case "twice":
		n.op++
		for i, v := range f[3:5] {
			h.r.Put(n.now, n.op-1+uint64(i), Put{Key: f[2], Value: []byte(v), Deadline: deadline})
		}
	case "get":
		h.r.Get(n.now, n.op, Get{Key: f[2], Deadline: deadline})
	case "delete":
		h.r.Delete(n.now, n.op, Delete{Key: f[2], Deadline: deadline})
	default:
		panic("unknown command " + f[0])
	}
	h.drain()
	for n.now <= deadline+time.Second {
		if res, ok := h.ended[n.op]; ok {
			n.run(4 * time.Millisecond) // the answers that are no longer needed
			n.log = func(string) {}
			fmt.Fprintf(out, "%s: %s", strings.Join(f, " "), res.Status)
			if res.Record != nil && res.Status == OK && f[0] == "get" {
				fmt.Fprintf(out, " %s", text(res.Record))
			}
			sep := " on "
			for _, r := range res.Holders {
				fmt.Fprintf(out, "%s%d", sep, r.Host)
				sep = ", "
			}
			out.WriteString("\n")
			return
		}
		n.run(time.Millisecond)
	}
	n.log = func(string) {}
	fmt.Fprintf(out, "%s: no end\n", strings.Join(f, " "))
}
