package session

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDivide(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct {
		name    string
		total   int64
		demands []Demand
		want    []int64
	}{
		{"no limit", 0, []Demand{{Want: 5}, {Want: 5, Limit: 7}}, []int64{0, 7}},
		{"alone", 9 * m, []Demand{{Want: 0}}, []int64{9 * m}},
		{"equals", 8 * m, []Demand{{Want: -1}, {Want: -1}}, []int64{4 * m, 4 * m}},
		{"one wants little, the rest is spread", 9 * m, []Demand{{Want: 1 * m}, {Want: -1}}, []int64{1 * m, 8 * m}},
		{"own limits", 9 * m, []Demand{{Want: -1, Limit: 2 * m}, {Want: -1}}, []int64{2 * m, 7 * m}},
		{"weights", 9 * m, []Demand{{Want: -1, Weight: 2}, {Want: -1}}, []int64{6 * m, 3 * m}},
		{"nobody wants it all", 8 * m, []Demand{{Want: 1 * m}, {Want: 1 * m}}, []int64{4 * m, 4 * m}},
		{"none", 8 * m, nil, nil},
	} {
		if diff := cmp.Diff(c.want, Divide(nil, c.total, c.demands)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestDivideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(100, 1<<40).Draw(t, "total")
		demands := make([]Demand, rapid.IntRange(1, 20).Draw(t, "n"))
		unlimited := false
		for k := range demands {
			demands[k] = Demand{Want: rapid.Int64Range(-1, 1<<30).Draw(t, "want"), Limit: rapid.SampledFrom([]int64{0, 0, 1000, 1 << 20}).Draw(t, "limit"),
				Weight: rapid.Int64Range(0, 4).Draw(t, "weight")}
			unlimited = unlimited || demands[k].Limit == 0
		}
		rates := Divide(nil, total, demands)
		var sum int64
		for k, r := range rates {
			sum += r
			if r <= 0 || demands[k].Limit > 0 && r > demands[k].Limit {
				t.Fatalf("torrent %d of %+v: %d", k, demands[k], r)
			}
		}
		if sum > total || unlimited && sum < total {
			t.Fatalf("%d of %d given: %v", sum, total, rates)
		}
	})
}

func TestLeases(t *testing.T) {
	l := Leases{Max: 10, PerTorrent: 8}
	for range 8 {
		if !l.Acquire(1) {
			t.Fatal("refused below both limits")
		}
	}
	if l.Acquire(1) {
		t.Error("more than PerTorrent")
	}
	if !l.Acquire(2) || !l.Acquire(2) {
		t.Error("a second torrent is shut out")
	}
	if l.Acquire(3) || l.Total() != 10 {
		t.Error("more than Max")
	}
	l.Release(1)
	if l.Acquire(1) {
		t.Error("a torrent above its share took the last lease")
	}
	if !l.Acquire(3) || l.Of(3) != 1 || l.Of(1) != 7 {
		t.Error("a new torrent is shut out")
	}
	l.Release(9)
	if l.Total() != 10 {
		t.Error("a lease was given back that was never taken")
	}
}

func TestLeasesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Leases{Max: rapid.IntRange(0, 20).Draw(t, "max"), PerTorrent: rapid.IntRange(0, 8).Draw(t, "per")}
		model, total := map[int]int{}, 0
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			k := rapid.IntRange(0, 4).Draw(t, "torrent")
			if rapid.Bool().Draw(t, "acquire") {
				if l.Acquire(k) {
					model[k]++
					total++
				}
			} else {
				if model[k] > 0 {
					model[k]--
					total--
				}
				l.Release(k)
			}
			if l.Total() != total || l.Of(k) != model[k] || l.Max > 0 && total > l.Max || l.PerTorrent > 0 && model[k] > l.PerTorrent {
				t.Fatalf("total %d/%d, torrent %d/%d", l.Total(), total, l.Of(k), model[k])
			}
		}
	})
}
