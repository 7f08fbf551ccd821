// Package session takes the decisions that concern several torrents at once: how a global rate is divided among them, and
// who may open another connection. Each torrent's own decisions are core/swarm's.
//
// Pure like all of core: no clocks, no locks; the caller serialises.
package session
