package scenario

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eddy-p2p/eddy/internal/core/policy"
)

const whole = `
title = "all keys"
size = "64MiB"
piece-size = 262144
seed = 7
degree = 30
slots = 5
policy = "cooperative"
latency = "20ms"
tracker = 30
shaping = "link"
exchange = "serial"
until = "1h"
story = true
[server]
count = 2
up = "10Mbit"
down = 5
leave-after-copies = 1.5
leave-at = "10m"
[[class]]
name = "a"
count = 3
up = "1MiB/s"
down = "2MiB"
strategy = "free-rider"
policy = "classic"
degree = 9
have = 0.25
fail = 0.001
arrive = { kind = "poisson", at = 1.5, rate = 2 }
leave = { kind = "after", stay = "1m", random = true }
[[class]]
up = 1000
[class.arrive]
kind = "trace"
trace = "times.txt"
`

func times(path string) ([]byte, error) {
	if path != "times.txt" {
		return nil, errors.New("no such file")
	}
	return []byte("# seconds\n3\n\n0.5 # early\n"), nil
}

func TestParseAllKeys(t *testing.T) {
	got, err := Parse("all", []byte(whole), times)
	if err != nil {
		t.Fatal(err)
	}
	want := &Scenario{
		Name: "all", Title: "all keys", Size: 64 << 20, PieceLength: 256 << 10, Seed: 7, Degree: 30, Slots: 5, Policy: policy.Cooperative,
		Latency: 20 * time.Millisecond, Tracker: 30 * time.Second, Shaping: ByLink, Exchange: Serial, Until: time.Hour, Story: true,
		Server: Server{Count: 2, Up: 1_250_000, Down: 5, Copies: 1.5, Stay: 10 * time.Minute},
		Classes: []Class{
			{Name: "a", Count: 3, Up: 1 << 20, Down: 2 << 20, Strategy: FreeRider, Policy: policy.Classic, Degree: 9, Have: 0.25, Fail: 0.001,
				Arrive: Arrival{Kind: Poisson, At: 1500 * time.Millisecond, Rate: 2}, Leave: Leave{Kind: AfterTime, Stay: time.Minute, Random: true}},
			{Name: "class 2", Up: 1000, Arrive: Arrival{Kind: Trace, Trace: []time.Duration{3 * time.Second, 500 * time.Millisecond}}},
		},
	}
	// Policies hold functions, which do not compare; their names do.
	byName := cmp.Comparer(func(a, b policy.Policy) bool { return a.Name == b.Name })
	if diff := cmp.Diff(want, got, byName, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

// Every mistake is one line that names the key and what is wanted.
func TestParseMistakes(t *testing.T) {
	for text, tells := range map[string]string{
		"size = ":                            "line 1",
		"sise = 4":                           `unknown key "sise": known there are title, size`,
		"[server]\nupp = 4":                  `unknown key "server.upp": known there are count, up`,
		"[[class]]\nleave.why = 4":           `unknown key "class.leave.why": known there are kind, stay`,
		"size = \"10Mb\"":                    "size: \"10Mb\" is not a size: unit \"Mb\" is ambiguous",
		"size = -4":                          "size: ",
		"size = true":                        "want a number",
		"size = 1e300":                       "size: 1e+300 is too large",
		"[server]\ncount = 0":                "server.count: want 1 or more, got 0",
		"latency = \"soon\"":                 "latency: \"soon\" is not a duration",
		"seed = -1":                          "seed",
		"degree = \"many\"":                  "degree",
		"policy = \"greedy\"":                "policy: no policy \"greedy\": want one of tit-for-tat",
		"[[class]]\narrive.kind = \"trace\"": "class.arrive.trace has to name the file",
		"[[class]]\narrive.trace = \"x\"":    "set class.arrive.kind",
		"[[class]]\narrive = {kind=\"trace\",trace=\"nowhere\"}": "class.arrive.trace: no such file",
	} {
		_, err := Parse("x", []byte(text), times)
		if err == nil || !strings.Contains(err.Error(), tells) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want a line with %q", text, err, tells)
		}
	}
	for text, tells := range map[string]string{"": "no arrival", "1\nx": "line 2: \"x\" is not a time", "-1": "line 1"} {
		if _, err := ParseTrace([]byte(text)); err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("trace %q: %v, want %q", text, err, tells)
		}
	}
}

