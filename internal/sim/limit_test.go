package sim

import (
	"strings"
	"testing"
	"time"
)

// A run in which nobody gets far ends at its limit, however early the last event was; one in which nobody came is refused.
func TestLimit(t *testing.T) {
	for _, f := range []Fidelity{Engine, Fast} {
		sc := small()
		sc.Latency = time.Hour
		res, err := Run(t.Context(), sc, Options{Fidelity: f})
		if err != nil {
			t.Fatal(err)
		}
		if want := sc.End(sc.Population()); res.Complete != 0 || res.Peers != 10 || res.End != want {
			t.Errorf("%s: %d of %d complete, ended at %v, want the limit %v", f, res.Complete, res.Peers, res.End, want)
		}
		sc = small()
		sc.Until, sc.Classes[0].Arrive.At = time.Minute, time.Hour
		if _, err := Run(t.Context(), sc, Options{Fidelity: f}); err == nil || !strings.Contains(err.Error(), "the first comes at 1h0m0s, after the end at 1m0s") {
			t.Errorf("%s: %v", f, err)
		}
	}
}
