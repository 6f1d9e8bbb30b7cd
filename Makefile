# Everything a contributor runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DISTRIBUTIONS := shared services/collector services/optimizer services/actuator
SOURCES := shared/src services/collector/src services/optimizer/src services/actuator/src hack tests
SERVICES := collector optimizer actuator
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-package inferno-shared --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

REPOSITORY := quay.io/infernoautoscaler
TAG := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' shared/src/inferno_shared/version.py)
HELM := $(or $(wildcard bin/helm),helm)

.DEFAULT_GOAL := help
.PHONY: help install demo test e2e e2e-keda tools lint format bench schemas lock images chart deploy undeploy dashboards alerts-test docs docs-reference release-check sbom licenses audit clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '  %-24s%s\n' \
		'make demo DEMO=short' 'the demo in under 3 minutes' \
		'make demo KEEP=1' 'leave it running, to be used with kubectl, curl and loadgen' \
		'make demo CLUSTER=real' 'the same on a real control plane (see make tools)' \
		'make e2e ADAPTER=path' 'the metric takes its way through this Prometheus adapter, as in the guide'

install: $(STAMP) ## Create .venv with everything locked by hash

$(STAMP): requirements/dev.txt $(DISTRIBUTIONS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked requirements into $(VENV) (about a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e %)
	@touch $@

demo: $(STAMP) $(if $(filter real,$(CLUSTER)),tools) ## The seed's scenario on a laptop: 1 -> 4 replicas under load, and back to 1
	@PYTHONPATH=hack $(BIN)/python -m demo $(if $(filter short,$(DEMO)),--short) $(if $(KEEP),--keep) $(if $(CLUSTER),--cluster $(CLUSTER))

test: $(STAMP) ## All tests that need nothing but Python (under 3 minutes)
	@$(BIN)/pytest -n 3 --dist loadfile $(ARGS)

tools: $(STAMP) ## Build the pinned control-plane programs into bin/ (needs Go; once, 10 to 15 minutes)
	@PYTHONPATH=hack $(BIN)/python -m tools.build

e2e: tools ## The guide on a real control plane: etcd, kube-apiserver, HPA, Prometheus, Thanos
	@$(BIN)/pytest tests/e2e tests/integration --cluster real -n 2 --dist loadfile --no-loadscope-reorder --verbose \
		$(if $(ADAPTER),--adapter $(ADAPTER)) $(ARGS)

e2e-keda: tools ## The guide's HPA made by KEDA from a ScaledObject (builds KEDA: 10 minutes more; not in CI)
	@PYTHONPATH=hack $(BIN)/python -m tools.build keda
	@$(BIN)/pytest tests/keda --verbose $(ARGS)

lint: $(STAMP) ## ruff with all rules, mypy --strict, import contracts, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP) ## Tables of speed and memory, each beside its alternative in the same run
	@for program in tests/bench/bench_*.py; do $(BIN)/python $$program || exit 1; done

schemas: $(STAMP) ## Publish the JSON schema of the wire contracts in docs/schemas
	@$(BIN)/python -m inferno_shared.contracts.schema docs/schemas

lock: $(STAMP) ## Lock every requirement with hashes again
	@for service in $(SERVICES); do $(COMPILE) services/$$service/pyproject.toml -o requirements/$$service.txt || exit 1; done
	@$(COMPILE) requirements/dev.in $(SERVICES:%=services/%/pyproject.toml) -o requirements/dev.txt
	@$(COMPILE) hack/vllme/vllm_emulator/requirements.in -o hack/vllme/vllm_emulator/requirements.txt
	@$(COMPILE) requirements/devcluster.in services/collector/pyproject.toml -c requirements/dev.txt -o requirements/devcluster.txt
	@for name in docs release; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

images: ## Build the images of the three services with docker and show their sizes
	@hack/images/build $(REPOSITORY) $(TAG) $(IMAGE_ARGS)

chart: $(STAMP) ## Make config/ and the golden renderings from the Helm chart; lint, kubeconform (needs Go)
	@PYTHONPATH=hack $(BIN)/python -m tools.build helm kubeconform
	@PYTHONPATH=hack $(BIN)/python -m chart
	@PYTHONPATH=hack $(BIN)/python -m chart.conform

# The seed's way: one image is named, the others stand beside it; settings are those of config/manager.
deploy: ## Install into the cluster of $KUBECONFIG: make deploy IMG=registry/inferno-controller:TAG
	@hack/chart/deploy "$(IMG)" "$(COLLECTOR_IMG)" "$(OPTIMIZER_IMG)" $(HELM_ARGS)

undeploy: ## Remove what `make deploy` installed; the custom resource and its objects stay
	@$(HELM) uninstall inferno-autoscaler --namespace inferno-autoscaler-system --ignore-not-found

dashboards: $(STAMP) ## Write dashboards, recording rules and alerts into the chart
	@PYTHONPATH=hack $(BIN)/python -m dashboards

alerts-test: $(STAMP) ## Every alert fires when it should, and only then (promtool)
	@PYTHONPATH=hack $(BIN)/python -m tools.build prometheus
	@bin/promtool test rules tests/unit/alerts/alerts.test.yaml

# The site and the release's programs have environments of their own: tests need neither.
.venv/%/.installed: requirements/%.txt | $(STAMP)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

docs-reference: $(STAMP) ## Write reference, pictures and worked examples of docs/ from the code
	@PYTHONPATH=hack $(BIN)/python -m reference

docs: docs-reference $(VENV)/docs/.installed ## Build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

sbom: $(VENV)/release/.installed ## Bills of materials (CycloneDX) of the three services into dist/sbom
	@mkdir -p dist/sbom
	@for service in $(SERVICES); do PYTHONWARNINGS=ignore $(VENV)/release/bin/cyclonedx-py requirements requirements/$$service.txt \
		--pyproject services/$$service/pyproject.toml --output-reproducible --of JSON \
		-o dist/sbom/$$service.cdx.json || exit 1; done
	@PYTHONPATH=hack $(BIN)/python -m release.sbom $(foreach it,$(SERVICES),dist/sbom/$(it).cdx.json=requirements/$(it).txt)

licenses: $(STAMP) $(VENV)/release/.installed ## Are all licences of what the images contain allowed?
	@mkdir -p dist
	@$(VENV)/release/bin/pip-licenses --python=$(BIN)/python --from=mixed --format=json --output-file=dist/licenses.json \
		--packages $$(sed -n 's/^\([a-z0-9._-]*\)==.*/\1/p' $(SERVICES:%=requirements/%.txt) | sort -u) >/dev/null
	@PYTHONPATH=hack $(BIN)/python -m release.licenses dist/licenses.json $(SERVICES:%=requirements/%.txt)

audit: $(STAMP) $(VENV)/release/.installed ## Known vulnerabilities; fails as well where no database can be asked
	@PYTHONPATH=hack $(BIN)/python -m release.audit $(VENV)/release/bin/pip-audit $(SERVICES:%=requirements/%.txt)

release-check: $(STAMP) licenses sbom alerts-test docs ## Before a release: versions, licences, flaws, docs, tests of the wheels, images
	@PYTHONPATH=hack $(BIN)/python -m release.versions
	@PYTHONPATH=hack $(BIN)/python -m release.audit $(VENV)/release/bin/pip-audit $(SERVICES:%=requirements/%.txt) || test $$? = 3
	@PYTHONPATH=hack $(BIN)/python -m release.wheels $(ARGS)
	@if docker info >/dev/null 2>&1; then $(MAKE) images && PYTHONPATH=hack $(BIN)/python -m release.images $(REPOSITORY) $(TAG); \
		else echo "No docker here: images were neither built nor tried"; fi

clean: ## Remove what the other targets made
	rm -rf $(VENV) site .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
