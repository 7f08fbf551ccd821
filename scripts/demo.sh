#!/bin/sh
# Shares a real file of about 100 MB with four receivers on this machine and shows it happening. Needs Go, nothing else.
set -eu
cd "$(dirname "$0")/.."
go build -o bin/eddy ./cmd/eddy
go build -o bin/demo ./scripts/demo
exec bin/demo -eddy bin/eddy "$@"
