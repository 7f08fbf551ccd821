// Package wire is the peer wire protocol as bytes: the handshake and messages
// of BEP 3, the fast extension (BEP 6), the envelope and handshake of the
// extension protocol (BEP 10) and the frames of BEP 52's hash messages.
//
// Parse reads one message out of a buffer without copying or allocating; the
// Append functions write one into a buffer that the caller owns. Whether a
// message is legal at this moment, or its indices exist in this torrent, is
// not decided here: that is core/swarm's.
//
// The caller's duties:
//
//  1. Message.Payload aliases the parsed buffer. Use or copy it before the
//     buffer is reused.
//  2. Give Parse the limit of the torrent (Limit), not a generous constant: it
//     is what keeps a peer from making us wait for a message that no buffer
//     should hold.
//  3. Close the connection on an error: the stream cannot be resynchronised.
package wire