// Each field that is out of range is refused, by the name of its key.
func TestValidate(t *testing.T) {
	for tells, spoil := range map[string]func(*Scenario){
		"size":                               func(s *Scenario) { s.Size = 0 },
		"size: ":                             func(s *Scenario) { s.Size = maxSize + 1 },
		"piece-size":                         func(s *Scenario) { s.PieceLength = -1 },
		"piece-size: pieces of 1 bytes are ": func(s *Scenario) { s.PieceLength = 1 },
		"pieces at 20000000 peers are too": func(s *Scenario) {
			s.Size, s.PieceLength, s.Classes[0].Arrive, s.Classes[0].Count = 1<<30, 1<<14, Arrival{}, MaxPeers-4
		},
		"fail: want the chance of a failure in a second, from 0 to 1, got 1.5": func(s *Scenario) { s.Classes[0].Fail = 1.5 },
		"less than 1e+09, got 1e+09": func(s *Scenario) { s.Classes[0].Arrive.Rate = 1e9 },
		"arrive.rate: with 1e-12 a second the last of 3 would come after ten years": func(s *Scenario) {
			s.Classes[0].Arrive.Rate, s.Until = 1e-12, 0
		},
		"degree":                               func(s *Scenario) { s.Degree = -1 },
		"slots":                                func(s *Scenario) { s.Slots = maxSlots + 1 },
		"shaping":                              func(s *Scenario) { s.Shaping = "x" },
		"exchange: want slots, serial or":      func(s *Scenario) { s.Exchange = "x" },
		"class: want":                          func(s *Scenario) { s.Classes = nil },
		"class: 65":                            func(s *Scenario) { s.Classes = make([]Class, 65) },
		"latency":                              func(s *Scenario) { s.Latency = -1 },
		"tracker":                              func(s *Scenario) { s.Tracker = maxTime + 1 },
		"until":                                func(s *Scenario) { s.Until = -1 },
		"server.count":                         func(s *Scenario) { s.Server.Count = -1 },
		"server.up":                            func(s *Scenario) { s.Server.Up = 0 },
		"server.down":                          func(s *Scenario) { s.Server.Down = -1 },
		"server.leave-after-copies":            func(s *Scenario) { s.Server.Copies = -1 },
		"server.leave-at":                      func(s *Scenario) { s.Server.Stay = -1 },
		"name: want":                           func(s *Scenario) { s.Classes[0].Name = "" },
		"the name is taken":                    func(s *Scenario) { s.Classes[1].Name = "a" },
		"class \"a\": count":                   func(s *Scenario) { s.Classes[0].Count = -1 },
		"count: 20000001 peers in all":         func(s *Scenario) { s.Classes[0].Arrive, s.Classes[0].Count = Arrival{}, MaxPeers-3 },
		"class \"class 2\": up":                func(s *Scenario) { s.Classes[1].Up = 0 },
		"class \"a\": down":                    func(s *Scenario) { s.Classes[0].Down = -1 },
		"class \"a\": degree":                  func(s *Scenario) { s.Classes[0].Degree = -1 },
		"class \"a\": have":                    func(s *Scenario) { s.Classes[0].Have = 1 },
		"class \"a\": fail":                    func(s *Scenario) { s.Classes[0].Fail = -1 },
		"class \"a\": strategy":                func(s *Scenario) { s.Classes[0].Strategy = "x" },
		"leave.kind":                           func(s *Scenario) { s.Classes[0].Leave.Kind = "x" },
		"leave.stay: only":                     func(s *Scenario) { s.Classes[0].Leave.Kind = Never },
		"leave.stay: want":                     func(s *Scenario) { s.Classes[0].Leave.Stay = -1 },
		"arrive.at: want":                      func(s *Scenario) { s.Classes[0].Arrive.At = -1 },
		"arrive.kind":                          func(s *Scenario) { s.Classes[0].Arrive.Kind = "x" },
		"arrive.rate: want":                    func(s *Scenario) { s.Classes[0].Arrive.Rate = 0 },
		"arrive.rate: only":                    func(s *Scenario) { s.Classes[0].Arrive.Kind = AtOnce },
		"arrive.within: want":                  func(s *Scenario) { s.Classes[0].Arrive = Arrival{Kind: FlashCrowd} },
		"arrive.within: only":                  func(s *Scenario) { s.Classes[0].Arrive.Within = 1 },
		"arrive.at: the trace":                 func(s *Scenario) { s.Classes[1].Arrive.At = 1 },
		"arrive.trace: no":                     func(s *Scenario) { s.Classes[1].Arrive.Trace = nil },
		"arrive.trace: -1ns":                   func(s *Scenario) { s.Classes[1].Arrive.Trace[0] = -1 },
		"class \"a\": count: give":             func(s *Scenario) { s.Classes[0].Count, s.Until = 0, 0 },
		"class \"class 2\": count: want the n": func(s *Scenario) { s.Classes[1].Arrive = Arrival{} },
	} {
		sc, err := Parse("all", []byte(whole), times)
		if err != nil {
			t.Fatal(err)
		}
		spoil(sc)
		err = sc.Validate()
		if err == nil || !strings.Contains(err.Error(), tells) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tells, err)
		}
	}
}

