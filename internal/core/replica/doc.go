// Package replica is the data of one host of the ring: it coordinates the reads and writes of its clients, holds records for the arcs
// that are its own, and moves them where they belong. It is a pure state machine: messages, clients' operations and time go in, actions come
// out. Routing is core/ring's; replica sees it through View.
//
// Inputs: New(Config) (*Replica, error); Get, Put, Delete, Watch(now, op, Get|Put|Delete|Watch) with an op number that the driver
// chooses, unique among those running; Cancel(now, op); Receive(now, from, *ringwire.Data); Persisted(now, token, error);
// Located(now, token, []ringwire.Ref); ViewChanged(now); Leave(now); Tick(now). Outputs: Next() (Action, bool), NextTick()
// (time.Duration, bool), Stats().
//
// The driver's duties:
//
//  1. One goroutine (or lock) at a time. Time is a Duration since any fixed start and never runs backwards. After each batch of inputs
//     drain Next until it reports false, then call Tick at NextTick.
//  2. Before New, add one to the epoch on disk and sync it: Config.Epoch must never repeat for a writer, even when the records are dropped.
//     A host whose records were lost or restored from a backup needs a new key.
//  3. Send each Send's message to host To, in any order, perhaps never: everything is repeated. Give Receive what arrives with
//     the *authenticated* sender, decoded by ringwire. Messages are shared: don't change them.
//  4. Persist: in one transaction with other waiting ones, for each merge the record into what the store has of its key (ringwire.Merge, what is there
//     aged to now), sync it to disk, and only then call Persisted. Forget likewise: delete the key if nothing is left of its record or its digest is still Digest. A merge that does
//     not fit (ringwire.Record.Fits) is not written: Persisted with ErrTooLarge. When the disk had no room and nothing was written: with ErrNoRoom;
//     that change is refused, and all goes on. After another error call Persisted with it: nobody knows what is on disk then, and the replica refuses all until the process is started again.
//  5. PersistArcs: store Arcs in a transaction, no answer. If that finds no room, the next transaction, whatever it is for, has to store them too.
//     Start with them in Config.Arcs, and with Config.Away, the time for which the host did not run (by a stamp that a running host writes every few seconds). Away >= ringwire.MaxAway: drop all records and arcs first.
//  6. Store answers at once from what is synced. Records come aged to now. New reads all of it.
//  7. Locate: look the key up in the ring and call Located with the owner and the hosts after it, distinct, at least 2R if there are as many; or with nil.
//  8. Call ViewChanged after each change of core/ring's view. To leave, wait (within bounds) until AtRest; then have core/ring leave, and
//     call Leave, before any ViewChanged that follows. Others' views are without this host then, and it goes by its own last one. Keep carrying messages
//     until Left comes: when others answer for all, or 2 Absence later when they have all.
//  9. Done ends an operation: answer the client. Changed reports a watched key and ends nothing. Cancel forgets an operation.
//  10. Signer.Verify accepts certificates of the ring's CA after their end too, and of evicted hosts: what they once wrote is still data. It must reject a
//     certificate whose key is not the writer's.
//
// # What is promised, and why it holds
//
// Words: R holders of a key, W synced acknowledgements a write needs, Q answers a read needs. A host is *sure* of an arc when what it does not have there
// was never acknowledged, as far as the rules below can tell; else it says unsure and the next host down the ring steps into the group of R. A
// host that is merely silent keeps its place, so coordinators with one view and R hosts that are sure form quorums that meet.
//
//   - Nothing acknowledged is lost while at most W-1 of its W hosts are lost for ever. A record leaves a disk only by the merge (something that knew it
//     overwrote it), by its own time, or after all R holders of the present view have synced it (handover.go). That rests on disks that keep what they
//     synced, and on nothing else: no clock, no view.
//   - Merges lose nothing: a version goes only when another's context covers it. A host's write covers its own earlier writes to the key by definition, so that one
//     counter a host is enough; ringwire.Record says why all orders of merging agree.
//   - Reads are linearizable among hosts with one view, if 2Q > R and W+Q > R: a read returns what Q hold alike, or else a merge that max(R-Q+1, R/2+1) hosts hold exactly; so any two
//     results were once the state of a common host, and a host's state only grows. Whatever the quorums, a Get has seen what it Covers.
//     A value crosses the network once at most: holders are compared by digests, which cover all that decides what a merge keeps. A digest counts as an answer
//     only once a record like it was shown, by this host's own disk or by somebody's signed copy; who tells one and cannot show its record counts for nothing.
//   - No "not found" for what is there: only Q hosts that are sure say so. A new holder becomes sure (arcs.go) when it has synchronised with
//     R-W+1 of the group, at least one of which has any acknowledged write, and when former holders have stepped down: more than R that are sure could
//     form quorums that don't meet. It begins Absence after the holder before it has gone; a host that is cut off from R-W+1 of its group,
//     or restarts, lapses after Absence/2 unless it has synchronised with them. That compares durations on two clocks, and so assumes that clocks run at about
//     the same speed, that Away is not far off, and that hosts notice absences within Absence/2 of each other.
//   - Where two parts of one group can each have R-W+1 of it (W = R, or nearly: majority.go), the group cannot tell which of them is cut off; the
//     ring can. A host that misses so many of such a group stays sure as long as so many are left, itself included, and it hears from more than half of the
//     ring (View.Majority), which two sides cannot both do. That is asked anew at each tick while anybody is away, and counts answers, not news: a cut ends it
//     within Absence/3, whatever the size of the ring, and the host lapses by Absence/2 after the cut as above. Newcomers, and hosts that restart, become sure in
//     such a group only with that majority too, or with all others of it. With W = R = 3 two of three may so be lost for ever, and reads go on as soon as one
//     newcomer has synchronised, Absence later. Without a majority, on both sides of an even split, with half of the ring lost, or 2 hosts of 4, it lapses: until
//     all are back, or GiveUp. So do all where no host counts (core/ring without a membership). It assumes that a cut parts the ring in sides. Where some
//     merely cannot reach some others, those who are taken for dead hear of it by way of the rest and deny it: nobody stays away for Absence.
//   - After GiveUp with too few of a group, its survivors are taken for all there is: counted, and the only case in which a false "not found" is intended.
//   - An acknowledged delete stays: what was acknowledged before it began, by the clock, does not come back, since quorums for one key meet on whichever side of
//     a partition they form. The place of an absent holder is kept for Absence, and by then the smaller side has lapsed. The history checker holds it so under crashes,
//     partitions and losses.
//   - It ends where the assumptions above do: after GiveUp, or where hosts that are alive take each other for dead at very different times, both sides may
//     acknowledge. Then neither write is dropped: they are siblings. A delete that did not see an acknowledged write is such a sibling too: the value stays.
//   - A host that did not run for Absence/2, though it should have ticked, is sure of nothing when it goes on (gap.go).
//   - A hint, the copy of a write at a host that is not sure of it, counts for no quorum: it only brings a holder that was away up to date sooner than
//     synchronisation would. But a stand-in that has become sure counts, and may be one of W: it keeps what it acknowledged until all R holders have it.
//   - A member that lies cannot change, forge or roll back: signatures bind ring, key, dot, context, value and TTL. It can withhold, can keep a value alive beyond
//     its TTL by sending it again to hosts where it has ended, can overwrite (any member may), and can spoil a key for one writer by covering dots that
//     this writer has not made yet: the writer refuses what covers them, the others don't. Its writes to that key then fail, or, acknowledged by hosts that had
//     not got that version yet, vanish from them when it comes.
//
// A key's context has one entry for each host that ever coordinated a write to it, at most ringwire.MaxContext. A change to a set reads and writes the whole record on each
// holder's disk, about 300 bytes a member, but sends and checks the member alone.
package replica
