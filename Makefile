# make build | test | demo | bench | fuzz | lint
# No tool beyond Go is needed to build; the tests of interoperation want root and a Debian machine (test/peers).

GO       ?= go
FUZZTIME ?= 20s
BENCH    ?=

.PHONY: build test arch unit alone raced interop crowd lab peers demo bench fuzz lint clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/eddy ./cmd/eddy

# Everything, in parts of which a failing one hides none of the others' under make -k. The processes of test/ come last and without the race detector in
# the test itself: what they test is the binary. EDDY_RACE=1 builds that with it.
test: arch lint alone raced crowd lab

# The house's rules first, as files and not as the package, so that they speak even while something doesn't compile.
arch:
	$(GO) test arch_test.go arch_rules_test.go arch_order_test.go arch_calm_test.go arch_self_test.go

unit: alone raced

# Nothing runs beside anything else in these, in their tests either (arch_rules_test.go holds them to it): the race detector finds nothing there, and makes
# simulators and the ring's model checker ten times slower.
CALM = ./bencode ./metainfo ./internal/format/... ./internal/core/... ./internal/sim/... ./internal/theory/...

# Without the race detector, the longest first. The commands' scripts run with it too, but here they are as quick as a user's. Lint has vetted everything.
alone: peers
	$(GO) test -vet=off -p 2 -timeout 15m ./test/ring/history ./internal/sim/piece ./internal/core/ring ./internal/sim ./internal/sim/ring $(CALM) ./internal/app/cli

# With the race detector: all that is not calm, the longest first.
raced: peers
	$(GO) test -vet=off -race -p 2 -timeout 15m ./internal/drive/ringnode ./internal/app/cli ./internal/drive/engine ./internal/sim ./test/harness \
	  $$($(GO) list ./... | grep -v /test/ | grep -vxF "$$($(GO) list $(CALM))")

# The binary beside others' and in rings of processes, in network namespaces of their own. These mostly wait, so that two packages run at once; the lab
# measures, and has the machine to itself.
interop: crowd lab

crowd: peers
	$(GO) test -vet=off -count=1 -p 2 -timeout 15m ./test/ring/processes ./test/chaos \
	  $$($(GO) list ./test/... | grep -v -e /harness -e /lab -e /ring/history -e /conformance)

lab: peers
	$(GO) test -vet=off -count=1 -timeout 15m ./test/lab

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
