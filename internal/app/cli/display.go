package cli

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	lookEvery  = time.Second      // events and the bar's figures
	plainEvery = 10 * time.Second // lines where there is no bar
	labelWidth = 32               // columns for a name
)

// view is one look at something that takes time, ready to be shown.
type view struct {
	label string   // what it is: a file's name
	done  int64    // of total, both in bytes
	total int64    // 0 = open ended: no bar, only text
	text  string   // rates, peers and so on
	rows  []string // more lines, shown under a bar only
}

// line is the view without a bar.
func (v *view) line() string {
	if v.total <= 0 {
		return v.label + ": " + v.text
	}
	return fmt.Sprintf("%s: %s of %s (%.1f %%), %s", v.label, formatSize(v.done), formatSize(v.total), percent(v.done, v.total), v.text)
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

// barShower draws a bar that refreshes itself from the last look, with the view's rows under it.
func (inv *invocation) barShower(look func() view) (show, end func()) {
	var last atomic.Pointer[view]
	first := look()
	last.Store(&first)
	progress := mpb.New(mpb.WithOutput(inv.Err), mpb.WithAutoRefresh())
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
	filler := mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if last.Load().total <= 0 {
			return nil
		}
		return style.Fill(w, s)
	})
	rows := mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
		for _, row := range last.Load().rows {
			if _, err := fmt.Fprintln(w, row); err != nil {
				return err
			}
		}
		return nil
	})
	bar, err := progress.Add(0, filler,
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return shorten(last.Load().label, labelWidth) + " " })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return barText(last.Load()) })),
		mpb.BarBtmExtender(rows),
	)
	if err != nil { // only after progress has ended, which it has not
		return func() {}, progress.Wait
	}
	inv.console.setBar(progress)
	show = func() {
		v := look()
		last.Store(&v)
		// The total stays one ahead: mpb ends a bar that is full, and ours goes on to the next state.
		bar.SetTotal(max(v.total, 1)+1, false)
		bar.SetCurrent(v.done)
	}
	return show, func() {
		bar.Abort(true)
		progress.Wait()
		inv.console.setBar(nil)
	}
}

// barText is what stands to the right of the bar.
func barText(v *view) string {
	if v.total <= 0 {
		return v.text
	}
	return fmt.Sprintf(" %5.1f %% of %s, %s", percent(v.done, v.total), formatSize(v.total), v.text)
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
