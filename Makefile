# Every recipe of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Models and photos for development and tests, where a checkout has them beside it. The product itself never looks here.
beside := $(abspath ..)/shared
ifneq ($(wildcard $(beside)/models),)
export MANYEYES_MODELS ?= $(beside)/models
endif
ifneq ($(wildcard $(beside)/images),)
export MANYEYES_IMAGES ?= $(beside)/images
endif
ifneq ($(wildcard $(beside)/images-250),)
export MANYEYES_IMAGES_250 ?= $(beside)/images-250
endif
ifneq ($(wildcard $(beside)/data/cifar10-jpeg.tar.gz),)
export MANYEYES_CIFAR10 ?= $(beside)/data/cifar10-jpeg.tar.gz
endif
ifneq ($(wildcard $(beside)/rspec),)
export MANYEYES_RSPEC ?= $(beside)/rspec
endif

# ONNX Runtime's library, fetched once into .cache/; without it the pure-Rust engine serves.
with_engine = export ORT_DYLIB_PATH="$${ORT_DYLIB_PATH:-$$(scripts/fetch-onnxruntime || true)}"

release := target/release/manyeyes
web_sources := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/test-results -prune -o -type f -print)

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

.PHONY: run
run: engine web release ## Build everything and serve the page: a manager and three workers on this machine.
	@export ORT_DYLIB_PATH="$${ORT_DYLIB_PATH:-$$(scripts/fetch-onnxruntime --await 3 || true)}"; exec $(release) up $(ARGS)

# Fetched while the rest is built, so that no network, however broken, keeps the page waiting.
.PHONY: engine
engine:
	@[ -n "$${ORT_DYLIB_PATH:-}" ] || scripts/fetch-onnxruntime --begin

.PHONY: release
release: ## Build the release binary.
	MANYEYES_COMMIT="$$(git describe --always --dirty 2>/dev/null || true)" $(or $(CARGO),cargo) build --release --locked --package manyeyes

.PHONY: dist
dist: web ## The release binary, what it was built of, and digests, in target/dist.
	scripts/dist

.PHONY: web
web: web/dist/index.html ## Build the page.

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: $(web_sources) web/node_modules/.package-lock.json
	cd web && npm run --silent build

.PHONY: test
test: ## Run every test: Rust, page, browser.
	scripts/test

.PHONY: simulate
simulate: ## The manager and its workers in a made-up world: SEEDS=10000 of them, or SEED=7 with a trace of all that happens.
	cargo run --quiet --locked --package manyeyes-simulation --bin simulate -- $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),10000))

.PHONY: scale
scale: ## Dispatch before 10 to 10,000 made-up workers: what a decision costs, how near the best possible it comes. Rows in target/scale.jsonl.
	cargo run --quiet --release --locked --package manyeyes-scale --bin scale -- --all --out target/scale.jsonl

.PHONY: mutants
mutants: ## Break the code on purpose, in every way listed in crates/simulation/mutants.toml: something must notice each.
	scripts/mutants $(ARGS)

.PHONY: fuzz
fuzz: ## Have libFuzzer look for bytes that break a promise: SECONDS=60 for each target of crates/fuzz. Needs cargo-fuzz.
	scripts/fuzz --seconds $(or $(SECONDS),60) $(ARGS)

.PHONY: check
check: fmt lint docs deny ## Everything about the code that needs no running: format, lints, docs, dependencies.

.PHONY: fmt
fmt: ## Is the code formatted?
	cargo fmt --all --check

.PHONY: lint
lint: web/node_modules/.package-lock.json ## Clippy and the page's linter, warnings denied.
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd web && npm run --silent lint

.PHONY: docs
docs: ## Build the API documentation, warnings denied.
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

.PHONY: deny
deny: ## Licences, sources and doubled versions of dependencies; known vulnerabilities where the database can be reached.
	scripts/deny

.PHONY: bench
bench: web release ## Measure what the README claims, as ratios in one run.
	@$(with_engine); scripts/bench $(ARGS)

# It says itself what it cannot do without.
.PHONY: bench-peers
bench-peers: web release ## Side by side with what people would use instead, on the same cores: an hour; ARGS=--quick for a look.
	cargo build --release --locked --package manyeyes-vision --example bare
	@$(with_engine); python3 bench/peers run $(ARGS)

# What needs photos and GoogLeNet is left out where they are not here, and that is said.
# GROUP=transports: those of experiments/transports.
of_group := experiments$(if $(GROUP),/$(GROUP))
with_photos := $(wildcard $(addprefix $(of_group)/,send-less.toml workers-model.toml))
studies := $(filter-out $(with_photos),$(sort $(wildcard $(of_group)/*.toml)))

.PHONY: experiment
experiment: release ## The lab: all studies in short, in target/experiment; FULL=1 for all of them, in less than two hours; GROUP=transports for those of transports. As root or not.
	@$(with_engine); studies='$(studies)'; \
	if [ -n "$${MANYEYES_IMAGES:-}" ] && $(release) model verify googlenet >/dev/null 2>&1; then \
	  studies="$$studies $(with_photos)"; \
	else echo 'NOT RUN without photos (MANYEYES_IMAGES) and GoogLeNet: $(notdir $(with_photos))'; fi; \
	$(release) experiment run $$studies --out target/experiment/$(if $(GROUP),$(GROUP)-)$(if $(FULL),full,quick) $(if $(FULL),,--quick) $(ARGS)

.PHONY: chaos
chaos: release ## Break real processes for MINUTES=10 by the schedule of SEED=1, and check what was promised. Needs root.
	cargo build --release --locked --package manyeyes-chaos
	target/release/chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) $(ARGS)

.PHONY: clean
clean: ## Remove what was built.
	rm -rf target .cache web/node_modules && find web/dist -mindepth 1 ! -name .gitignore -delete
