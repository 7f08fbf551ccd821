package swarm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// The traces in testdata tell stories from the protocol in plain text. Run with -rewrite to record new ones.
//
//	new pieces=4 blocks=2 [have=all|1010] [slots=1] [reveal] [seed=1]   a torrent, and us in it
//	join NAME [bep3]                                                    a connection
//	say  lines "NAME: message ..."                                      what peers send; what we do is the output
//	at   10s                                                            time passes, with every tick on the way
//	answer NAME [n=3] [corrupt]                                         it sends the blocks that we asked for, oldest first
//	lost 3                                                              the disk lost a piece
//	leave NAME
//	state                                                               what we know
func TestTraces(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		tr := &trace{names: map[string]Peer{}}
		datadriven.RunTest(t, path, tr.run)
	})
}

type trace struct {
	s     *Swarm
	now   time.Duration
	names map[string]Peer
	order []string
	asked map[string][]wire.Message // our requests that wait for an answer
	blobs map[[2]uint32]string      // who sent each stored block; only corrupt ones
}

func (tr *trace) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "new":
		tr.create(t, d)
		return "ok"
	case "join":
		name := d.CmdArgs[0].Key
		p := Peer(len(tr.names))
		tr.names[name] = p
		tr.order = append(tr.order, name)
		tr.s.Join(tr.now, p, PeerInfo{Fast: !d.HasArg("bep3"), ReqQ: 8,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(p), 0, 1}), 6881)})
	case "leave":
		tr.s.Leave(tr.now, tr.names[d.CmdArgs[0].Key])
	case "say":
		return tr.say(t, d)
	case "at":
		return tr.until(t, d)
	case "answer":
		return tr.answer(t, d)
	case "lost":
		tr.lose(t, d)
	case "state":
		return tr.state()
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return tr.drain(t)
}

func (tr *trace) create(t *testing.T, d *datadriven.TestData) {
	arg := func(name string, def int) int {
		if d.HasArg(name) {
			d.ScanArgs(t, name, &def)
		}
		return def
	}
	n, blocks := arg("pieces", 4), arg("blocks", 2)
	cfg := Config{
		Layout: metainfo.Layout{Size: int64(n*blocks) * metainfo.BlockSize, PieceLength: int64(blocks) * metainfo.BlockSize},
		Rand:   rand.New(rand.NewPCG(uint64(arg("seed", 1)), 0)), Slots: arg("slots", 0), Policy: policy.Policy{RevealAll: d.HasArg("reveal")},
	}
	if d.HasArg("have") {
		var have string
		d.ScanArgs(t, "have", &have)
		cfg.Have = parseSet(have, n)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	*tr = trace{s: s, names: map[string]Peer{}, asked: map[string][]wire.Message{}, blobs: map[[2]uint32]string{}}
}

func parseSet(text string, n int) bits.Set {
	set := bits.New(n)
	for i := range n {
		if text == "all" || i < len(text) && text[i] == '1' {
			set.Add(i)
		}
	}
	return set
}

var traceKinds = map[string]wire.Kind{
	"choke": wire.Choke, "unchoke": wire.Unchoke, "interested": wire.Interested, "not-interested": wire.NotInterested,
	"have": wire.Have, "bitfield": wire.Bitfield, "have-all": wire.HaveAll, "have-none": wire.HaveNone, "request": wire.Request,
	"piece": wire.Piece, "cancel": wire.Cancel, "reject": wire.Reject, "allowed-fast": wire.AllowedFast,
}

// say feeds one message a line: "bob: piece 3 0" is block 0 of piece 3.
func (tr *trace) say(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		who, what, _ := strings.Cut(line, ": ")
		f := strings.Fields(what)
		kind, ok := traceKinds[f[0]]
		p, known := tr.names[who]
		if !ok || !known {
			d.Fatalf(t, "bad line %q", line)
		}
		m := wire.Message{Kind: kind}
		if kind == wire.Bitfield {
			m.Payload = parseSet(f[1], tr.s.full.Len()).Bytes()
		} else if len(f) > 1 {
			m.Index = number(d, t, f[1])
		}
		if len(f) > 2 {
			b := number(d, t, f[2])
			m.Begin, m.Length = b*metainfo.BlockSize, metainfo.BlockSize
		}
		if kind == wire.Piece {
			m.Payload = simPayload
		}
		if keep := tr.s.Receive(tr.now, p, &m); keep {
			tr.blobs[[2]uint32{m.Index, m.Begin}] = who
		} else if kind == wire.Piece {
			fmt.Fprintf(&out, "(dropped block %s of %s)\n", strings.Join(f[1:], " "), who)
		}
		tr.verify(t)
	}
	return out.String() + tr.drain(t)
}

