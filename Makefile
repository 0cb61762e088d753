# The two commands: make run, make test. Everything is built when something it is made of is newer.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# One way to compile for binaries, tests and linters, so that each package is compiled once; and no paths of ours in what is built.
export GOFLAGS := -trimpath

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
GORELEASER_VERSION := v2.15.1
GORELEASER := bin/goreleaser-$(GORELEASER_VERSION)
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := bin/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod
HELM_VERSION := v3.22.0
HELM := bin/helm-$(HELM_VERSION)
golangci-linters := pkg/lint/lintersdb/builder_linter.go
FUZZTIME ?= 30s

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

prune := \( -name node_modules -o -path ./web/dist -o -name .git -o -path ./bin \) -prune -o
go-sources := go.mod go.sum $(shell find . $(prune) -name '*.go' -print)
# What a build reads or writes decides nothing: sources and settings do.
web-sources := $(shell find web \( -name node_modules -o -name dist -o -name client -o -name test \) -prune -o -type f ! -name '*.go' -print)
page := web/dist/index.html

# A folder's npm packages are there when npm has written its own list of them.
installed = $(1)/node_modules/.package-lock.json

.PHONY: help run build docs snapshot release test-release test-chart test lint fuzz bench bench-check artillery soak soak-cluster cutter simulate bench-cluster attack example rehome clean
.PHONY: test-static test-go test-web test-js test-browser test-artillery test-auth test-cluster test-examples test-proxy test-bridge test-backends test-openapi test-bench test-compose test-metrics test-site system-packages

help: ## says what there is
	@grep -hE '^[a-z-]+:.* ## ' Makefile | sed -E 's/^([a-z-]+):.* ## /  make \1\t/' | expand -t 24

run: bin/gatehouse ## builds what is missing and serves the demo on http://localhost:3000
	bin/gatehouse serve --dev

build: bin/gatehouse ## builds the pages and the binary

# What .goreleaser.yaml is given: the time of every file, and where the program is that it calls.
releasing = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} && export SOURCE_DATE_EPOCH && \
	export RELEASE_TIME=$$(date --utc --date=@$$SOURCE_DATE_EPOCH +%Y-%m-%dT%H:%M:%SZ) PATH=$(CURDIR)/$(dir $(CYCLONEDX)):$$PATH

