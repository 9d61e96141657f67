# Two commands matter: `make demo` and `make test`. Both need nothing but Python 3.11 or later.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .venv-uv/bin/uv
BIN := .venv/bin
# A CPU build of torch is taken where the machine offers one to pip.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifeq ($(strip $(UV_FIND_LINKS)),)
unexport UV_FIND_LINKS
endif

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: env
env: .venv/.installed ## Make the virtual environment

$(UV):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cartwheel needs Python 3.11 or later; set PYTHON=/path/to/one")'
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.installed: requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --requirements requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.PHONY: lock
lock: | $(UV) ## Pin every dependency anew in requirements.lock (where pip finds a CPU build of torch)
	rm -f requirements.lock
	$(UV) pip compile --quiet pyproject.toml --group dev --python-version 3.11 --no-emit-find-links --no-header --no-annotate --output-file requirements.lock
	sed -i -E 's/^(torch==[0-9.]+)\+cpu$$/\1/' requirements.lock

.PHONY: demo
demo: env ## From raw events to two served releases of a real shop's data
	$(BIN)/cartwheel demo

.PHONY: up
up: env ## Start the embedded services, with all data
	$(BIN)/cartwheel up

.PHONY: down
down: ## Stop everything that was started, and only that
	@if test -x $(BIN)/cartwheel; then $(BIN)/cartwheel down; else echo "Nothing to stop: there is no environment yet."; fi

.PHONY: clean
clean: down ## Stop everything and remove .local/, after asking
	@read -r -p "Remove .local/ with the warehouse, the lake, the models and all releases? [y/N] " answer; \
	if test "$$answer" = y; then rm -rf .local; echo "Removed."; else echo "Kept."; fi

.PHONY: lint
lint: env ## Style, types, the direction of imports, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint dbt_project/models

.PHONY: test
test: lint ## Everything: lint, unit, integration, fault and end-to-end tests
	$(BIN)/pytest

.PHONY: bench-quality
bench-quality: env ## Release 2017-11-30 against December's purchases (after `make demo`)
	purchases="$$($(BIN)/python -m cartwheel.demo.purchases --after 2017-11-30)" && \
	$(BIN)/python -m training.evaluate --release-date 2017-11-30 --purchases "$$purchases" --all-own

.PHONY: bench-ingest
bench-ingest: env ## Ingest against a bare COPY of the same rows, and its memory for files of 100 MB and 1 GB
	$(BIN)/cartwheel up --stores
	$(BIN)/python -m benchmarks.ingest

.PHONY: bench-publish
bench-publish: env ## Loading a release against a bare COPY and a raw Redis load, its memory, and a rollback
	$(BIN)/cartwheel up --stores
	$(BIN)/python -m benchmarks.publish
	$(BIN)/python -m benchmarks.rollback

.PHONY: bench-refresh
bench-refresh: env ## New lists within the day for 10, 100 and 1,000 users (after `make demo`)
	$(BIN)/python -m benchmarks.refresh

.PHONY: drill-publish
drill-publish: env ## Kill the publisher and the stores a hundred times while readers read
	CARTWHEEL_LOCAL_DIR=.local/test $(BIN)/cartwheel up --stores
	CARTWHEEL_LOCAL_DIR=.local/test $(BIN)/python tests/drill_publish.py
	CARTWHEEL_LOCAL_DIR=.local/test $(BIN)/cartwheel down

.PHONY: analysts-guide
analysts-guide: env ## Ask the questions of docs/analysts.md again, and draw its plots
	$(BIN)/python docs/analysts/build.py

.PHONY: dbt-docs
dbt-docs: env ## Documentation of the warehouse, on http://127.0.0.1:8580
	$(BIN)/python -m cartwheel.dbt_docs

.PHONY: bench-growth
bench-growth: env ## A day's cost against a rebuild, and against the history behind it
	$(BIN)/cartwheel up --stores
	$(BIN)/python -m benchmarks.growth

.PHONY: bench-als-quality
bench-als-quality: env ## ALS on a published split, beside Spark's own (DATA=FOLDER with the split's files)
	$(BIN)/python -m benchmarks.als_quality "$(DATA)"

