# The commands of GVRC Admin. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin

# The first of these that is Python 3.12 or newer and can make an environment.
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && echo "$$name" && break; done)

.PHONY: help docs demo serve stop test browser-test screenshots chromium faults check bench bench-page dedupe labelled requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/.installed ## an empty machine becomes a populated registry; repeatable
	@$(BIN)/python manage.py quickstart

serve: .venv/.installed ## the site on http://127.0.0.1:8000/
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py runserver $(or $(ADDRESS),127.0.0.1:8000)

stop: ## end the embedded PostgreSQL, and that of the tests
	@if [ -x $(BIN)/python ]; then for name in postgres postgres-of-tests; do $(BIN)/python -m core.embedded_postgres stop var/$$name || exit; done; else echo "nothing is installed"; fi

test: .venv/.installed-dev ## every test but the browser's, on the embedded PostgreSQL
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

browser-test: .venv/.installed-dev chromium ## the pages in a browser, by mouse and keyboard, and how accessible they are
	@$(BIN)/python -m pytest -p no:xdist tests/browser $(ARGS)

screenshots: .venv/.installed-dev chromium ## the pictures of the main pages in docs/images
	@$(BIN)/python -m pytest -q -p no:xdist tests/browser/screenshots.py $(ARGS)

# root on Debian gets it by itself
chromium:
	@has() { command -v chromium || command -v chromium-browser; }; \
	install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; }; \
	has >/dev/null || { [ "$$(id -u)" = 0 ] && { install || { apt-get update && install; }; } >/dev/null 2>&1 && has >/dev/null; } || { \
		echo "Browser tests need chromium, which is not here and could not be installed (on Debian, as root: apt-get install chromium)." >&2; exit 1; }

docs: .venv/.installed-dev ## write the generated pages of docs/ anew from the code; a test fails where they are stale
	@UPDATE_DOCS=1 $(BIN)/python -m pytest -q -p no:xdist tests/docs/test_generated_pages.py $(ARGS)

faults: .venv/.installed-dev ## every case of every test: all faults, kills, races, roles; takes long (make test runs a sample)
	@FAULTS=all $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: .venv/.installed-dev ## format, lint, types, import direction, known weaknesses, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# on stderr it warns of every answered finding whose line holds parts that have none; findings go to stdout
	$(BIN)/bandit -q -c pyproject.toml -r core facilities etl geography manage.py 2>/dev/null
	$(BIN)/python .ci/audit_packages.py requirements-dev.txt
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: .venv/.installed-dev ## every goal of speed and memory beside its rival (15 minutes; ARGS=--quick: two)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-page: .venv/.installed-dev ## write what make bench measured into docs/performance.md
	@$(BIN)/python -m benchmarks.page $(ARGS)

dedupe: .venv/.installed-dev ## how matching grows, beside the naive double loop (takes minutes)
	@$(BIN)/python -m benchmarks.dedupe $(ARGS)

labelled: .venv/.installed-dev ## precision and recall of matching on the labelled pairs
	@$(BIN)/python -m benchmarks.labelled $(ARGS)

requirements: .venv/.installed-dev ## compile the hashed requirements anew from pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --python-version 3.12 \
		--custom-compile-command "make requirements" --quiet pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --python-version 3.12 \
		--custom-compile-command "make requirements" --quiet --extra cluster -c requirements.txt pyproject.toml -o requirements-cluster.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --python-version 3.12 \
		--custom-compile-command "make requirements" --quiet --extra sentry -c requirements.txt pyproject.toml -o requirements-sentry.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --python-version 3.12 \
		--custom-compile-command "make requirements" --quiet --extra dev --extra cluster --extra sentry -c requirements-cluster.txt pyproject.toml -o requirements-dev.txt

clean: stop ## remove the environment and everything under var/
	rm -rf .venv var

.venv/.installed: requirements.txt
	@if [ -z "$(PYTHON)" ]; then echo "GVRC Admin needs Python 3.12 or newer with venv; none was found under its usual names (on Debian: apt-get install python3 python3-venv)." >&2; exit 1; fi
	@echo "Installing packages (once) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
