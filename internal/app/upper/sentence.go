package upper

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Errors of sentences.
var (
	// ErrNoSentence says that the input ended before it had a line.
	ErrNoSentence = errors.New("there is no line to send")
	// ErrTooLong says that a line does not fit into a datagram.
	ErrTooLong = errors.New("the line is longer than the 65,507 bytes of a datagram")
)

// A line is read in parts, since it may be longer than memory.
type line struct {
	in    *bufio.Reader
	begun bool
}

// next returns the next part, which stays valid until in is read again, and whether more of the line follows. The end of the
// line, "\n" or "\r\n", is left out; the end of the input ends a line too. Errors: ErrNoSentence, those of in.
func (l *line) next() (part []byte, more bool, err error) {
	part, err = l.in.ReadSlice('\n')
	more = err == bufio.ErrBufferFull
	switch {
	case err == nil:
		part = bytes.TrimSuffix(part[:len(part)-1], []byte("\r"))
	case more && part[len(part)-1] == '\r': // perhaps the "\n" comes next
		part = part[:len(part)-1]
		l.in.UnreadByte()
	case more:
	case err != io.EOF:
		return nil, false, err
	case len(part) == 0 && !l.begun:
		return nil, false, ErrNoSentence
	}
	l.begun = true
	return part, more, nil
}

// ReadSentence reads one line, without its end, that fits into a datagram. Errors: ErrNoSentence, ErrTooLong, those of in.
func ReadSentence(in *bufio.Reader) (sentence []byte, err error) {
	l := line{in: in}
	for more := true; more; {
		var part []byte
		if part, more, err = l.next(); err != nil {
			return nil, err
		}
		if sentence = append(sentence, part...); len(sentence) > MaxDatagram {
			return nil, ErrTooLong
		}
	}
	return sentence, nil
}
