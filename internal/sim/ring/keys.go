package ring

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// Keys tells how evenly keys lie on the hosts.
type Keys struct {
	Total         int
	Mean, P1, P99 float64
	Max           int
	Counts        []int32 // of each host, ascending
}

// spreadKeys gives total random keys to their owners and counts.
func spreadKeys(refs []core.Ref, hosts, total int, r *rand.Rand) Keys {
	k := Keys{Total: total, Counts: make([]int32, hosts)}
	if len(refs) == 0 {
		return k
	}
	// The first 8 bytes of a position tell any two of ten million apart but once in a hundred thousand runs, and fit a register.
	heads := make([]uint64, len(refs))
	for i, ref := range refs {
		heads[i] = binary.BigEndian.Uint64(ref.ID[:])
	}
	for range total {
		i, _ := slices.BinarySearch(heads, r.Uint64())
		k.Counts[refs[i%len(refs)].Host]++
	}
	slices.Sort(k.Counts)
	k.Mean = float64(total) / float64(hosts)
	k.P1, k.P99 = float64(quantile(k.Counts, 0.01)), float64(quantile(k.Counts, 0.99))
	k.Max = int(k.Counts[hosts-1])
	return k
}

// quantile is the least value of sorted that a share p of them is at or below (the nearest rank).
func quantile[T any](sorted []T, p float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	rank := math.Ceil(p*float64(len(sorted)) - 1e-9) // 0.07 x 100 is a little above 7
	return sorted[min(max(int(rank), 1), len(sorted))-1]
}
