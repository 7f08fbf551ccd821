// Package sim runs a scenario in virtual time, by the code that decides in live swarms, and holds the result against theory.
//
// Run is one run, Sweep a grid of them. There are two fidelities: "engine" (package block) exchanges wire messages between whole
// swarm machines, "fast" (package piece) moves pieces and takes from the live code the choice of pieces and of whom to unchoke. Each result
// is checked against the bound that no swarm can beat: a simulator that claims less has a bug, and says so instead of
// giving figures.
package sim
