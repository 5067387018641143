# The two commands of the README are `make run` and `make test`; the rest is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_WORKERS ?= 4

.PHONY: run test check test-openmmlab coverage zoo bench docs clean

run: $(VENV)/.run
	$(BIN)/npubench run --board local

test: $(VENV)/.dev
	tests/system-packages.sh
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-openmmlab: $(VENV)/.dev
	$(BIN)/python -m pytest -m openmmlab -n 2

# Every model of the published table, of mmaction2 and of mmpretrain: hours, and continued where it stopped.
coverage: $(VENV)/.run
	-$(BIN)/npubench export --suite ax620a-models --suite mmaction2 --suite mmpretrain-classifiers --jobs 2 --out npubench-out/zoo
	$(BIN)/npubench coverage --exports npubench-out/zoo -o docs/coverage.md

zoo: $(VENV)/.run
	$(BIN)/python -m npubench.exporters.openmmlab.index models/zoo

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/.dev
	$(BIN)/python -m tests.generated_docs

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "npubench needs Python 3.11 to 3.13: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[codec]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) npubench-out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
