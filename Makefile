# `make` alone says what there is. Everything is installed into .venv, from the locks in requirements/; what is
# installed is remembered by stamps (.venv/.run, .venv/.dev), so that a second run installs nothing.

SHELL := /bin/sh
VENV := .venv
PEERS := .venv-bench
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test test-full lint native chaos bench lock clean debian compiler

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.run ## run crossdesk on a simulated company, all in one process   ARGS="--help"
	$(BIN)/crossdesk demo $(ARGS)

# Both cores fold the same cases; all the rest does not know which one does.
FOLDING := $(patsubst %,tests/test_%.py,cases clock explain golden_cases history measures scheduler)

test: $(VENV)/.dev debian native ## all tests, the long searches as seeded samples        ARGS="-k hours" WORKERS=2
	CROSSDESK_CORE=interpreted $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m pytest -n $(WORKERS) $(FOLDING))

test-full: $(VENV)/.dev debian native ## the same tests, the long searches at full size, with the core compiled
	CROSSDESK_FULL=1 $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, and the laws of the tree
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

native: $(VENV)/.dev compiler ## compile the core: used from then on, until a source changes
	@CROSSDESK_CORE=interpreted $(BIN)/python -m deploy.native

chaos: $(VENV)/.dev debian ## kill processes of a cluster under load, and compare  ARGS="--seconds 600"
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

bench: $(VENV)/.dev $(PEERS)/.bench native ## how fast it is on this machine                   ARGS="--only core --json"
	@$(if $(findstring --only core,$(ARGS)),,$(call installed,javac mvn,default-jdk-headless maven,make bench needs))
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

# The oldest Python resolves: what only old ones need is then in the lock, and newer ones do no harm to it.
COMPILE = $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --annotation-style=line

lock: $(VENV)/.dev ## write requirements/ anew from pyproject.toml            ARGS="--upgrade"
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "make lock: wants Python 3.11, the oldest we serve: make clean lock PYTHON=python3.11" >&2; exit 1; }
	$(COMPILE) --all-build-deps --extra embedded --output-file requirements/run.txt $(ARGS) pyproject.toml
	$(COMPILE) --all-build-deps --extra embedded --extra dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt $(ARGS) pyproject.toml
	$(COMPILE) --extra bench --output-file requirements/bench.txt $(ARGS) pyproject.toml

clean: ## remove what make made: .venv and the caches
	rm -rf $(VENV) $(PEERS) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- set-up

# What a distribution ships is built with all optimisations; what version managers compile often is not, and a tenth slower.
PYTHONS = $(PYTHON) /usr/bin/python3 python3 python3.13 python3.12 python3.11

$(BIN)/python:
	@for python in $(PYTHONS); do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "make: a new $(VENV) with $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "make: found no Python from 3.11 on that has its venv module, as any of: $(PYTHONS)" >&2; \
	echo "      On Debian: apt-get install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "make: installing $< into $(VENV); the first time this takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Whom the benchmark compares us with: they want other versions of what we use too.
$(PEERS)/.bench: requirements/bench.txt | $(BIN)/python
	@echo "make: installing $< into $(PEERS); the first time this takes a minute or two"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Programs that the tests run, as they come with Debian: prometheus brings promtool, and Maven fetches a Kafka.
# dovecot lies where only root looks for programs.
PROGRAMS = prometheus promtool java mvn dovecot chromium
PACKAGES = prometheus default-jre-headless maven dovecot-imapd chromium

debian:
	@$(call installed,$(PROGRAMS),$(PACKAGES),the tests need)

# What compiles the core, but for Python's headers: those are a file.
compiler: $(BIN)/python
	@$(call installed,gcc $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")'),gcc python3-dev,make native needs)

# $(1): programs, or files by their whole path; $(2): the packages that bring them; $(3): who needs them.
define installed
PATH="$$PATH:/usr/sbin"; \
missing=; for program in $(1); do command -v $$program >/dev/null || [ -f $$program ] || missing="$$missing $$program"; done; \
if [ -z "$$missing" ]; then exit 0; fi; \
if ! command -v apt-get >/dev/null; then \
	echo "make: $(3) on PATH, and there is not:$$missing" >&2; exit 1; \
elif [ "$$(id -u)" = 0 ]; then root=; \
elif command -v sudo >/dev/null; then root=sudo; \
else \
	echo "make: $(3)$$missing, and here is neither root nor sudo to install them." >&2; \
	echo "      Ask somebody who may to run: apt-get install --no-install-recommends $(2)" >&2; exit 1; \
fi; \
echo "make: installing Debian's packages $(2)"; \
$$root apt-get update -qq && \
$$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(2)
endef
