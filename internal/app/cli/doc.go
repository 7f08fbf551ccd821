// Package cli is the command line of eddy: one file a command, and around them what all commands share.
//
//   - cli.go builds the command tree and turns what a command returns into the one-line error and the exit code;
//   - flags.go and config.go hold the global flags and values with units, and fill them from the environment and the
//     configuration file; failure.go holds the exit codes;
//   - output.go writes results and JSON events, display.go and bar.go the progress, signals.go reacts to the operating system.
//
// Everything a command touches hangs off its invocation: streams, environment, signals. Nothing here reads os.Args, os.Stdout or the
// environment but Main, so that tests run whole commands in process. (The tracker client below us still takes its proxy from the
// process.)
//
// The contract that scripts rely on: stdout carries the result and nothing else, stderr progress and logs; every failure is one
// line and one of the documented exit codes.
package cli
