# `make help` says what there is.  Nothing but Python (3.11 or newer, with venv) and make has to be installed first.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
ARGS   ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PY  := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --quiet

# One thread a process: the tests' arrays are small, and pytest-xdist uses the cores.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
# Compiled kernels are kept, so that every command after the first starts at once; each as long as its sources stay.
export NUMBA_CACHE_DIR ?= $(CURDIR)/.numba-cache

# The programs that we compare with are large: one environment a user, shared by all checkouts with the same pins.
ORACLES_PINS := $(shell cat requirements/core.txt requirements/oracles.txt | cksum | cut -d' ' -f1)
ORACLES      ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/minidet/oracles-$(ORACLES_PINS)
ORACLES_PY    = $(ORACLES)/bin/python
ORACLE_LIBRARIES = cv2 faster_coco_eval onnx onnxruntime openvino pycocotools torch torchvision

.PHONY: help demo test test-oracles oracle-tests mutants lint format types docs docs-serve wheel order bench install clean

help:  ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=$(PYTHON)  VENV=$(VENV)  JOBS=$(JOBS)  ARGS='$(ARGS)' (passed on to pytest, to the benchmarks, to the demo)"

# A stamp is written last, so an environment whose installation was interrupted is made again.
$(VENV)/core.stamp: pyproject.toml requirements/core.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minidet needs Python 3.11 or newer, not " + sys.version.split()[0] + "; say for example: make PYTHON=python3.12 ...")'
	@test -e $@ || rm -rf $(VENV)
	@echo "Preparing $(VENV) (once; about a minute) ..."
	@test -e $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements/core.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/tools.stamp: $(VENV)/core.stamp requirements/tools.txt
	@echo "Installing the tools for lint, types and docs ..."
	@$(PIP) -r requirements/core.txt -r requirements/tools.txt
	@touch $@

install: $(VENV)/core.stamp  ## prepare .venv with minidet in it (editable)

demo: $(VENV)/core.stamp  ## find shapes in scenes drawn just now, with shipped weights (ARGS=--train: learn them first)
	@$(PY) -m minidet demo $(ARGS)

test: $(VENV)/core.stamp  ## the tests that need nothing but minidet
	@$(ONE_THREAD) $(PY) -m pytest -q -n $(JOBS) -m "not oracle" $(ARGS)

.PHONY: oracles
oracles:  # the file `complete`, written last, marks one that can be used
	@.ci/oracles "$(PYTHON)" "$(ORACLES)"

test-oracles: oracle-tests mutants  ## comparisons with torch, torchvision and OpenCV, then the planted bugs

oracle-tests: oracles  ## the comparisons alone
	@$(ONE_THREAD) MINIDET_ORACLES="$(ORACLE_LIBRARIES)" PYTHONPATH=$(CURDIR):$(CURDIR)/kernels $(ORACLES_PY) -m pytest -q -n $(JOBS) -m oracle $(ARGS)

.PHONY: test-gpu sanitize-gpu
$(VENV)/gpu.stamp: $(VENV)/core.stamp requirements/gpu.txt
	@if nvidia-smi -L > /dev/null 2>&1; then echo "Installing CuPy and what it needs ..."; $(PIP) -r requirements/gpu.txt; fi
	@touch $@

test-gpu: $(VENV)/gpu.stamp  ## the tests that need an NVIDIA GPU; says so where there is none
	@$(ONE_THREAD) .ci/gpu $(PY) tests $(ARGS)

sanitize-gpu: $(VENV)/gpu.stamp  ## memcheck, racecheck and initcheck of every kernel, by NVIDIA's compute-sanitizer
	@for tool in memcheck racecheck initcheck; do $(ONE_THREAD) .ci/gpu $(PY) $$tool $(ARGS); done

mutants: oracles  ## plant each bug of tests/mutants in a copy of the tree: some test must fail
	@$(ONE_THREAD) $(ORACLES_PY) -m tests.mutants --jobs $(JOBS) $(ARGS)

lint: $(VENV)/tools.stamp  ## ruff: rules and format
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

format: $(VENV)/tools.stamp  ## let ruff rewrite what it can
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

types: $(VENV)/tools.stamp  ## mypy on minidet and minidet_kernels
	@$(VENV)/bin/mypy

docs: $(VENV)/tools.stamp  ## build the documentation into site/, every warning an error
	@$(PY) -m docs.tables --check
	@$(PY) -m docs.settings --check
	@$(PY) -m docs.conformance --check
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

docs-serve: $(VENV)/tools.stamp  ## the documentation in a browser, rebuilt on every change
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs serve

wheel: $(VENV)/core.stamp  ## sdist and wheel into dist/, then the tests marked "wheel" against the installed wheel
	@.ci/wheel $(PY)

order: oracles  ## whether the implementations are listed slowest first, as measured
	@$(ONE_THREAD) PYTHONPATH=$(CURDIR):$(CURDIR)/kernels $(ORACLES_PY) -m benchmarks --repeats 5 $(ARGS)

bench: oracles  ## check, then time; ARGS="conv2d --against torch" or ARGS=yolov3
	@PYTHONPATH=$(CURDIR):$(CURDIR)/kernels $(ORACLES_PY) -m benchmarks $(ARGS)

clean:  ## remove what make made here (the oracles' environment stays: rm -r ~/.cache/minidet)
	rm -rf $(VENV) .numba-cache .mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis dist site demo-out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
