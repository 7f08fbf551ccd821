package ringwire

// Arc is the positions in (Lo, Hi], clockwise; Lo == Hi is the whole ring.
type Arc struct{ Lo, Hi ID }

// DataKind says which message a Data is.
type DataKind uint8

// The messages of the data, host to host. A question has a number, Op, that the asker chose and that the answer repeats.
const (
	// DataRead asks for a record. Fields: Op, Key; Digest of the record that the asker has (zero: none), to be told Same
	// instead of sent it again; Same to be told the digest alone; with Filter only versions of the set's member Member count.
	DataRead DataKind = iota + 1
	// DataAnswer: Op; Sure; Digest of the whole record here (zero: none); Same where the question wants no record, or has one like it; else
	// Record (nil: none here); Members, the live members of a set.
	DataAnswer
	// DataWrite asks to merge Record and sync it to disk. Op, Record; Filter not to be sent what is there beyond it.
	DataWrite
	// DataWritten: Op; Sure; Status; Digest of what is on disk now; with Status OK and more on disk than was written, Record
	// is all of it unless Filter was asked for.
	DataWritten
	// DataTree asks for the digests below Prefix of the keys in Arc. Op, Arc, Prefix; Key to go on behind that one in a list;
	// Claim when the asker holds Arc and will answer for it once it has synchronised.
	DataTree
	// DataNode: Op; Sure, Fresh and Lapsed of the whole Arc (Sure and Lapsed: sure, but not for the claim to count on); Same: will be sure once former holders are no more; Claim: holds a part of Arc, or was
	// sure of one; Group; Sums of the 16 branches below Prefix or, where these are few
	// keys, Items.
	DataNode
	// DataLeaving: the sender leaves the ring and hands over. No fields, no answer.
	DataLeaving
)

var dataKinds = [...]string{"unknown", "read", "answer", "write", "written", "tree", "node", "leaving"}

func (k DataKind) String() string {
	if int(k) < len(dataKinds) {
		return dataKinds[k]
	}
	return dataKinds[0]
}

// DataStatus says how a write went.
type DataStatus uint8

const (
	StatusOK     DataStatus = iota
	StatusForged            // a signature does not fit
	StatusFull              // no room left, or the record would be too large
	StatusBusy              // over a budget: later again
	StatusBroken            // the disk failed
)

// Prefix is a branch of the digest tree: the positions that share the first Depth 4-bit digits with ID, the others zero.
type Prefix struct {
	ID    ID
	Depth uint8 // 0 to 40
}

// Sum is the digest of a branch: the number of records and the sum of their digests, as 256-bit numbers.
type Sum struct {
	Count uint32
	Total [4]uint64 // least significant first
}

// Item names a record and its state.
type Item struct {
	Key    string
	Digest Digest
}

// MaxItems is how many records a DataNode lists at most.
const MaxItems = 256

// Data is one message of the data between hosts. Kind says which fields it uses; the others are zero. What it points to is shared and
// never changed after it was sent.
type Data struct {
	Kind    DataKind
	Status  DataStatus
	Filter  bool
	Sure    bool // the sender has synchronised: what it does not have, it has never acknowledged
	Fresh   bool // it had when it stopped, a moment ago
	Lapsed  bool // it had once
	Same    bool
	Claim   bool
	Group   uint8 // how many other hosts than the asker have answered, or are about to answer, for keys that the sender holds; at most R
	Op      uint64
	Members uint32
	Key     string
	Member  Digest
	Digest  Digest
	Record  *Record
	Arc     Arc
	Prefix  Prefix
	Sums    []Sum  // none or 16
	Items   []Item // ascending by position, then key, which is for the receiver to check: the codec does not know how wide positions are
}
