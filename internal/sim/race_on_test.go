//go:build race

package sim

// raceEnabled: long simulations, in which nothing runs beside anything else, are tested without the race detector alone.
const raceEnabled = true
