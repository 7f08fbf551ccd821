package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

const (
	maxLabel = 32 // columns for a name
	minBar   = 12 // columns that the bar keeps; the text beside it gives way
)

// barShower draws a bar that refreshes itself from the last look, with the view's rows under it.
func (inv *invocation) barShower(look func() view) (show, end func()) {
	var last atomic.Pointer[view]
	first := look()
	last.Store(&first)
	output := mpb.WithOutput(inv.Err)
	if f, ok := inv.Err.(*os.File); ok && isTerminal(f) {
		output = mpb.WithConsoleWriter(&terminal{file: f})
	}
	progress := mpb.New(output, mpb.WithAutoRefresh())
	bar, err := progress.Add(0, barFiller(&last),
		mpb.BarFillerTrim(),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string {
			return shorten(last.Load().label, min(maxLabel, max(s.AvailableWidth/4, 8))) + " "
		})),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string { return last.Load().beside(s.AvailableWidth) })),
		mpb.BarBtmExtender(rowsFiller(&last)),
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

// barFiller draws the bar itself, where there is an end to go to.
func barFiller(last *atomic.Pointer[view]) mpb.BarFiller {
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if last.Load().total <= 0 {
			return nil
		}
		return style.Fill(w, s)
	})
}

// rowsFiller draws the lines under the bar. One that is too long would wrap, and leave its rest behind at the next frame.
func rowsFiller(last *atomic.Pointer[view]) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		for _, row := range last.Load().rows {
			if utf8.RuneCountInString(row) > s.AvailableWidth {
				row = string([]rune(row)[:s.AvailableWidth])
			}
			if _, err := fmt.Fprintln(w, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// beside is what stands to the right of the bar in a room of so many columns: how far, and as many of the parts as leave
// the bar its own.
func (v *view) beside(room int) string {
	text, parts := "", v.parts
	if v.total > 0 {
		room -= minBar
		text = fmt.Sprintf(" %5.1f %%", percent(v.done, v.total))
		parts = append(parts[:len(parts):len(parts)], "of "+units.FormatSize(v.total))
	}
	for i, part := range parts {
		if text != "" {
			part = ", " + part
		}
		if i > 0 && utf8.RuneCountInString(text)+utf8.RuneCountInString(part) > room {
			break
		}
		text += oneLine(part)
	}
	return text
}

// terminal is where mpb draws: each frame over the one before. Nothing is written while nothing has changed. A frame starts
// at the first column, wherever an echoed ^C has left the cursor.
type terminal struct {
	bytes.Buffer
	file  *os.File
	frame []byte // on the screen
	lines int    // of it that the next frame replaces
}

// IsTerminal implements mpb.ConsoleWriter.
func (t *terminal) IsTerminal() bool { return true }

// GetTermSize implements mpb.ConsoleWriter.
func (t *terminal) GetTermSize() (width, height int, err error) {
	return term.GetSize(int(t.file.Fd()))
}

// Flush implements mpb.ConsoleWriter: it draws what was written since the last time, of which the last lines stay replaceable.
func (t *terminal) Flush(lines int) error {
	defer t.Reset()
	if lines == t.lines && lines > 0 && bytes.Equal(t.Bytes(), t.frame) {
		return nil
	}
	var out bytes.Buffer
	out.WriteByte('\r')
	if t.lines > 0 { // some terminals take "up 0" for "up 1"
		fmt.Fprintf(&out, "\x1b[%dA", t.lines)
	}
	out.WriteString("\x1b[J")
	out.Write(t.Bytes())
	t.frame, t.lines = bytes.Clone(t.Bytes()), lines
	_, err := t.file.Write(out.Bytes())
	return err
}
