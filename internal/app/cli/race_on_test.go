//go:build race

package cli

// raceEnabled is the scripts' condition [race]: commands in which nothing runs beside anything else are tested without the race detector alone.
const raceEnabled = true
