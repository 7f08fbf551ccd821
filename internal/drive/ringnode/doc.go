// Package ringnode runs one host of a ring: it drives core/ring (membership, routing) and core/replica (the data) from QUIC
// connections, timers and a store, and lets in only those whom the ring admitted.
package ringnode
