package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

// size is a flag value in bytes; see units.ParseSize.
type size int64

func (v *size) Set(s string) (err error) { return set(v, s, units.ParseSize) }
func (v *size) String() string           { return strconv.FormatInt(int64(*v), 10) }
func (v *size) Type() string             { return "SIZE" }

// rate is a flag value in bytes a second, 0 = no limit; see units.ParseRate.
type rate int64

func (v *rate) Set(s string) (err error) { return set(v, s, units.ParseRate) }
func (v *rate) String() string           { return strconv.FormatInt(int64(*v), 10) }
func (v *rate) Type() string             { return "RATE" }

// duration is a flag value; unlike pflag's own it reads bare seconds too.
type duration time.Duration

func (v *duration) Set(s string) (err error) { return set(v, s, units.ParseDuration) }
func (v *duration) Type() string             { return "T" }

// String makes 0 "0", which help takes for no default.
func (v *duration) String() string {
	if *v == 0 {
		return "0"
	}
	return time.Duration(*v).String()
}

// set stores what parse makes of s.
func set[V, T ~int64](v *V, s string, parse func(string) (T, error)) error {
	parsed, err := parse(s)
	if err == nil {
		*v = V(parsed)
	}
	return err
}

// choice is a flag value out of a fixed list.
type choice struct {
	value   *string
	allowed []string
}

func (c choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			*c.value = s
			return nil
		}
	}
	return usageError("want one of %s", strings.Join(c.allowed, ", "))
}
func (c choice) String() string { return *c.value }
func (c choice) Type() string   { return strings.Join(c.allowed, "|") }

// choiceVar defines a flag that takes one of the allowed values; the first is the default.
func choiceVar(f *pflag.FlagSet, value *string, name, usage string, allowed ...string) {
	*value = allowed[0]
	f.Var(choice{value, allowed}, name, usage)
}

// plainNumbers says in plain words what is wrong with a number, where the error of a flag is in those of package strconv.
func plainNumbers(err error) error {
	var number *strconv.NumError
	var value *pflag.InvalidValueError
	if !errors.As(err, &number) || !errors.As(err, &value) {
		return err
	}
	want := "want a whole number"
	switch {
	case number.Func == "ParseBool":
		want = "want true or false"
	case errors.Is(number.Err, strconv.ErrRange):
		want = "the number is too large"
	case number.Func == "ParseUint":
		want += ", 0 or more"
	}
	return fmt.Errorf("--%s %.40s: %s", value.GetFlag().Name, value.GetValue(), want)
}

// list is a flag value that may be given several times, and takes one value each time: URLs may hold commas.
type list []string

func (v *list) Set(s string) error { *v = append(*v, s); return nil }
func (v *list) String() string     { return strings.Join(*v, " ") }
func (v *list) Type() string       { return "VALUE" }

// globals are the flags that every command has.
type globals struct {
	config    string
	state     string
	json      bool
	quiet     bool
	verbose   bool
	logFormat string
	color     string
	progress  string
}

// define adds the global flags to the root command.
func (g *globals) define(f *pflag.FlagSet) {
	f.StringVar(&g.config, "config", "", "configuration `FILE` (default $XDG_CONFIG_HOME/eddy/eddy.toml)")
	f.StringVar(&g.state, "state", "", "`DIR` for what survives a run (default $XDG_STATE_HOME/eddy)")
	f.BoolVar(&g.json, "json", false, "write the result, and events of long-running commands, as JSON on stdout")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no progress, and of the log only errors")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log details")
	choiceVar(f, &g.logFormat, "log-format", "how the log on stderr is written", "text", "json")
	choiceVar(f, &g.color, "color", "colours on stderr; auto heeds NO_COLOR, CLICOLOR_FORCE and TERM=dumb", "auto", "always", "never")
	choiceVar(f, &g.progress, "progress", "how progress is shown on stderr; auto = bar on a terminal, else a line every 10 s", "auto", "bar", "plain", "none")
}
