// Package ringnode runs one host of a ring: it drives core/ring (membership, routing) and core/replica (the data) from QUIC
// connections, timers and a store, and lets in only those whom the ring admitted.
//
// # The caller's duties
//
//  1. New opens the data directory and the sockets, Run makes the host a member and keeps it one, until its context ends. Run closes
//     everything; of a Node that is not run, Close does.
//  2. Ask the Node once Ready is closed. Its methods are those of ringhttp.Service, and may all be called at once.
//  3. Config.Handler serves HTTP for the node. Every request that it gets has been looked at: AccessOf says what it may do. Nothing else
//     in a request does.
//  4. Never copy a data directory to run it twice: a host is its key, and two of them would give two writes one name. For the same
//     reason don't restore one from a backup: start a new host, and let the ring fill it.
//
// # A walk through it
//
// One lock (Node.mu) is around both machines. Who has news for them, the reader of a connection, the committer, the timer or a user's
// operation, calls step: it gives the news, and does what the machines want done, until they want nothing. None of it blocks: a
// message is encoded into its connection's outbox, a record goes into the committer's queue, a result into the channel of who waits for it. Once
// the lock is free again, whoever called step gives QUIC what the outboxes hold, as far as that needs no waiting.
//
//	transport  one UDP socket; QUIC, TLS 1.3 with certificates that say nothing (quic.go); places for strangers (gate.go)
//	hello      who is there: proofs and signatures over the session's keying material (hello.go, admission.go, admit.go, accept.go)
//	links      connections to members, made when something is sent, closed when idle (link.go, links.go, outbox.go)
//	codec      hosts are named by numbers on each stream, and known by their papers (refs.go, hosts.go, ringcodec.go, control.go)
//	machines   step.go feeds and drains them, receive.go decodes for them, verify.go checks signatures before the lock is taken
//	store      bbolt; all that waits while one transaction is synced goes into the next (store.go, commit.go)
//	service    what users ask (service.go, status.go, check.go, metrics.go), over HTTP (api.go), from elsewhere (dial.go)
//	calls      keys for programs: frames on a standing stream, many under way at once (calls.go; callclient.go is the program's end)
//	house      system records, renewal, the alarm, room on the disk (system.go, house.go)
//
// # Time
//
// Nothing is aged by a wall clock that is set, or was never set: it only says how long the host was away, between its last stamp and its start, and where
// that makes no sense nothing is dropped and no arc is answered for unasked (clock.go). The machines run on a clock that, on Linux, goes on while the computer is
// suspended. Deletions are remembered for ringwire.Retention of the time that their host runs. A host that was away for ringwire.MaxAway or longer begins
// empty, also where all of the ring was off; what it had is moved to another bucket of its database, and not erased.
//
// # Admission
//
// The first host of a ring makes its CA, an Ed25519 key, which every member holds, so that any member admits. It is 0600 in the data
// directory, and so is each host's own key. A token pins the CA by its hash and has a secret, of which the members keep a key derived
// from it, in a set that the ring itself stores. So does who was evicted, and which tokens were revoked. A member reads these sets once a
// minute, at once when another says that they changed, and before it refuses a token that it does not know (inquiry.go): as long as the ring
// cannot say, nor does it, and who shows the token asks again. A newcomer is told what the member that admitted it knows before it is ready.
//
// A connection begins with a hello, which is bound to the TLS session: nobody who sits between two sessions can pass it on. The dialer
// proves first, by the ring's key or a token's; until then the acceptor says nothing. So a stranger learns that the port speaks QUIC, and
// that its guess of the protocol's name (ALPN) was right. A newcomer gets a certificate for its key, with a nonce chosen after the key was
// known: its positions follow from both. A host's address and incarnation are signed by itself. Certificates are good for 90 days; a
// member renews its own, since it holds the CA.
//
// Who holds a member's token may administer the ring; who holds a client's, use its data: get, put, delete, watch, status, check,
// metrics. On the TCP address of the API each request shows such a token, or the secret of this run.
//
// Eviction ends all business with a host. It had the CA's key, though, and could admit itself under another name: after a theft, evict and
// then rotate. Rotate makes a new CA, hands it to the members that can be reached, and makes all older tokens void. A member that was away
// keeps ID and data, but needs a new token to come back. Of rotations at the same time one counts, the same for all members, and the tokens of the
// others are void. The ring's name, and so every position, is that of the first CA for ever.
//
// # Bounds
//
//	connections of strangers   768, of one /24 or /64 384; the longest silent one makes room; 5 s for a hello; beside them 1,024 half handshakes, of
//	                           one /24 or /64 512, of which each lasts for 2.5 s of silence
//	unknown tokens             one reading of the system records at a time, 2 a second; 32 of one /24 or /64, then one every 2 s
//	unread bytes               192 KiB a connection, until it is read fast
//	frames                     256 KiB of ring messages, 4 MiB of data, 16 KiB in a hello: refused before they are allocated
//	queues                     256 KiB of ring messages, 8 MiB of data a connection; then messages are dropped and counted
//	rates                      Config.HostRate a member or client, however many connections it has, 8 MiB/s of ring messages: the reader
//	                           waits, so the sender does; a client is who shows one token at one IPv4 address or /64
//	calls                      64 under way on a stream; 8 MiB of replies unread, then no more are read; 256 MiB of values and replies of all
//	connections of members     256 kept, the idlest close first, and of one member 4 that it made; of clients 1,024, of one of them 256, with
//	                           64 streams each
//	checks                     one at a time; who asks meanwhile shares the next
//	dials                      32 that began within 250 ms, 8 of hosts that did not answer the last time; none waits longer than 2 s
//	disk                       Config.MaxBytes of records; below 64 MiB free, and while a transaction found no room, writes are refused and reads go on
//
// Malformed input ends its connection; a message about a host whose papers are not in order is dropped; both are counted. A panic ends
// what caused it, a connection or (in the machines, whose state is then unknown) the node's part in the ring, never the process.
package ringnode
