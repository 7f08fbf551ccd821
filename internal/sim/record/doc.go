// Package record takes down what happens in a simulated swarm and sums it up: who finished when, how well the uploads were
// used, how diverse the pieces were, who served whom. Both simulators report to it in the same words, so that their results
// compare.
package record
