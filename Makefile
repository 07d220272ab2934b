# Postern. `make help` lists what there is.
SHELL := /bin/bash
POSTERN_TOOLS ?= $(HOME)/.cache/postern/tools
export POSTERN_TOOLS
export PATH := $(POSTERN_TOOLS)/bin:$(PATH)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build demo fleet test check tools generate bench chaos fuzz clean

help: ## Say what can be made.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

build: ## Build bin/postern.
	@echo "building bin/postern; the first time takes a minute or two ..."
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/postern ./services/postern

demo: build ## Build and run everything in one process, with a mailbox of varied mail; DEMO='--listen 127.0.0.1:0' gives it flags.
	@bin/postern demo --data demo-data $(DEMO)

fleet: build tools ## Run every service as its own process on real servers, on this machine; FLEET='...' gives it flags.
	@bin/postern fleet --data fleet-data $(FLEET)

test: tools ## Install what the tests need and run them all.
	@go test -timeout 20m ./...
	@go test -p 1 -timeout 30m ./test/...

check: ## Everything that must hold before a change lands; what CI runs.
	@scripts/check

tools: ## Install Debian packages and pinned tools that tests and the fleet need.
	@scripts/install-tools

generate: tools ## Write generated code, permissions, tables and the configuration manual anew.
	@scripts/generate

bench: tools ## Measure: what verifying a sender costs; mails a second end to end, CPU a mail for each stage, peak memory; fetching against mbsync.
	@scripts/bench

chaos: tools ## 200 rounds of each fault (POSTERN_CHAOS_ROUNDS), then kills at random for POSTERN_CHAOS_TIME (10m); POSTERN_CHAOS_SEED repeats a run.
	@POSTERN_CHAOS=long go test -p 1 -timeout 120m -count=1 -v -run 'Chaos|OfAFleetIsKilled' ./test/promise1 ./services/ingest

fuzz: ## Fuzz every parser for 60 seconds.
	@scripts/fuzz

clean: ## Remove what was built and the demonstration's data.
	@rm -rf bin demo-data fleet-data
