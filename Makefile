# `make` lists what there is. Every target does its own set-up; nothing has to be installed by hand.
SHELL := /bin/bash
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := runc crun conmon skopeo umoci nftables iproute2 iputils-ping curl busybox-static python3-venv

.PHONY: help setup demo check test clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.done ## OS packages and .venv (idempotent)

$(VENV)/.done: pyproject.toml tools/build_hook.py
	@tools/os-packages $(APT)
	$(PY) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e '.[dev]'
	@$(BIN)/python -m compileall -q src/kubette # pods see it read-only
	@touch $@

demo: setup ## the walkthrough, told on a real cluster of two nodes
	@command -v kubectl >/dev/null || tools/os-packages kubernetes-client
	@$(BIN)/python tools/demo.py

check: setup ## ruff, mypy strict, import contracts, unit tests
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit

test: setup ## every test
	$(BIN)/pytest -q tests

clean: ## remove .venv and what was generated
	rm -rf $(VENV) src/kubette/api/data build dist .mypy_cache .ruff_cache .pytest_cache
