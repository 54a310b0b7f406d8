# `make` or `make help` lists the targets. Each target does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := $(CURDIR)/node_modules/.bin
export PATH := $(BIN):$(PATH)
export npm_config_update_notifier := false

AGENT := guest/agent/build/isthmus-agent
MODULES := node_modules/.isthmus-installed
BUNDLE := dist/built
SOURCES := $(shell find packages -name node_modules -prune -o \( -name '*.ts' -o -name package.json \) -print)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## run a microVM and show what it says
	@node scripts/demo.ts

test: setup ## everything: unit, property, fault and end-to-end tests against real QEMU
	@node scripts/test.ts

soak: setup packages-soak ## what is too long for every commit: long sizes, and what is run at no other time
	@SOAK=1 vitest run --project unit packages/host/store/src/durability.test.ts packages/host/images/src
	@SOAK=1 vitest run --project system tests/faults tests/e2e/built-kernel.test.ts tests/e2e/network-load.test.ts tests/e2e/servers.test.ts tests/e2e/credential-helpers.test.ts

check: $(MODULES) ## format, lint, layers, types, dead code, budgets
	@node scripts/check.ts

bench: setup ## all benchmark suites
	@node bench/main.ts

agent: $(AGENT) ## build the guest agent

setup: packages-debian $(MODULES) $(AGENT) $(BUNDLE) ## Debian packages, npm packages, guest agent, bundle of daemon and CLI

packages-debian:
	@scripts/debian-packages

packages-soak:
	@scripts/debian-packages soak

$(MODULES): package-lock.json
	@scripts/npm-packages
	@touch $@

$(BUNDLE): $(MODULES) $(SOURCES) scripts/bundle.ts
	@node scripts/bundle.ts

$(AGENT): $(wildcard guest/agent/src/*.c guest/agent/src/*.h guest/agent/host/*.c guest/task/src/* guest/*/Makefile) | packages-debian
	@$(MAKE) --no-print-directory -C guest/agent all

clean: ## remove what was built or downloaded here (not the data folder)
	rm -rf node_modules dist guest/agent/build coverage bench-results .cache

.PHONY: help demo test soak check bench agent setup packages-debian packages-soak clean
