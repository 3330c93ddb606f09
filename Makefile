# `make run` starts Chatter; `make test` passes every test. Both set up all they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
UV_PIN := uv==0.13.9
NODE_MODULES := node_modules/.stamp

.DEFAULT_GOAL := help
.PHONY: help run test unit system sanitize lint format lock clean debian

help: ## show the targets
	@grep -hE '^[a-z\\:-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/\\:/:/; s/^([a-z:-]+):.*## /\1\t/' | \
		awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

run: $(VENV)/.runtime ## start Chatter on its embedded database and print the URL
	@exec $(BIN)/chatter serve

test: $(VENV)/.dev debian ## set up everything and pass every test
	$(BIN)/pytest

unit: $(VENV)/.dev ## the tests that need no browser and no process
	$(BIN)/pytest -m "not system"

system: $(VENV)/.dev debian ## the tests with real browsers and processes
	$(BIN)/pytest -m system

sanitize: $(VENV)/.dev ## the compiled plane under sanitizers, and fuzzed for FUZZ_SECONDS (600)
	@tools/sanitize $(BIN)/python

lint: $(VENV)/.dev $(NODE_MODULES) ## ruff, mypy, tsc, yamllint and pip-audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/tsc -p web/static/jsconfig.json
	$(BIN)/yamllint -s docker-compose.yaml config/config.example.yaml deploy
	@$(BIN)/python tools/audit $(BIN)/pip-audit requirements.lock requirements-dev.lock

format: $(VENV)/.dev ## let ruff format and sort
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

LOCK := pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header pyproject.toml

lock: $(UV) ## resolve pyproject.toml into the lock files anew
	$(UV) $(LOCK) --extra dev -o requirements-dev.lock
	$(UV) $(LOCK) -c requirements-dev.lock -o requirements.lock

clean: ## remove what the targets made (the data folder stays)
	rm -rf $(VENV) node_modules build *.egg-info

debian: ## install the Debian packages that the tests use (as root), or say what is missing
	@tools/debian-packages

# The original's task names.

dev\:up: ## start the development stack in containers
	docker compose up -d --build

dev\:down: ## stop it and remove its containers and volumes
	docker compose down -v

migrate\:up: $(VENV)/.runtime ## run all pending migrations
	@$(BIN)/chatter migrate up

migrate\:down: $(VENV)/.runtime ## roll back the last migration
	@$(BIN)/chatter migrate down

migrate\:status: $(VENV)/.runtime ## show the current migration status
	@$(BIN)/chatter migrate status

# Set-up: one virtual environment, filled from the lock files.

$(UV): tools/make-venv
	@echo "Making the virtual environment $(VENV)"
	@tools/make-venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "$(UV_PIN)"
	@touch $@

PLANE := setup.py $(wildcard sfu/plane/*.pyx sfu/plane/native/*.[ch])

$(VENV)/.runtime: $(UV) requirements.lock pyproject.toml $(PLANE) tools/compiler
	@tools/compiler $(BIN)/python
	@echo "Installing what Chatter needs, and building its media plane"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing what the tests and linters need"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

$(NODE_MODULES): $(VENV)/.dev package.json package-lock.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --silent --no-audit --no-fund
	@touch $@
