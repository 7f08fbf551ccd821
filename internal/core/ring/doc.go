// Package ring is one host of a circular distributed hash table: which other hosts it knows, whom it believes to be alive, where
// a key belongs and how a question travels there. It is Chord (Stoica et al. 2001) in the form that Zave proved correct ("How to
// make Chord correct", 2017), with fingers, a membership cache for one-hop lookups, a full mesh for rings of few hosts and ring
// unification (Shafaat, Ghodsi, Haridi 2009) after partitions. It knows nothing of values: core/replica keeps those.
//
// A Node is a pure state machine: inputs with the time as an argument, outputs drained by Next. No sockets, clocks, goroutines or locks
// are in it. The driver's duties:
//
//  1. One goroutine (or lock) at a time: a Node is not safe for concurrent use.
//  2. Time is a Duration since any fixed start and never runs backwards. After an input drain Next until it reports false, then call Tick
//     at NextTick or soon after.
//  3. Call one of Start (the first host of a ring), Join, Restore (a host that was a member before) or, in tests and simulations, Ideal; once.
//  4. A Host is this process' handle of a machine: it stands for its identity (its public key), not for its address, and never changes. Send
//     goes to the latest address known for it. In a received message all handles are the receiver's: the codec translates. Config.Directory
//     knows the positions of every host whose handle was ever given to the Node.
//  5. Slices in Actions, Results and views are shared and must not be written to; those given to the Node (a Message's too) belong
//     to it from then on.
//  6. Messages may be lost, delayed, reordered and repeated; they must be authentic: the Node trusts that `from` sent the message. It never
//     panics at what a message says, and answers no host with more than it asked for.
//  7. Unreachable is a hint: a connection that breaks makes the Node probe at once instead of at the next period. Only missed probes make a verdict.
//  8. After Left stop feeding it: the host is no longer part of the ring. A host that comes back is a new Node, with a greater Incarnation.
//
// Positions. A host stands at 1 to V positions. Every position runs the protocol by itself; routing uses what all of them know. A successor
// list goes on in ring order until Successors distinct other hosts are in it, or the ring is around.
//
// What is ours beside the papers:
//
//   - A member that has lost its whole successor list asks its predecessor, as the first member of a ring does when somebody comes.
//   - A position that is not in the ring answers Gone, which counts as its failure without waiting for time-outs: a host that leaves, or
//     restarts before anybody noticed, is dropped and enters anew.
//   - A host thought dead that others still list is probed again and stays listed meanwhile, but routes pass it over. Without that a healed
//     partition would leave gaps that nobody looks at.
//   - A list that a death has made short looks like one of a small ring. Holders, Arcs and the membership take it for the whole ring only when it ends with the
//     predecessor; else the membership is whole when it equals that of a host who knows all, which a Digest says (Final).
//   - Notify carries the predecessors of the predecessor, a hint from which Arcs tells which keys this host should hold.
//   - A position whose predecessor has answered a ping takes no other claim to that place but a closer one's before its next step. Without that a host that
//     goes on claiming it would keep the position waiting for answers, so that it never stabilises and answers busy for ever.
//   - A rumour that a host of the own successor lists or predecessors is dead or has left makes a host ask that one, and nothing else.
//   - A host remembers through whom it joined, as it remembers the dead: in a ring that is parted just then they may be its only way to the rest. One that joined
//     through a single host, which dies for ever before it told anybody, is alone for ever: nobody knows it, and it knows nobody.
//   - A lookup is acknowledged hop by hop, so that a dead host costs one time-out on the way instead of a whole lookup.
//   - After a change of its immediate successor a position stabilises again soon, so that many that enter one arc sort themselves out in seconds.
//   - A host can tell whether it hears from more than half of the ring (Majority, Census): on which side of a partition it is.
//   - Restored hosts that find no member begin alone, the lowest position first, and invite those that they knew.
package ring
