package ringwire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The streams of a connection between two members carry frames: the payload's length in 4 bytes, its kind, the payload. A
// frame longer than its stream allows is refused before anything is allocated for it.
const (
	FrameHeader   = 5
	MaxRingFrame  = 256 << 10 // on the stream of the ring's messages
	MaxDataFrame  = 4 << 20   // on the stream of the data's messages
	MaxHelloFrame = 16 << 10  // before the other side is known
)

// BeginFrame appends a header for a payload that the caller appends behind it and then ends with EndFrame.
func BeginFrame(b []byte, kind byte) []byte { return append(b, 0, 0, 0, 0, kind) }

// EndFrame fills in the length of the frame that begins at start.
func EndFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-FrameHeader))
	return b
}

// AppendFrame appends a whole frame.
func AppendFrame(b []byte, kind byte, payload []byte) []byte {
	start := len(b)
	return EndFrame(append(BeginFrame(b, kind), payload...), start)
}

// frameStep is how much of a frame is allocated ahead of its arrival: who announces 4 MiB and sends nothing costs this.
const frameStep = 64 << 10

// ReadFrame reads one frame with a payload of at most limit bytes into buf, which it grows as needed and as bytes arrive. io.EOF
// means that the stream ended between frames.
func ReadFrame(r *bufio.Reader, limit int, buf []byte) (kind byte, payload []byte, err error) {
	var head [FrameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, buf[:0], err
	}
	size := binary.BigEndian.Uint32(head[:])
	if int64(size) > int64(limit) {
		return 0, buf[:0], fmt.Errorf("%w: frame of %d bytes, at most %d are allowed", ErrMalformed, size, limit)
	}
	buf = buf[:0]
	for n := int(size); len(buf) < n; {
		step := min(n-len(buf), max(frameStep, len(buf)))
		if cap(buf)-len(buf) < step {
			grown := make([]byte, len(buf), len(buf)+step)
			copy(grown, buf)
			buf = grown
		}
		got, err := io.ReadFull(r, buf[len(buf):len(buf)+step])
		buf = buf[:len(buf)+got]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, buf, err
		}
	}
	return head[4], buf, nil
}
