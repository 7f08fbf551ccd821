package announce

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Action is the kind of a UDP packet (BEP 15).
type Action uint32

// The actions. ActionError occurs in replies only.
const (
	ActionConnect Action = iota
	ActionAnnounce
	ActionScrape
	ActionError
)

// connectMagic is the connection id of a connect request (BEP 15 "protocol_id").
const connectMagic = 0x41727101980

// Sizes of packets and the most peers that a reply carries. A datagram of up to 1,232 bytes passes every IPv6 path whole.
const (
	udpHeader       = 16
	udpAnnounce     = 98
	udpReplyHeader  = 8
	udpAnnounceHead = 20
	MaxUDPReply     = 1232
	MaxUDPPeers4    = (MaxUDPReply - udpAnnounceHead) / Stride4
	MaxUDPPeers6    = (MaxUDPReply - udpAnnounceHead) / Stride6
	maxURLData      = 2048 // bytes of BEP 41 URL data that a request may carry
)

// UDPRequest is what a tracker reads from a packet.
type UDPRequest struct {
	ConnID uint64 // not yet proven: see ConnKey
	Action Action // ActionConnect, ActionAnnounce or ActionScrape
	Tx     uint32

	Announce Request // ActionAnnounce
	URLData  []byte  // ActionAnnounce: path and query of the URL (BEP 41), nil without; parts of the packet where it is in one

	hashes []byte // ActionScrape
}

// Hashes returns the number of hashes of a scrape, at most MaxScrape.
func (r *UDPRequest) Hashes() int { return len(r.hashes) / 20 }

// Hash returns hash i of a scrape.
func (r *UDPRequest) Hash(i int) [20]byte { return [20]byte(r.hashes[20*i:]) }

// ParseUDPRequest reads a packet sent to a tracker; the result points into p. After an error Tx is still set when the
// packet held one. The "IP address" field is ignored, and packets may be longer than their fields (BEP 15: "do not assume
// packets to be exactly of a certain size").
func ParseUDPRequest(p []byte) (UDPRequest, error) {
	if len(p) < udpHeader {
		return UDPRequest{}, fmt.Errorf("%w: a packet of %d bytes", ErrMalformed, len(p))
	}
	r := UDPRequest{
		ConnID: binary.BigEndian.Uint64(p),
		Action: Action(binary.BigEndian.Uint32(p[8:])),
		Tx:     binary.BigEndian.Uint32(p[12:]),
	}
	switch r.Action {
	case ActionConnect:
		if r.ConnID != connectMagic {
			return r, fmt.Errorf("%w: wrong protocol id", ErrMalformed)
		}
		return r, nil
	case ActionAnnounce:
		return r, r.parseAnnounce(p)
	case ActionScrape:
		r.hashes = p[udpHeader:]
		n := len(r.hashes) / 20
		if n == 0 {
			return r, fmt.Errorf("%w: a scrape of no hash", ErrMalformed)
		}
		r.hashes = r.hashes[:20*min(n, MaxScrape)]
		return r, nil
	}
	return r, fmt.Errorf("%w: action %d", ErrMalformed, r.Action)
}

func (r *UDPRequest) parseAnnounce(p []byte) error {
	if len(p) < udpAnnounce {
		return fmt.Errorf("%w: an announce of %d bytes", ErrMalformed, len(p))
	}
	r.Announce = Request{
		InfoHash:   [20]byte(p[16:]),
		PeerID:     [20]byte(p[36:]),
		Downloaded: amount(p[56:]),
		Left:       amount(p[64:]),
		Uploaded:   amount(p[72:]),
		Key:        binary.BigEndian.Uint32(p[88:]),
		NumWant:    int(int32(binary.BigEndian.Uint32(p[92:]))),
		Port:       binary.BigEndian.Uint16(p[96:]),
	}
	if e := Event(binary.BigEndian.Uint32(p[80:])); e <= Stopped {
		r.Announce.Event = e
	}
	if n := &r.Announce.NumWant; *n < 0 {
		*n = DefaultNumWant
	} else {
		*n = min(*n, maxNumWant)
	}
	if r.Announce.Port == 0 && r.Announce.Event != Stopped {
		return fmt.Errorf("%w: no port", ErrMalformed)
	}
	var err error
	r.URLData, err = parseOptions(p[udpAnnounce:])
	return err
}

// amount reads 64 bits as a number of bytes; what does not fit a signed number is the largest one.
func amount(b []byte) int64 {
	return int64(min(binary.BigEndian.Uint64(b), math.MaxInt64))
}

// AppendUDPConnect appends a connect request.
func AppendUDPConnect(b []byte, tx uint32) []byte {
	return appendHeader(b, connectMagic, ActionConnect, tx)
}

func appendHeader(b []byte, id uint64, a Action, tx uint32) []byte {
	b = binary.BigEndian.AppendUint64(b, id)
	b = binary.BigEndian.AppendUint32(b, uint32(a))
	return binary.BigEndian.AppendUint32(b, tx)
}

// AppendUDPAnnounce appends an announce request; urlData is the path and query of the tracker's URL (BEP 41), "" for none,
// and is cut at 2,048 bytes.
func AppendUDPAnnounce(b []byte, id uint64, tx uint32, r *Request, urlData string) []byte {
	b = appendHeader(b, id, ActionAnnounce, tx)
	b = append(b, r.InfoHash[:]...)
	b = append(b, r.PeerID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Downloaded, 0)))
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Left, 0)))
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Uploaded, 0)))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Event))
	b = append(b, 0, 0, 0, 0) // "IP address: 0 default": the address is what the packet comes from
	b = binary.BigEndian.AppendUint32(b, r.Key)
	b = binary.BigEndian.AppendUint32(b, uint32(int32(min(r.NumWant, maxNumWant))))
	b = binary.BigEndian.AppendUint16(b, r.Port)
	return appendURLData(b, urlData)
}

