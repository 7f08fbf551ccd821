// Package harness runs eddy's real binary and real BitTorrent clients for the tests under test/: a network namespace
// whose loopback holds 10.77.0.0/16, so that each peer has an address of its own and nothing gets out; processes in
// process groups with logs and JSON events; made-up content and its comparison.
//
// A test package calls Main from TestMain, and each of its tests begins with Need, which skips the test where the machine
// cannot run it. With CI=true in the environment nothing is skipped: what is missing fails.
package harness
