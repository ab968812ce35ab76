# Two commands do everything on a fresh machine with Python >= 3.11:  make demo   make test
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo setup test lint bench serve examples clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed  ## plan Llama-3-70B on the bundled catalog
	$(BIN)/planner plan examples/llama-3-70b.yaml -o plan.json --html plan.html
	$(BIN)/planner verify plan.json
	@echo "The plan is in plan.json; open plan.html for the schedule, cost and step-time charts."

setup: $(VENV)/.installed  ## virtual environment with what the planner and its service need

test: $(VENV)/.developer  ## every test
	$(BIN)/pytest -n $(WORKERS)

lint: $(VENV)/.developer  ## style, types, import contracts, catalog
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/planner catalog check

bench: $(VENV)/.developer  ## speed, printed as medians
	$(BIN)/python -m benchmarks

serve: $(VENV)/.installed  ## the planning service on http://127.0.0.1:8000
	$(BIN)/planner serve

examples: $(VENV)/.installed  ## every example, with its published figure beside the planner's
	$(BIN)/planner validate --systems

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.developer: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) plan.json plan.html build dist
