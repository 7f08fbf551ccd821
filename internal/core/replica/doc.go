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
//     aged to now), sync it to disk, and only then call Persisted. Forget likewise: delete the key if nothing is left of its record or its digest is still Digest. After an error call
//     Persisted with it: the replica then refuses all until the process is started again.
//  5. PersistArcs: store Arcs in a transaction, no answer. Start with them in Config.Arcs, and with Config.Away, the time for which the host did
//     not run (by a stamp that a running host writes every few seconds). Away >= ringwire.MaxAway: drop all records and arcs first.
//  6. Store answers at once from what is synced. Records come aged to now. New reads all of it.
//  7. Locate: look the key up in the ring and call Located with the owner and the hosts after it, distinct, at least 2R if there are as many; or with nil.
//  8. Call ViewChanged after each change of core/ring's view. Call Leave after core/ring has left, so that others' views are without
//     this host; keep carrying messages until Left comes.
//  9. Done ends an operation: answer the client. Changed reports a watched key and ends nothing. Cancel forgets an operation.
//  10. Signer.Verify accepts certificates of the ring's CA after their end too, and of evicted hosts: what they once wrote is still data. It must reject a
//     certificate whose key is not the writer's.
//
// # What is promised, and why it holds
//
// (written with the machine)
package replica
