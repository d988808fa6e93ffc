# The commands of oncue. A machine needs Python 3.11+ and make; everything else goes to .venv,
# once, and again only when pyproject.toml (or the place of this checkout) has changed.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
KEY := $(shell { pwd -P; cat pyproject.toml; } | cksum)
ARGS ?=

.PHONY: help demo test nightly coverage bench bench-smoke docs services services-stop clean \
        set-up-core set-up-test set-up-docs python

help: ## say what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: set-up-core ## run examples/morning.py: conditions at work, in under 15 seconds
	@$(PY) examples/morning.py

test: set-up-test .view/oncue ## the whole check: ruff, mypy, pytest on all cores (ARGS="-k wheel" goes to pytest)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

nightly: set-up-test .view/oncue ## the laws of the language on 100,000 examples each, durability for long: hours (ARGS="-k printer")
	ONCUE_CHAOS_SECONDS=1200 ONCUE_DEATHS_STEP=1 ONCUE_SEEDS=20000 ONCUE_FIRST_SEED=$$(date +%s) \
	    $(PY) -m pytest tests/durability -s $(ARGS)
	ONCUE_NIGHTLY=1 $(PY) -m pytest tests/test_dynamic.py -k due_at_once $(ARGS)
	$(PY) -m pytest tests/property/test_language.py --hypothesis-profile=nightly $(ARGS)

coverage: set-up-test ## branch coverage of conds, grammar and engine; fails under 95 %
	$(PY) -m pytest --cov --cov-report=term-missing $(ARGS)

bench: set-up-test ## all benchmarks, compared with the baseline, then oncue beside its peers
	@mkdir -p .cache
	$(PY) -m pytest benchmarks --confcutdir=benchmarks --benchmark-json=.cache/bench.json $(ARGS)
	$(PY) benchmarks/guard.py .cache/bench.json
	$(PY) benchmarks/peers/compare.py

bench-smoke: set-up-test ## every benchmark once and untimed, without peers: do they still run?
	$(PY) -m pytest benchmarks --confcutdir=benchmarks -q -n auto --benchmark-disable $(ARGS)

docs: set-up-docs ## build the documentation into docs/_build/html; a warning is an error
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

services: ## PostgreSQL and Redis on loopback for the tests; starts what does not answer
	@sh tests/services.sh start

services-stop: ## stop the servers that `make services` started, and no others
	@sh tests/services.sh stop

clean: ## remove what was built; .venv and the demo's database stay
	rm -rf build dist docs/_build *.egg-info .benchmarks .coverage .mypy_cache .pytest_cache .ruff_cache

# --- set-up -------------------------------------------------------------------------------------
# .venv/set-up-NAME holds the KEY it was made with; NAME is a set of extras.

set-up-core: ; $(call install,core,.)
set-up-test: ; $(call install,test,.[test])
set-up-docs: ; $(call install,docs,.[docs])

define install
	@if [ "$$(cat .venv/set-up-$(1) 2>/dev/null)" != "$(KEY)" ]; then \
	    set -e; $(MAKE) python; \
	    echo "setting up .venv for '$(1)' (once; this can take a minute)"; \
	    $(PY) -m pip install -qq --disable-pip-version-check --no-input -e '$(2)'; \
	    echo "$(KEY)" | tee .venv/set-up-core > .venv/set-up-$(1); \
	fi
endef

# PYTHON=/path/to/python chooses the interpreter; else the first one that is new enough.
python:
	@$(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exit 0; \
	for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || { without=$$python; continue; }; \
	    exec "$$python" -m venv --clear .venv; \
	done; \
	if [ -n "$$without" ]; then \
	    echo "oncue: $$without cannot make a virtual environment: it lacks ensurepip or venv" >&2; \
	    echo "  on Debian and Ubuntu: apt install python3-venv; then run make again" >&2; \
	else \
	    echo "oncue: found no Python 3.11 or newer; install one, or say make PYTHON=/path/to/it" >&2; \
	fi; \
	exit 1

.view/oncue:
	@mkdir -p .view && ln -sfn .. .view/oncue
