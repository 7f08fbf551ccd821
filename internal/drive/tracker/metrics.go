package tracker

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metric is one number of Stats as Prometheus gets it.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*Stats) float64
}

func newMetric(kind prometheus.ValueType, name, help string, of func(*Stats) float64) metric {
	return metric{prometheus.NewDesc("eddy_tracker_"+name, help, nil, nil), kind, of}
}

// metrics are read from Stats when asked for: nothing is counted twice.
var metrics = []metric{
	newMetric(prometheus.GaugeValue, "peers", "Peers listed.", func(s *Stats) float64 { return float64(s.Peers) }),
	newMetric(prometheus.GaugeValue, "swarms", "Torrents with peers.", func(s *Stats) float64 { return float64(s.Swarms) }),
	newMetric(prometheus.GaugeValue, "http_connections", "HTTP connections open.", func(s *Stats) float64 { return float64(s.Conns) }),
	newMetric(prometheus.CounterValue, "http_announces_total", "Announces over HTTP.", func(s *Stats) float64 { return float64(s.HTTPAnnounces) }),
	newMetric(prometheus.CounterValue, "udp_announces_total", "Announces over UDP.", func(s *Stats) float64 { return float64(s.UDPAnnounces) }),
	newMetric(prometheus.CounterValue, "udp_connects_total", "Connection ids given out.", func(s *Stats) float64 { return float64(s.UDPConnects) }),
	newMetric(prometheus.CounterValue, "scrapes_total", "Scrapes.", func(s *Stats) float64 { return float64(s.Scrapes) }),
	newMetric(prometheus.CounterValue, "refused_total", "Announces of torrents that are not served.", func(s *Stats) float64 { return float64(s.Refused) }),
	newMetric(prometheus.CounterValue, "unlisted_total", "Announces of peers that a limit kept off the list.", func(s *Stats) float64 { return float64(s.Unlisted) }),
	newMetric(prometheus.CounterValue, "malformed_total", "Requests that could not be read.", func(s *Stats) float64 { return float64(s.Malformed) }),
	newMetric(prometheus.CounterValue, "bad_connection_ids_total", "UDP packets from unproven addresses.", func(s *Stats) float64 { return float64(s.BadConnIDs) }),
	newMetric(prometheus.CounterValue, "unsent_total", "UDP replies that the system did not take.", func(s *Stats) float64 { return float64(s.Unsent) }),
	newMetric(prometheus.CounterValue, "panics_total", "UDP packets left unanswered by a fault.", func(s *Stats) float64 { return float64(s.Panics) }),
	newMetric(prometheus.CounterValue, "store_errors_total", "Announces and scrapes refused because the store did not answer.", func(s *Stats) float64 { return float64(s.StoreErrors) }),
}

// collector is a server as a prometheus.Collector.
type collector struct{ server *Server }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range metrics {
		ch <- metrics[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.server.Stats()
	for i := range metrics {
		ch <- prometheus.MustNewConstMetric(metrics[i].desc, metrics[i].kind, metrics[i].of(&s))
	}
}

// metricsHandler serves /metrics from a registry of its own: a library does not touch the global one.
func (s *Server) metricsHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{s})
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}
