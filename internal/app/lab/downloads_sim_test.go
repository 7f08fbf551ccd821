package lab

import (
	"math"
	"testing"

	"github.com/eddy-p2p/eddy/internal/theory"
)

// The simulation knows nothing of the bound, never beats it, and comes near to it where TCP does: with much to send and short ways.
func TestSimulatedDownloads(t *testing.T) {
	for _, row := range []struct {
		name    string
		size    float64
		up      float64
		down    []float64
		latency float64
		most    float64 // of the bound
	}{
		{"one", 8e6, 1e6, []float64{0}, 1e-4, 1.001},
		{"many", 8e6, 8e6, make([]float64, 35), 1e-4, 1.001},
		{"a slow receiver", 4e6, 8e6, []float64{0, 5e5, 0}, 1e-4, 1.01},
		{"all slow", 4e6, 8e6, []float64{5e5, 5e5, 5e5}, 1e-4, 1.01},
		{"more segments than are simulated", 64e6, 8e6, make([]float64, 100), 1e-4, 1.001},
		{"small", 1, 8e6, []float64{0}, 0, 1.001},
		{"far away", 1e6, 1e6, []float64{0}, 0.1, 2.1}, // slow start
	} {
		var classes []theory.Class
		for _, d := range row.down {
			classes = append(classes, theory.Class{Peers: 1, Down: d})
		}
		bound := theory.ClientServer(row.size, row.up, classes...).Seconds
		got := simulateDownloads(row.size, row.up, row.down, row.latency)
		if ratio := got / bound; ratio < 1-1e-9 || ratio > row.most {
			t.Errorf("%s: %v s, %.4f of the bound, want 1 to %v", row.name, got, ratio, row.most)
		}
	}
}

// From far away the first round trips are those of slow start: 1 for the connection, 1 for the request, then 10, 20, 40... segments.
func TestSimulatedSlowStart(t *testing.T) {
	const latency = 1.0
	got := simulateDownloads(70*simSegment, 1e12, []float64{0}, latency)
	// Three one-way trips to the request, one for the first ten segments, a round trip each for the next 20 and 40.
	if want := 3*latency + latency + 2*2*latency; math.Abs(got-want) > 1e-6 {
		t.Errorf("%v s, want %v", got, want)
	}
}
