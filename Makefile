# Each target makes the virtual environment it needs. On a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --constraint constraints.txt

.PHONY: demo test quick lint docs clean

demo: $(VENV)/demo.done
	$(BIN)/phyrefine demo

test: $(VENV)/dev.done
	$(BIN)/python -m pytest

quick: $(VENV)/dev.done
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/dev.done
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("phyrefine needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/demo.done: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable ".[demo]"
	touch $@

$(VENV)/dev.done: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable ".[all]" --group test --group lint --group docs
	touch $@ $(VENV)/demo.done

clean:
	rm -rf $(VENV) build dist docs/_build
