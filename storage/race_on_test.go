//go:build race

package storage

// raceEnabled: the race detector makes sync.Pool drop things, so allocations cannot be counted.
const raceEnabled = true
