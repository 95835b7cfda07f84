# One command for each chore. `make demo` and `make test` need only Python (>= 3.11) and pip.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := biomechanics cli client datasets models personalization sensors server signals simulations
STAMP := $(VENV)/.kinefed-setup
EXTRAS := dev,import,cluster,sim,sensors,ble-sim,live
RUNS ?= runs

export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION := 1

.PHONY: help setup demo test lint bench docs clean

help:
	@echo "make setup   virtual environment with everything pinned (about 3 minutes, 2 GB)"
	@echo "make demo    the main job: a federation of real recordings, its table and report"
	@echo "make test    all tests (about 8 minutes on 2 cores)"
	@echo "make lint    format, lint, types, import rules"
	@echo "make bench   speed against named rivals, as ratios"
	@echo "make docs    check the documentation's links and commands"

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): about 3 minutes and 2 GB, most of it PyTorch."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt -e ".[$(EXTRAS)]"
	@$(MAKE) --no-print-directory typing
	@touch $(STAMP)

# Links through which mypy and editors find `kinefed.*` in the top-level folders.
.PHONY: typing
typing:
	@mkdir -p .typing/kinefed
	@for p in $(PACKAGES); do ln -sfn ../../$$p .typing/kinefed/$$p; done

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/python examples/demo.py --out $(RUNS)

test: $(STAMP)
	@echo "Running all tests: about 8 minutes on 2 cores."
	$(BIN)/pytest

lint: $(STAMP) typing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/inverse_dynamics.py
	$(BIN)/python benchmarks/cohort.py --people 6

docs: $(STAMP)
	$(BIN)/pytest tests/test_docs.py

clean:
	rm -rf $(VENV) .typing build *.egg-info
