# The one door to this project: `make help` lists what it can do.
# Only Python 3.11+ with its venv module, make and a network for the packages are needed.

PYTHON ?= python3
BIN := .venv/bin
# Test processes, each with a PostgreSQL of its own: twice the cores of two, as they often wait.
WORKERS ?= 4
# Passed on to what a target runs: make test ARGS="-k ledger", make lock ARGS=--upgrade
ARGS ?=

# Whatever the shell says, modules are compiled once: tests start hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

# A contributor's .venv has everything; a visitor's has only what the server and the demo need.
RUNNABLE := $(if $(wildcard .venv/.dev),.venv/.dev,.venv/.local)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup run bot demo test test-pooler test-stability coverage check lint types format fuzz judge audit chaos failover restore-drill upgrade-drill release lock migration bench bench-scale bench-capacity bench-files bench-engine bench-events bench-commits image clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.dev ## Make .venv with everything for work on the project (other targets do it too)

run: $(RUNNABLE) ## Start database, server, worker, console and bot on port 8000 and after it (PORT=...); Ctrl-C stops them
	@exec $(BIN)/python -m local run $(ARGS)

bot: $(RUNNABLE) ## Run the bot alone: with TELEGRAM_BOT_TOKEN in Telegram, else in the sandbox of make run ARGS=--no-bot
	@exec $(BIN)/python -m local bot $(ARGS)

demo: $(RUNNABLE) ## Play a customer's story over HTTP; leaves a video and a photo in var/demo/
	@exec $(BIN)/python -m local.demo $(ARGS)

test: .venv/.dev ## Run the tests (ARGS="-k ledger" picks some)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-pooler: .venv/.dev ## Run the stories of the tests with PgBouncer before the database (needs pgbouncer)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --pooler tests/flows tests/workflows $(ARGS)

test-stability: .venv/.dev ## Run the tests ten times, every second time on a busy machine (two hours); table in docs/quality.md
	$(BIN)/python -m lab.stability $(ARGS)

coverage: .venv/.dev ## Run the tests in one process and list the lines that none of them reaches
	@mkdir -p var
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --show-missing

check: lint types test fuzz ## All that CI runs: lint, types, tests with migrations, contract fuzz

lint: .venv/.dev ## Check format, style and which room imports which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: .venv/.dev ## Check types
	$(BIN)/mypy

format: .venv/.dev ## Format the code, fix what ruff can fix, renew what is generated from code and contract
	$(BIN)/python -m generator
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m tests.house.tables

fuzz: .venv/.dev ## Attack a server of its own with what the contract allows and forbids
	$(BIN)/python -m tests.contract.fuzz $(ARGS)

judge: .venv/.dev lab/judge/node_modules/.installed var/judge/venv/.installed ## Let outsiders judge contract and server (needs Node.js); table in docs/quality.md
	$(BIN)/python -m lab.judge $(ARGS)

chaos: .venv/.dev ## Kill and break everything under load, then look for losses (9 minutes); report in docs/quality.md
	$(BIN)/python -m lab.chaos $(ARGS)

failover: .venv/.dev var/failover/venv/.installed ## Take the database's primary away under load, then look for losses (10 minutes); report in docs/quality.md
	$(BIN)/python -m lab.failover $(ARGS)

# PostgreSQL, and so Patroni, does not run as root; another user may not pass to the Python of root.
PATRONI_PYTHON = $(if $(filter 0,$(shell id -u)),/usr/bin/python3,$(BIN)/python)

var/failover/venv/.installed: lab/failover/requirements.txt | .venv/.dev
	@$(BIN)/uv venv --quiet --clear --python $(PATRONI_PYTHON) var/failover/venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python var/failover/venv/bin/python $<
	@touch $@

restore-drill: .venv/.dev ## Lose the database under load, restore it to a minute ago and look (4 minutes, needs pgBackRest); report in docs/quality.md
	$(BIN)/python -m lab.restore $(ARGS)

upgrade-drill: .venv/.dev ## Replace the last release by this code under load, and back; nobody may notice (5 minutes); table in docs/quality.md
	$(BIN)/python -m lab.upgrade $(ARGS)

release: .venv/.dev ## Keep code and contract of the newest commit as the last release (docs/CONTRIBUTING.md)
	$(BIN)/python -m lab.upgrade.release $(ARGS)

lab/judge/node_modules/.installed: lab/judge/package-lock.json lab/judge/.npmrc
	@echo "Installing the judges that run on Node.js (takes a minute, once)"
	@cd lab/judge && npm ci --ignore-scripts --silent
	@touch $@

