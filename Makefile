# Needs Python 3.11 or later, bash 5.0 or later, git and make; `make setup` brings the rest.
#
#   make setup   make .venv with the locked packages; every other target does this first
#   make run     stack the sample tree: from its notebook, then from the command line
#   make test    ruff, mypy and all tests, some in a real browser (as root on Debian it installs chromium)
#   make lint    ruff and mypy alone
#   make lab     open JupyterLab on the first notebook
#   make bench   print the benchmark ratios
#   make openstack         stack a real OpenStack; downloads 40 MB, takes minutes, says so first
#   make openstack-clean   its services down, its data gone
#   make bench-openstack   stack it serially and with tasks, in turns; half an hour
#   make clean   remove .venv, caches and built files; runs (.stacknb) stay

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := setup
.PHONY: setup run test lint lab bench openstack openstack-clean bench-openstack clean

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check
NOTEBOOK := 01-stack-step-by-step.ipynb
TREE := notebooks/webshop

# --- setup: stamps, so that a new lock is installed into the .venv at hand -----------------------

setup: $(VENV)/.installed $(VENV)/.compiled

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.made
	@log=$(VENV)/pip.log; \
	echo "setup: installing the packages of requirements.lock, a minute or two"; \
	$(PIP) install --progress-bar off -r requirements.lock 2>&1 | tee $$log | awk ' \
	  /^(Collecting|Processing|Requirement already) / && ++n % 25 == 0 { print "setup: " n " looked up"; fflush() } \
	  /^Installing collected/ { print "setup: unpacking them"; fflush() }' \
	  || { cat $$log >&2; echo "setup: pip could not install requirements.lock, its output is above" >&2; exit 1; }; \
	$(PIP) install --no-deps --no-build-isolation --editable . >$$log 2>&1 \
	  || { cat $$log >&2; echo "setup: pip could not install stacknb, its output is above" >&2; exit 1; }
	@touch $@
	@echo "setup: done"

# pip compiles what it installs, but not an editable stacknb; and where PYTHONDONTWRITEBYTECODE is
# set, as in many containers, every start would compile it anew: half of what `%load_ext` takes.
$(VENV)/.compiled: $(shell find stacknb -name '*.py') | $(VENV)/.installed
	@$(PYTHON) -m compileall -q stacknb || true  # a slower start is no reason to stop
	@touch $@

$(VENV)/.made:
	@(( BASH_VERSINFO[0] >= 5 )) || { \
	  echo "setup: bash $$BASH_VERSION is too old: put bash 5.0 or later first in PATH" >&2; exit 1; }
	@first_python_that_runs() { \
	  for name in python3 python3.11 python3.12 python3.13 python3.14; do \
	    if "$$name" -c "$$1" 2>/dev/null; then echo "$$name"; return; fi; \
	  done; \
	}; \
	new_enough="import sys; sys.version_info >= (3, 11) or sys.exit(1)"; \
	python=$$(first_python_that_runs "$$new_enough; import venv, ensurepip"); \
	if [[ -z $$python ]]; then \
	  python=$$(first_python_that_runs "$$new_enough"); \
	  [[ -n $$python ]] || { \
	    echo "setup: no Python 3.11 or later in PATH (tried python3, python3.11 ... python3.14): install one" >&2; exit 1; }; \
	  package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  [[ $$EUID == 0 && -e /etc/debian_version ]] || { \
	    echo "setup: $$python lacks the modules venv and ensurepip: install them (Debian: apt-get install $$package)" >&2; exit 1; }; \
	  echo "setup: $$python lacks venv and ensurepip, so installing $$package"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get install -qq -y "$$package" >/dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -qq -y "$$package" >/dev/null; } \
	    || { echo "setup: apt-get cannot install $$package: install it by hand" >&2; exit 1; }; \
	  "$$python" -c "import venv, ensurepip" || { \
	    echo "setup: $$python still lacks venv and ensurepip after installing $$package: put another Python first in PATH" >&2; exit 1; }; \
	fi; \
	echo "setup: making $(VENV) with $$("$$python" --version) ($$python)"; \
	"$$python" -m venv --clear $(VENV)
	@touch $@