func TestShipped(t *testing.T) {
	names := Shipped()
	if len(names) < 10 {
		t.Errorf("only %v", names)
	}
	for _, name := range names {
		sc, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := sc.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sc.Title == "" || sc.Story != (name == "alice") {
			t.Errorf("%s: title %q, story %v", name, sc.Title, sc.Story)
		}
		if peers := sc.Population(); len(peers) < 3 || sc.End(peers) <= peers[len(peers)-1].Arrive {
			t.Errorf("%s: %d peers, ends at %v", name, len(peers), sc.End(peers))
		}
	}
	if _, err := Load("nothing"); err == nil || !strings.Contains(err.Error(), "there are alice, ") {
		t.Errorf("an unknown scenario: %v", err)
	}
	if _, err := Load("../shipped/alice"); err == nil {
		t.Error("a path is no name")
	}
}

// Whatever the text, Parse answers; and what it and Validate accept expands to a population.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	for _, name := range Shipped() {
		text, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("size = 1e3\n[server]\nup = nan\n[[class]]\nhave = nan")
	f.Add("class = 3")
	f.Add("A = 1\n\nB = 0b\n") // a message that quotes more than a line
	f.Fuzz(func(t *testing.T, text string) {
		sc, err := Parse("fuzz", []byte(text), times)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			return
		}
		if sc.Validate() != nil || sc.expected()+sc.Servers() > 10_000 {
			return
		}
		peers := sc.Population()
		for i := sc.Servers(); i < len(peers); i++ {
			if p := peers[i]; p.Arrive < 0 || p.Stay < 0 || p.Fail < p.Arrive || p.Class < 0 {
				t.Fatalf("peer %d: %+v", i, p)
			}
		}
		sc.Bound(peers)
		if len(peers) > sc.Servers() && sc.End(peers) < 0 {
			t.Fatal("ends before it starts")
		}
	})
}

// The lists of keys in messages are those that the file has.
func TestKeys(t *testing.T) {
	var walk func(table string, of reflect.Type)
	walk = func(table string, of reflect.Type) {
		var names []string
		for i := range of.NumField() {
			field := of.Field(i)
			name, kind := field.Tag.Get("toml"), field.Type
			sub := strings.TrimPrefix(table+"."+name, ".")
			switch {
			case kind.Kind() == reflect.Slice:
				names = append(names, "[["+sub+"]]")
				walk(sub, kind.Elem())
			case keys[sub] != "":
				names = append(names, "["+sub+"]")
				walk(sub, kind)
			default:
				names = append(names, name)
			}
		}
		if got := strings.Join(names, ", "); got != keys[table] {
			t.Errorf("table %q has %s, listed are %s", table, got, keys[table])
		}
	}
	walk("", reflect.TypeFor[file]())
	if all := Keys(); len(all) < 25 || all[0] != "title" {
		t.Errorf("keys %v", all)
	}
}
