# `make demo` and `make test` need only Python and make. Choose another Python with PYTHON=python3.12.
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("{}.{}".format(*sys.version_info))')

BIN := .venv/bin/
CONSTRAINTS := constraints/python$(VERSION).txt
EXTRAS_CONSTRAINTS := constraints/extras-python$(VERSION).txt
INSTALLED := .venv/.installed-$(VERSION)
# Byte-compiling every module of every dependency takes longer than all the rest of the installation.
INSTALL := -m pip install --quiet --no-compile --constraint $(CONSTRAINTS)

BENCH_BIN := .venv-bench/bin/
BENCH_INSTALLED := .venv-bench/.installed-$(VERSION)

.PHONY: help demo test bench extras-check check format wheel-check pins clean

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED)  ## Train on synthetic faces and write runs/demo/report/.
	$(BIN)conceal train --config=demo --workdir=runs/demo
	$(BIN)conceal evaluate --workdir=runs/demo

test: $(INSTALLED)  ## Run the tests, a file at a time in each of several processes.
	$(BIN)python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

bench: $(BENCH_INSTALLED)  ## Measure speed on this CPU, against PyTorch, into build/*.json.
	mkdir -p build
	$(BENCH_BIN)python -m benchmarks.train_speed --against=torch --json=build/train_speed.json
	$(BENCH_BIN)python -m benchmarks.encode_speed --json=build/encode_speed.json
	$(BENCH_BIN)python -m benchmarks.input_pipeline --json=build/input_pipeline.json

extras-check: $(EXTRAS_CONSTRAINTS)  ## Test ONNX and the page (in a browser), in an environment of their own.
	$(PYTHON) -m venv --clear build/extras
	build/extras/bin/python -m pip install --quiet --no-compile --constraint $(EXTRAS_CONSTRAINTS) --editable '.[dev-extras]'
	bash .ci/install_browser build/extras/bin/python
	build/extras/bin/python -m pytest tests/release/export/test_export.py tests/release/page/test_page.py

check: $(INSTALLED)  ## Check format, lint and types.
	$(BIN)ruff format --check .
	$(BIN)ruff check .
	$(BIN)mypy

format: $(INSTALLED)  ## Format, and fix what lint can fix.
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

wheel-check: $(INSTALLED)  ## Build the wheel, install it alone, and use it.
	rm -rf build dist
	$(BIN)python -m build --no-isolation
	$(PYTHON) -m venv build/venv
	build/venv/bin/python $(INSTALL) dist/*.whl
	build/venv/bin/python -I .ci/wheel_smoke.py

pins:  ## Pin the newest versions that resolve, for one PYTHON.
	$(call pin,dev,$(CONSTRAINTS))
	$(call pin,dev-extras,$(EXTRAS_CONSTRAINTS))

define pin
	$(PYTHON) -m venv --clear --upgrade-deps build/pins
	build/pins/bin/python -m pip install --quiet --no-compile '.[$(1)]'
	build/pins/bin/python -m pip freeze --all --exclude pip --exclude conceal_jax | LC_ALL=C sort -f > $(2)
endef

clean:  ## Remove everything made here but runs/.
	rm -rf .venv .venv-bench build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Its name tells the Python version, so an environment of another version is made anew.
$(INSTALLED): pyproject.toml $(CONSTRAINTS)
	@echo "Creating .venv with Python $(VERSION) (about a minute)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)python $(INSTALL) --editable '.[dev]'
	@touch $@

$(BENCH_INSTALLED): pyproject.toml $(CONSTRAINTS) constraints/bench.txt
	@echo "Creating .venv-bench with Python $(VERSION) (a few minutes)"
	@$(PYTHON) -m venv --clear .venv-bench
	@$(BENCH_BIN)python $(INSTALL) --constraint constraints/bench.txt --editable '.[bench]'
	@touch $@

constraints/%.txt:
	@echo "'$(PYTHON)' is Python '$(VERSION)': choose a supported one, such as PYTHON=python3.12" >&2; exit 1
