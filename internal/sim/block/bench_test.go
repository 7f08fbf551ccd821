package block

import (
	"context"
	"strconv"
	"testing"

	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// BenchmarkRun is a whole swarm that gets 64 MiB in 256 pieces from a server of ten times a peer's rate, degree 50: time for each
// packet or timer, and what a peer's transfer costs.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{100, 500, 1000, 2000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			sc := &scenario.Scenario{Size: 64 * mib, PieceLength: 256 * kib, Server: scenario.Server{Up: 10 * mib}, Degree: 50, Latency: wan,
				Seed: 1, Classes: []scenario.Class{{Name: "peers", Count: n, Up: mib}}}
			peers := sc.Population()
			b.ReportAllocs()
			events := 0
			for b.Loop() {
				m, err := newSimulation(sc, peers, record.New(sc, peers), Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.run(context.Background()); err != nil {
					b.Fatal(err)
				}
				if m.waiting > 0 {
					b.Fatal(m.waiting, "peers are not complete")
				}
				events += m.events
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N*n), "s/peer")
		})
	}
}