# --- run -----------------------------------------------------------------------------------------

# Executes the notebook named by its argument, one line a cell; outputs are not kept.
define EXECUTE_NOTEBOOK
import pathlib, sys
import nbclient, nbformat
path = pathlib.Path(sys.argv[1])
notebook = nbformat.read(path, as_version=4)
cells = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
def show(cell, cell_index):
    first = cell.source.strip().partition("\n")[0]
    print(f"notebook: cell {cells.index(cell_index) + 1} of {len(cells)}: {first}", flush=True)
client = nbclient.NotebookClient(notebook, timeout=600, on_cell_execute=show)
client.resources["metadata"] = {"path": str(path.parent)}
client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]  # no advice about how kernels are reached
client.execute()
endef
export EXECUTE_NOTEBOOK

# The notebook is executed in a copy, so that the checkout stays as it is. The summaries that
# `stack` prints on stdout are kept until its progress and that of unstack and clean has gone by.
run: setup
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	echo "run: 1. $(NOTEBOOK), in a copy of notebooks/"; \
	tar -cf - --exclude=.stacknb notebooks | tar -xf - -C "$$work"; \
	$(PYTHON) -c "$$EXECUTE_NOTEBOOK" "$$work/notebooks/$(NOTEBOOK)"; \
	echo "run: 2. stack, unstack and clean $(TREE) from the command line"; \
	$(PYTHON) -m stacknb.cli stack $(TREE) >"$$work/summary" || { status=$$?; cat "$$work/summary"; exit $$status; }; \
	$(PYTHON) -m stacknb.cli unstack $(TREE) >/dev/null; \
	$(PYTHON) -m stacknb.cli clean $(TREE) >/dev/null; \
	echo "run: 3. what stack took"; \
	cat "$$work/summary"

# --- checks --------------------------------------------------------------------------------------

test: lint browser
	@$(PYTHON) -m pytest

# The panel is tested in a real browser. Without one its tests fail and say so; none is skipped.
browser:
	@if ! command -v "$${STACKNB_CHROMIUM:-chromium}" >/dev/null && [[ $$EUID == 0 && -e /etc/debian_version ]]; then \
	  echo "test: installing Debian's chromium, in which the panel is tested"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	    || echo "test: apt-get cannot install chromium: install it by hand, or name yours in STACKNB_CHROMIUM" >&2; \
	fi

lint: setup
	@echo "lint: ruff check"; $(PYTHON) -m ruff check --quiet .
	@echo "lint: ruff format"; $(PYTHON) -m ruff format --check --quiet . \
	  || { $(PYTHON) -m ruff format --check .; echo "lint: run $(PYTHON) -m ruff format" >&2; exit 1; }
	@echo "lint: mypy"; $(PYTHON) -m mypy --no-error-summary stacknb

bench: setup
	@$(PYTHON) tests/bench.py

# --- a real OpenStack; ARGS="--database mysql" goes to notebooks/openstack/stack.py ----------------

openstack: setup
	@$(PYTHON) notebooks/openstack/stack.py $(ARGS)

openstack-clean: setup
	@$(PYTHON) notebooks/openstack/stack.py clean $(ARGS)

bench-openstack: setup
	@$(PYTHON) tests/bench_openstack.py $(ARGS)

# --- the rest ------------------------------------------------------------------------------------

# JupyterLab refuses to run as root unless told. Given as a file, the notebook would be in the URL of the
# browser that it opens itself, but not in the one it prints, which a user of ssh or a container copies.
lab: setup
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(PYTHON) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) \
	  --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/$(NOTEBOOK)

clean:
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find stacknb tests notebooks -name .stacknb -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} + 2>/dev/null || true
