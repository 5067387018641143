# The two commands of the README are `make run` and `make test`; the rest is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_WORKERS ?= 4
# Files in the order of their names: the long ones of tests/integration before the short ones of tests/unit.
DIST := --dist loadscope --no-loadscope-reorder

.PHONY: local-calibration run test test-all test-loaded coverage-lines check test-openmmlab test-board test-board-debian test-toolchains test-tpu-mlir coverage coverage-missing selection selection-atlas zoo network-graphs mutants bench doubts-recall atlas-recall gate-certificate gate-here docs golden clean

run: $(VENV)/.run
	$(BIN)/npubench run --board local

test: $(VENV)/.dev
	tests/system-packages.sh
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(DIST)

# Also what is marked slow: see tests/README.md.
test-all: $(VENV)/.dev
	tests/system-packages.sh
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(DIST) -m 'not openmmlab and not board and not board_debian and not toolchains and not tpu_mlir'

# The suite RUNS times while LOAD processes compute: WORDS="tests/integration/test_kept.py" runs less of it.
RUNS ?= 10
LOAD ?= 8
test-loaded: $(VENV)/.dev
	$(BIN)/python -m tests.loaded --runs $(RUNS) --load $(LOAD) --workers $(PYTEST_WORKERS) $(WORDS)

# Lines of npubench/ that the tests reach, in an environment of its own over this one: about 15 minutes of two cores.
COVERAGE_FOLDER ?= $(VENV)/coverage
coverage-lines: $(VENV)/.dev
	tests/coverage-lines.sh $(BIN)/python $(COVERAGE_FOLDER) $(PYTEST_WORKERS) $(WORDS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Real exports of every kind, then the whole list.
test-openmmlab: $(VENV)/.dev
	$(BIN)/python -m pytest -m openmmlab -n 2
	$(MAKE) coverage

# One at a time: the board is emulated and keeps two cores busy.
test-board: $(VENV)/.dev
	tests/board-packages.sh
	$(BIN)/python -m pytest -m board tests/board

# The same with the Debian image, which is built first: minutes.
test-board-debian: $(VENV)/.dev
	tests/board-packages.sh debian
	$(BIN)/python -m pytest -m board_debian tests/board

# Installs rknn, ethos-u, qnn and openvino where they are missing (4 GB), then converts with them.
test-toolchains: $(VENV)/.dev
	$(BIN)/python -m pytest -m toolchains -n 2

test-tpu-mlir: $(VENV)/.dev
	$(BIN)/python -m pytest -m tpu_mlir

# Every model of the published table, of mmaction2 and of mmpretrain: hours, and continued where it stopped.
# The records of what was exported are kept, so that generated/coverage.md is made of more than one machine's work.
RECORDS := generated/coverage.jsonl
COVERAGE := $(BIN)/npubench coverage --exports $(RECORDS) --exports npubench-out/zoo --cuts generated/cuts.jsonl
coverage: $(VENV)/.run
	-$(BIN)/npubench export --suite ax620a-models --suite mmaction2 --suite mmpretrain-classifiers --jobs 2 --out npubench-out/zoo
	$(COVERAGE) --keep $(RECORDS) -o generated/coverage.md --require 95

# Only what the records do not say is exported.
coverage-missing: $(VENV)/.run
	-$(COVERAGE) --missing | xargs -r $(BIN)/npubench export --jobs 2 --out npubench-out/zoo
	$(COVERAGE) --keep $(RECORDS) -o generated/coverage.md

# Learns the completion of published figures (reports/calibrations/atlas.toml), and its errors on what is kept back.
prediction: $(VENV)/.dev
	$(BIN)/python -m benchmarks.predict_atlas

# The worked example: published AX620A tables, simulators of what is installed (npubench env), this machine.
GATEWAY := resnet18_8xb32_in1k yolox_s_8xb8-300e_coco tsn_imagenet-pretrained-r50_8xb32-1x1x3-100e_kinetics400-rgb
GATEWAY_BOARDS := $(addprefix --board ,published-ax620a published-ax620a-vendor rk3588 rv1106 bm1688 ethos-u65-512 local)
selection: local-calibration
	-$(BIN)/npubench run --board local --precision int8 --out npubench-out/gateway-local $(GATEWAY)
	-$(BIN)/npubench run --simulate --board rk3588 --board rv1106 --board bm1688 --board ethos-u65-512 --out npubench-out/gateway-simulated $(GATEWAY)
	$(BIN)/npubench select --requirements docs/selection.toml --published $(GATEWAY_BOARDS) --out npubench-out/gateway-local --with npubench-out/gateway-simulated --markdown --why > generated/selection.md

# Prices of operators on this machine, for `npubench predict --board local`: minutes, while nothing else runs here.
local-calibration: $(VENV)/.run
	-$(BIN)/npubench predict --fit --board local --out npubench-out/local-calibration

# Decided by what others published, predictions and facts of chips alone: needs no board and no toolchain.
ATLAS_CHIPS := $(addprefix --board ,AX650N BM1684 RK3588 RK3576 QCS6490 QCS9075 RK3566 RK3568 RK3562 AX620A AX620Q AX630C RV1126 RV1109 RK1808)
selection-atlas: $(VENV)/.run
	$(BIN)/npubench select --requirements docs/selection-atlas.toml --published $(ATLAS_CHIPS) --out npubench-out/selection-atlas --markdown --why > generated/selection-atlas.md

zoo: $(VENV)/.run
	$(BIN)/python -m tests.zoo_index models/zoo

# The graphs behind published names: an environment of its own over OpenMMLab's torch, then hours of building.
GRAPHS := npubench-out/network-graphs
network-graphs: $(VENV)/.dev
	tests/network_graphs/environment.sh $(GRAPHS)/env
	OMP_NUM_THREADS=1 $(GRAPHS)/env/bin/python tests/network_graphs/worker.py $(GRAPHS)/lines.jsonl
	$(BIN)/python -m tests.network_graphs $(GRAPHS)/lines.jsonl
	$(BIN)/python -m tests.network_graphs.mapping

# Small wrong changes of the code, each of which a test has to notice: tests/mutants/mutants.toml.
mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# Corrupted copies of the published table: how many the doubts find. SEEDS="2 3 4" draws other ones.
SEEDS ?= 1
doubts-recall: $(VENV)/.dev
	$(BIN)/python -m benchmarks.doubts_recall --seed $(SEEDS)

# The gate's error rates on simulated boards: two minutes.
gate-certificate: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gate_certificate --out generated/gate.md

# Its false alarms on this machine: half an hour while nothing else runs here; the same command goes on.
gate-here: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gate_here --out npubench-out/gate-here --file generated/gate-here.md

# Corrupted figures of the atlas, likewise.
atlas-recall: $(VENV)/.dev
	$(BIN)/python -m benchmarks.atlas_recall --seed $(SEEDS)

# Pictures of the page's charts that tests compare with: look at each before it is committed.
golden: $(VENV)/.dev
	NPUBENCH_RENEW_GOLDEN=1 $(BIN)/python -m pytest tests/integration/test_report_golden.py -k looked_at

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
