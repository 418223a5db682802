PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

help: ## Show this help
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with the pinned dependencies

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lagem needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

run: install ## Start the whole service on http://localhost:8000
	$(BIN)/lagem serve

test: install ## Run the fast test suite
	$(BIN)/python -m pytest -m 'not slow and not gpu'

slow: install ## Run the slow tests too (minutes)
	$(BIN)/python -m pytest -m 'not gpu'

check: install ## Format, lint, types, import contracts, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_protos.py

bench: install ## Run the benchmarks (see benchmarks/RESULTS.md)
	$(BIN)/python -m benchmarks

proto: install ## Generate service/pb from protos/
	$(BIN)/python -m grpc_tools.protoc -I service/pb=protos/lagem/v1 --python_out=. --pyi_out=. --grpc_python_out=. service/pb/lagem.proto

.PHONY: help install run test slow check bench proto
