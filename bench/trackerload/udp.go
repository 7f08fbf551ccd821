package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"time"
)

// A udpLoop keeps window announces (BEP 15) outstanding on one socket; the transaction id is the place in the window.
type udpLoop struct {
	*load
	conn *net.UDPConn
	rng  *rand.Rand
	id   uint64 // connection id
	sent []time.Time
	out  int // outstanding
	pkt  [98]byte
}

func (l *load) udp(rng *rand.Rand) {
	c, err := net.Dial("udp", l.addr)
	if err != nil {
		log.Fatal(err)
	}
	u := udpLoop{load: l, conn: c.(*net.UDPConn), rng: rng, sent: make([]time.Time, l.window)}
	defer u.conn.Close()
	u.conn.SetReadBuffer(4 << 20)  // as much as the system lets it have
	u.conn.SetWriteBuffer(4 << 20) // likewise
	u.restart()
	var own []time.Duration
	b := make([]byte, 4096)
	for u.out > 0 {
		u.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := u.conn.Read(b)
		now := time.Now()
		if err != nil { // lost: begin a new window
			l.failed.Add(int64(u.out))
			u.out = 0
			if now.Before(l.end) || l.fill > 0 {
				u.restart()
			}
			continue
		}
		if n < 8 {
			continue
		}
		slot := int(binary.BigEndian.Uint32(b[4:]))
		if slot >= l.window {
			continue
		}
		if n >= 20 && binary.BigEndian.Uint32(b) == 1 {
			l.done.Add(1)
			l.read.Add(int64(n))
			own = append(own, now.Sub(u.sent[slot]))
		} else {
			l.failed.Add(1)
		}
		if l.fill == 0 && now.After(l.end) || !u.announce(slot) {
			u.out--
		}
	}
	l.keep(own)
}

// restart gets a connection id and fills the window.
func (u *udpLoop) restart() {
	u.connect()
	for slot := range u.window {
		if u.announce(slot) {
			u.out++
		}
	}
}

func (u *udpLoop) connect() {
	req := binary.BigEndian.AppendUint64(nil, 0x41727101980)
	req = binary.BigEndian.AppendUint32(req, 0)
	req = binary.BigEndian.AppendUint32(req, 1<<31) // no place in the window
	b := make([]byte, 4096)
	for range 5 {
		u.conn.Write(req) // a failed write shows as a missing answer
		u.conn.SetReadDeadline(time.Now().Add(time.Second))
		for {
			n, err := u.conn.Read(b)
			if err != nil {
				break
			}
			if n >= 16 && binary.BigEndian.Uint32(b) == 0 { // not a late answer to an announce
				u.id = binary.BigEndian.Uint64(b[8:])
				return
			}
		}
	}
	log.Fatal("no answer to connect")
}

// announce sends one from a place of the window; false when a fill is through. A peer is (torrent, port): every torrent
// has the same ports from 1024 on. A quarter of them are seeders.
func (u *udpLoop) announce(slot int) bool {
	t, k := u.rng.IntN(u.torrents), u.rng.IntN(u.per)
	if u.fill > 0 {
		n := int(u.next.Add(1))
		if n > u.fill {
			return false
		}
		t, k = (n-1)%u.torrents, (n-1)/u.torrents
	}
	left := uint64(1 << 20)
	if k%4 == 0 {
		left = 0
	}
	b := u.pkt[:0]
	b = binary.BigEndian.AppendUint64(b, u.id)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(slot))
	b = append(b, u.hashes[t][:]...)
	b = fmt.Appendf(b, "-XX0001-%012d", t*1000+k)
	b = binary.BigEndian.AppendUint64(b, 0) // downloaded
	b = binary.BigEndian.AppendUint64(b, left)
	b = binary.BigEndian.AppendUint64(b, 0) // uploaded
	b = binary.BigEndian.AppendUint32(b, 0) // event
	b = binary.BigEndian.AppendUint32(b, 0) // IP
	b = binary.BigEndian.AppendUint32(b, 0) // key
	b = binary.BigEndian.AppendUint32(b, uint32(u.numwant))
	b = binary.BigEndian.AppendUint16(b, uint16(1024+k))
	u.sent[slot] = time.Now()
	u.conn.Write(b)
	return true
}
