# make serve | test | lint | bench. Each makes .venv first, and again when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := .venv/bin
SOURCES := service tests conftest.py benchmarks clients/python

.PHONY: help serve test test-frameworks test-conformance bench lint format documents clean
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/'

.venv/serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/develop: .venv/serve clients/python/pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' -e clients/python
	@touch $@

serve: .venv/serve  ## serve on http://HOST:PORT (127.0.0.1:8000)
	$(BIN)/weight-init serve --host $(HOST) --port $(PORT)

test: .venv/develop  ## run every test that needs no other framework
	$(BIN)/pytest -n auto --ignore tests/conformance

.venv/frameworks: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[frameworks]'
	@touch $@

test-frameworks: .venv/frameworks  ## run the README's examples of torch and JAX too; installs both, which is large
	$(BIN)/pytest tests/test_readme.py clients/python/tests/test_readme.py

.venv/conformance: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[conformance]'
	@touch $@

test-conformance: .venv/conformance  ## compare with torch, Keras, JAX and timm themselves; installs them, which is large
	$(BIN)/pytest -n auto --dist loadfile tests/conformance

bench: .venv/frameworks  ## measure against torch, JAX, NumPy and nginx, and write benchmarks/RESULTS.md; takes some minutes
	$(BIN)/python -m benchmarks

lint: .venv/develop  ## style, types, and whether the generated documents are current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m tests.documents --check

format: .venv/develop  ## put the style right
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

documents: .venv/develop  ## write the generated parts of the documents
	$(BIN)/python -m tests.documents

clean:  ## remove what the other targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
