package bencode

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sharedData finds a file of the shared test data, or skips the test.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	roots := []string{os.Getenv("EDDY_SHARED")}
	for dir, _ := os.Getwd(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			roots = append(roots, filepath.Join(filepath.Dir(dir), "shared"))
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, r := range roots {
		if p := filepath.Join(r, "data", name); r != "" {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	t.Skipf("shared test data %s is not there (set EDDY_SHARED)", name)
	return ""
}

// unescape decodes the C escapes of the table.
func unescape(t *testing.T, s string) string {
	switch s { // the two rows that are described rather than spelt out
	case "<1024 x l><1024 x e>":
		return strings.Repeat("l", 1024) + strings.Repeat("e", 1024)
	case `l<5119 x "0:">e`:
		return "l" + strings.Repeat("0:", 5119) + "e"
	}
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `\0`, `\x00`) + `"`)
	if err != nil {
		t.Fatalf("unquoting %q: %v", s, err)
	}
	return out
}

var wantReason = map[string]Reason{
	"expected_value": ExpectedValue, "expected_digit": ExpectedDigit, "expected_colon": ExpectedColon,
	"unexpected_eof": UnexpectedEOF, "overflow": Overflow, "limit_exceeded": LimitExceeded,
	"depth_exceeded": DepthExceeded, "no_error": None,
}

var wantSoft = map[string][]Reason{
	"unsorted dictionary key":       {UnsortedKey},
	"duplicate dictionary key":      {DuplicateKey},
	"leading zero in string length": {LeadingZeroLength},
	"leading zero in integer":       {LeadingZeroInt},
	"aaa":                           {UnsortedKey}, // the extracted column holds a value instead; X follows c
	"none":                          {None},
	"":                              {None, UnsortedKey, DuplicateKey, LeadingZeroInt, LeadingZeroLength},
}

// TestBdecodeTable holds the decoder against every row of bdecode.tsv. docs/conformance.md explains the cases of the
// switch.
func TestBdecodeTable(t *testing.T) {
	raw, err := os.ReadFile(sharedData(t, "bdecode.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || f[0] == "test" {
			continue
		}
		for len(f) < 7 {
			f = append(f, "")
		}
		rows++
		t.Run(strconv.Itoa(i+1)+"_"+f[0], func(t *testing.T) { checkRow(t, f) })
	}
	if rows < 60 {
		t.Fatalf("only %d rows", rows)
	}
}

func checkRow(t *testing.T, f []string) {
	test, input, wantErr, wantPos := f[0], unescape(t, f[1]), f[2], f[3]
	lim := Limits{}
	switch test {
	case "parse_int", "invalid_digit", "parse_int_overflow", "expected_colon_string":
		delim := byte(':')
		if strings.HasSuffix(input, "e") {
			delim = 'e'
		}
		if _, _, r := parseDigits([]byte(input), 0, delim); r != wantReason[wantErr] {
			t.Errorf("parseDigits(%q) = %v, want %s", input, r, wantErr)
		}
		return
	case "overflow_length_prefix2", "exceed_buf_limit": // the row pretends that the buffer is longer than any we accept
		lim.MaxBytes = len(input) - 1
	case "item_limit":
		lim.MaxTokens = 1000
	case "partial_parse", "partial_parse2", "partial_parse3", "partial_parse4": // we return the error, not what came before
		wantErr = map[byte]string{'2': "expected_value", '4': "expected_value"}[test[len(test)-1]]
		if wantErr == "" {
			wantErr = "expected_digit"
		}
	}
	n, err := Parse([]byte(input), lim)
	if wantErr == "ok" {
		if err != nil {
			t.Fatalf("Parse(%q): %v", input, err)
		}
		got := None
		if e := n.SoftError(); e != nil {
			got = e.Reason
		}
		for _, w := range wantSoft[f[4]] {
			if got == w {
				return
			}
		}
		t.Fatalf("soft error of %q is %q, want %q", input, got, f[4])
	}
	var se *SyntaxError
	if !errors.As(err, &se) {
		t.Fatalf("Parse(%q) = %v, want %s", input, err, wantErr)
	}
	if se.Reason != wantReason[wantErr] {
		t.Errorf("Parse(%q) = %v, want %s", input, err, wantErr)
	}
	if wantPos != "" && wantPos != strconv.Itoa(se.Offset) {
		t.Errorf("Parse(%q) = %v, want offset %s", input, err, wantPos)
	}
}
