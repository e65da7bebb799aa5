# make demo    set up and scan two bundled clips     make test    set up and run the suite
# make test-system   what is slow: browser, databases   make fuzz    damaged files, by hand
# make lint    style, types, contracts               make docs    the documentation site, in out/site
# make bench   measure speed, 15 minutes; BENCH="--sizes 720p --faces 1" for a part of it
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
TEST_DATA := $(abspath ../shared/data)
ifneq ($(wildcard $(TEST_DATA)/videos/labels.csv),)
export UNMASK_TEST_DATA ?= $(TEST_DATA)
endif
# without byte code each start compiles all that it imports, NumPy and PyTorch too: two seconds
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: setup demo test test-system lint docs fuzz bench clean
setup: $(VENV)/.core

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(VENV)/.core: $(BIN)/uv pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) --editable '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/unmask scan examples/original.mp4 examples/forged.mp4 --report report.html; \
	code=$$?; test $$code -eq 0 -o $$code -eq 1 -o $$code -eq 3
	@echo "wrote report.html: open it in a browser"
	@echo "to drop files on a page instead: pip install '.[serve]', then unmask serve"

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# pages in a browser, databases, the API's description; installs Debian's packages where they lack
AXE := $(VENV)/axe/node_modules/axe-core/axe.min.js
$(AXE):
	-npm install --silent --no-audit --no-fund --prefix $(VENV)/axe axe-core@4.14.1

test-system: $(VENV)/.dev
	@lacking="$$(command -v chromedriver >/dev/null || echo chromium chromium-driver; \
	ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || echo postgresql; \
	test -x /usr/sbin/nginx || echo nginx-light; command -v npm >/dev/null || echo npm)"; \
	test -z "$$lacking" || { apt-get update -qq && apt-get install -y -qq $$lacking; }
	@$(MAKE) --no-print-directory $(AXE)
	OMP_NUM_THREADS=1 UNMASK_AXE=$(AXE) $(BIN)/pytest -m system --numprocesses auto --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# about ten minutes on two cores; broken off, it goes on where it was
fuzz: $(VENV)/.dev
	OMP_NUM_THREADS=1 nice $(BIN)/python tests/fuzz.py --files 7000 --workers 2

# facenet-pytorch pins an old torch; the usual way runs it beside the present one
$(VENV)/.bench: $(VENV)/.dev
	$(INSTALL) requests
	$(INSTALL) --no-deps facenet-pytorch
	@touch $@

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.scan_speed $(BENCH)

clean:
	rm -rf $(VENV) report.html