# A peer has an environment of its own: its pins are not ours.
.venv-implicit/.installed: | .venv/.installed
	test -x .venv-implicit/bin/python || $(UV) venv --quiet --python $(BIN)/python .venv-implicit
	$(UV) pip install --quiet --python .venv-implicit/bin/python implicit==0.7.3 numpy==1.26.4 scipy==1.15.3
	touch $@

.PHONY: bench-als
bench-als: env .venv-implicit/.installed ## The time and quality of ALS beside `implicit` (DATA=FOLDER with the split's files)
	$(BIN)/python -m benchmarks.als "$(DATA)" --peer .venv-implicit/bin/python

.PHONY: bench-topk
bench-topk: env ## The best items from factors, against Spark's own way and the bare matrix product
	$(BIN)/python -m benchmarks.topk

.PHONY: bench-scale
bench-scale: env ## Time, shuffle and memory of the Spark jobs on 1, 4 and 16 copies of the shop
	$(BIN)/python -m benchmarks.scale --driver-memory 5g

.PHONY: bench-features
bench-features: env ## A day's features against the history behind it, and against the window (after `make demo`)
	$(BIN)/python -m benchmarks.features

.PHONY: bench-objectives
bench-objectives: env ## Clicks and purchases trained together or apart, on a replayed shopfront (after `make demo`)
	$(BIN)/python -m benchmarks.objectives --date 2017-11-30

.PHONY: bench-experiments
bench-experiments: env ## Whether the analysis of experiments finds a planted uplift, and nothing in A/A tests (after `make demo`)
	purchases="$$($(BIN)/python -m cartwheel.demo.purchases --after 2017-11-30)" && \
	$(BIN)/python -m benchmarks.experiments --purchases "$$purchases" --plot docs/experiments/sequence.svg

.PHONY: bench-smaller
bench-smaller: env ## Size, speed and quality of the ranker in int8, pruned, and as a distilled student (after `make demo`)
	$(BIN)/python -m benchmarks.smaller --date 2017-11-30

.PHONY: bench-recall
bench-recall: env ## Recall of the candidates by source and of their union (after `make demo`; or DATA=FILE, one user a line)
ifdef DATA
	$(BIN)/python -m benchmarks.recall --data "$(DATA)"
else
	purchases="$$($(BIN)/python -m cartwheel.demo.purchases --after 2017-11-30)" && \
	$(BIN)/python -m benchmarks.recall --purchases "$$purchases"
endif

.PHONY: bench-rerank
bench-rerank: env ## What diversity, novelty, calibration and repeats cost in NDCG@10, and give (after `make demo`)
	purchases="$$($(BIN)/python -m cartwheel.demo.purchases --after 2017-11-30)" && \
	$(BIN)/python -m benchmarks.rerank --purchases "$$purchases"

.PHONY: bench-ranker
bench-ranker: env ## The ranker's encoder on a public file (DATA=FILE; SEEDS="1 2 3"), leave one out
	$(BIN)/python -m benchmarks.ranker "$(DATA)" --seeds $(or $(SEEDS),1 2 3)

.PHONY: bench-baselines
bench-baselines: env ## All rivals in one table: the release after `make demo`, or a public file (DATA=FILE, leave one out)
ifdef DATA
	$(BIN)/python -m benchmarks.baselines --data "$(DATA)"
else
	purchases="$$($(BIN)/python -m cartwheel.demo.purchases --after 2017-11-30)" && \
	$(BIN)/python -m benchmarks.baselines --purchases "$$purchases"
endif

.venv-rectools/.installed: | .venv/.installed
	test -x .venv-rectools/bin/python || $(UV) venv --quiet --python $(BIN)/python .venv-rectools
	$(UV) pip install --quiet --python .venv-rectools/bin/python rectools==0.19.0 pytorch-lightning==2.5.2 torch==2.13.0 numpy==1.26.4
	touch $@

.PHONY: bench-train
bench-train: env .venv-rectools/.installed ## Training time and quality beside RecTools' SASRec (DATA=FILE, leave one out)
	$(BIN)/python -m benchmarks.train_speed "$(DATA)" --peer .venv-rectools/bin/python

.PHONY: bench-api
bench-api: env ## The API under rising load beside a constant answer, and with Redis killed
	$(BIN)/cartwheel up --stores
	$(BIN)/python -m benchmarks.api
