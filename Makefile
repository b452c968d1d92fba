# `make` lists what there is. Every target does its own set-up; nothing has to be installed by hand.
SHELL := /bin/bash
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := runc crun conmon skopeo umoci nftables iproute2 iputils-ping curl haproxy busybox-static python3-venv
# A machine's own kubectl is the one to use; Debian's, 1.20, is for those that have none.
KUBECTL = $(if $(shell command -v kubectl),,kubernetes-client)

.PHONY: help setup packages demo check test bench clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.done ## OS packages and .venv (idempotent)

packages:
	@tools/os-packages $(APT)

$(VENV)/.done: pyproject.toml tools/build_hook.py | packages
	@$(PY) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "kubette needs Python 3.11 or later; name one with: make PY=…")'
	$(PY) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e '.[dev]'
	@$(BIN)/python -m compileall -q src/kubette # pods see it read-only
	@touch $@

demo: setup ## the walkthrough, told on a real cluster of two nodes
	@tools/os-packages $(KUBECTL)
	@$(BIN)/python tools/demo.py

check: setup ## ruff, mypy strict, import contracts, unit tests
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit

test: setup ## every test
	@tools/os-packages docker-registry $(KUBECTL)
	$(BIN)/pytest -q tests

bench: setup ## every benchmark; the figures are this machine's
	@$(BIN)/python benchmarks/machine.py
	@failed=; for file in $(filter-out %/machine.py,$(sort $(wildcard benchmarks/*.py))); do \
	  echo; echo "== $$file"; $(BIN)/python $$file || failed="$$failed $$file"; \
	done; if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

clean: ## remove .venv and what was generated
	rm -rf $(VENV) src/kubette/api/data build dist .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache
