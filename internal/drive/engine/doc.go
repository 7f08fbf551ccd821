// Package engine is the live driver: it feeds each torrent's brain (core/swarm) from sockets and disk workers, and carries
// out what it asks for.
//
// One mutex a torrent guards its brain. Whoever has news (a connection's reader with the messages of one read, a writer with
// what it sent, a disk worker with a verdict, a timer) locks it, tells the brain, drains the actions into the outboxes of
// the connections and into the disk queues, and unlocks. Nothing blocks under that lock: outboxes and disk queues are
// appended to, sockets and files are touched by others. So a busy torrent costs no goroutine of its own and no hand-over
// between goroutines per batch, and an idle one has neither goroutine nor timer.
//
// Locks are taken in this order: Engine.mu, Torrent.mu, then those inside peer, disk and book; never the other way round.
package engine
