package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// BlockLen is the length of a block in requests; the last block of a
	// torrent may be shorter (BEP 3: "All current implementations use 2^14 (16 kiB)").
	BlockLen = 16 << 10
	// PrefixLen is the length of the length prefix of each message.
	PrefixLen = 4
	// PieceHeaderLen is what precedes a block's data in a piece message:
	// prefix, id, index and begin.
	PieceHeaderLen = 13

	// The longest piece or extended message that Limit admits. Blocks of up
	// to 128 KiB have been seen in the field, and an extended message carries
	// at most one 16 KiB metadata piece or some hundred peers.
	longBody = 128 << 10
)

var (
	// ErrTooLong is wrapped when a length prefix exceeds the limit.
	ErrTooLong = errors.New("message too long")
	// ErrLength is wrapped when a length does not fit the kind of message.
	ErrLength = errors.New("wrong message length")
)

// Message is one parsed message. Which fields count depends on Kind:
//
//	Have, Suggest, AllowedFast   Index (piece)
//	Request, Cancel, Reject      Index, Begin, Length (bytes)
//	Piece                        Index, Begin, Length = len(Payload), Payload
//	Bitfield                     Payload, for bits.Parse
//	Port                         Index (UDP port of the DHT node)
//	Extended                     ExtID, Payload (ExtID 0: an ExtHandshake)
//	HashRequest, Hashes,         Payload (see HashSpan)
//	HashReject
//	others unknown               Payload
//
// Payload aliases the parsed buffer.
type Message struct {
	Kind    Kind
	ExtID   uint8
	Index   uint32
	Begin   uint32
	Length  uint32
	Payload []byte
}

// Limit is the largest length prefix to accept, in bytes, for a torrent of
// that many pieces (0 when unknown): room for its bitfield and for the longest
// sensible block or extended message.
func Limit(pieces int) int {
	return max(longBody+PieceHeaderLen-PrefixLen, 1+(max(pieces, 0)+7)/8)
}

// Need is the whole length in bytes, prefix included, of the message that b
// starts with, or PrefixLen while b is too short to tell. It does not judge
// the length: Parse does.
func Need(b []byte) int {
	if len(b) < PrefixLen {
		return PrefixLen
	}
	return int(min(int64(binary.BigEndian.Uint32(b))+PrefixLen, math.MaxInt))
}

// Parse reads the first message in b and returns it with the number of bytes
// it takes. n is 0 without an error while b holds no whole message yet. A
// length prefix over max is refused before anything else is looked at, and a
// length that cannot fit the kind as soon as the id is there, so that a caller
// never waits for or keeps what it will not accept.
func Parse(b []byte, max int) (m Message, n int, err error) {
	if len(b) < PrefixLen {
		return Message{}, 0, nil
	}
	length := binary.BigEndian.Uint32(b)
	if int64(length) > int64(max) {
		return Message{}, 0, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLong, length, max)
	}
	if length == 0 {
		return Message{Kind: KeepAlive}, PrefixLen, nil
	}
	if len(b) == PrefixLen {
		return Message{}, 0, nil
	}
	kind := Kind(b[PrefixLen])
	if !lengthFits(kind, length) {
		return Message{}, 0, fmt.Errorf("%w: %s message of %d bytes", ErrLength, kind, length)
	}
	if uint64(len(b)) < PrefixLen+uint64(length) {
		return Message{}, 0, nil
	}
	n = PrefixLen + int(length)
	m = Message{Kind: kind}
	m.fill(b[PrefixLen+1 : n : n])
	return m, n, nil
}

// fill reads a body whose length lengthFits has approved.
func (m *Message) fill(body []byte) {
	switch m.Kind {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
	case Have, Suggest, AllowedFast:
		m.Index = binary.BigEndian.Uint32(body)
	case Request, Cancel, Reject:
		m.Index = binary.BigEndian.Uint32(body)
		m.Begin = binary.BigEndian.Uint32(body[4:])
		m.Length = binary.BigEndian.Uint32(body[8:])
	case Piece:
		m.Index = binary.BigEndian.Uint32(body)
		m.Begin = binary.BigEndian.Uint32(body[4:])
		m.Payload = body[8:]
		m.Length = uint32(len(m.Payload))
	case Port:
		m.Index = uint32(binary.BigEndian.Uint16(body))
	case Extended:
		m.ExtID = body[0]
		m.Payload = body[1:]
	default: // Bitfield, the hash messages, and what we do not know
		m.Payload = body
	}
}

// lengthFits checks a length prefix, id included, against the kind.
func lengthFits(k Kind, length uint32) bool {
	switch k {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
		return length == 1
	case Have, Suggest, AllowedFast:
		return length == 5
	case Request, Cancel, Reject:
		return length == 13
	case Piece:
		return length >= PieceHeaderLen-PrefixLen
	case Port:
		return length == 3
	case Extended:
		return length >= 2
	case HashRequest, HashReject:
		return length == 1+hashSpanLen
	case Hashes:
		return length >= 1+hashSpanLen && (length-1-hashSpanLen)%hashLen == 0
	}
	return true // a bitfield's length is for the torrent to judge
}

// Append appends m as it travels and returns the extended buffer. It allocates
// only to grow dst. For Piece, Payload counts and Length does not.
func Append(dst []byte, m Message) []byte {
	switch m.Kind {
	case KeepAlive:
		return append(dst, 0, 0, 0, 0)
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
		return appendHeader(dst, m.Kind, 0)
	case Have, Suggest, AllowedFast:
		dst = appendHeader(dst, m.Kind, 4)
		return binary.BigEndian.AppendUint32(dst, m.Index)
	case Request, Cancel, Reject:
		dst = appendHeader(dst, m.Kind, 12)
		dst = binary.BigEndian.AppendUint32(dst, m.Index)
		dst = binary.BigEndian.AppendUint32(dst, m.Begin)
		return binary.BigEndian.AppendUint32(dst, m.Length)
	case Piece:
		dst = AppendPieceHeader(dst, m.Index, m.Begin, uint32(len(m.Payload)))
	case Port:
		dst = appendHeader(dst, m.Kind, 2)
		return binary.BigEndian.AppendUint16(dst, uint16(m.Index))
	case Extended:
		dst = append(appendHeader(dst, m.Kind, 1+len(m.Payload)), m.ExtID)
	default:
		dst = appendHeader(dst, m.Kind, len(m.Payload))
	}
	return append(dst, m.Payload...)
}

// AppendPieceHeader appends the PieceHeaderLen bytes that precede length bytes
// of block data, for senders that read the data into place behind it.
func AppendPieceHeader(dst []byte, index, begin, length uint32) []byte {
	dst = appendHeader(dst, Piece, 8+int(length))
	dst = binary.BigEndian.AppendUint32(dst, index)
	return binary.BigEndian.AppendUint32(dst, begin)
}

func appendHeader(dst []byte, k Kind, body int) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(1+body)), byte(k))
}
