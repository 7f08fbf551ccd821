package ring

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// Churn takes failures in the order of their times, those of one moment by host. So many would take minutes to sort one by one.
func TestAgenda(t *testing.T) {
	type failure struct {
		at   int64
		host core.Host
	}
	r := rand.New(rand.NewPCG(1, 1))
	var a agenda
	var want, got []failure
	for h := range core.Host(300_000) {
		f := failure{r.Int64N(100_000), h}
		want = append(want, f)
		a.add(f.at, f.host)
	}
	slices.SortFunc(want, func(x, y failure) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.host, y.host)) })
	if at, due := a.next(-1); at != -1 || due {
		t.Errorf("due at %d: %t", at, due)
	}
	for {
		at, due := a.next(never)
		if !due {
			break
		}
		got = append(got, failure{at, a.pop()})
	}
	if !slices.Equal(got, want) {
		t.Error("not in order")
	}
}

// "The value that a share p is at or below": of 100 values the 99th, not the 100th.
func TestQuantile(t *testing.T) {
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, i+1)
	}
	for _, c := range []struct {
		p    float64
		want int
	}{{0, 1}, {0.01, 1}, {0.07, 7}, {0.5, 50}, {0.501, 51}, {0.99, 99}, {1, 100}} {
		if got := quantile(hundred, c.p); got != c.want {
			t.Errorf("%g: %d, want %d", c.p, got, c.want)
		}
	}
	if got := quantile([]int{7}, 0.99); got != 7 {
		t.Errorf("of one: %d", got)
	}
}
