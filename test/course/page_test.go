package course

import (
	"fmt"
	"regexp"
	"strings"
)

// A page is a Markdown document with commands in it.
type page struct {
	lines  []string
	blocks []*block
	files  map[string]string // by name: what ```toml NAME holds
}

// A block is a ```console block.
type block struct {
	kind string // "", slow, live or lab
	line int    // of the page, where its first command stands, from 0
	end  int    // the line of the closing fence
	cmds []*command
}

// A command is a line after "$ ", with the lines that continue it, and what it printed.
type command struct {
	text   string // as it is typed
	output string // as the page has it; empty or with a newline at its end
	got    string // as it came
	ran    bool
}

var fence = regexp.MustCompile("^```(\\w+)(?: (\\S+))?$")

// parsePage finds the blocks of a page.
func parsePage(text string) (*page, error) {
	p := &page{lines: strings.Split(text, "\n"), files: map[string]string{}}
	for i := 0; i < len(p.lines); i++ {
		m := fence.FindStringSubmatch(p.lines[i])
		if m == nil {
			continue
		}
		start := i + 1
		for i = start; i < len(p.lines) && p.lines[i] != "```"; i++ {
		}
		if i == len(p.lines) {
			return nil, fmt.Errorf("line %d: the block has no end", start)
		}
		switch {
		case m[1] == "console":
			b := &block{kind: m[2], line: start, end: i}
			if err := b.parse(p.lines[start:i]); err != nil {
				return nil, fmt.Errorf("line %d: %w", start+1, err)
			}
			p.blocks = append(p.blocks, b)
		case m[1] == "toml" && m[2] != "":
			p.files[m[2]] = strings.Join(p.lines[start:i], "\n") + "\n"
		}
	}
	return p, nil
}

func (b *block) parse(lines []string) error {
	switch b.kind {
	case "", "slow", "live", "lab":
	default:
		return fmt.Errorf("no kind of block: %q", b.kind)
	}
	for i := 0; i < len(lines); i++ {
		text, is := strings.CutPrefix(lines[i], "$ ")
		switch {
		case is:
			for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
				i++
				text += "\n" + lines[i]
			}
			b.cmds = append(b.cmds, &command{text: text})
		case len(b.cmds) == 0:
			return fmt.Errorf("output before the first command: %s", lines[i])
		default:
			c := b.cmds[len(b.cmds)-1]
			c.output += lines[i] + "\n"
		}
	}
	if len(b.cmds) == 0 {
		return fmt.Errorf("no command")
	}
	return nil
}

// holds reports whether what came is what the page says.
func (b *block) holds(c *command) bool {
	if b.kind == "live" || b.kind == "lab" {
		return form(c.got) == form(c.output)
	}
	return steady(c.got) == steady(c.output)
}

// effort is the line in which a simulation tells what it cost this machine.
var effort = regexp.MustCompile(`(?m)^took .* of real time .*$`)

// steady is an output without the figures of what a simulation cost.
func steady(s string) string { return effort.ReplaceAllStringFunc(s, form) }

var (
	hexName  = regexp.MustCompile(`\b[0-9a-f]{40}\b`)
	quantity = regexp.MustCompile(`\d[\d.,]*(?:h\d\dm|m\d\ds| ?(?:[kMG]?B|ms|s|%)\b(?:/s)?)?`)
	spaces   = regexp.MustCompile(` +`)
)

// form is what stays of an output from run to run: everything but its figures.
func form(s string) string {
	s = hexName.ReplaceAllString(s, "HASH")
	s = quantity.ReplaceAllString(s, "N")
	return spaces.ReplaceAllString(s, " ")
}

// text is the page with the outputs that came in the place of those that do not hold any more.
func (p *page) text() string {
	var out []string
	next := 0
	for _, b := range p.blocks {
		out = append(out, p.lines[next:b.line]...)
		for _, c := range b.cmds {
			output := c.output
			if c.ran && (!b.holds(c) || b.kind == "lab") { // whose figure is a new one as well
				output = c.got
			}
			out = append(out, strings.Split("$ "+c.text, "\n")...)
			if output != "" {
				out = append(out, strings.Split(strings.TrimSuffix(output, "\n"), "\n")...)
			}
		}
		next = b.end
	}
	return strings.Join(append(out, p.lines[next:]...), "\n")
}

var (
	heading = regexp.MustCompile(`^#{2,} (.*)`)
	bold    = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	digit   = regexp.MustCompile(`\d`)
)

// unbacked lists the bold figures of the text that stand in no output of their section.
func (p *page) unbacked() (missing []string) {
	section := ""
	prose, outputs := map[string]string{}, map[string]string{}
	var order []string
	next := 0
	sweep := func(end int) {
		for _, line := range p.lines[next:end] {
			if m := heading.FindStringSubmatch(line); m != nil {
				section = m[1]
				order = append(order, section)
			}
			prose[section] += line + "\n"
		}
	}
	for _, b := range p.blocks {
		sweep(b.line)
		for _, c := range b.cmds {
			outputs[section] += c.output
		}
		next = b.end
	}
	sweep(len(p.lines))
	for _, s := range order {
		for _, m := range bold.FindAllStringSubmatch(prose[s], -1) {
			if digit.MatchString(m[1]) && !backed(outputs[s], m[1]) {
				missing = append(missing, fmt.Sprintf("%s: **%s**", s, m[1]))
			}
		}
	}
	return missing
}

// backed reports whether a figure stands in the text by itself, and not as a part of a longer number.
func backed(text, figure string) bool {
	return regexp.MustCompile(`(?:^|[^\d.])` + regexp.QuoteMeta(figure) + `(?:[^\d.]|\.?$|\.\D)`).MatchString(text)
}
