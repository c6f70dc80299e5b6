# Portcullis, from a clone: `make up` brings everything up, `make test` proves it. Each line is what one would type.

export PORTCULLIS_HOME ?= $(HOME)/.cache/portcullis
TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON := $(PORTCULLIS_HOME)/clients/python/bin/python

.PHONY: setup up down test lint bench release clean

setup:
	@python3 setup/setup.py

up: release
	@exec $(TARGET)/release/portcullis up

down:
	@$(TARGET)/release/portcullis down

# Development-profile binaries, and the module as it is shipped.
test: setup
	cargo run --locked --quiet -p wasm-build
	cargo test --locked --workspace --quiet
	cargo build --locked --quiet
	$(PYTHON) -m pytest tests/setup tests/docs tests/envoy tests/e2e

lint: setup
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- --deny warnings
	cargo clippy --locked --quiet -p mcp-filter --lib --target wasm32-wasip1 -- --deny warnings
	cargo fetch --locked --quiet
	$(PORTCULLIS_HOME)/bin/cargo-deny --locked --offline check licenses bans sources
	$(PYTHON) -m pytest --quiet tests/docs

bench: setup
	cargo build --locked --release -p load
	cargo run --locked --release --quiet -p wasm-build
	$(PYTHON) tests/bench/run.py

release: setup
	@test -x $(TARGET)/release/portcullis || echo 'building in release mode: about ten minutes on two cores, the first time'
	cargo build --locked --release -p portcullis -p control-plane -p mcp-server
	cargo run --locked --release --quiet -p wasm-build

# The build and the downloads; asks before it touches data.
clean:
	@test ! -x $(TARGET)/release/portcullis || $(TARGET)/release/portcullis down
	cargo clean
	@python3 setup/clean.py
