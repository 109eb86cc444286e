# Each target sets up what it needs, in .venv and .cache. Only git, make and python3 (with venv) must be there.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
COUNT ?= 20000
SEED ?= 0
DEBIAN := qemu-system-x86 qemu-utils ovmf swtpm passt
BROWSER := chromium fonts-dejavu-core
DEPLOY := systemd prometheus
RIVAL := libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-lxc libvirt-clients python3-libvirt

.PHONY: help demo test lint bench faults fuzz documents test-xen deploy-tools lxc qemu qemu-if-possible rival-if-possible browser pictures clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 24

demo: $(STAMP) qemu-if-possible ## the main job on a real guest; ARGS=--exit stops after it
	@$(BIN)/python -m demo $(ARGS)

test: lint qemu lxc browser deploy-tools ## everything that must hold
	$(BIN)/python -m pytest $(ARGS)

test-xen: $(STAMP) ## the Xen worker on the real hypervisor, booted in QEMU
	@deploy/install-xen
	$(BIN)/python -m tests.xen.machine $(BIN)/python -m pytest --timeout 300 tests/xen tests/contract $(ARGS)

lint: $(STAMP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) qemu lxc rival-if-possible ## side by side with libvirtd; writes bench.json
	$(BIN)/python -m tests.bench $(ARGS)

faults: $(STAMP) qemu ## jobs while processes are killed and frozen; writes faults.json
	$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(STAMP) ## broken documents by the thousand: COUNT=100000 SEED=1 CORPUS=FOLDER
	@$(BIN)/python -m tests.fuzz --count $(COUNT) --seed $(SEED) $(if $(CORPUS),--corpus $(CORPUS)) $(ARGS)

conformance: $(STAMP) ## score on libvirt's own test data: CORPUS=FOLDER with manifest.jsonl
	@$(BIN)/python -m tests.conformance $(CORPUS) $(ARGS)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Virtbus needs Python 3.11 or newer: apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	@touch $@

# Debian's packages for the QEMU worker and its tests; only what is missing, and only where we may.
qemu:
	@deploy/install-qemu $(DEBIAN)

# What the tests of deploy/ hold units, manifests and rules against.
deploy-tools: $(STAMP)
	@deploy/install-qemu $(DEPLOY)
	@deploy/fetch-tools .cache/deploy $(BIN)/python

# What the LXC worker and its tests need.
lxc:
	@deploy/install-lxc

qemu-if-possible:
	@deploy/install-qemu $(DEBIAN) || true

# For the tests of the console page.
browser:
	@deploy/install-qemu $(BROWSER)

pictures: $(STAMP) browser ## take the pictures of docs/pictures anew
	@deploy/install-qemu pngquant
	$(BIN)/python -m tests.page.pictures
	for one in docs/pictures/*.png; do pngquant --force --skip-if-larger --speed 1 64 --output $$one $$one; done

# libvirtd, to measure beside it; what the benchmark cannot measure without it, it says itself.
rival-if-possible:
	@deploy/install-qemu $(RIVAL) || true

documents: $(STAMP) ## write what is generated from the declarations
	$(BIN)/python -m virtbus.bus.asyncapi
	$(BIN)/python docs/operations.py
	$(BIN)/python docs/errors.py

clean: ## remove what was made
	rm -rf $(VENV) .cache
