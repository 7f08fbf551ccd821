package replica

// Stats counts what happened since New, and says how things stand. All counters are exact and never fall.
type Stats struct {
	Gets, Puts, Deletes uint64 // ended with OK, or a Get with NotFound
	TooFew, Conflicts   uint64
	Forged              uint64 // versions refused: the signature does not fit, or they claim dots of this host that it never made
	Stale               uint64 // versions received that were known or overwritten: repetitions, late copies, replays
	Malformed           uint64 // messages that make no sense
	OverBudget          uint64 // writes refused for a budget
	NoRoom              uint64 // changes that the disk had no room for
	Repairs             uint64 // reads that found holders differing and wrote the merge back
	Hints               uint64 // records sent on because this host is not their holder
	Syncs, Synced       uint64 // sessions completed; records that they moved
	Expired             uint64 // versions whose time was over
	GaveUp              uint64 // arcs taken without the holders that would have been needed: acknowledged data may be lost
	Overslept           uint64 // times that this host had not run for so long that it answered for nothing any more
	Keys, Tombstones    int    // records held: of keys with a live version, and of those that were deleted or have ended
	Bytes               int64
	UnderReplicated     int // keys of which fewer than R hosts are known to have what this host has
	Arcs, Unsure        int // own arcs, and those not synchronised
	Misplaced           int // records of arcs that are not this host's
	Operations, Watches int
	BrokenStore         bool
}
