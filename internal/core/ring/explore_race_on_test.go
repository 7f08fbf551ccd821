//go:build race

package ring

// exploreShare: the race detector makes the explorer ten times slower and finds nothing in a machine without goroutines.
const exploreShare = 100
