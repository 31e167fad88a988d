# Two commands are all a newcomer needs: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-loopback test-computing test-build lint format picture fuzz bundle pyz clean

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "mirrorctl needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/ready  ## the main job on a network of loopback mirrors
	@$(BIN)/python -m tests.lab.demo

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy packaging/*.py
	$(BIN)/lint-imports --no-cache

# Two processes, one for each core: what talks over loopback, where time counts, and what only computes, which gives way;
# images are built when the first of them is done.
test: lint  ## everything that must hold
	$(BIN)/coverage erase
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-computing test-loopback test-build
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='mirrorctl/core/*' --fail-under=100
	$(BIN)/coverage report --skip-covered

test-loopback:
	$(BIN)/coverage run -m pytest -m 'loopback and not build'

test-computing:
	nice $(BIN)/coverage run -m pytest -m 'not loopback and not build'

test-build: .venv/ready  ## the Dockerfiles of the README, with buildah, on real images; skipped where that cannot be
	$(BIN)/python -m pytest -m build

picture: .venv/ready  ## record docs/terminal.svg from the real program on the lab
	$(BIN)/python -m tests.lab.picture docs/terminal.svg

FUZZ ?= index
SECONDS ?= 60

.venv-fuzz/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "atheris needs Python 3.11 to 3.13; say which with: make fuzz PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@touch $@

fuzz: .venv-fuzz/ready  ## fuzz a reader for a while: make fuzz FUZZ=answer SECONDS=600
	@.venv-fuzz/bin/python -m fuzz.run $(FUZZ) --seconds $(SECONDS)

CONTAINERS ?= docker

bundle:  ## the image `mirrorctl`: the program for images without Python; or: make bundle CONTAINERS=buildah
	$(CONTAINERS) build --tag mirrorctl .

pyz: .venv/ready  ## dist/mirrorctl.pyz: one file for any Python, compiled for those that are on PATH
	$(BIN)/python packaging/pyz.py dist/mirrorctl.pyz

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-fuzz fuzz/found .demo dist build .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
