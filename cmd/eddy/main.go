// Command eddy copies one big file to many machines at the speed of the whole swarm.
//
// It only hands over to internal/app/cli, where each command is a file.
package main

import (
	"os"

	"github.com/eddy-p2p/eddy/internal/app/cli"
)

func main() {
	os.Exit(cli.Main())
}
