# What a person does with a clone. Each target makes the .venv it needs, and finds it ready the next time.
#   make demo        in a sandbox: all is well, something breaks, it is found, mended and verified; records in records/
#   make quick       run the tests that need no sandbox, no kernel, no browser and no patience: a minute, while typing
#   make test        run the whole suite: some ten minutes on two cores
#   make hold        try the promises while runs are attacked, killed and starved; PROFILE=long tries all, for hours;
#                    SEED=1 draws the same values, moments and samples again
#   make check       lint, check the format and the types
#   make lab         open the notebooks in JupyterLab, in a sandbox
#   make notebooks   run them in a sandbox and keep what they showed as their committed outputs; ONLY=verify runs one
#   make airflow     run schedules/airflow by Airflow, in an environment of its own, over the environments of three sandboxes
#   make lowest      run the tests of make quick with the lowest versions that pyproject.toml allows
#   make lock        write down this environment's distributions with their hashes, once its tests have passed
#   make sbom        write build/sbom.json, CycloneDX's list of all that is installed; docs/licences.py has the licences
#   make clean       remove .venv, .venv-airflow, .venv-lowest, caches and records
# PYTHON=python3.12 chooses the interpreter. LOCKED=1 installs exactly what docs/lock-*.txt has, each file by its hash.
.PHONY: demo quick test hold check lab notebooks airflow lowest lock sbom clean FORCE
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
INTERPRETERS := $(or $(PYTHON),python3.13 python3.14 python3.12 python3.11 python3)
# Debian's interpreters come without ensurepip unless python3-venv is there too.
SUITS := import ensurepip, sys, venv; ensurepip.version(); sys.exit(sys.version_info < (3, 11))
IDENTITY := import sys; print(sys.base_prefix, sys.version)

demo: $(VENV)/demo.stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh -ec "$$DEMO"

# Each command is one that a person would type; troubleshoot ends with 1 while the fault stands.
define DEMO
show() { printf '\n$$ %s\n' "$$*"; "$$@"; }
variables=$$(omc-runbook sandbox up)
eval "$$variables"
unset AWS_PROFILE AWS_SESSION_TOKEN
trap 'omc-runbook sandbox down >/dev/null' EXIT
trap 'exit 2' HUP INT TERM
show omc-runbook run verify -p environment staging --record records --summary
show omc-runbook sandbox break not-forced
code=0; show omc-runbook run troubleshoot --record records --summary || code=$$?
[ "$$code" -eq 1 ]
show omc-runbook run troubleshoot -p apply true --record records --summary
show omc-runbook run verify --record records --summary
endef
export DEMO

# The same modules are imported again and again: compiled once, whatever the shell says of bytecode.
demo lab quick test hold: export PYTHONDONTWRITEBYTECODE :=

QUICK := -m pytest tests/unit -m "not long" --numprocesses 3 --dist loadfile --no-loadscope-reorder

quick: $(VENV)/dev.stamp
	@$(BIN)/python $(QUICK)

# More workers than cores: a sandbox's tasks take their time to start and to be watched.
test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder

hold: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks.hold --profile $(or $(PROFILE),short) $(if $(SEED),--seed $(SEED))

check: $(VENV)/dev.stamp
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/vulture

lab: $(VENV)/lab.stamp
	@$(BIN)/omc-runbook lab --sandbox

notebooks: $(VENV)/dev.stamp
	@PYTHONPATH=$(CURDIR) $(BIN)/python tests/support/refresh_notebooks.py $(ONLY)

# Airflow's packages would not go with .venv's; what cannot be installed is skipped by the tests, with the reason.
AIRFLOW := .venv-airflow
AIRFLOW_NEEDS := schedules/airflow/requirements.txt

