// Package ring runs core/ring, the code of live rings, in virtual time: to explain what a few nodes do, and to measure what a
// million of them come to.
//
//   - Explain plays one lesson on a small ring and tells it: owner, path, who knows whom, and the steps of repair.
//   - Run measures a large ring: hops, failed lookups, keys a node, the cost of maintenance.
//   - network.go moves the messages, queue.go keeps what is to happen in order.
//
// Times are whole microseconds. Events at one time happen in the order of hosts, those of a host in the order in which they were
// caused. Every host has a random stream of its own from (seed, host). So the same seed gives the same run on any machine, which the
// digest of a Result shows.
package ring
