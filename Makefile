# One short target for everything that a person does. Each sets up what it needs, and can be repeated without harm.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
SEED := $(shell date +%s)
ASSETS := web/static/vendor/.ready
NAME_CLASSES := $(shell find web -name vendor -prune -o \( -name '*.html' -o -name '*.py' -o -name '*.js' \) -print)
SDK := sdks/javascript/node_modules/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# As web/__init__.py does for servers; tests and benchmarks also load numpy without it.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test lint format docs bench verify data wheel clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) $(ASSETS)  ## Serve the engine with a demo merchant (TAP2_DEMO=0 for an empty server)
	@TAP2_DEMO=$${TAP2_DEMO:-1} $(BIN)/tap2 serve

# Without bytecode files, each process that a test starts compiles the product again, and pytest rewrites all test files.
test: export PYTHONDONTWRITEBYTECODE :=

# Tests wait for disks, databases and other processes a fifth of the time, so three of them share two cores.
# The browser's driver keeps an event loop of its own running, so its tests have a process to themselves.
# What fails gets one more try, alone, as in CPython's test runner: among 13,000 tests a busy machine makes one fail now
# and then. Both tries are printed.
ONCE_MORE = --last-failed --last-failed-no-failures none --maxfail 3 -m "not long"

test: $(DEV) $(ASSETS) $(SDK)  ## Run the tests, in random order (repeat one with SEED=...)
	@echo "Random order; repeat it with make test SEED=$(SEED)"
	@$(BIN)/pytest -n 3 --dist worksteal --shuffle $(SEED) --ignore tests/browser -m "not long" \
		|| { echo "Failed beside others; once more, alone:"; $(BIN)/pytest $(ONCE_MORE) --ignore tests/browser; }
	@$(BIN)/pytest -n 2 --dist loadfile --shuffle $(SEED) tests/browser -m "not long" \
		|| { echo "Failed beside others; once more, alone:"; $(BIN)/pytest $(ONCE_MORE) tests/browser; }

lint: $(DEV)  ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(DEV)  ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: $(DEV)  ## Build the documentation site into site/ (TAG=v1.2.3 adds a release, SITE=... names the folder)
	@$(BIN)/python -m benchmarks.site.publish --tag "$(TAG)" --site "$(or $(SITE),site)"

bench: $(DEV) $(ASSETS)  ## Measure speed; writes docs/performance.md
	@$(BIN)/python -m benchmarks.bench

verify: $(DEV) $(ASSETS)  ## Run the long checks; writes docs/verification.md
	@$(BIN)/pytest -n 2 --ignore tests/browser -m long
	@$(BIN)/pytest -n 2 --dist loadfile tests/browser -m long
	@$(BIN)/python -m benchmarks.verify

data: $(READY)  ## Fetch the Open Bandit Dataset's small logs into data/obd
	@$(BIN)/python -m benchmarks.fetch_obd

wheel: $(DEV) $(ASSETS)  ## Build the wheel into dist/
	@rm -rf build && $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## Remove what the other targets made, except data
	@rm -rf $(VENV) node_modules sdks/javascript/node_modules web/static/vendor build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Python packages ..."
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@$(BIN)/python -c 'import bandits; bandits.prepare()'
	@touch $@

$(DEV): $(READY)
	@echo "Installing development packages ..."
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(ASSETS): $(READY) package.json package-lock.json $(NAME_CLASSES)
	@$(BIN)/python -m web.assets
	@mkdir -p $(@D) && touch $@

$(SDK): $(READY) sdks/javascript/package.json sdks/javascript/package-lock.json
	@$(BIN)/python -m web.assets sdks/javascript
	@touch $@
