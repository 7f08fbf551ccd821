package peer

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// HandshakeTimeout bounds how long a connection may take to say which torrent it is about (trust: 10 s).
const HandshakeTimeout = 10 * time.Second

// ErrUnknownTorrent means that the peer asked for a torrent which we do not share.
var ErrUnknownTorrent = errors.New("unknown infohash")

// Initiate sends our handshake on an outgoing connection and returns the peer's, which must be about the same torrent.
func Initiate(conn netx.Conn, ours wire.Handshake) (wire.Handshake, error) {
	if err := setDeadline(conn, time.Now().Add(HandshakeTimeout)); err != nil {
		return wire.Handshake{}, err
	}
	if _, err := conn.WriteBuffers([][]byte{wire.AppendHandshake(nil, ours)}); err != nil {
		return wire.Handshake{}, fmt.Errorf("sending the handshake to %v: %w", conn.RemoteAddr(), err)
	}
	theirs, err := readHandshake(conn)
	if err == nil && theirs.InfoHash != ours.InfoHash {
		err = fmt.Errorf("%v answered for another torrent, %x", conn.RemoteAddr(), theirs.InfoHash)
	}
	if err != nil {
		return theirs, err
	}
	return theirs, setDeadline(conn, time.Time{})
}

// Respond reads the handshake of an incoming connection and answers with what reply returns for it. An error from reply
// ends the connection without a byte.
func Respond(conn netx.Conn, reply func(theirs wire.Handshake) (wire.Handshake, error)) (wire.Handshake, error) {
	if err := setDeadline(conn, time.Now().Add(HandshakeTimeout)); err != nil {
		return wire.Handshake{}, err
	}
	theirs, err := readHandshake(conn)
	if err != nil {
		return theirs, err
	}
	ours, err := reply(theirs)
	if err != nil {
		return theirs, err
	}
	if _, err := conn.WriteBuffers([][]byte{wire.AppendHandshake(nil, ours)}); err != nil {
		return theirs, fmt.Errorf("sending the handshake to %v: %w", conn.RemoteAddr(), err)
	}
	return theirs, setDeadline(conn, time.Time{})
}

func readHandshake(conn netx.Conn) (wire.Handshake, error) {
	var b [wire.HandshakeLen]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return wire.Handshake{}, fmt.Errorf("reading the handshake of %v: %w", conn.RemoteAddr(), err)
	}
	h, err := wire.ParseHandshake(b[:])
	if err != nil {
		return h, fmt.Errorf("handshake of %v: %w", conn.RemoteAddr(), err)
	}
	return h, nil
}

func setDeadline(conn netx.Conn, t time.Time) error {
	if err := conn.SetReadDeadline(t); err != nil {
		return err
	}
	return conn.SetWriteDeadline(t)
}
