# make demo | test | bench | up | down | status; each calls setup first, which takes a second when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.katflow-setup
SOURCES := pyproject.toml constraints.txt $(addprefix rust_ext/,Cargo.toml Cargo.lock build.rs) $(shell find rust_ext/src rust_ext/python -name '*.rs' -o -name '*.py' -o -name '*.pyi')

AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: setup demo test bench chromium up down status
.DEFAULT_GOAL := demo

setup: $(STAMP)

$(STAMP): $(SOURCES)
	@command -v cargo >/dev/null || { echo "cargo is missing: the extension is built with it; install Rust (rustup)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/python -m flows.kat

test: setup chromium
	cargo test --release --quiet --manifest-path rust_ext/Cargo.toml
	$(BIN)/python -m pytest

# The browser tests drive the system's chromium; without it they are skipped (in CI a skip is a failure).
chromium:
	@command -v chromium >/dev/null || { { test "$$(id -u)" = 0 || test "$$CI" = true; } && command -v apt-get >/dev/null \
	  && $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -y -qq chromium >/dev/null; } \
	  || echo "browser tests need chromium: sudo apt-get install chromium"

# Prefect's server, a worker and result pages on this machine: make up [DB=postgresql+asyncpg://…] [HOST=0.0.0.0]
up: setup
	$(BIN)/python -m flows.stack up $(if $(DB),--db $(DB)) $(if $(HOST),--host $(HOST))

down status: setup
	$(BIN)/python -m flows.stack $@

bench: setup
	$(BIN)/python -m tests.bench
