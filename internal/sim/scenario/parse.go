package scenario

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/metainfo"
)

// file is a scenario as TOML. Keys are those of the flags; amounts, rates and times are numbers (bytes, bytes/s, seconds) or texts
// with units.
type file struct {
	Title     string   `toml:"title"`
	Size      size     `toml:"size"`
	PieceSize size     `toml:"piece-size"`
	Seed      int64    `toml:"seed"`
	Degree    int      `toml:"degree"`
	Slots     int      `toml:"slots"`
	Policy    named    `toml:"policy"`
	Latency   duration `toml:"latency"`
	Tracker   duration `toml:"tracker"`
	Shaping   string   `toml:"shaping"`
	Exchange  string   `toml:"exchange"`
	Until     duration `toml:"until"`
	Story     bool     `toml:"story"`

	Server struct {
		Count  int      `toml:"count"`
		Up     rate     `toml:"up"`
		Down   rate     `toml:"down"`
		Copies float64  `toml:"leave-after-copies"`
		Stay   duration `toml:"leave-at"`
	} `toml:"server"`
	Classes []fileClass `toml:"class"`
}

type fileClass struct {
	Name     string  `toml:"name"`
	Count    int     `toml:"count"`
	Up       rate    `toml:"up"`
	Down     rate    `toml:"down"`
	Strategy string  `toml:"strategy"`
	Policy   named   `toml:"policy"`
	Degree   int     `toml:"degree"`
	Have     float64 `toml:"have"`
	Fail     float64 `toml:"fail"`
	Arrive   struct {
		Kind   string   `toml:"kind"`
		At     duration `toml:"at"`
		Within duration `toml:"within"`
		Rate   float64  `toml:"rate"`
		Trace  string   `toml:"trace"`
	} `toml:"arrive"`
	Leave struct {
		Kind   string   `toml:"kind"`
		Stay   duration `toml:"stay"`
		Random bool     `toml:"random"`
	} `toml:"leave"`
}

// Parse reads a scenario in TOML; docs/sim.md lists the keys. name is the scenario's. open reads the trace files that it names, as
// they are written there; nil = it may name none. The result is not validated yet, so that flags can complete it.
// An error is one line that names the key.
func Parse(name string, text []byte, open func(path string) ([]byte, error)) (*Scenario, error) {
	var f file
	meta, err := toml.Decode(string(text), &f)
	var where toml.ParseError
	if errors.As(err, &where) {
		return nil, fmt.Errorf("line %d: %s", where.Position.Line, oneLine(keyed(where.LastKey)+where.Message))
	}
	if err != nil {
		return nil, errors.New(oneLine(err.Error()))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %q: known there are %s", unknown[0], knownKeys(unknown[0]))
	}
	if meta.IsDefined("server", "count") && f.Server.Count < 1 {
		return nil, fmt.Errorf("server.count: want 1 or more, got %d", f.Server.Count)
	}
	if f.Seed < 0 {
		return nil, fmt.Errorf("seed: want 0 or more, got %d", f.Seed)
	}
	sc := &Scenario{Name: name, Title: f.Title, Size: int64(f.Size), PieceLength: int64(f.PieceSize), Seed: uint64(f.Seed), Degree: f.Degree,
		Slots: f.Slots, Policy: f.Policy.Policy, Latency: time.Duration(f.Latency), Tracker: time.Duration(f.Tracker),
		Until: time.Duration(f.Until), Story: f.Story,
		Server: Server{Count: f.Server.Count, Up: int64(f.Server.Up), Down: int64(f.Server.Down), Copies: f.Server.Copies,
			Stay: time.Duration(f.Server.Stay)},
	}
	if !meta.IsDefined("seed") {
		sc.Seed = 1
	}
	if sc.Shaping = Shaping(f.Shaping); sc.Shaping == "limit" {
		sc.Shaping = ByLimit
	}
	if sc.Exchange = Exchange(f.Exchange); sc.Exchange == "slots" {
		sc.Exchange = BySlots
	}
	if sc.PieceLength == 0 {
		sc.PieceLength = metainfo.PieceLengthFor(sc.Size)
	}
	for i := range f.Classes {
		c, err := f.Classes[i].class(open)
		if err != nil {
			return nil, err
		}
		if c.Name == "" {
			c.Name = defaultName(i, len(f.Classes))
		}
		sc.Classes = append(sc.Classes, c)
	}
	return sc, nil
}

