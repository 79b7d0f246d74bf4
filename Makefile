# Two commands do everything on a fresh machine: `make up` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_OPTIONS ?=
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS)

.PHONY: up test test-long check format bench audit sbom package deb soak clean

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

# What the image and the Debian package are made of, in CycloneDX's form.
sbom: var/packaging/.installed
	mkdir -p dist
	var/packaging/bin/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml \
	  --output-reproducible --output-format JSON --output-file dist/edgecache.cdx.json

package: var/packaging/.installed
	var/packaging/bin/python -m build --outdir dist
	var/packaging/bin/twine check --strict dist/edgecache-*.whl dist/edgecache-*.tar.gz

deb:
	deploy/debian/build.sh dist

var/packaging/.installed:
	$(PYTHON) -m venv var/packaging
	var/packaging/bin/pip install --quiet 'build>=1.2' 'cyclonedx-bom>=7' 'twine>=6.1'
	touch $@

soak: $(BIN)/.installed
	$(BIN)/python -m tests.soak

clean:
	rm -rf var