snapshot: $(GORELEASER) $(CYCLONEDX) $(page) ## builds what is here as a release into dist/, unsigned; the first time it builds goreleaser
	$(releasing) && RELEASE_VERSION=0.0.0-snapshot.$$(git rev-parse --short HEAD) $(GORELEASER) release --snapshot --clean --skip=sign
	cp bin/release/*_image.tar dist

release: $(GORELEASER) $(CYCLONEDX) $(page) ## builds VERSION (1.2.3) into dist/ and signs it with the key in the file SIGNING_KEY
	@test -n "$(VERSION)" -a -n "$(SIGNING_KEY)" || { echo "say VERSION=1.2.3 and SIGNING_KEY=FILE, a key of ssh-keygen; make snapshot does without"; exit 1; }
	@test -z "$$(git status --porcelain)" || { echo "commit first: what is signed is what a commit has"; exit 1; }
	$(releasing) && RELEASE_VERSION="$(VERSION)" SIGNING_KEY="$(SIGNING_KEY)" $(GORELEASER) release --snapshot --clean
	cp bin/release/*_image.tar dist

test-release: $(GORELEASER) $(CYCLONEDX) $(page) ## builds a release twice and looks at what is in it
	$(releasing) && GORELEASER=$(CURDIR)/$(GORELEASER) go test ./deploy/release -count=1 -timeout 30m -v -run Whole

test-chart: $(HELM) ## holds the Helm chart against helm and the types of Kubernetes
	cd deploy/helm/check && HELM=$(CURDIR)/$(HELM) go test -count=1 .

# What waits runs beside what computes: each line is a lane, whose parts come one after the other. Each can be run alone.
lanes := \
	test-go \
	test-js,test-cluster,test-artillery,test-bridge \
	test-web,test-compose,test-metrics,test-auth,test-proxy,test-browser \
	test-static,test-backends,test-openapi,test-bench,test-site,test-examples

# Everything that more than one lane needs; what only one needs, such as the linter, it makes while the others run.
prepared := bin/gatehouse bin/testapp bin/examples/.built $(page) $(call installed,test/js)

test: system-packages ## installs what the tests need and runs everything
	@SECONDS=0; $(MAKE) --no-print-directory --jobs=3 --output-sync=target $(prepared); echo "== prepared: $$SECONDS s"
	@node test/lanes.mjs $(lanes)

lint: $(GOLANGCI) ## runs the linters
	GOGC=300 $(GOLANGCI) run --allow-parallel-runners ./...

test-static: lint # which includes go vet
	go mod tidy -diff
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt wants to change: $$unformatted"; exit 1; }
	node --test test/lanes.test.mjs

# The state machine of a node and its simulation have no goroutines that could race.
simulation := ./cluster/internal/core

# The packages that take longest begin first, so that none is left for the end.
longest := $(addprefix gatehouse,/server /engine /cluster /test/attack) gatehouse gatehouse/namespaces

test-go: $(call installed,packet/testdata/oracle) $(call installed,cluster/testdata/node) $(page) ## runs the Go tests with the race detector; test-static vets
	go test -vet=off $(simulation)
	TEST_ORACLE=1 test/with-redis go test -race -vet=off -timeout 25m $(longest) $$(go list ./... | grep -v '/$(notdir $(simulation))$$')

test-web: $(call installed,web) ## runs the unit tests of the pages
	cd web && npm test

test-js: $(call installed,test/js) bin/gatehouse bin/testapp ## runs the real client against the binary
	cd test/js && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs

cutter: $(call installed,test/js) bin/testapp ## breaks the connections of 200 clients at random for three minutes
	cd test/js && CUTTER_SECONDS=180 node --test --test-reporter=spec cutter.test.mjs

test-auth: $(call installed,test/js) bin/gatehouse ## runs every way in with the client that can
	test/with-redis bash -c 'cd test/auth && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs'

test-examples: $(call installed,test/js) bin/examples/.built ## runs the examples that are ported from Node's server
	cd test/examples && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs

test-proxy: $(call installed,test/js) bin/gatehouse ## runs the documented proxies before two nodes
	cd test/proxy && PATH=$$PATH:/usr/sbin node --test --test-timeout=180000 --test-reporter=spec *.test.mjs

# The differential suite and a short cutter through the proxy; with FULL=1 all suites that need no file of one node's own.
cluster-suites := differential cutter $(if $(FULL),recovery burst chat connect disconnect engine events hostile msgpack namespaces)
test-cluster: $(call installed,test/js) bin/testapp bin/gatehouse ## runs the real client against three nodes behind a round-robin proxy; FULL=1 all suites
	test/with-redis bash -c 'cd test/cluster && PATH=$$PATH:/usr/sbin node --test --test-timeout=180000 --test-reporter=spec *.test.mjs'
	test/with-redis bash -c 'cd test/js && CUTTER_SECONDS=5 TARGET=cluster node --test --test-timeout=300000 --test-concurrency=2 --test-reporter=spec $(cluster-suites:%=%.test.mjs)'

test-browser: $(call installed,test/browser) bin/gatehouse bin/examples/.built ## runs the pages in Chromium
	test/with-redis bash -c 'cd test/browser && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs'

test-artillery: artillery

test-bridge: $(call installed,test/bridge) ## runs the real client against zishang520 applications
	cd test/bridge && npm test

test-bench: ## runs the tests of the load tool, a module of its own
	$(MAKE) -C bench test

bench: bin/gatehouse ## measures Gatehouse and its peers three times and writes docs/performance.md
	$(MAKE) -C bench bench

bench-check: bin/gatehouse ## fails when Gatehouse is worse, beside its peers, than docs/performance.json has it
	$(MAKE) -C bench check

soak: bin/gatehouse ## lets a chat live through ten minutes of trouble and accounts for every message
	go run ./test/soak $(FLAGS)

soak-cluster: $(call installed,test/js) bin/testapp ## kills nodes, fails Redis over and cuts links for ten minutes and accounts for every message
	node test/cluster/soak/run.mjs $(FLAGS)

BACKEND ?= node
example: bin/gatehouse ## runs an application with a back end in Node, Python or PHP: BACKEND=php
	examples/backends/run $(BACKEND)

test-metrics: $(call installed,test/js) bin/gatehouse ## runs the alert rules and the dashboard on a Prometheus that scrapes the binary
	test/with-redis bash -c 'cd test/metrics && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs'

test-backends: $(call installed,test/js) bin/gatehouse ## runs the real client against back ends in Node, Python and PHP
	cd test/backends && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs

test-openapi: $(call installed,test/js) $(call installed,test/openapi) bin/gatehouse ## validates the API's description and runs a client made from it
	cd test/openapi && node --test --test-timeout=180000 --test-reporter=spec *.test.mjs

docs: site/dist/index.html ## builds the site of the documentation into site/dist; REPOSITORY=https://…/blob/main links to the sources

test-site: $(call installed,site) $(call installed,test/browser) bin/gatehouse site/dist/index.html ## runs the site's helpers, and the site in Chromium
	cd site && node --test --test-timeout=180000 --test-reporter=spec test/*.test.mjs

attack: bin/gatehouse ## does what attackers do and writes what it costs the others into docs/robustness.md, about six minutes
	go run ./test/attack -report docs/robustness.md $(FLAGS)

bench-cluster: ## measures three nodes with Redis beside one node and writes docs/cluster.md, about two minutes
	$(MAKE) -C bench cluster

simulate: ## runs the cluster's simulation for many more seeds than make test does
	go test ./cluster/internal/core -run TestSimulation -count=1 -timeout 2h -seeds 100000 $(FLAGS)

artillery: $(call installed,test/artillery) bin/gatehouse ## runs artillery's scenarios, or FILE, against the binary or TARGET
	node bench/artillery/run.mjs $(FILE)

test-compose: ## checks the compose files
	docker-compose --file docker-compose.yml config --quiet
	GATEHOUSE_JWT_HMAC_SECRET=x GATEHOUSE_CLUSTER_SECRET=x docker-compose --file docker-compose.cluster.yml config --quiet

rehome: ## moves the Go module to the path MODULE, such as github.com/you/gatehouse
	deploy/rehome "$(MODULE)"

fuzz: ## runs each fuzz target for FUZZTIME (30s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean: ## removes what was built, not what was downloaded
	rm -rf bin test/browser/out site/dist
	find web/dist -mindepth 1 ! -name .gitkeep -delete

bin/gatehouse: $(go-sources) $(page)
	go build -o $@ ./cmd/gatehouse

bin/testapp: $(go-sources) $(page)
	go build -o $@ ./test/js/testapp

bin/examples/.built: $(go-sources) $(page) $(shell find examples -path '*/public/*')
	go build -o bin/examples/ ./examples/chat ./examples/whiteboard ./examples/privatemessages
	touch $@

$(page): $(web-sources) $(call installed,web)
	cd web && npm run build
	touch $@

site-sources := $(shell find docs site \( -name node_modules -o -path site/dist -o -path site/test -o -name cache -o -name .temp \) -prune -o -type f -print)
site/dist/index.html: $(site-sources) $(call installed,site)
	cd site && npm run build
	touch $@

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund
	touch $@

# golangci-lint with the linters of our settings only: the others are most of what it is made of. The folder's name begins so
# that ./... does not take its packages for ours.
$(GOLANGCI): .golangci.yml test/golangci.awk
	rm -rf bin/golangci-lint* bin/_golangci-lint && mkdir -p bin
	cp -r --no-preserve=mode "$$(go mod download -json github.com/golangci/golangci-lint/v2@$(GOLANGCI_VERSION) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')" bin/_golangci-lint
	awk -f test/golangci.awk .golangci.yml bin/_golangci-lint/$(golangci-linters) > bin/golangci-lint.linters
	mv bin/golangci-lint.linters bin/_golangci-lint/$(golangci-linters)
	cd bin/_golangci-lint && go build -ldflags '-s -w' -o ../golangci-lint ./cmd/golangci-lint
	rm -r bin/_golangci-lint && mv bin/golangci-lint $@

# Most of goreleaser is clients of stores and clouds: the first build takes eight minutes of processor time.
$(GORELEASER):
	GOBIN=$(CURDIR)/bin/install go install -ldflags '-s -w' github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)
	mv bin/install/goreleaser $@

$(HELM):
	GOBIN=$(CURDIR)/bin/install go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	mv bin/install/helm $@

$(CYCLONEDX):
	GOBIN=$(CURDIR)/$(@D) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

# Debian's names of the commands that the tests need.
system-packages:
	@missing=(); PATH=$$PATH:/usr/sbin; \
	command -v redis-server >/dev/null || missing+=(redis-server); \
	command -v openssl >/dev/null || missing+=(openssl); \
	command -v ssh-keygen >/dev/null || missing+=(openssh-client); \
	command -v curl >/dev/null || missing+=(curl); \
	command -v man >/dev/null || missing+=(man-db); \
	command -v nginx >/dev/null || missing+=(nginx); \
	command -v haproxy >/dev/null || missing+=(haproxy); \
	command -v php >/dev/null || missing+=(php-cli); \
	command -v python3 >/dev/null || missing+=(python3); \
	command -v prometheus >/dev/null || missing+=(prometheus); \
	command -v docker-compose >/dev/null || missing+=(docker-compose); \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium); \
	if (( $${#missing[@]} )); then \
		$(SUDO) apt-get update; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$${missing[@]}"; \
	fi
