// Package block simulates a swarm at the fidelity of the live engine: each peer is a whole swarm.Swarm, the code that runs in
// eddy, and exchanges wire messages with its neighbours over links in virtual time. Nothing in here decides anything: this
// package is to swarm what drive/engine and drive/peer are live.
//
// How bandwidth is modelled depends on the scenario's Shaping:
//
//   - ByLimit: as with --limit-up and --limit-down. Each Swarm has its own token buckets; the links between the peers have
//     latency and no other limit.
//   - ByLink: the Swarm knows no limit. What it serves goes through a writer into a socket buffer, as in drive/peer, and the
//     peer's uplink drains all its sockets in turn, a block at a time. A receiving link with a rate is a queue; a window for each
//     connection keeps what waits in it short, as TCP does.
//
// Only blocks take time on a link: rates are bytes of content. Other messages keep their place in the stream of their
// connection, behind the blocks that its socket has taken already.
//
// A simulation is single-threaded. All that happens at one time happens in a fixed order and chance comes from streams of the
// scenario's seed, so that the same scenario gives the same events on any machine.
package block

// Model is the bandwidth model in one sentence, for the output.
const Model = "block level: the live engine's decisions exchange wire messages; uplinks are token buckets (limit) or drain the connections' socket buffers block by block in turn (link), downlinks likewise; latency is constant"
