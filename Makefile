# Portcullis, from a clone: `make up` brings everything up, `make test` proves it. Each line is what one would type.

export PORTCULLIS_HOME ?= $(HOME)/.cache/portcullis
TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON := $(PORTCULLIS_HOME)/clients/python/bin/python
NEXTEST := $(PORTCULLIS_HOME)/bin/cargo-nextest nextest
# Without the variables, the folders and, where the kernel allows it, the network of whoever runs it.
APART := python3 tests/apart/apart.py

.PHONY: setup up down test fuzz lint bench coverage reference build clean

# All of it; the other targets bring only what they need.
setup:
	@python3 setup/setup.py

up: build
	@exec $(TARGET)/quick/portcullis up

down:
	@$(TARGET)/quick/portcullis down

# Development-profile binaries, and the module as it is shipped.
test:
	@python3 setup/setup.py test
	cargo build --locked --quiet
	$(TARGET)/debug/wasm-build
	$(TARGET)/debug/wasm-build --out-dir $(TARGET)/filters/floor floor-noop floor-io
	$(TARGET)/debug/policy-packages
	cargo fetch --locked --quiet
	$(APART) $(NEXTEST) run --locked --offline --workspace
	$(APART) cargo test --locked --offline --quiet --workspace --doc
	$(APART) $(PYTHON) -m pytest tests

# Fuzz targets and property tests with fresh seeds, which it prints, for as long as one likes; and
# the data server before a fuzzer that others wrote.
fuzz:
	@python3 setup/setup.py test fuzz
	cargo build --locked --quiet -p mcp-server -p floor-data
	cargo fetch --locked --quiet
	$(APART) $(PYTHON) tests/fuzz/run_mcp_fuzzer.py
	$(APART) $(PYTHON) tests/fuzz/fresh_seeds.py $(ROUNDS)

lint:
	@python3 setup/setup.py lint
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- --deny warnings
	cargo clippy --locked --quiet -p mcp-filter --lib --target wasm32-wasip1 -- --deny warnings
	cargo clippy --locked --quiet -p policy-component -p policy-browser --target wasm32-unknown-unknown -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --quiet --workspace --no-deps
	cargo fetch --locked --quiet
	$(PORTCULLIS_HOME)/bin/cargo-deny --locked --offline check licenses bans sources
	$(PORTCULLIS_HOME)/bin/ruff check --quiet
	$(PORTCULLIS_HOME)/bin/ruff format --quiet --check
	$(PYTHON) -m pytest --quiet tests/docs

bench:
	@python3 setup/setup.py bench
	cargo build --locked --release -p load -p control-plane -p mcp-server -p floor-data -p wasm-build
	$(TARGET)/release/wasm-build
	$(TARGET)/release/wasm-build --out-dir $(TARGET)/filters/floor floor-noop floor-io
	$(APART) $(PYTHON) tests/bench/run.py
	$(APART) $(PYTHON) tests/bench/data_server/beside_peers.py
	$(APART) $(PYTHON) tests/bench/data_server/beside_spark.py
	cargo fetch --locked --quiet
	$(APART) $(PYTHON) tests/bench/changes.py
	$(APART) $(PYTHON) tests/bench/changes.py --constant-load
	$(APART) cargo bench --locked --offline --quiet --profile instructions -p mcp-filter --bench instructions
	$(APART) cargo bench --locked --offline --quiet -p policy-engine --bench validation
	$(APART) cargo bench --locked --offline --quiet -p mcp-server --bench large_results
	$(APART) cargo bench --locked --offline --quiet -p xds --bench fleet

# Which lines of each crate the Rust tests run; `CRATES='results postgres' make coverage` for some.
coverage:
	@python3 setup/setup.py test coverage
	cargo fetch --locked --quiet
	$(APART) $(PYTHON) tests/coverage/run.py $(CRATES)

# docs/api-reference.md, from what the data server announces, docs/control-plane-api.md, from how the
# control plane describes itself, and the pages of settings, from `--help` of both.
reference:
	@python3 setup/setup.py test
	cargo build --locked --quiet -p mcp-server -p control-plane
	$(PYTHON) tests/reference/write.py
	UPDATE_GOLDEN=1 $(NEXTEST) run --locked -p control-plane --test api_reference

# The profile `quick`: for operation type `cargo build --locked --release` instead.
build:
	@test -x $(TARGET)/quick/portcullis || echo 'set-up and build beside each other: about five minutes on two cores, the first time'
	@python3 setup/setup.py up -- cargo build --locked --profile quick -p portcullis -p control-plane -p mcp-server -p wasm-build
	$(TARGET)/quick/wasm-build

# The build and the downloads; asks before it touches data.
clean:
	@test ! -x $(TARGET)/quick/portcullis || $(TARGET)/quick/portcullis down
	cargo clean
	@python3 setup/clean.py
