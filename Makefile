# Every chore has one command here; CI calls these and nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
UV := .venv/bin/uv
STATE ?= .slipway
WORKERS ?= 2
# Files in the order of their paths: platforms first, pure tests last. By the number of their tests, which is
# the default, the files with one long test would come last, and one worker would wait for the other.
SPREAD := --dist loadfile --no-loadscope-reorder
PACKAGES := libs services clients standalone tests benchmarks examples
BENCHES := deploy redeploy standalone rebuild gateway lists rebuild-projections fold projector commands stream
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help setup up down demo test lint types imports unit contract integration e2e soak bench contracts released asyncapi format

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# uv is fetched into the virtual environment itself: a fresh machine needs Python and make only.
.venv/bin/uv:
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check "uv>=0.13.8"

.venv/.synced: .venv/bin/uv uv.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml clients/*/pyproject.toml standalone/pyproject.toml)
	$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

setup: .venv/.synced ## Install everything into .venv

up: setup ## Start the platform on this machine, state in $(STATE)
	.venv/bin/slipway up --detach --state $(STATE)

down: setup ## Stop it; its data stays
	.venv/bin/slipway down --state $(STATE)

demo: setup ## Deploy a real model, call it, redeploy it under load, show its history
	$(PY) examples/demo.py --state $(STATE)

test: setup lint types imports ## Everything that must be green before a merge
	.venv/bin/pytest -n $(WORKERS) $(SPREAD) $(PYTEST_ARGS)

lint: setup ## Style
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: setup ## Rewrite to style
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: setup ## Static types
	.venv/bin/mypy

imports: setup ## The arrows between packages
	.venv/bin/lint-imports

unit: setup ## Pure tests, a few seconds
	.venv/bin/pytest tests/unit

contract: setup ## Schemas, examples, OpenAPI, one suite per port
	.venv/bin/pytest tests/contract

integration: setup ## Each service on a real NATS, Postgres and Envoy
	.venv/bin/pytest tests/integration

e2e: setup ## The platform as a user starts it
	.venv/bin/pytest tests/e2e

soak: setup ## Random walks over the whole platform, WALKS=1000 of them
	WALKS=$(or $(WALKS),1000) .venv/bin/pytest tests/e2e/test_lifecycle_machine.py

contracts: setup ## Regenerate schemas, examples, AsyncAPI, the table of messages and OpenAPI
	$(PY) -m slipway_contracts.schemas libs/contracts
	$(PY) -m slipway_contracts.asyncapi docs/asyncapi.json
	$(PY) -m slipway_contracts.event_table docs/events.md
	$(PY) -m slipway_api.openapi docs/openapi.json

released: setup ## After raising the version: keep what the messages promise from now on
	$(PY) -m slipway_contracts.released libs/contracts/released.json

.venv/asyncapi/node_modules: $(addprefix tests/fixtures/asyncapi/,package.json package-lock.json validate.mjs)
	@mkdir -p .venv/asyncapi
	@cp $^ .venv/asyncapi
	npm ci --prefix .venv/asyncapi --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

asyncapi: .venv/asyncapi/node_modules ## AsyncAPI's own parser over docs/asyncapi.json; needs node and npm
	node .venv/asyncapi/validate.mjs docs/asyncapi.json

bench: $(addprefix bench-,$(BENCHES)) ## Every benchmark, one JSON line each

bench-%: setup
	@PYTHONPATH=tests:tests/support:benchmarks $(PY) benchmarks/$(subst -,_,$*).py
