# Two commands do everything on a fresh machine: `make up` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_OPTIONS ?=
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS)

.PHONY: up test test-long check format bench audit soak clean

$(BIN)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --requirement requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

up: $(BIN)/.installed
	$(BIN)/edgecache up --config config/demo.toml

check: $(BIN)/.installed
	$(BIN)/python -m tests.stages --quick

test: $(BIN)/.installed
	$(BIN)/python -m tests.stages $(STAGES)

# Full products, a million requests, twenty minutes of soak, an hour of the adversary with the
# day's seed: about three hours.
test-long: $(BIN)/.installed
	$(BIN)/python -m tests.stages --long --interpreters

format: $(BIN)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BIN)/.installed
	$(PIP_INSTALL) --no-build-isolation --editable '.[bench]'
	$(BIN)/python -m benchmarks --chart

audit: $(BIN)/.installed
	$(BIN)/python -m tests.hostile.audit

soak: $(BIN)/.installed
	$(BIN)/python -m tests.soak

clean:
	rm -rf var
