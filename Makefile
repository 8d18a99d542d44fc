# What a person or a CI types. The work is done by cargo and by the programs in tests.

LAB := tests/lab/lab
# The servers that the tests deploy to, a test on each; they read .lab/SLOT/slot.env. The tests wait
# more than they compute, so there are more of them than the smallest machine has processors.
SLOTS ?= one two three
# Optimised tests: see tests/proof.toml.
PROOF := cargo test --config tests/proof.toml --lib

.PHONY: setup demo bench judges pictures proof faults sweep sabotage lab-up lab-down lab-selftest lint compiled test

setup:
	$(LAB) setup

# The main job, shown: the action's own image deploys to a server of the laboratory.
demo:
	tests/demo/demo

# Side by side with a deploy script written by hand.
bench:
	benches/compare

# Programs of others over action.yml, workflows, examples, README and scripts.
judges:
	tests/judges/judges

# The step summary of each outcome as a browser shows it, charts drawn: in .lab/summaries.
pictures:
	tests/judges/judges pictures

# Deployments with faults on real servers, beside `docker compose up -d` with the same ones. RUNS,
# SEED, CELL, WHO, PAUSE and BUDGET are explained in tests/faults/main.rs.
faults: export RUNS := $(RUNS)
faults: export SEED := $(SEED)
faults: export CELL := $(CELL)
faults: export WHO := $(WHO)
faults: export PAUSE := $(PAUSE)
faults: export BUDGET := $(BUDGET)
faults: lab-up
	LANDFALL_LAB_SLOTS="$(SLOTS)" cargo test --features faults --test faults

# Every system call of the agent that a disk depends on, made to kill it or to fail, one by one.
# SWEEP=drawn BUDGET=75 is a slice of it; SCENARIO, CALL, FROM and STRIDE: tests/faults/sweep.rs.
sweep: export SWEEP := $(or $(SWEEP),full)
sweep: export SCENARIO := $(SCENARIO)
sweep: export CALL := $(CALL)
sweep: export FROM := $(FROM)
sweep: export STRIDE := $(STRIDE)
sweep: export SEED := $(SEED)
sweep: export BUDGET := $(BUDGET)
sweep: lab-up
	LANDFALL_LAB_SLOTS="$(SLOTS)" cargo test --features faults --test faults

# Bugs of one line in a copy of the project, and which test catches each.
sabotage: lab-up
	LANDFALL_LAB_SLOTS="$(SLOTS)" tests/sabotage/sabotage

# Every failure and every death of a run, in memory: more than 100,000 runs, which have all processors
# to themselves. What else belongs to the proof takes one each.
proof:
	$(PROOF) proof::whatever_fails -- --nocapture
	$(PROOF) proof -- --nocapture --skip whatever_fails

lab-up: setup
	for slot in $(SLOTS); do $(LAB) up $$slot || exit 1; done

lab-down:
	$(LAB) down --all

lab-selftest: setup
	tests/lab/selftest

# With the feature, only what a build for fault tests has besides is new.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --features faults --lib --bins --test faults -- -D warnings

compiled: lint
	cargo test --workspace --no-run
	$(PROOF) --no-run
	cargo test --features faults --test faults --no-run

# What is missing here is said first. Then compiling, which takes the processors, goes side by side
# with the making of images, which takes the network and the disk.
# The proof is made wholly and optimised, so its share of every other run of the tests is left out.
# Three cells of each scenario, drawn from one seed so that a red build can be seen again; `make faults`
# plays sixty of a new seed, and every night 300 are played.
test:
	$(LAB) ready
	$(MAKE) -j2 compiled judges lab-up
	$(MAKE) proof
	LANDFALL_LAB_SLOTS="$(SLOTS)" RUST_TEST_THREADS=$(words $(SLOTS)) cargo test --workspace -- --skip saga::proof
	$(MAKE) faults RUNS=21 SEED=1 BUDGET=900
