// Package course keeps docs/course.md, docs/sim.md and docs/ring.md true. It runs every command that a page shows, as typed and in the order of the
// page, in one shell, and compares what comes out with what the page says:
//
//	```console        the output is the same to the byte, but for what a simulation cost ("took ...")
//	```console slow   the same; left out by -short
//	```console live   real processes: figures vary, so only the form is compared; left out by -short
//	```console lab    as live, and only with -lab, since it takes a minute
//
// A block ```toml NAME is a file of that name where the commands run. Figures that the commands draw are compared with docs/img. And
// a bold number of the text, **1.06**, must stand in an output of its own section, so that sentences do not outlive what they explain.
//
// After a change of the code that changes figures:
//
//	go test -count=1 ./test/course -update        rewrites the outputs and figures that no longer hold
//	go test -count=1 ./test/course -update -lab   also measures
//
// Of docs/sim.md the figures are compared of which the text says how they are drawn, `eddy ... --plot docs/img/NAME.svg`; those of sweeps
// with -sweeps.
//
// Sentences are left to people: the test then names the bold numbers that no output backs. (-count=1, since go test does not know that
// the binary depends on all the rest.)
package course
