package wire

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/eddy-p2p/eddy/bencode"
)

const (
	// DefaultReqq is how many requests a peer queues that does not say so (BEP
	// 10: "The default in in libtorrent is 250").
	DefaultReqq = 250

	// Bounds of what is kept of a peer's extended handshake.
	maxReqq      = 1 << 16
	maxClientLen = 64
)

// extLimits bounds the bencode of an extended handshake: those in the field
// have some thirty values in a few hundred bytes, three levels deep.
var extLimits = bencode.Limits{MaxBytes: longBody, MaxTokens: 1000, MaxDepth: 8}

// Extensions maps the extension messages that we know to the ids under which
// the sender of the handshake wants to receive them. 0: not supported.
type Extensions struct {
	UTMetadata   uint8 // ut_metadata, BEP 9
	UTPex        uint8 // ut_pex, BEP 11
	UTHolepunch  uint8 // ut_holepunch, BEP 55
	LTDontHave   uint8 // lt_donthave, BEP 54
	UploadOnlyID uint8 // upload_only, the message by which some clients update BEP 21's flag
}

// ExtHandshake is the payload of the extended message with id 0 (BEP 10,
// "handshake message"). Zero fields are absent.
type ExtHandshake struct {
	M            Extensions
	Client       string     // v: name and version, at most 64 bytes, printable UTF-8
	Port         uint16     // p: TCP port the sender listens on
	Reqq         int        // reqq: outstanding requests it queues; see DefaultReqq
	MetadataSize int64      // metadata_size in bytes, BEP 9; as claimed
	UploadOnly   bool       // upload_only, BEP 21
	YourIP       netip.Addr // yourip: the receiver's address as the sender sees it
}

// AppendExtHandshake appends h as bencode, without the message header.
func AppendExtHandshake(dst []byte, h ExtHandshake) []byte {
	dst = append(dst, 'd')
	dst = append(bencode.AppendString(dst, "m"), 'd')
	dst = appendNonZero(dst, "lt_donthave", int64(h.M.LTDontHave))
	dst = appendNonZero(dst, "upload_only", int64(h.M.UploadOnlyID))
	dst = appendNonZero(dst, "ut_holepunch", int64(h.M.UTHolepunch))
	dst = appendNonZero(dst, "ut_metadata", int64(h.M.UTMetadata))
	dst = appendNonZero(dst, "ut_pex", int64(h.M.UTPex))
	dst = append(dst, 'e')
	dst = appendNonZero(dst, "metadata_size", h.MetadataSize)
	dst = appendNonZero(dst, "p", int64(h.Port))
	dst = appendNonZero(dst, "reqq", int64(h.Reqq))
	if h.UploadOnly {
		dst = appendNonZero(dst, "upload_only", 1)
	}
	if h.Client != "" {
		dst = bencode.AppendString(bencode.AppendString(dst, "v"), h.Client)
	}
	if h.YourIP.IsValid() {
		dst = bencode.AppendString(dst, "yourip")
		if ip := h.YourIP.Unmap(); ip.Is4() {
			b := ip.As4()
			dst = bencode.AppendBytes(dst, b[:])
		} else {
			b := ip.As16()
			dst = bencode.AppendBytes(dst, b[:])
		}
	}
	return append(dst, 'e')
}

// ParseExtHandshake reads the first extended handshake of a connection.
func ParseExtHandshake(payload []byte) (ExtHandshake, error) {
	var h ExtHandshake
	err := h.Update(payload)
	return h, err
}

// Update applies a further extended handshake to what is known of the peer:
// "the m dictionary is additive. It's enough that it contains the actual
// CHANGES to the extension list" (BEP 10); the same goes for the other keys.
//
// Unknown keys, values of the wrong type and values out of range are ignored,
// since clients differ; an error means that the payload is not a dictionary.
// Bytes behind the dictionary are ignored.
func (h *ExtHandshake) Update(payload []byte) error {
	dict, _, err := bencode.ParsePrefix(payload, extLimits)
	if err != nil {
		return fmt.Errorf("extended handshake: %w", err)
	}
	if dict.Kind() != bencode.Dict {
		return errors.New("extended handshake: not a dictionary")
	}
	for key, v := range dict.Entries() {
		switch string(key) {
		case "m":
			h.M.update(v)
		case "metadata_size":
			setInt(&h.MetadataSize, v, math.MaxInt64)
		case "p":
			setInt(&h.Port, v, math.MaxUint16)
		case "reqq":
			setInt(&h.Reqq, v, maxReqq)
		case "upload_only":
			if n, ok := v.Int(); ok {
				h.UploadOnly = n != 0
			}
		case "v":
			if b, ok := v.Bytes(); ok {
				h.Client = printable(b)
			}
		case "yourip":
			if b, ok := v.Bytes(); ok {
				if ip, ok := netip.AddrFromSlice(b); ok {
					h.YourIP = ip.Unmap()
				}
			}
		}
	}
	return nil
}

func (e *Extensions) update(m bencode.Node) {
	for name, id := range m.Entries() {
		switch string(name) {
		case "ut_metadata":
			setInt(&e.UTMetadata, id, math.MaxUint8)
		case "ut_pex":
			setInt(&e.UTPex, id, math.MaxUint8)
		case "ut_holepunch":
			setInt(&e.UTHolepunch, id, math.MaxUint8)
		case "lt_donthave":
			setInt(&e.LTDontHave, id, math.MaxUint8)
		case "upload_only":
			setInt(&e.UploadOnlyID, id, math.MaxUint8)
		}
	}
}

func setInt[T uint8 | uint16 | int | int64](field *T, v bencode.Node, max int64) {
	if n, ok := v.Int(); ok && n >= 0 && n <= max {
		*field = T(n)
	}
}

func appendNonZero(dst []byte, key string, v int64) []byte {
	if v == 0 {
		return dst
	}
	return bencode.AppendInt(bencode.AppendString(dst, key), v)
}

// printable makes a peer's own words safe to show: terminals obey control
// characters, and bidirectional ones reorder what stands beside them.
func printable(b []byte) string {
	if len(b) > maxClientLen {
		b = b[:maxClientLen]
	}
	s := strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
	return strings.TrimSpace(s)
}