airflow: $(VENV)/dev.stamp
	@[ $(AIRFLOW)/stamp -nt $(AIRFLOW_NEEDS) ] && [ $(AIRFLOW)/stamp -nt pyproject.toml ] || { \
		echo "Preparing $(AIRFLOW) with Airflow: two minutes, the first time."; \
		rm -f $(AIRFLOW)/stamp && $(BIN)/python -m venv $(AIRFLOW) && \
		$(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check -r $(AIRFLOW_NEEDS) --editable . && \
		touch $(AIRFLOW)/stamp; } || echo "Airflow could not be installed here." >&2
	@$(BIN)/python -m pytest tests/notebooks/test_airflow.py tests/unit/headless/test_schedule_files.py

# The versions of pyproject.toml's `>=`, as constraints; what develops the package may be of any.
LOWEST := .venv-lowest
define LOWEST_VERSIONS
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = [needs for name, needs in project["optional-dependencies"].items() if name != "dev"]
for each in sum(extras, project["dependencies"]):
    print(re.sub(r"\[.*\]", "", each).replace(">=", "==") if ">=" in each else "")
endef
export LOWEST_VERSIONS

lowest: $(LOWEST)/stamp
	@$(LOWEST)/bin/python $(QUICK)

$(LOWEST)/stamp: pyproject.toml $(VENV)/dev.stamp
	@echo "Preparing $(LOWEST) with the lowest versions that pyproject.toml allows: a minute or two, the first time."
	@rm -f $@ && $(BIN)/python -m venv $(LOWEST) && $(BIN)/python -c "$$LOWEST_VERSIONS" >$(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt \
		--editable '.[dev]'
	@touch $@

lock: $(VENV)/dev.stamp
	@$(BIN)/python docs/lock.py

# In an environment of its own, lest it be in the list itself.
sbom: $(VENV)/dev.stamp
	@[ -x build/sbom-tool/bin/cyclonedx-py ] || { $(BIN)/python -m venv build/sbom-tool && \
		build/sbom-tool/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7'; }
	@build/sbom-tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.json $(BIN)/python
	@echo build/sbom.json

clean:
	rm -rf $(VENV) $(AIRFLOW) $(LOWEST) records build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# A stamp says that .venv holds the package with these extras, as pyproject.toml has them.
$(VENV)/demo.stamp: EXTRAS := sandbox
$(VENV)/lab.stamp: EXTRAS := lab,sandbox
# What a demo imports is compiled then: all that there is would take half of the time that the installation takes.
$(VENV)/demo.stamp $(VENV)/lab.stamp: COMPILES := --no-compile
$(VENV)/dev.stamp: EXTRAS := dev
$(VENV)/dev.stamp: COVERS := $(VENV)/demo.stamp $(VENV)/lab.stamp

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

ifeq ($(LOCKED),)
$(VENV)/%.stamp: pyproject.toml
	@echo "Preparing $(VENV) with omc-runbook[$(EXTRAS)]: a minute or two, the first time."
	@$(MAKE_VENV)
	@$(INSTALL) $(COMPILES) --editable '.[$(EXTRAS)]'
	@touch $@ $(COVERS)
else
$(VENV)/demo.stamp $(VENV)/lab.stamp $(VENV)/dev.stamp: $(VENV)/locked.stamp
	@touch $@

# The checkout itself has no hash: it is installed without an index, and so not at all where the lock lacks something.
$(VENV)/locked.stamp: pyproject.toml $(wildcard docs/lock-*.txt)
	@echo "Preparing $(VENV) from the lock: some minutes, the first time."
	@$(MAKE_VENV)
	@lock=$$($(BIN)/python docs/lock.py --path) && { [ -f "$$lock" ] || { \
		echo "There is no $$lock: make lock writes it, in an environment made without LOCKED." >&2; exit 1; }; } && \
		$(INSTALL) --require-hashes --only-binary :all: --requirement "$$lock" && \
		{ $(INSTALL) --no-index --no-build-isolation --editable '.[dev]' || { \
		echo "$$lock is older than pyproject.toml: make lock renews it, in an environment made without LOCKED." >&2; \
		exit 1; }; }
	@touch $@
endif

# .venv is kept while it works, unless another interpreter is asked for than the one that made it.
define MAKE_VENV
if [ -n "$(REMAKE)" ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	for python in $(INTERPRETERS); do \
		if "$$python" -c '$(SUITS)' >/dev/null 2>&1; then exec "$$python" -m venv --clear $(VENV); fi; \
	done; \
	echo "No Python of 3.11 or later with venv and ensurepip among: $(INTERPRETERS)." \
		"Install one (on Debian: python3 and python3-venv) or name it with PYTHON=." >&2; \
	exit 1; \
fi
endef

ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) -c '$(IDENTITY)' 2>&1),$(shell $(BIN)/python -c '$(IDENTITY)' 2>&1))
REMAKE := yes
$(VENV)/demo.stamp $(VENV)/lab.stamp $(VENV)/dev.stamp $(VENV)/locked.stamp: FORCE
endif
endif
