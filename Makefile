# Portcullis, from a clone: `make up` brings everything up, `make test` proves it. Each line is what one would type.

export PORTCULLIS_HOME ?= $(HOME)/.cache/portcullis
TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON := $(PORTCULLIS_HOME)/clients/python/bin/python
NEXTEST := $(PORTCULLIS_HOME)/bin/cargo-nextest nextest
# Without the variables, the folders and, where the kernel allows it, the network of whoever runs it.
APART := python3 tests/apart/apart.py

.PHONY: setup up down test fuzz lint bench release clean

# All of it; the other targets bring only what they need.
setup:
	@python3 setup/setup.py

up: release
	@exec $(TARGET)/release/portcullis up

down:
	@$(TARGET)/release/portcullis down

# Development-profile binaries, and the module as it is shipped.
test:
	@python3 setup/setup.py test
	cargo run --locked --quiet -p wasm-build
	cargo build --locked --quiet
	cargo fetch --locked --quiet
	$(APART) $(NEXTEST) run --locked --offline --workspace
	$(APART) cargo test --locked --offline --quiet --workspace --doc
	$(APART) $(PYTHON) -m pytest tests

# Fuzz targets and property tests with fresh seeds, which it prints, for as long as one likes.
fuzz:
	@python3 setup/setup.py test
	cargo fetch --locked --quiet
	$(APART) $(PYTHON) tests/fuzz/fresh_seeds.py $(ROUNDS)

lint:
	@python3 setup/setup.py lint
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- --deny warnings
	cargo clippy --locked --quiet -p mcp-filter --lib --target wasm32-wasip1 -- --deny warnings
	cargo fetch --locked --quiet
	$(PORTCULLIS_HOME)/bin/cargo-deny --locked --offline check licenses bans sources
	$(PYTHON) -m pytest --quiet tests/docs

bench:
	@python3 setup/setup.py bench
	cargo build --locked --release -p load
	cargo run --locked --release --quiet -p wasm-build
	$(APART) $(PYTHON) tests/bench/run.py

release:
	@python3 setup/setup.py up
	@test -x $(TARGET)/release/portcullis || echo 'building in release mode: about ten minutes on two cores, the first time'
	cargo build --locked --release -p portcullis -p control-plane -p mcp-server
	cargo run --locked --release --quiet -p wasm-build

# The build and the downloads; asks before it touches data.
clean:
	@test ! -x $(TARGET)/release/portcullis || $(TARGET)/release/portcullis down
	cargo clean
	@python3 setup/clean.py
