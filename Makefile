# make lab    open the course in JupyterLab          make lint    ruff, as CI runs it
# make test   run every test and every notebook      make assets  make the shipped data sets again
# make bench  measure what the README claims         make clean   remove what make has made
# make test-oldest   the heart of the tests with the oldest versions that pyproject.toml allows; needs the oldest Python
#
# Python 3.11 or newer and a package index are all it needs: everything is installed into .venv (.venv-oldest for
# test-oldest), nothing outside it.
# Variables: PYTHON=/path/to/python  PORT=8888  JOBS=2  ARGS="what is handed on to jupyter lab or pytest"

FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p $(FITS) && echo $$p && break; done)
JOBS ?= 2
PORT ?= 8888
ARGS ?=

VENV := .venv/bin/python
OLDEST := .venv-oldest/bin/python
PIP := -m pip --disable-pip-version-check install -c constraints.txt

.PHONY: lab test test-oldest lint assets bench clean
.DEFAULT_GOAL := lab

lab: .venv/installed
	$(VENV) -m ganedu lab --port $(PORT) $(ARGS)

# One thread a worker: two workers on two cores would otherwise fight for them.
test: .venv/installed-test
	OMP_NUM_THREADS=1 $(VENV) -m pytest -n $(JOBS) tests notebooks $(ARGS)

# The unit tests of the core and of the metrics, and two notebooks that old versions broke before.
CORE := checkpoints inputs losses models pixels plots processes sampling steps training
METRICS := calibration distances entanglement fidelity intervals judges neighbours overfitting panel spectrum truth two_sample
OLDEST_TESTS := $(CORE:%=tests/test_%.py) $(METRICS:%=tests/metrics/test_%.py) notebooks/02_mode_collapse.ipynb \
	notebooks/14_paired_translation.ipynb

test-oldest: .venv-oldest/installed
	OMP_NUM_THREADS=1 $(OLDEST) -m pytest -n $(JOBS) $(OLDEST_TESTS) $(ARGS)

lint: .venv/installed-lint
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .

assets: .venv/installed-assets
	$(VENV) precompute/make_assets.py $(ARGS)

bench: .venv/installed-test
	for f in benchmarks/*.py; do $(VENV) $$f $(ARGS) || exit 1; done

clean:
	rm -rf .venv .venv-oldest build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is older than pyproject.toml or constraints.txt when one of them has changed since: then install again.
INSTALL_FROM := $(VENV) pyproject.toml constraints.txt

.venv/installed: $(INSTALL_FROM)
	$(VENV) $(PIP) -e .
	@touch $@

.venv/installed-test: $(INSTALL_FROM)
	$(VENV) $(PIP) -e '.[test]'
	@touch $@ .venv/installed

.venv/installed-lint: $(INSTALL_FROM)
	$(VENV) $(PIP) ruff
	@touch $@

.venv/installed-assets: $(INSTALL_FROM)
	$(VENV) $(PIP) -e '.[dev]'
	@touch $@

# Every lower bound of pyproject.toml at once, but torch's: that one stays at the release of constraints.txt.
.venv-oldest/installed: $(OLDEST) pyproject.toml constraints.txt tools/oldest.py
	$(OLDEST) tools/oldest.py torch >.venv-oldest/bounds.txt
	$(OLDEST) $(PIP) -c .venv-oldest/bounds.txt -e '.[test]'
	@touch $@

# Debian and Ubuntu split `ensurepip` off Python; there the environment is made without pip, which is then fetched
# from the package index.
$(VENV) $(OLDEST): %/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) $(FITS) || { echo "No Python from 3.11 to 3.14 found$(if $(PYTHON), at $(PYTHON)). Install one \
	from https://www.python.org, or say where it is: make lab PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: \
	sudo apt install python3-venv. Or take another Python: make lab PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $* with $$($(PYTHON) --version)"
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $*; \
	else $(PYTHON) -m venv --clear --without-pip $* && $@ tools/get_pip.py; fi
