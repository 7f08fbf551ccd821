# make build | test | demo | bench | fuzz | lint
# No tool beyond Go is needed to build; the tests of interoperation want root and a Debian machine (test/peers).

GO       ?= go
FUZZTIME ?= 20s
BENCH    ?=

.PHONY: build test arch unit peers interop demo bench fuzz lint clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/eddy ./cmd/eddy

# Everything. The processes of test/ come last and without the race detector in the test itself: what they test is the
# binary. EDDY_RACE=1 builds that with it.
test: arch lint unit interop

# The house's rules first, as files and not as the package, so that they speak even while something doesn't compile.
arch:
	$(GO) test arch_test.go arch_rules_test.go arch_order_test.go arch_calm_test.go arch_self_test.go

# Nothing runs beside anything else in these, in their tests either (arch_rules_test.go holds them to it): the race detector finds nothing there, and makes
# simulators and the ring's model checker ten times slower.
CALM = ./bencode ./metainfo ./internal/format/... ./internal/core/... ./internal/sim/... ./internal/theory/...

# The rest has the race detector. The scripts of internal/app/cli run without it as well, where their commands are as quick as users' (lint has vetted all).
unit: peers
	$(GO) test -vet=off -p 2 -timeout 15m ./internal/core/ring ./internal/sim/piece $(CALM) ./internal/sim ./internal/app/cli
	$(GO) test -vet=off -race -short -timeout 10m ./internal/sim
	$(GO) test -vet=off -race -p 2 -timeout 15m $$($(GO) list ./... | grep -v /test/ | grep -vxF "$$($(GO) list $(CALM))") ./test/harness

interop: peers
	$(GO) test -count=1 -p 1 -timeout 15m ./test/interop ./test/chaos ./test/lab ./test/course ./test/ring/...

# The clients, trackers and torrent makers that the tests talk to.
peers:
	./test/peers

lint:
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$bad" ]; then echo "not gofmt-ed:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...

demo:
	./scripts/demo.sh

# BENCH='--quick' or BENCH='--case transfer-1m'; see bench/README.md.
bench:
	./bench/run.py $(BENCH)

# Each fuzz target of the tree in turn, for FUZZTIME.
fuzz:
	@set -e; git grep -lE '^func Fuzz' -- '*_test.go' | while read -r file; do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
	    echo "== $$(dirname "$$file") $$target"; \
	    $(GO) test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) </dev/null; \
	  done; \
	done

clean:
	rm -rf bin bench/out bench/limit/limit bench/ringload/ringload bench/trackerload/trackerload
