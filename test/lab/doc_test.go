// Package lab runs `eddy lab` as a whole: small measurements behind real links, and that nothing of a lab stays however it ends.
package lab

import (
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
