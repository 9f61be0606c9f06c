# Everything happens in .venv, which `make env` makes from a bare Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTENSIONS := $(VENV)/duckdb-extensions
DEMO ?= .groundplan/card-fraud
DATA ?= $(wildcard ../shared/data/fraud_handbook/transactions.parquet)

.PHONY: env demo test fuzz lint records clean

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Groundplan needs Python 3.11 or newer; $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: env
	@PATH="$(CURDIR)/$(BIN):$$PATH" DEMO="$(DEMO)" DATA="$(DATA)" sh examples/demo.sh

lint: env
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(EXTENSIONS)/.ready
	$(BIN)/pytest -n 2 --dist loadfile
	PYTHONPATH=$(EXTENSIONS) $(BIN)/pytest -n 2 --dist loadfile tests/engines/test_places*.py

# The property tests with examples that no run before has seen: TESTS narrows them.
TESTS ?= tests
fuzz: env
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n 2 --dist loadfile -m hypothesis $(TESTS)

# Tables of databases, buckets and Iceberg are read by extensions of DuckDB, which are packages for
# another release of it: that release and they are laid over the environment.
$(EXTENSIONS)/.ready: tests/engines/duckdb-extensions.txt $(VENV)/.ready
	rm -rf $(EXTENSIONS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(EXTENSIONS) -r tests/engines/duckdb-extensions.txt
	@touch $@

# What the program prints of itself: the worked examples' records, the reference in docs/.
records: env
	$(BIN)/python examples/records.py
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) .groundplan .pytest_cache .mypy_cache .ruff_cache
