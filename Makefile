# make test, make check, make demo and so on: each sets up .venv first, again only when the dependencies change.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

# Two threads by default: machines that show many cores and lend few are slower with more. Say OMP_NUM_THREADS=8 for eight.
export OMP_NUM_THREADS ?= 2
export MKL_NUM_THREADS ?= $(OMP_NUM_THREADS)
export OPENBLAS_NUM_THREADS ?= $(OMP_NUM_THREADS)

# Tests are small, so they gain by processes and not by threads: one thread in each. Say WORKERS=8 for eight.
WORKERS ?= 2
# A file of tests stays in one process, for what its tests share; tests/conftest.py says which files come first.
SPREAD := --dist loadfile --no-loadscope-reorder

.PHONY: help setup test test-long test-offline check demo docs bench bench-keep bench-all coverage audit-deps lock release

help:
	@echo "make test    run the tests (set BAUTA_MIRROR to a folder of real weights and faces to run all of them)"
	@echo "make test-long   the tests that make test leaves out: whole protocols of which it judges a part"
	@echo "make test-offline  make test with loopback and no other network, in a namespace of its own"
	@echo "make check   lint, formatting, types"
	@echo "make demo    protect, mask, attack and audit people who do not exist"
	@echo "make docs    the documentation as a site, in out/site"
	@echo "make bench   speed beside rivals and limits: is anything slower than what make bench-keep has kept?"
	@echo "make bench-all   every benchmark: speed and memory beside rivals, and what a blind guess of a face scores"
	@echo "make coverage    the tests once more, and which lines and branches they pass; TESTS=... for some of them"
	@echo "make audit-deps  known holes in the locked dependencies, as a report"
	@echo "make lock        requirements.lock anew: every dependency by its version and its digests"
	@echo "make release     the wheel, built twice and the same, its SBOM and their digests, in out/release"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

test: export OMP_NUM_THREADS := 1
test: setup
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(SPREAD)

test-long: export OMP_NUM_THREADS := 1
test-long: setup
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m long

# With loopback alone: nobody is asked for anything that a test did not start itself. Linux lends such namespaces.
test-offline: export OMP_NUM_THREADS := 1
test-offline: setup
	$(BIN)/python -m campaigns.offline $(BIN)/python -m pytest --numprocesses $(WORKERS) $(SPREAD)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: setup
	$(BIN)/bauta demo

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.venv/.docs: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

bench: setup
	$(BIN)/python -m benchmarks.ratios

bench-keep: setup
	$(BIN)/python -m benchmarks.ratios --keep

bench-all: setup
	@set -e; for script in $(filter-out %/ratios.py %/cases.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(BIN)/python "$$script"; done

.venv/.trust: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[trust]"
	@touch $@

# Processes that tests start count too: coverage begins in each by itself. Twice as slow as make test.
coverage: export OMP_NUM_THREADS := 1
coverage: .venv/.trust
	@mkdir -p out/coverage
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(SPREAD) --cov --cov-report= $(TESTS)
	$(BIN)/coverage report --sort=cover | tee out/coverage/report.txt

# A report and no gate: it needs the network, and a hole that was found today is no reason that yesterday's build fails.
audit-deps: .venv/.trust
	@mkdir -p out
	$(BIN)/pip-audit --requirement requirements.lock --disable-pip --progress-spinner off > out/audit-deps.txt 2>&1 \
		|| echo "pip-audit could not ask, or found something:"
	@tail -n 40 out/audit-deps.txt

lock: .venv/.trust
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra test --extra trust \
		--constraint constraints.txt --output-file requirements.lock pyproject.toml

release: .venv/.trust
	$(BIN)/python -m campaigns.release