// AppendUDPScrape appends a scrape request of at most MaxScrape hashes; more are left out.
func AppendUDPScrape(b []byte, id uint64, tx uint32, hashes [][20]byte) []byte {
	b = appendHeader(b, id, ActionScrape, tx)
	for _, h := range hashes[:min(len(hashes), MaxScrape)] {
		b = append(b, h[:]...)
	}
	return b
}

// UDPReply is what a client reads from a packet.
type UDPReply struct {
	Action   Action
	Tx       uint32
	ConnID   uint64   // ActionConnect
	Announce Response // ActionAnnounce; Downloaded is -1, and MinInterval 0: the format has no room for them
	Scrape   []Counts // ActionScrape, in the order asked
	Error    string   // ActionError
}

// ParseUDPReply reads a packet sent by a tracker. v6 tells by which family it came, which decides the size of a peer
// (BEP 15: "IPv6 announce responses ... the stride is 18 bytes", by the address family of the packet and nothing else).
func ParseUDPReply(p []byte, v6 bool) (UDPReply, error) {
	if len(p) < udpReplyHeader {
		return UDPReply{}, fmt.Errorf("%w: a reply of %d bytes", ErrMalformed, len(p))
	}
	r := UDPReply{Action: Action(binary.BigEndian.Uint32(p)), Tx: binary.BigEndian.Uint32(p[4:])}
	body := p[udpReplyHeader:]
	switch r.Action {
	case ActionConnect:
		if len(body) < 8 {
			return r, fmt.Errorf("%w: a connect reply of %d bytes", ErrMalformed, len(p))
		}
		r.ConnID = binary.BigEndian.Uint64(body)
		return r, nil
	case ActionAnnounce:
		return r, r.parseAnnounce(body, v6)
	case ActionScrape:
		for ; len(body) >= 12 && len(r.Scrape) < MaxScrape; body = body[12:] {
			r.Scrape = append(r.Scrape, Counts{Complete: count(body), Downloaded: count(body[4:]), Incomplete: count(body[8:])})
		}
		return r, nil
	case ActionError:
		r.Error = clip(body)
		return r, nil
	}
	return r, fmt.Errorf("%w: a reply with action %d", ErrMalformed, r.Action)
}

func (r *UDPReply) parseAnnounce(b []byte, v6 bool) (err error) {
	if len(b) < udpAnnounceHead-udpReplyHeader {
		return fmt.Errorf("%w: an announce reply of %d bytes", ErrMalformed, len(b)+udpReplyHeader)
	}
	r.Announce = Response{
		Interval:   seconds(int64(binary.BigEndian.Uint32(b))),
		Incomplete: count(b[4:]),
		Complete:   count(b[8:]),
		Downloaded: -1,
	}
	stride := Stride4
	if v6 {
		stride = Stride6
	}
	b = b[12:]
	// A cut-off last entry is dropped rather than refused: the others are whole.
	r.Announce.Peers, err = appendCompact(nil, b[:len(b)-len(b)%stride], stride)
	return err
}

// count reads 32 bits as a count that fits an int everywhere.
func count(b []byte) int { return int(min(binary.BigEndian.Uint32(b), math.MaxInt32)) }

// AppendUDPConnectReply appends the reply that hands out a connection id.
func AppendUDPConnectReply(b []byte, tx uint32, id uint64) []byte {
	b = appendReplyHeader(b, ActionConnect, tx)
	return binary.BigEndian.AppendUint64(b, id)
}

func appendReplyHeader(b []byte, a Action, tx uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(a))
	return binary.BigEndian.AppendUint32(b, tx)
}

// AppendUDPAnnounceReply appends an announce reply with r's peers of one family, as many as fit MaxUDPReply.
func AppendUDPAnnounceReply(b []byte, tx uint32, r *Response, v6 bool) []byte {
	start := len(b)
	b = appendReplyHeader(b, ActionAnnounce, tx)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Interval/time.Second))
	b = binary.BigEndian.AppendUint32(b, uint32(max(r.Incomplete, 0)))
	b = binary.BigEndian.AppendUint32(b, uint32(max(r.Complete, 0)))
	limit, compact := start+udpAnnounceHead+MaxUDPPeers4*Stride4, r.Compact4
	if v6 {
		limit, compact = start+udpAnnounceHead+MaxUDPPeers6*Stride6, r.Compact6
	}
	for _, p := range r.Peers {
		if p.Addr.Addr().Unmap().Is4() != v6 && len(b) < limit {
			b = AppendPeer(b, p.Addr)
		}
	}
	return append(b, compact[:min(len(compact), limit-len(b))]...)
}

// AppendUDPScrapeReply appends a scrape reply.
func AppendUDPScrapeReply(b []byte, tx uint32, rows []Counts) []byte {
	b = appendReplyHeader(b, ActionScrape, tx)
	for _, c := range rows {
		b = binary.BigEndian.AppendUint32(b, uint32(max(c.Complete, 0)))
		b = binary.BigEndian.AppendUint32(b, uint32(max(c.Downloaded, 0)))
		b = binary.BigEndian.AppendUint32(b, uint32(max(c.Incomplete, 0)))
	}
	return b
}

// AppendUDPError appends an error reply.
func AppendUDPError(b []byte, tx uint32, text string) []byte {
	return append(appendReplyHeader(b, ActionError, tx), text...)
}
