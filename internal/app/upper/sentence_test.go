package upper

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadSentence(t *testing.T) {
	long := strings.Repeat("x", MaxDatagram)
	for _, row := range []struct {
		input, want string
		err         error
	}{
		{"hello\nand more\n", "hello", nil},
		{"hello\r\n", "hello", nil},
		{"hello", "hello", nil},
		{"\n", "", nil},
		{"", "", ErrNoSentence},
		{long, long, nil},
		{long + "\r\n", long, nil},
		{long[:4096], long[:4096], nil},              // the reader's buffer is full when the input ends
		{long[:4095] + "\r\nmore", long[:4095], nil}, // it is full between the two bytes of the end
		{long[:4095] + "\rmore\n", long[:4095] + "\rmore", nil},
		{long + "x", "", ErrTooLong},
		{long + "x\n", "", ErrTooLong},
	} {
		got, err := ReadSentence(bufio.NewReader(strings.NewReader(row.input)))
		if string(got) != row.want || !errors.Is(err, row.err) {
			t.Errorf("%.20q (%d bytes): %.20q (%d bytes), %v", row.input, len(row.input), got, len(got), err)
		}
	}
	broken := errors.New("broken")
	for _, begin := range []string{"", "half a li"} {
		in := io.MultiReader(strings.NewReader(begin), readerFunc(func([]byte) (int, error) { return 0, broken }))
		if _, err := ReadSentence(bufio.NewReader(in)); !errors.Is(err, broken) {
			t.Errorf("broken input after %q: %v", begin, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