// class makes a Class of what the file says.
func (f *fileClass) class(open func(string) ([]byte, error)) (Class, error) {
	c := Class{Name: f.Name, Count: f.Count, Up: int64(f.Up), Down: int64(f.Down), Strategy: Strategy(f.Strategy), Policy: f.Policy.Policy,
		Degree: f.Degree, Have: f.Have, Fail: f.Fail,
		Arrive: Arrival{Kind: ArrivalKind(f.Arrive.Kind), At: time.Duration(f.Arrive.At), Within: time.Duration(f.Arrive.Within),
			Rate: f.Arrive.Rate},
		Leave: Leave{Kind: LeaveKind(f.Leave.Kind), Stay: time.Duration(f.Leave.Stay), Random: f.Leave.Random},
	}
	if c.Strategy == "honest" {
		c.Strategy = Honest
	}
	path := f.Arrive.Trace
	switch {
	case path == "" && c.Arrive.Kind == Trace:
		return c, errors.New("class.arrive.kind is \"trace\": class.arrive.trace has to name the file of arrival times")
	case path == "":
		return c, nil
	case c.Arrive.Kind != Trace:
		return c, errors.New("class.arrive.trace is given: set class.arrive.kind = \"trace\"")
	case open == nil:
		return c, fmt.Errorf("class.arrive.trace: no file %q here", path)
	}
	text, err := open(path)
	if err != nil {
		return c, fmt.Errorf("class.arrive.trace: %w", err)
	}
	c.Arrive.Trace, err = ParseTrace(text)
	if err != nil {
		return c, fmt.Errorf("class.arrive.trace %s: %w", path, err)
	}
	return c, nil
}

// ParseTrace reads arrival times: one a line, in seconds from the start of the simulation, in any order. Empty lines and what follows a
// # are skipped.
func ParseTrace(text []byte) ([]time.Duration, error) {
	var out []time.Duration
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at, err := units.ParseDuration(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is not a time in seconds", n, line)
		}
		out = append(out, at)
		if len(out) > MaxPeers {
			return nil, fmt.Errorf("more than %d arrivals", MaxPeers)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no arrival in it")
	}
	return out, nil
}

// defaultName is what class i of n is called that has no name.
func defaultName(i, n int) string {
	if n == 1 {
		return "peers"
	}
	return "class " + strconv.Itoa(i+1)
}

// keyed puts a key before a message that does not name it.
func keyed(key string) string {
	if key == "" {
		return ""
	}
	return key + ": "
}

// oneLine joins the lines of a message that quotes the file.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// The keys of each table, for the message about one that is not among them.
var keys = map[string]string{
	"":             "title, size, piece-size, seed, degree, slots, policy, latency, tracker, shaping, exchange, until, story, [server], [[class]]",
	"server":       "count, up, down, leave-after-copies, leave-at",
	"class":        "name, count, up, down, strategy, policy, degree, have, fail, [class.arrive], [class.leave]",
	"class.arrive": "kind, at, within, rate, trace",
	"class.leave":  "kind, stay, random",
}

// Keys lists the names of all keys, without their tables; a name that several tables have stands there once.
func Keys() (names []string) {
	for _, table := range []string{"", "server", "class", "class.arrive", "class.leave"} {
		for name := range strings.SplitSeq(keys[table], ", ") {
			if !strings.HasPrefix(name, "[") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// knownKeys lists what may stand beside an unknown key.
func knownKeys(key toml.Key) string {
	for n := len(key) - 1; n >= 0; n-- {
		if known, ok := keys[strings.Join(key[:n], ".")]; ok {
			return known
		}
	}
	return keys[""]
}

// The values with units.
type (
	size     int64
	rate     int64
	duration time.Duration
	named    struct{ policy.Policy }
)

func (v *size) UnmarshalTOML(x any) error     { return read(v, x, units.ParseSize) }
func (v *rate) UnmarshalTOML(x any) error     { return read(v, x, units.ParseRate) }
func (v *duration) UnmarshalTOML(x any) error { return read(v, x, units.ParseDuration) }

// UnmarshalText takes the policy of that name.
func (v *named) UnmarshalText(text []byte) (err error) {
	v.Policy, err = policy.Named(string(text))
	return err
}

// read parses a text as a flag does, and a number as the text of that number.
func read[V, T ~int64](v *V, x any, parse func(string) (T, error)) error {
	var text string
	switch x := x.(type) {
	case string:
		text = x
	case int64:
		text = strconv.FormatInt(x, 10)
	case float64:
		if x >= math.MaxInt64 { // hundreds of digits help nobody
			return fmt.Errorf("%g is too large", x)
		}
		text = strconv.FormatFloat(x, 'f', -1, 64)
	default:
		return fmt.Errorf("want a number, or a text with a unit, got %v", x)
	}
	parsed, err := parse(text)
	*v = V(parsed)
	return err
}
