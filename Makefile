# Everything starts from here; each target does all its set-up from nothing, and can be interrupted and started again.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup tools python server stack bench bench-admission bench-alone bench-commands bench-engine bench-engines bench-fleet bench-history bench-observing bench-pieces bench-profile bench-recovery bench-scale bench-start bench-waiting chaos chaos-layers setup-system lint check test dashboards docs histories pictures screenshots demo clean audit fuzz

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Seal two real 2 KiB sectors on this machine, as Temporal workflows
	@.venv/bin/sealflow demo

stack: setup ## Run a production server with PostgreSQL, Prometheus, Web UI, manager and worker here; OPTIONS='--help' tells more
	@.venv/bin/python -m deploy.stack $(OPTIONS)

test: setup ## Run every test
	@scripts/rusttest.sh
	@.venv/bin/pytest

fuzz: ## Fuzz the parsers of foreign bytes for ten minutes; OPTIONS='--help' tells more
	@scripts/python.sh --group fuzz
	@.venv/bin/python -m tests.fuzz.campaign $(OPTIONS)

bench: setup ## Measure everything and write docs/performance.md, some hours; OPTIONS='--only engine' is one of them
	@scripts/python.sh --group bench
	@scripts/restate.sh
	@.venv/bin/python -m bench $(OPTIONS)

bench-commands: tools ## Measure how long a command takes from the signal to its effect
	@.venv/bin/python -m bench.commands

bench-pieces: tools ## Measure adding a piece beside the crate alone
	@.venv/bin/python -m bench.pieces

bench-admission: tools ## Measure how much of the time a GPU is in use that PC2 and C2 of sixty sectors share
	@.venv/bin/python -m bench.admission

bench-alone: tools ## Measure what the product adds to a real sector beside a shell script of the stages; OPTIONS='--until c1' is short
	@scripts/parameters.sh
	@.venv/bin/python -m bench.alone $(OPTIONS)

bench-engine: tools ## Measure what our workflow adds to a bare one that runs as many activities
	@.venv/bin/python -m bench.engine

bench-engines: tools server ## Measure our Sealer beside DBOS, Restate and a script with SQLite; OPTIONS='--help' tells more
	@scripts/python.sh --group bench
	@scripts/restate.sh
	@.venv/bin/python -m bench.engines $(OPTIONS)

bench-fleet: tools ## Simulate fleets of 1 to 1,000 machines by admission's own code
	@.venv/bin/python -m bench.fleet

bench-history: tools ## Measure what a task of each flow is to the server, and its replay
	@.venv/bin/python -m bench.history

bench-observing: tools ## Measure what metrics and traces cost a worker, and how long a scrape takes
	@.venv/bin/python -m bench.observing

bench-profile: tools ## Look where the worker's CPU goes while it seals sectors whose steps do nothing
	@scripts/python.sh --group bench
	@.venv/bin/python -m bench.profile

bench-recovery: tools ## Measure how soon work goes on after the worker was killed, and after the manager was away
	@.venv/bin/python -m bench.recovery

bench-scale: tools server ## Measure what ten thousand sectors cost that stand still, and how soon one of them moves
	@.venv/bin/python -m bench.scale $(OPTIONS)

bench-start: tools ## Measure how long the command line and the worker take to start, and what an idle worker costs
	@.venv/bin/python -m bench.start

bench-waiting: tools ## Measure how long after a message has landed the next step starts; OPTIONS='--epoch 1' is a scale model
	@.venv/bin/python -m bench.waiting $(OPTIONS)

chaos: setup ## Kill everything five hundred times while it seals, and look at what is left; OPTIONS='--kills 50' or '--real'
	@.venv/bin/python -m tests.chaos.campaign $(OPTIONS)

chaos-layers: tools ## Kill a real PC1, and its machine, and spoil a layer, of a 512 MiB sector; OPTIONS=8MiB is quick
	@.venv/bin/python -m tests.chaos.layers $(OPTIONS)

docs: python ## Write the generated pages of docs/ anew
	@.venv/bin/python scripts/docs.py

dashboards: python ## Write Grafana's dashboards anew from deploy/dashboards
	@.venv/bin/python -m deploy.dashboards

pictures: tools server ## Draw the pictures of the dashboards in docs/ anew, of a fleet that lives for five minutes
	@SEALFLOW_PICTURES=300 .venv/bin/pytest tests/deploy/test_queries.py

histories: setup ## Record the histories that are replayed in the tests anew: only where a workflow is meant to have changed
	@SEALFLOW_RECORD=1 .venv/bin/pytest tests/workflows tests/operate/test_threads.py --ignore tests/workflows/test_replay.py

screenshots: tools ## Take the Web UI's picture in docs/ anew, while a sector of the tests stands still
	@SEALFLOW_SCREENSHOTS=1 .venv/bin/pytest tests/clients/test_web_ui.py

check: python lint ## The fast loop: format, lint, types, imports, and the tests that need no server and no proofs
	@.venv/bin/pytest -q -m "not server and not real"

setup: tools server ## Set up all that sealflow needs; .venv/bin/sealflow is then the command
	@scripts/tctl.sh
	@scripts/compose.sh
	@scripts/parameters.sh

tools: python
	@scripts/temporal.sh
	@scripts/processor.sh

server:
	@scripts/server.sh

python:
	@scripts/python.sh

lint: python ## Only the checks that run nothing
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@scripts/rustfmt.sh

audit: python ## Ask the advisories about every package that is locked, and what is newer; needs the internet
	@scripts/audit.sh

setup-system: ## Install the system's packages that tests need (with sudo when not root)
	@scripts/system.sh

clean: ## Remove what set-up made in this clone; what clones share stays in the cache
	rm -rf .venv .setup .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
