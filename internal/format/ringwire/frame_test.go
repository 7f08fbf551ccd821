package ringwire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestFrame(t *testing.T) {
	var b []byte
	payloads := [][]byte{nil, {1}, bytes.Repeat([]byte{2}, 300_000)}
	for i, p := range payloads {
		b = AppendFrame(b, byte(i), p)
	}
	r := bufio.NewReader(iotest.HalfReader(bytes.NewReader(b)))
	var buf []byte
	for i, want := range payloads {
		kind, got, err := ReadFrame(r, 300_000, buf)
		if err != nil || kind != byte(i) || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: kind %d, %d bytes, %v", i, kind, len(got), err)
		}
		buf = got
	}
	if _, _, err := ReadFrame(r, 10, nil); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	for n := 1; n < 20; n++ {
		if _, _, err := ReadFrame(bufio.NewReader(bytes.NewReader(AppendFrame(nil, 1, make([]byte, 20))[:n])), 100, nil); err != io.ErrUnexpectedEOF {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// "Length before allocation" (trust.md, peer wire): who announces much and sends nothing costs little.
func TestFrameAllocation(t *testing.T) {
	head := []byte{0, 0x40, 0, 0, 1} // 4 MiB
	if _, _, err := ReadFrame(bufio.NewReader(bytes.NewReader([]byte{0, 0x40, 0, 1, 1})), MaxDataFrame, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("a frame above the limit: %v", err)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ReadFrame(bufio.NewReaderSize(bytes.NewReader(head), 16), MaxDataFrame, nil)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 2*frameStep {
		t.Errorf("%d bytes allocated for a frame that never comes", got)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(AppendFrame(AppendFrame(nil, 1, []byte("abc")), 2, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var out []byte
		for {
			kind, payload, err := ReadFrame(r, 1<<16, nil)
			if err != nil {
				break
			}
			out = AppendFrame(out, kind, payload)
		}
		if !bytes.HasPrefix(b, out) {
			t.Errorf("%x read as %x", b, out)
		}
	})
}

// What is accepted has one encoding: the one that was read.
func FuzzHello(f *testing.F) {
	for kind, b := range testHellos() {
		f.Add(kind, b)
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		if got, err := reencode(kind, b); err == nil && !bytes.Equal(got, b) {
			t.Errorf("kind %d: %x read as %x", kind, b, got)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(Token{Role: RoleMember, Expires: 7}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := ParseToken(s); err == nil {
			if again, err := ParseToken(token.String()); err != nil || again != token {
				t.Errorf("%q: %+v, then %+v, %v", s, token, again, err)
			}
		}
	})
}

func FuzzData(f *testing.F) {
	for _, d := range testData() {
		f.Add(d.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseData(b); err == nil && !bytes.Equal(d.Append(nil), b) {
			t.Errorf("%x read as %x", b, d.Append(nil))
		}
	})
}
