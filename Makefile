# Two commands do everything on a fresh machine: `make up` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: up test check format bench audit soak clean

$(BIN)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

up: $(BIN)/.installed
	$(BIN)/edgecache up --config config/demo.toml

check: $(BIN)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 --ignore=tests/end_to_end --ignore=tests/conformance \
	  --ignore=tests/hostile --ignore=tests/mutations --ignore=tests/simulation

test: check
	$(BIN)/pytest -q -n 2 tests/hostile tests/mutations tests/simulation
	$(BIN)/pytest -q tests/conformance tests/end_to_end
	$(BIN)/python -m tests.soak --minutes 2

format: $(BIN)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BIN)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[bench]'
	$(BIN)/python -m benchmarks --chart

audit: $(BIN)/.installed
	$(BIN)/python -m tests.hostile.audit

soak: $(BIN)/.installed
	$(BIN)/python -m tests.soak

clean:
	rm -rf var
