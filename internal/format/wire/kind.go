package wire

import "strconv"

// Kind is the id byte of a message.
type Kind uint8

// Message ids by the BEP that assigns them.
const (
	Choke         Kind = 0 // BEP 3
	Unchoke       Kind = 1
	Interested    Kind = 2
	NotInterested Kind = 3
	Have          Kind = 4
	Bitfield      Kind = 5
	Request       Kind = 6
	Piece         Kind = 7
	Cancel        Kind = 8

	Port Kind = 9 // BEP 5

	Suggest     Kind = 0x0d // BEP 6
	HaveAll     Kind = 0x0e
	HaveNone    Kind = 0x0f
	Reject      Kind = 0x10
	AllowedFast Kind = 0x11

	Extended Kind = 20 // BEP 10

	HashRequest Kind = 21 // BEP 52
	Hashes      Kind = 22
	HashReject  Kind = 23

	// KeepAlive is the message of length zero, which has no id on the wire.
	// It borrows id 255, which no BEP assigns: a message that carries that id
	// also comes out as KeepAlive, and both only show that the peer lives.
	KeepAlive Kind = 255
)

var kindNames = [...]string{
	Choke: "choke", Unchoke: "unchoke", Interested: "interested", NotInterested: "not interested",
	Have: "have", Bitfield: "bitfield", Request: "request", Piece: "piece", Cancel: "cancel", Port: "port",
	Suggest: "suggest", HaveAll: "have all", HaveNone: "have none", Reject: "reject", AllowedFast: "allowed fast",
	Extended: "extended", HashRequest: "hash request", Hashes: "hashes", HashReject: "hash reject",
}

// String is the name of the message in its BEP, or "unknown(id)".
func (k Kind) String() string {
	if k == KeepAlive {
		return "keep-alive"
	}
	if k.Known() {
		return kindNames[k]
	}
	return "unknown(" + strconv.Itoa(int(k)) + ")"
}

// Known reports whether this package knows the message's form. Others parse
// with their body in Payload and are to be ignored.
func (k Kind) Known() bool {
	return k == KeepAlive || int(k) < len(kindNames) && kindNames[k] != ""
}