var/judge/venv/.installed: lab/judge/requirements.txt | .venv/.dev
	@$(BIN)/uv venv --quiet --clear var/judge/venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python var/judge/venv/bin/python $<
	@touch $@

audit: .venv/.dev var/audit/venv/.installed ## Ask OSV for known vulnerabilities of the locked Python packages (needs the internet)
	@$(BIN)/python -m lab.judge.audit $(ARGS)

var/audit/venv/.installed: lab/judge/audit.txt | .venv/.dev
	@$(BIN)/uv venv --quiet --clear var/audit/venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python var/audit/venv/bin/python $<
	@touch $@

LOCK = $(BIN)/uv pip compile setup.cfg --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header $(ARGS)

lock: .venv/.dev ## Pin what setup.cfg asks for in requirements/ (ARGS=--upgrade for newer ones)
	$(LOCK) --extra engine --extra bot -o requirements/server.txt
	$(LOCK) --extra engine --extra bot --extra embedded -o requirements/local.txt
	$(LOCK) --extra engine --extra bot --extra embedded --extra dev --extra tracing --extra sentry --extra s3-test -o requirements/dev.txt
	$(LOCK) --extra engine --extra bot --extra tracing --extra sentry --constraint requirements/dev.txt -o requirements/observability.txt
	$(LOCK) --extra bench --constraint requirements/dev.txt -o requirements/bench.txt

migration: .venv/.dev ## Draft a migration from the models: make migration NAME="add what" (needs make run)
	@test -n "$(NAME)" || { echo 'Say what it does: make migration NAME="add what"' >&2; exit 1; }
	$(BIN)/alembic -c db/migrations/alembic.ini revision --autogenerate --message "$(NAME)" \
		--rev-id $$(printf '%04d' $$(($$(ls db/migrations/versions/*.py | wc -l) + 1)))

bench: .venv/peers ## Measure our server against its peers (needs wrk); the table goes to docs/quality.md
	$(BIN)/python -m lab.bench --write $(ARGS)

bench-scale: .venv/.dev ## Measure everything with a million users beside ten thousand (needs 14 GiB of disk)
	$(BIN)/python -m lab.bench.scale --write $(ARGS)

bench-capacity: .venv/.dev ## Measure what an order and a payment cost the database: CPU, log, disk (5 minutes); tables in docs/scale.md
	$(BIN)/python -m lab.bench.capacity --write $(ARGS)

bench-files: .venv/.dev ## Measure memory and speed of uploads and downloads of 200 MB
	$(BIN)/python -m lab.bench.files --write $(ARGS)

bench-engine: .venv/.dev ## Measure seconds and memory of the embedded engine over the samples
	$(BIN)/python -m lab.bench.engine --write $(ARGS)

bench-commits: .venv/.dev ## Measure orders a second with a standby 1 ms away, and what waking workers costs (3 minutes)
	$(BIN)/python -m lab.bench.commits --write $(ARGS)

bench-events: .venv/.dev ## Measure how the bot is told: requests, thousands that wait, events a second (90 seconds)
	$(BIN)/python -m lab.bench.events --write $(ARGS)

image: ## Build the Docker image livephoto-backend
	docker build --tag livephoto-backend .

clean: ## Delete caches and the files of demo and fuzz; .venv and the data of `make run` stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	rm -rf .coverage* var/demo var/fuzz
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# Packages come pinned and with hashes. uv is quick; where it cannot work, pip does the same. Both
# compile them: else each process would, wherever Python may not keep what it has compiled.
define install
	@echo "Installing the packages of $(1) into .venv (takes a minute, once)"
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python $(1) || \
	    { echo "uv could not do it, pip goes on"; \
	      $(PIP) install --require-hashes --requirement $(1); }
	@$(BIN)/python -c 'import site; open(site.getsitepackages()[0] + "/clients.pth", "w").write("$(CURDIR)/clients/python\n")'
	@touch $@
endef
PIP := PIP_ROOT_USER_ACTION=ignore $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.venv/.local: requirements/local.txt | .venv/.uv
	$(call install,$<)

.venv/.dev: requirements/dev.txt | .venv/.uv
	$(call install,$<)

# Peers of `make bench` have a folder of their own: .venv is kept to its lock file.
.venv/peers: requirements/bench.txt | .venv/.dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $@ --require-hashes -r $<
	@touch $@

# The pin and hashes of uv are those of requirements/dev.txt.
.venv/.uv: | $(BIN)/python
	@awk '/^[^ #]/ {of_uv = /^uv==/} of_uv' requirements/dev.txt > .venv/uv.txt
	@$(PIP) install --require-hashes --requirement .venv/uv.txt || echo "uv has no build for this machine"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	    echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
