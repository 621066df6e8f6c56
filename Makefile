# Every target makes .venv on first use. PYTHON may name another interpreter, 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup app test test-whole lint bench peers gallery

help:
	@echo "make setup    create .venv with everything, development tools included, and the command espalier in it"
	@echo "make app      serve the dashboard on http://127.0.0.1:8501"
	@echo "make test     run the test suite (13 to 19 minutes on two cores)"
	@echo "make test-whole  the same with every network of the zoo (about 10 minutes and 10 GiB of memory more)"
	@echo "make lint     ruff and mypy"
	@echo "make bench    measure every speed that docs/benchmarks.md claims; attempts and reconstruction, too, with WEIGHTS= and DATA="
	@echo "make peers    compare with Torch-Pruning; needs WEIGHTS=, DATA= and DIR= (hours; can be repeated)"
	@echo "make gallery  make results/gallery anew (about an hour on two cores)"

setup: .venv/dev

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Espalier needs Python 3.11 or later; name one with make PYTHON=…"; exit 1; }
	@echo "creating .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/app: requirements.txt .venv/made
	@echo "installing what the dashboard needs (about 5 GB with torch, a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/package: pyproject.toml .venv/app
	@echo "installing espalier itself, as it stands in this folder"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: requirements-dev.txt requirements-cluster.txt requirements.txt .venv/package
	@echo "installing the development tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

app: .venv/package
	@$(BIN)/espalier app

# Each of its some two hundred processes would compile the project anew where no bytecode may be kept.
test: .venv/dev
	@echo "running the tests"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-whole:
	@ESPALIER_WHOLE_ZOO=1 $(MAKE) --no-print-directory test

lint: .venv/dev
	@echo "ruff, then mypy"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: .venv/dev
	@echo "measuring; close other programs for steady numbers"
	@$(BIN)/python -m benchmarks.solve
	@$(BIN)/python -m benchmarks.overhead
	@$(if $(and $(WEIGHTS),$(DATA)),$(BIN)/python -m benchmarks.attempts --weights "$(WEIGHTS)" --data "$(DATA)" $(ARGS),\
	  echo "attempts were not measured: name ResNet-56's WEIGHTS= and DATA=")
	@$(if $(and $(WEIGHTS),$(DATA)),$(BIN)/python -m benchmarks.reconstruction --weights "$(WEIGHTS)" --data "$(DATA)",\
	  echo "reconstruction was not measured: name ResNet-56's WEIGHTS= and DATA=")

peers: .venv/dev
	@echo "running every method and Torch-Pruning on the same network and budget"
	@$(BIN)/python -m benchmarks.peers --weights "$(WEIGHTS)" --data "$(DATA)" --dir "$(DIR)" $(ARGS)

gallery: .venv/package
	@echo "making results/gallery anew"
	@$(BIN)/python -m benchmarks.gallery
