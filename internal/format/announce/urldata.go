package announce

import "fmt"

// Options that follow a UDP announce (BEP 41): a byte of kind, and but for the first two a byte of length and that many
// bytes.
const (
	optionEnd     = 0
	optionNop     = 1
	optionURLData = 2
)

// appendURLData appends s as URLData options of up to 255 bytes each; they concatenate at the other end.
func appendURLData(b []byte, s string) []byte {
	s = s[:min(len(s), maxURLData)]
	for s != "" {
		n := min(len(s), 255)
		b = append(b, optionURLData, byte(n))
		b = append(b, s[:n]...)
		s = s[n:]
	}
	return b
}

// parseOptions returns the URL data in b, and skips options that it does not know (BEP 41: "should be skipped"). The
// result is part of b when it is in one chunk. Bytes that are no options, which older clients pad with, are ignored from
// the first that does not fit; only URL data beyond 2,048 bytes is an error.
func parseOptions(b []byte) (data []byte, err error) {
	for len(b) > 0 && b[0] != optionEnd {
		if b[0] == optionNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		kind, chunk := b[0], b[2:2+int(b[1])]
		b = b[2+len(chunk):]
		if kind != optionURLData {
			continue
		}
		if len(data)+len(chunk) > maxURLData {
			return nil, fmt.Errorf("%w: more than %d bytes of URL data", ErrTooLarge, maxURLData)
		}
		if data == nil {
			data = chunk[:len(chunk):len(chunk)] // an append must not write into the packet
		} else {
			data = append(data, chunk...)
		}
	}
	return data, nil
}
