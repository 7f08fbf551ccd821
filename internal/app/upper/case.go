package upper

import (
	"unicode"
	"unicode/utf8"
)

// AppendUpper appends src to dst in upper case (Unicode's simple mapping: one character for one, so "ß" stays) and returns
// dst. What is not UTF-8 is appended as it is. If src ends in the middle of a character, those 1 to 3 bytes are not
// appended but returned as rest: put the next bytes of the stream behind them, or append them as they are when none come.
//
// A character may take more or fewer bytes than before: 'ı' shrinks from 2 to 1, 'ɐ' grows from 2 to 3. No more than that:
// dst grows by 1.5 times src at most.
func AppendUpper(dst, src []byte) (upper, rest []byte) {
	for len(src) > 0 {
		if b := src[0]; b < utf8.RuneSelf { // ASCII, the common case
			if 'a' <= b && b <= 'z' {
				b -= 'a' - 'A'
			}
			dst, src = append(dst, b), src[1:]
			continue
		}
		if !utf8.FullRune(src) {
			return dst, src
		}
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 { // not UTF-8: the mapping would make U+FFFD of it
			dst = append(dst, src[0])
		} else {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
		src = src[size:]
	}
	return dst, nil
}