func number(d *datadriven.TestData, t *testing.T, text string) uint32 {
	n, err := strconv.Atoi(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return uint32(n)
}

// answer lets a peer send blocks that it was asked for; complete pieces are verified at once.
func (tr *trace) answer(t *testing.T, d *datadriven.TestData) string {
	name, n := d.CmdArgs[0].Key, len(tr.asked[d.CmdArgs[0].Key])
	if d.HasArg("n") {
		d.ScanArgs(t, "n", &n)
	}
	var out strings.Builder
	for range n {
		m := tr.asked[name][0]
		tr.asked[name] = tr.asked[name][1:]
		m.Kind, m.Payload = wire.Piece, simPayload[:m.Length]
		fmt.Fprintf(&out, "%s: piece %d %d", name, m.Index, m.Begin/metainfo.BlockSize)
		if tr.s.Receive(tr.now, tr.names[name], &m) {
			delete(tr.blobs, [2]uint32{m.Index, m.Begin})
			if d.HasArg("corrupt") {
				tr.blobs[[2]uint32{m.Index, m.Begin}] = name
			}
		} else {
			out.WriteString(" (dropped)")
		}
		out.WriteString("\n" + tr.drain(t))
	}
	return out.String()
}

// verdict is the disk's: good unless a block is corrupt.
func (tr *trace) verdict(i int) string {
	digests, good := make([][20]byte, tr.s.layout.NumBlocks(i)), true
	for b := range digests {
		if who, bad := tr.blobs[[2]uint32{uint32(i), uint32(b) * metainfo.BlockSize}]; bad {
			copy(digests[b][:], who)
			good = false
		}
	}
	tr.s.PieceDone(tr.now, i, good, digests)
	if good {
		return fmt.Sprintf("piece %d is good\n", i)
	}
	return fmt.Sprintf("piece %d is bad\n", i)
}

func (tr *trace) lose(t *testing.T, d *datadriven.TestData) {
	tr.s.PieceLost(tr.now, int(number(d, t, d.CmdArgs[0].Key)))
}

// until lets time pass up to the given moment.
func (tr *trace) until(t *testing.T, d *datadriven.TestData) string {
	end, err := time.ParseDuration(d.CmdArgs[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for {
		at, ok := tr.s.NextTick()
		if !ok || at > end {
			break
		}
		tr.now = max(at, tr.now)
		tr.s.Tick(tr.now)
		if text := tr.drain(t); text != "" {
			out += fmt.Sprintf("%v\n", tr.now) + text
		}
	}
	tr.now = end
	return out
}

func (tr *trace) verify(t *testing.T) {
	if err := tr.s.check(); err != nil {
		t.Fatal(err)
	}
}

func (tr *trace) drain(t *testing.T) string {
	tr.verify(t)
	var out strings.Builder
	for a, ok := tr.s.Next(); ok; a, ok = tr.s.Next() {
		who := ""
		if int(a.Peer) < len(tr.order) {
			who = tr.order[a.Peer]
		}
		block := func() string {
			return fmt.Sprintf("%d %d", a.Msg.Index, a.Msg.Begin/metainfo.BlockSize)
		}
		switch a.Kind {
		case Serve:
			fmt.Fprintf(&out, "-> %s: piece %s\n", who, block())
			tr.s.Sent(tr.now, a.Peer, 1, int64(a.Msg.Length))
		case Verify:
			out.WriteString(tr.verdict(int(a.Msg.Index)))
		case Completed:
			out.WriteString("complete\n")
		case Close:
			fmt.Fprintf(&out, "close %s: %v", who, a.Err)
			if a.Ban {
				out.WriteString(" (banned)")
			}
			out.WriteString("\n")
			tr.s.Leave(tr.now, a.Peer)
		case Send:
			text := a.Msg.Kind.String()
			switch a.Msg.Kind {
			case wire.Have, wire.AllowedFast:
				text += fmt.Sprintf(" %d", a.Msg.Index)
			case wire.Request, wire.Cancel, wire.Reject:
				text += " " + block()
				if a.Msg.Kind == wire.Request {
					tr.asked[who] = append(tr.asked[who], a.Msg)
				}
			case wire.Bitfield:
				text += fmt.Sprintf(" %08b", a.Msg.Payload)
			}
			fmt.Fprintf(&out, "-> %s: %s\n", who, text)
		}
		tr.verify(t)
	}
	return out.String()
}

// state draws what we know: a row of blocks a piece (# verified, = here, 1-3 asked for, . nothing), and a line a peer.
func (tr *trace) state() string {
	var out strings.Builder
	s := tr.s
	fmt.Fprintf(&out, "%v ", tr.now)
	for i := range s.full.Len() {
		pt := s.partialOf(i)
		for b := range s.layout.NumBlocks(i) {
			switch {
			case s.have.Has(i):
				out.WriteByte('#')
			case pt == nil || pt.state[b] == 0:
				out.WriteByte('.')
			case pt.state[b] == received:
				out.WriteByte('=')
			default:
				out.WriteByte(byte('0' + pt.state[b]))
			}
		}
		out.WriteByte(' ')
	}
	fmt.Fprintf(&out, "%.2f copies\n", s.Stats().Copies)
	names := append([]string(nil), tr.order...)
	sort.Strings(names)
	for _, name := range names {
		p := s.lookup(tr.names[name])
		if p == nil {
			continue
		}
		has := ""
		for i := range s.full.Len() {
			has += map[bool]string{true: "#", false: "."}[p.has.Has(i)]
		}
		st, _ := s.PeerStats(p.id)
		slot := s.Standing(p.id).Slot
		var flags []string
		for _, f := range []struct {
			on   bool
			name string
		}{{!st.Choked, "unchoked"}, {slot == FreeSlot, "free"}, {slot == RegularSlot, "regular"}, {slot == OptimisticSlot, "optimistic"}, {st.Interested, "interested"}, {!st.Choking, "unchokes us"}, {st.Interesting, "interesting"},
			{st.Snubbed, "snubbed"}, {st.Stalled, "stalled"}, {st.Parole, "parole"}} {
			if f.on {
				flags = append(flags, f.name)
			}
		}
		fmt.Fprintf(&out, "%-6s %s down %d KiB up %d KiB: %s\n", name, has, st.Downloaded/1024, st.Uploaded/1024, strings.Join(flags, ", "))
	}
	return out.String()
}
