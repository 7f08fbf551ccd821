package ringnode

import (
	"github.com/prometheus/client_golang/prometheus"
)

// numbers is all that the metrics are computed from.
type numbers struct {
	snapshot
	n                  *Node
	strangers, refused float64
	sure               float64
}

// metric is one number as Prometheus, and Status' counters, get it.
type metric struct {
	name string
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*numbers) float64
}

func newMetric(kind prometheus.ValueType, name, help string, of func(*numbers) float64) metric {
	return metric{name, prometheus.NewDesc("eddy_ring_"+name, help, nil, nil), kind, of}
}

func gauge(name, help string, of func(*numbers) float64) metric {
	return newMetric(prometheus.GaugeValue, name, help, of)
}

func count(name, help string, of func(*numbers) float64) metric {
	return newMetric(prometheus.CounterValue, name+"_total", help, of)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics are read when asked for: nothing is counted twice.
var metrics = []metric{
	gauge("members", "Hosts in the ring, as far as this one knows.", func(x *numbers) float64 { return float64(x.view.Members) }),
	gauge("keys", "Records held of keys that have a value, the ring's own included.", func(x *numbers) float64 { return float64(x.stats.Keys) }),
	gauge("tombstones", "Records held of deleted and ended keys.", func(x *numbers) float64 { return float64(x.stats.Tombstones) }),
	gauge("bytes", "Bytes of the records held.", func(x *numbers) float64 { return float64(x.stats.Bytes) }),
	gauge("under_replicated", "Keys of own arcs with fewer known holders than there should be.", func(x *numbers) float64 { return float64(x.stats.UnderReplicated) }),
	gauge("misplaced", "Records held for others until they have them.", func(x *numbers) float64 { return float64(x.stats.Misplaced) }),
	gauge("arcs", "Arcs that this host should hold.", func(x *numbers) float64 { return float64(x.stats.Arcs) }),
	gauge("arcs_unsure", "Arcs not synchronised: this host does not answer for them.", func(x *numbers) float64 { return float64(x.stats.Unsure) }),
	gauge("merging", "1 while two rings become one.", func(x *numbers) float64 { return oneIf(x.view.Merging) }),
	gauge("alarm", "1 if something is broken that does not mend itself: the invariant, the disk, or the program.", func(x *numbers) float64 {
		return oneIf(x.broken != nil || x.stats.BrokenStore || x.n.counters.violations.Load() > 0)
	}),
	gauge("disk_full", "1 while writes are refused for want of room.", func(x *numbers) float64 { return oneIf(x.full) }),
	gauge("connections", "Connections with other members.", func(x *numbers) float64 { return float64(x.n.links.count()) }),
	gauge("client_connections", "Connections of programs.", func(x *numbers) float64 { return float64(x.n.clients.Load()) }),
	gauge("strangers", "Connections that have not proved yet that they may talk.", func(x *numbers) float64 { return x.strangers }),
	gauge("operations", "Reads and writes under way.", func(x *numbers) float64 { return float64(x.stats.Operations) }),
	gauge("watches", "Watched keys.", func(x *numbers) float64 { return float64(x.stats.Watches) }),
	gauge("certificate_expiry_seconds", "When the host's certificate ends, in Unix seconds; it renews it itself.", func(x *numbers) float64 {
		id := x.n.trust.identity()
		return float64(id.certificate.Expires)
	}),

	count("invariant_violations", "Checks that found the ring's invariant broken.", func(x *numbers) float64 { return float64(x.n.counters.violations.Load()) }),
	count("assumption_broken", "Hosts thought dead that were not: they were heard of again without having been restarted.", func(x *numbers) float64 { return float64(x.view.Stats.AssumptionBroken) }),
	count("ring_messages_sent", "Messages of membership and routing.", func(x *numbers) float64 { return float64(x.n.counters.ringSent.Load()) }),
	count("ring_messages_received", "Messages of membership and routing.", func(x *numbers) float64 { return float64(x.n.counters.ringReceived.Load()) }),
	count("data_messages_sent", "Messages of the data.", func(x *numbers) float64 { return float64(x.n.counters.dataSent.Load()) }),
	count("data_messages_received", "Messages of the data.", func(x *numbers) float64 { return float64(x.n.counters.dataReceived.Load()) }),
	count("sent_bytes", "Bytes of frames to members.", func(x *numbers) float64 { return float64(x.n.counters.sentBytes.Load()) }),
	count("received_bytes", "Bytes of frames from members.", func(x *numbers) float64 { return float64(x.n.counters.receivedBytes.Load()) }),
	count("ring_messages_dropped", "Messages for which there was no connection or no room.", func(x *numbers) float64 { return float64(x.n.counters.dropped.Load()) }),
	count("data_messages_dropped", "Messages for which there was no connection or no room.", func(x *numbers) float64 { return float64(x.n.counters.dataDropped.Load()) }),
	count("timeouts", "Questions of routing that went unanswered.", func(x *numbers) float64 { return float64(x.view.Stats.Timeouts) }),
	count("dead", "Hosts found dead.", func(x *numbers) float64 { return float64(x.view.Stats.Dead) }),
	count("second_paths", "Lookups repeated because the answer was not what the cache said.", func(x *numbers) float64 { return float64(x.view.Stats.SecondPaths) }),
	count("cache_dropped", "Times that the membership changed too fast for its budget.", func(x *numbers) float64 { return float64(x.n.counters.cacheDropped.Load()) }),
	count("gets", "Reads that ended well.", func(x *numbers) float64 { return float64(x.stats.Gets) }),
	count("puts", "Writes that were acknowledged.", func(x *numbers) float64 { return float64(x.stats.Puts) }),
	count("deletes", "Deletions that were acknowledged.", func(x *numbers) float64 { return float64(x.stats.Deletes) }),
	count("too_few", "Operations that too few holders answered.", func(x *numbers) float64 { return float64(x.stats.TooFew) }),
	count("conflicts", "Writes whose condition did not hold.", func(x *numbers) float64 { return float64(x.stats.Conflicts) }),
	count("repairs", "Reads that found holders differing, and mended it.", func(x *numbers) float64 { return float64(x.stats.Repairs) }),
	count("hints", "Records passed on to the hosts that should hold them.", func(x *numbers) float64 { return float64(x.stats.Hints) }),
	count("synced", "Records moved by synchronisation.", func(x *numbers) float64 { return float64(x.stats.Synced) }),
	count("given_up", "Arcs taken over without the holders that were needed: acknowledged data may be lost.", func(x *numbers) float64 { return float64(x.stats.GaveUp) }),
	count("forged", "Versions refused for a wrong signature.", func(x *numbers) float64 { return float64(x.stats.Forged) }),
	count("over_budget", "Writes refused for a budget.", func(x *numbers) float64 { return float64(x.stats.OverBudget) }),
	count("refused", "Connections and requests that were not let in.", func(x *numbers) float64 { return float64(x.n.counters.refused.Load()) + x.refused }),
	count("refused_messages", "Messages of members about hosts that are not as they say.", func(x *numbers) float64 {
		return float64(x.n.counters.refusedMessages.Load() + x.view.Stats.Refused)
	}),
	count("malformed", "Input that makes no sense.", func(x *numbers) float64 { return float64(x.n.counters.malformed.Load() + x.stats.Malformed) }),
	count("dial_failures", "Members that could not be reached.", func(x *numbers) float64 { return float64(x.n.counters.dialFailures.Load()) }),
	count("commits", "Transactions put on disk.", func(x *numbers) float64 { return float64(x.n.counters.commits.Load()) }),
	count("committed", "Changes in them.", func(x *numbers) float64 { return float64(x.n.counters.committed.Load()) }),
	count("commit_failures", "Transactions that failed.", func(x *numbers) float64 { return float64(x.n.counters.commitFailures.Load()) }),
	count("panics", "Faults in the program that were survived.", func(x *numbers) float64 { return float64(x.n.counters.panics.Load()) }),
}

func (n *Node) numbers() *numbers {
	x := &numbers{snapshot: n.snapshot(), n: n}
	waiting, beginners, refused := n.transport.gate.numbers()
	x.strangers, x.refused = float64(waiting+beginners), float64(refused)
	return x
}

// Describe implements prometheus.Collector.
func (n *Node) Describe(ch chan<- *prometheus.Desc) {
	for i := range metrics {
		ch <- metrics[i].desc
	}
}

// Collect implements prometheus.Collector. Before the node is ready there is nothing to tell.
func (n *Node) Collect(ch chan<- prometheus.Metric) {
	if !n.isReady() {
		return
	}
	x := n.numbers()
	for i := range metrics {
		ch <- prometheus.MustNewConstMetric(metrics[i].desc, metrics[i].kind, metrics[i].of(x))
	}
}

// counts are the counters of a Status.
func (n *Node) counts() map[string]uint64 {
	x := n.numbers()
	out := make(map[string]uint64)
	for i := range metrics {
		if metrics[i].kind == prometheus.CounterValue {
			out[metrics[i].name] = uint64(metrics[i].of(x))
		}
	}
	return out
}
