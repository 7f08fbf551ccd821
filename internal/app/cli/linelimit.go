package cli

import (
	"bytes"
	"fmt"
	"io"
)

// lineLimit fails when a line of what it reads is longer than most: a file of another kind, or a device that never ends, then is refused
// by its first kilobytes.
type lineLimit struct {
	in   io.Reader
	most int

	lines, length int // so far, of the line that goes on
}

func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if l.length += len(rest); end >= 0 {
			l.length += end - len(rest)
		}
		if l.length > l.most {
			return 0, fmt.Errorf("line %d: longer than the %d bytes that a line may have", l.lines+1, l.most)
		}
		if end < 0 {
			break
		}
		l.lines, l.length, rest = l.lines+1, 0, rest[end+1:]
	}
	return n, err
}
