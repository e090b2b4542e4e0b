PYTHON := .venv/bin/python
RUN := requirements.txt devhost/requirements.txt
TEST := $(RUN) tests/requirements.txt

LOCKED := requirements devhost/requirements devhost/requirements-node devhost/requirements-lock infra/requirements-telemetry \
	tests/requirements infra/requirements-release
COMPILE := uv pip compile --universal --python-version 3.13 --generate-hashes
# A file's tests stay together, so that their shared processes start only once. The files keep their order.
# One for each core: no fewer than two, as they wait at times; no more than four, as each first collects all the tests.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(or $(filter 2 3,$(CORES)),$(if $(filter 1,$(CORES)),2,4))
EXAMPLES ?= 2000
PYTEST := -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

# Tests and benchmarks start many processes. Without bytecode on disk, each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run console screenshots azurite test test-quick conformance coverage fuzz lint lint-fast check check-storage \
	check-infra package sbom \
	costs bench lock
.DEFAULT_GOAL := help

help:
	@echo "make run    the SCIM endpoint on http://localhost:7071/scim/v2, with its tables in Azurite; Ctrl-C stops both"
	@echo "            PORT=7071         its port; each port has its own directory and token in .azurite/"
	@echo "            AZURITE=disk      memory: data is lost at the end"
	@echo "            AZURITE_PORT=     the port for Azurite (default: 10002, or a free one if 10002 is in use)"
	@echo "            AZURITE_SEEK=yes  no: Azurite as it comes, which looks at every row for each list"
	@echo "            SCIM_TOKEN=       the bearer token to accept (default: one is made and kept)"
	@echo "            SCIM_FEED_TOKEN=  the token that reads the feed (likewise)"
	@echo "            TENANTS=one       registry: many tenants; create them with python -m scim_core.admin"
	@echo "make console  pages of what happened, over the Azurite of make run; PORT= and AZURITE_PORT= as there"
	@echo "make screenshots  each page as a picture in docs/screenshots; needs Chromium"
	@echo "make azurite  Azurite with blobs, queues and tables, on the usual ports: for func start of Core Tools"
	@echo "make test   all tests; ARGS='-k name' goes to pytest"
	@echo "            WORKERS=          test processes that run at the same time (default: one for each core, two to four)."
	@echo "                              0: only this one, as ARGS=--pdb needs"
	@echo "make test-quick  ruff, and the tests that start no process"
	@echo "make conformance  other projects' suites against the endpoint: how many checks each makes, and which do not pass"
	@echo "make coverage    all tests, and the share of branches in scim_core and devhost that they reach; fails below the limit"
	@echo "make fuzz   hostile requests, many more than make test sends: nothing fails, and each costs what it counts"
	@echo "            EXAMPLES=2000     requests of each kind"
	@echo "make lint   ruff and mypy"
	@echo "make check  lint, then test"
	@echo "make check-storage  every invariant of a tenant's rows; ARGS='--tenant name --repair'. The rows are in"
	@echo "            SCIM_STORAGE_CONNECTION or SCIM_STORAGE_ACCOUNT_URL (default: Azurite on port 10002)"
	@echo "make check-infra  the Bicep files: bicep lint and format, snapshots and what must hold of them; the workflows: zizmor"
	@echo "            BICEP=            the Bicep CLI (default: the one on the path); ARGS=--snapshots writes them again"
	@echo "make package  what is deployed, as dist/scim.zip"
	@echo "make sbom     the package, and the list of its contents as dist/scim.cdx.json (CycloneDX)"
	@echo "make costs  what a month costs, from measured storage calls; ARGS='--price always_ready=0' changes a price"
	@echo "make lock   write every requirements*.txt from its requirements*.in, with hashes; versions stay as they are."
	@echo "            ARGS='--upgrade-package aiohttp' or ARGS=--upgrade takes newer versions"
	@echo "make bench  the benchmarks; ARGS=--help lists them; ARGS='base --against COMMIT' compares with another commit,"
	@echo "            and ARGS=cycle plays a first cycle of Entra"

run:
	@sh devhost/environment.sh $(RUN)
	@exec $(PYTHON) -m devhost.run

console:
	@sh devhost/environment.sh $(RUN)
	@exec $(PYTHON) -m devhost.console $(ARGS)

screenshots:
	@sh devhost/environment.sh $(TEST)
	@exec $(PYTHON) -m tests.screenshots $(ARGS)

azurite:
	@sh devhost/environment.sh $(RUN)
	@exec $(PYTHON) -m devhost.emulator

test:
	@sh devhost/environment.sh $(TEST)
	@exec $(PYTHON) $(PYTEST) $(ARGS)

test-quick: lint-fast
	@HYPOTHESIS_EXAMPLES=10 $(PYTHON) $(PYTEST) -m "not processes" $(ARGS)

conformance:
	@sh devhost/environment.sh $(TEST)
	@exec $(PYTHON) -m tests.conformance

fuzz:
	@sh devhost/environment.sh $(TEST)
	@HYPOTHESIS_EXAMPLES=$(EXAMPLES) $(PYTHON) $(PYTEST) tests/hostile/test_units_of_work.py tests/hostile/test_fuzz.py $(ARGS)

coverage:
	@sh devhost/environment.sh $(TEST)
	@$(PYTHON) -m coverage erase
	@$(PYTHON) -m coverage run $(PYTEST) $(ARGS)
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage report

lint: lint-fast
	$(PYTHON) -m mypy

lint-fast:
	@sh devhost/environment.sh $(TEST)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

check:
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

check-storage:
	@sh devhost/environment.sh $(RUN)
	@$(if $(SCIM_STORAGE_ACCOUNT_URL)$(SCIM_STORAGE_CONNECTION),,SCIM_STORAGE_CONNECTION=UseDevelopmentStorage=true) \
		$(PYTHON) -m scim_core.admin check $(ARGS)

check-infra:
	@sh devhost/environment.sh $(TEST)
	@BICEP=$(BICEP) $(PYTHON) -m infra.checks $(ARGS)

package:
	@sh devhost/environment.sh $(RUN)
	@exec $(PYTHON) -m infra.package $(ARGS)

sbom: package
	@VENV=.venv-release sh devhost/environment.sh infra/requirements-release.txt
	@exec $(PYTHON) -m infra.sbom

costs:
	@sh devhost/environment.sh $(TEST)
	@exec $(PYTHON) -m infra.costs $(ARGS)

bench:
	@sh devhost/environment.sh $(TEST)
	@exec $(PYTHON) -m bench $(ARGS)

lock:
	@VENV=.venv-lock sh devhost/environment.sh devhost/requirements-lock.txt
	@for name in $(LOCKED); do \
		.venv-lock/bin/$(COMPILE) --quiet --custom-compile-command "make lock, which calls $(COMPILE)" \
			$(ARGS) --output-file $$name.txt $$name.in || exit 1; \
	done
