//go:build race

package ring

// exploreShare: the race detector makes the explorer ten times slower and finds nothing in a machine without goroutines. Where it is above 1, other tests
// leave out their largest rings too.
const exploreShare = 100
