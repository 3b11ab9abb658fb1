# make demo | test | bench | up | down | status | prune; most call setup first: a second when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.katflow-setup
SOURCES := pyproject.toml constraints.txt $(addprefix rust_ext/,Cargo.toml Cargo.lock build.rs) $(shell find rust_ext/src rust_ext/python -name '*.rs' -o -name '*.py' -o -name '*.pyi')

AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: setup demo test test-on-a-stack test-all-else bench packages up down status serve prune audit sbom
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

# Tests with a whole stack of their own wait much and compute little: beside the others they cost a third of the time.
ON_A_STACK := tests/flows/test_deployments.py tests/flows/test_faults.py

test: setup packages
	cargo test --release --quiet --manifest-path rust_ext/Cargo.toml
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=line test-on-a-stack test-all-else

test-on-a-stack:
	$(BIN)/python -m pytest $(ON_A_STACK)

test-all-else:
	$(BIN)/python -m pytest $(addprefix --ignore=,$(ON_A_STACK))

# What tests drive besides: a browser, a database, a clock. Without them they are skipped (in CI a skip is a failure).
PACKAGES := chromium postgresql faketime
packages:
	@{ command -v chromium && command -v faketime && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 \
	  || { { test "$$(id -u)" = 0 || test "$$CI" = true; } && command -v apt-get >/dev/null \
	  && $(AS_ROOT) apt-get update -qq \
	  && $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES) >/dev/null; } \
	  || echo "some tests need more: sudo apt-get install $(PACKAGES)"

# Prefect's server, a worker and result pages on this machine: make up [DB=postgres] [HOST=0.0.0.0] [PORT=4200]
# [FILES_PORT=4201] [LIMIT=4]; a database's URL by `export KATFLOW_DB=…`, which keeps its password off the process list
up: setup
	@$(BIN)/python -m flows.stack up $(if $(DB),--db '$(DB)') $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) \
	  $(if $(FILES_PORT),--files-port $(FILES_PORT)) $(if $(LIMIT),--limit $(LIMIT))

down status:
	@$(BIN)/python -m flows.stack $@

# The map of documents as a page, with text for any click: make serve [MODEL=data/out/text_map] [PORT=4202]
serve: setup
	$(BIN)/python -m tasks.text_map.serve $(if $(MODEL),--model '$(MODEL)') $(if $(PORT),--port $(PORT))

# What data/ holds and what of it can go: make prune [DAYS=30] [DELETE=1]
prune: setup
	$(BIN)/python -m flows.prune $(if $(DAYS),--older-than $(DAYS)) $(if $(DELETE),--delete)

# Known vulnerabilities of the pins, and what the pins are: both ask the package registry, audit its advisories too.
audit: setup
	$(BIN)/uv tool run pip-audit --requirement constraints.txt --no-deps --disable-pip --strict
	cargo audit --file rust_ext/Cargo.lock

sbom: setup
	@mkdir -p data/sbom
	$(BIN)/uv tool run --from cyclonedx-bom cyclonedx-py environment $(BIN)/python --output-file data/sbom/python.cdx.json
	cargo metadata --locked --format-version 1 --manifest-path rust_ext/Cargo.toml > data/sbom/rust.json

bench: setup
	$(BIN)/python -m tests.bench
