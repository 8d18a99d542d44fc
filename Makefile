# What a person or a CI types. The work is done by cargo and by tests/lab.

LAB := tests/lab/lab
# The servers that the tests deploy to; they read .lab/SLOT/slot.env.
SLOTS ?= one two
SCRIPTS := $(LAB) tests/lab/selftest $(wildcard tests/lab/lib/*.sh tests/lab/images/*/lab-*) .ci/run

.PHONY: setup lab-up lab-down lab-selftest lint test

setup:
	$(LAB) setup

lab-up: setup
	for slot in $(SLOTS); do $(LAB) up $$slot || exit 1; done

lab-down:
	$(LAB) down --all

lab-selftest: setup
	tests/lab/selftest

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	shellcheck -x $(SCRIPTS)

test: lint lab-up
	LANDFALL_LAB_SLOTS="$(SLOTS)" cargo test --workspace
