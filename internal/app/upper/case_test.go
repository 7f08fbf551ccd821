package upper

import (
	"bytes"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// whole is the upper case of a text that comes in one piece.
func whole(text []byte) []byte {
	upper, rest := AppendUpper(nil, text)
	return append(upper, rest...)
}

// inChunks is the upper case of a text that comes in pieces, as a connection makes it.
func inChunks(chunks ...[]byte) (upper []byte) {
	var held []byte
	for _, c := range chunks {
		upper, held = AppendUpper(upper, append(held[:len(held):len(held)], c...))
	}
	return append(upper, held...)
}

func TestAppendUpper(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{"hello, world", "HELLO, WORLD"},
		{"HELLO 123\r\n\x00", "HELLO 123\r\n\x00"},
		{"@az[`{", "@AZ[`{"},
		{"grüße, καλημέρα, привет, 你好", "GRÜßE, ΚΑΛΗΜΈΡΑ, ПРИВЕТ, 你好"}, // simple mapping: ß has no single capital
		{"ıɐ", "I\u2c6f"}, // 2+2 bytes become 1+3
		{"ǆ", "Ǆ"},        // upper case, not title case
		{"𐐨 𝕒", "𐐀 𝕒"},    // 4 bytes
		{"\ufffd", "\ufffd"},
		{"a\xffb\xc3(c", "A\xffB\xc3(C"}, // never valid; valid only with another byte after it
		{"\xed\xa0\x80x\xc0\xafx", "\xed\xa0\x80X\xc0\xafX"},         // a surrogate, an overlong '/'
		{"\xf5\x80\x80\x80x\xe2\x82x", "\xf5\x80\x80\x80X\xe2\x82X"}, // beyond Unicode, cut by an x
		{"caf\xc3", "CAF\xc3"}, // cut by the end
	} {
		if got := whole([]byte(row.text)); string(got) != row.want {
			t.Errorf("%q became %q, want %q", row.text, got, row.want)
		}
	}
}

// Every character of Unicode's first two planes, where all letters with cases are, and some of the others: unicode.ToUpper says what it becomes; cut at every place it becomes the same; what is held back
// is never more than the beginning of one character.
func TestEveryCharacterAtEveryCut(t *testing.T) {
	step := rune(1)
	for r := rune(0); r <= unicode.MaxRune; r += step {
		if !utf8.ValidRune(r) {
			continue
		}
		if r >= 0x20000 {
			step = 257
		}
		text := utf8.AppendRune(nil, r)
		want := string(unicode.ToUpper(r))
		for cut := range len(text) + 1 {
			if got := inChunks(text[:cut], text[cut:]); string(got) != want {
				t.Fatalf("%U cut at %d became %q, want %q", r, cut, got, want)
			}
		}
		if n := len(want); 2*n > 3*len(text) {
			t.Errorf("%U grows from %d to %d bytes", r, len(text), n)
		}
	}
}

// Any chunking of any bytes gives the upper case of the whole.
func TestAnyChunking(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 6),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{[]byte("é"), []byte("ɐ"), []byte("𐐨"), []byte("€"), {0xe2, 0x82}, {0xf0, 0x90, 0x90}, {0x80}}),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Join(rapid.SliceOf(piece).Draw(t, "text"), nil)
		var chunks [][]byte
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, min(5, len(rest))).Draw(t, "chunk")
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		if got, want := inChunks(chunks...), whole(text); !bytes.Equal(got, want) {
			t.Fatalf("%q in chunks became %q, want %q", text, got, want)
		}
	})
}

// What is UTF-8 becomes what strings.ToUpper makes of it, what is not stays; two cuts anywhere change nothing; the result fits the
// bound of AppendUpper.
func FuzzAppendUpper(f *testing.F) {
	for _, seed := range []string{"", "hello", "caf\xc3\xa9", "\xe2\x82", "\xf0\x90\x90\xa8", "\xff\xfe", "ıɐß", "a\nb"} {
		f.Add([]byte(seed), uint(1), uint(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, first, second uint) {
		before := bytes.Clone(text)
		got := whole(text)
		if !bytes.Equal(text, before) {
			t.Fatal("the source was changed")
		}
		if utf8.Valid(text) {
			if want := bytes.ToUpper(text); !bytes.Equal(got, want) {
				t.Fatalf("%q became %q, want %q", text, got, want)
			}
		}
		if valid := bytes.ToValidUTF8(text, nil); !bytes.Equal(bytes.ToValidUTF8(got, nil), bytes.ToUpper(valid)) {
			t.Fatalf("%q became %q: the valid part is not that of the text", text, got)
		}
		if 2*len(got) > 3*len(text) {
			t.Fatalf("%d bytes became %d", len(text), len(got))
		}
		a := int(first % uint(len(text)+1))
		b := a + int(second%uint(len(text)-a+1))
		if cut := inChunks(text[:a], text[a:b], text[b:]); !bytes.Equal(cut, got) {
			t.Fatalf("%q cut at %d and %d became %q, want %q", text, a, b, cut, got)
		}
	})
}
