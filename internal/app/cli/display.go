package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

const (
	lookEvery  = time.Second      // events and the bar's figures
	plainEvery = 10 * time.Second // lines where there is no bar
)

// view is one look at something that takes time, ready to be shown.
type view struct {
	label string   // what it is: a file's name
	done  int64    // of total, both in bytes
	total int64    // 0 = open ended: no bar, only text
	parts []string // rates, peers and so on; the first matter most where there is little room
	rows  []string // more lines, shown under a bar only
}

// line is the view without a bar.
func (v *view) line() string {
	text := strings.Join(v.parts, ", ")
	if v.total <= 0 {
		return v.label + ": " + text
	}
	return fmt.Sprintf("%s: %s of %s (%.1f %%), %s", v.label, units.FormatSize(v.done), units.FormatSize(v.total), percent(v.done, v.total), text)
}

// percent returns 100*done/total, and 100 of nothing.
func percent(done, total int64) float64 {
	if total <= 0 {
		return 100
	}
	return 100 * float64(done) / float64(total)
}

// follow shows what look returns until stop is called: as a bar, as a line every 10 s, or not at all. Once a second event is
// called as well, where --json is on. SIGUSR1 prints a line. stop waits until the display is off the terminal; it may be
// called twice.
func (inv *invocation) follow(look func() view, event func()) (stop func()) {
	inv.setStatus(func() string { v := look(); return v.line() })
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer inv.setStatus(nil)
		show, end := inv.shower(look)
		defer end()
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				show()
				if inv.events.on && event != nil {
					event()
				}
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// shower returns how a look is put on stderr, and how that ends.
func (inv *invocation) shower(look func() view) (show, end func()) {
	switch inv.progressMode() {
	case "bar":
		return inv.barShower(look)
	case "plain":
		next := time.Now().Add(plainEvery)
		return func() {
			if now := time.Now(); !now.Before(next) {
				next = now.Add(plainEvery)
				v := look()
				inv.say(v.line())
			}
		}, func() {}
	}
	return func() {}, func() {}
}

// progressMode resolves --progress auto: JSON events and -q take the place of progress, a bar needs a capable terminal.
func (inv *invocation) progressMode() string {
	switch {
	case inv.global.quiet:
		return "none"
	case inv.global.progress != "auto":
		return inv.global.progress
	case inv.global.json:
		return "none"
	case isTerminal(inv.Err) && inv.getenv("TERM") != "dumb":
		return "bar"
	}
	return "plain"
}

// shorten cuts the middle out of a long name: beginning and extension tell most.
func shorten(s string, width int) string {
	runes := []rune(oneLine(s))
	if len(runes) <= width {
		return string(runes)
	}
	tail := width / 3
	return string(runes[:width-tail-3]) + "..." + string(runes[len(runes)-tail:])
}
