# make serve | test | lint | bench. Each target creates .venv first, and updates it when pyproject.toml or constraints.txt changes.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := .venv/bin
SOURCES := service tools tests conftest.py benchmarks clients examples

CONTAINER ?= docker
CONTAINER_BUILD ?=
IMAGE ?= weight-init

.PHONY: help serve test test-slow test-lowest test-clients test-frameworks test-models test-conformance test-arm64 test-arm64-numpy image test-container fuzz bench load attack lint format documents golden lock audit sbom clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/'

.venv/serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/develop: .venv/serve clients/python/pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' -e clients/python
	@touch $@

serve: .venv/serve  ## serve on http://HOST:PORT (127.0.0.1:8000)
	$(BIN)/weight-init serve --host $(HOST) --port $(PORT)

# Each worker has one core, so the threads of linear algebra would only wait for each other.
test: .venv/develop  ## run the tests that need no other framework and no more than a few seconds
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto -m "not slow" --ignore tests/conformance --ignore tests/models --ignore tests/container

test-slow: .venv/develop  ## run the tests that take long: kernels for each level of processors, estimated costs, load
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto -m slow --ignore tests/conformance --ignore tests/models --ignore tests/container

.venv/uv: .venv/serve
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@touch $@

# A fresh environment each time, because an installer keeps a newer version. Without constraints.txt, which pins the newest versions.
.venv-lowest/develop: .venv/uv clients/python/pyproject.toml
	$(BIN)/uv venv --quiet --clear --python 3.11 .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct -e '.[dev,redis,otel]' -e clients/python
	@touch $@

test-lowest: .venv-lowest/develop  ## run the quick tests with the lowest versions that pyproject.toml allows
	.venv-lowest/bin/python -m tools.bounds
	FUZZ_EXAMPLES=30 .venv-lowest/bin/pytest -n auto -m "not slow" --ignore tests/conformance --ignore tests/models --ignore tests/container

.venv/frameworks: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[frameworks]'
	@touch $@

test-frameworks: .venv/frameworks  ## run the documents' torch and JAX examples too; installs both, which are large
	$(BIN)/pytest tests/test_examples.py clients/python/tests/test_readme.py

.venv/models: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[trace,models]'
	@touch $@

# The last version before 1.0, which asks the Hub for other things, and which many projects pin.
build/hub-0.36/ready:
	$(PYTHON) -m venv build/hub-0.36
	build/hub-0.36/bin/pip install --quiet --disable-pip-version-check huggingface_hub==0.36.0
	@touch $@

test-models: .venv/models build/hub-0.36/ready  ## compare the presets and the tracing with transformers, torchvision and timm; installs them, which are large
	HUB_CLIENTS=build/hub-0.36/bin/python OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile tests/models

.venv/conformance: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[conformance]'
	@touch $@

test-conformance: .venv/conformance  ## compare with torch, Keras, JAX and timm; installs them, which are large
	$(BIN)/pytest -n auto --dist loadfile tests/conformance

.venv/clients: .venv/develop clients/install-toolchains
	clients/install-toolchains
	@touch $@

test-clients: .venv/clients  ## build, check and test each client in its own language; as root, installs the toolchains from Debian
	$(BIN)/pytest clients/conformance clients/curl

build/arm64/ready: .venv/uv tools/golden/install-arm64
	tools/golden/install-arm64
	@touch $@

# Python for arm64, emulated. Its compiled kernels are kept apart from those of this user.
ARM64 := XDG_CACHE_HOME=$(CURDIR)/build/arm64/cache PYTHONPATH=build/arm64/packages \
	qemu-aarch64-static -L build/arm64/root build/arm64/root/usr/bin/python3

test-arm64-numpy: build/arm64/ready  ## check the golden answers of the NumPy engine on an emulated arm64; as root, installs the emulator
	$(ARM64) -m tools.golden.check --engine numpy

test-arm64: test-arm64-numpy  ## check those of the compiled kernels too; takes some minutes
	$(ARM64) -m tools.golden.check --engine numba

image:  ## build the container image, with CONTAINER (docker, podman ...)
	$(CONTAINER) build $(CONTAINER_BUILD) -t $(IMAGE) .

test-container: .venv/develop image  ## run the image, read-only and without capabilities, and test it
	CONTAINER="$(CONTAINER)" IMAGE="$(IMAGE)" $(BIN)/pytest tests/container

fuzz: .venv/develop  ## check the responses to 20,000 requests generated from the OpenAPI document; takes some minutes
	FUZZ_EXAMPLES=6700 $(BIN)/pytest tests/web/test_schema.py

attack: .venv/develop  ## measure what hostile requests cost; write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks attacks

load: .venv/develop  ## measure 200 connections for a minute and 1,000 disconnecting clients; write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks load

.venv/benchmarks: .venv/frameworks .venv/models .venv/clients
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmarks]'
	@touch $@

bench: .venv/benchmarks  ## compare with torch, transformers, oneMKL, JAX, NumPy, nginx and curl, and write benchmarks/RESULTS.md; takes some minutes
	$(BIN)/python -m benchmarks

lint: .venv/develop  ## check style, types, and that the generated documents are current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m tools.documents --check
	$(BIN)/hadolint Dockerfile

format: .venv/develop  ## fix the style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

documents: .venv/develop  ## write the generated documents
	$(BIN)/python -m tools.documents

golden: .venv/develop  ## append the golden answers of new requests to tests/golden/golden.json
	$(BIN)/python -m tools.golden

.venv/supply: .venv/develop
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[supply]'
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c constraints.txt

lock: .venv/supply  ## write the image's package versions and hashes, from pyproject.toml and constraints.txt
	$(LOCK) --extra redis -o deploy/requirements.txt pyproject.toml
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
		| $(LOCK) -o deploy/requirements-build.txt -

audit: .venv/supply  ## check the image's packages for known vulnerabilities; also fails if the database is unreachable
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.txt

sbom: .venv/supply  ## write the image's packages to build/sbom.cdx.json (CycloneDX), reproducibly
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json deploy/requirements.txt

clean:  ## remove the output of the other targets
	rm -rf .venv .venv-lowest .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
