# Everything a newcomer, a developer and CI run. Each target builds .venv from the lock file first.
PYTHON ?= python3.11
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test browser patch lint format docs bench soak lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/installed ## a simulated company lives through some weeks; ends with its figures
	$(BIN)/nurture demo --home var/demo

test: .venv/installed browser patch ## every test, with a real Prefect server, PostgreSQL, Chromium and a stand-in SendGrid
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

browser: ## Debian's Chromium, which tests of pages drive; installed where it is missing and one is root
	@command -v chromium >/dev/null \
		|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
		|| echo "Chromium is missing, and tests of pages will fail: install the Debian package chromium" >&2

patch: ## the program that proposed edits of rules must apply by; installed where it is missing and one is root
	@command -v patch >/dev/null \
		|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends patch >/dev/null; } \
		|| echo "patch is missing, and tests of proposed edits will fail: install the Debian package patch" >&2

lint: .venv/installed ## style, types, import directions, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar warehouse

format: .venv/installed ## put code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed ## write docs/reference/tables.md anew
	$(BIN)/python -m warehouse.table_reference > docs/reference/tables.md

bench: .venv/installed ## measure, as ratios to floors measured in the same run
	$(BIN)/python -m benchmarks.run

soak: .venv/installed ## long kill tests and property runs
	NURTURE_KILL_ROUNDS=200 NURTURE_PUBLICATIONS=50 NURTURE_PROPERTY_EXAMPLES=5000 $(BIN)/python -m pytest \
		tests/test_kill.py tests/test_sfa_kill.py tests/test_review_runs.py tests/intake/test_inbox_kill.py tests/tasks/test_send_balance.py \
		tests/warehouse/test_increments.py tests/warehouse/test_order.py tests/warehouse/test_explain_agrees.py tests/warehouse/test_renewal.py tests/warehouse/test_identities.py \
		tests/warehouse/test_analyst.py

lock: ## resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --extra postgres --extra salesforce --extra hubspot --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-config --upgrade -o requirements.lock

clean: ## remove what make built
	rm -rf .venv var/demo
