# What the README, CI and you run, by the same names. Everything installs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test check audit gate docs bench strength fuzz fuzz-short faults soundness soundness-short \
        reference reference-report clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[test,check,all]'
	$(BIN)/pip install --quiet --editable '.[pdq]' || echo "pdqhash could not be built here (it wants a C++ compiler): tests of hashes are skipped"
	touch $@

demo: $(VENV)/.installed ## the main job on the embedded data, and a report of it
	$(BIN)/bench run --metric lipsim,effnet-lite0 --attack l2-aa --eps 0.5,1.0,2.0 --limit 24 --runs $(DEMO)/runs
	$(BIN)/bench report --runs $(DEMO)/runs --to $(DEMO)/report

test: $(VENV)/.tested ## all tests, on all cores; one process more, since many tests wait for a process of their own
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $$(( $$(nproc) + 1 )) --dist worksteal

check: $(VENV)/.tested ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/.installed ## search for a pair of images that the shipped lipsim moves faster than was proved
	$(BIN)/bench audit --metric lipsim --data photos --limit 3

gate: $(VENV)/.installed ## the shipped lipsim, psnr and ssim beside their baseline, in less than 4 minutes
	$(BIN)/bench check --baseline results/baselines/default.json

build/docs-venv/.installed: docs/requirements.txt
	$(PYTHON) -m venv build/docs-venv
	build/docs-venv/bin/pip install --quiet --requirement docs/requirements.txt
	touch $@

docs: build/docs-venv/.installed ## the pages of docs/ as a site in build/docs; a link that leads nowhere is an error
	build/docs-venv/bin/sphinx-build -W --keep-going -q -b html docs build/docs

bench: $(VENV)/.tested ## speed and memory beside what others do, in less than 30 minutes; run it on an idle machine
	$(BIN)/python -m benchmarks

strength: $(VENV)/.tested ## who broke what: l2-aa beside upstream's attacks, from the runs in runs/
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks.strength

FUZZ_SECONDS ?= 60

fuzz: $(VENV)/.tested ## 10,000 files and command lines of strangers; figures go into docs/reliability.md, failures into benchmarks/fuzz/corpus
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz --corpus --keep

fuzz-short: $(VENV)/.tested ## what of it fits into FUZZ_SECONDS; writes nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz --seconds $(FUZZ_SECONDS)

faults: $(VENV)/.tested ## full disk, broken disk and SIGKILL at every writing call of run and report; wants gcc
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.faults --keep

soundness: $(VENV)/.tested ## 100,000 attacks inside certified radii
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soundness --keep

soundness-short: $(VENV)/.tested ## what of 10,000 fits into a minute; writes nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soundness --pairs 10000 --seconds 60 --shipped 2 --hashes 0 --matches 0

NIGHTS ?= nights
KEPT := --runs results/reference
PEOPLE := --data nights:$(NIGHTS) $(KEPT)
PHOTOS := --data photos --limit 100 $(KEPT)

reference: $(VENV)/.tested ## the runs that README quotes, in about an hour; NIGHTS=FOLDER says where those triplets are
	for data in "$(PEOPLE)" "$(PHOTOS)"; do \
	  $(BIN)/bench run --metric psnr,ssim,lipsim,effnet-lite0 --attack l2-aa --eps 0.5,1,2,3 $$data && \
	  $(BIN)/bench run --metric psnr,lipsim --attack l2-aa --eps 36/255,72/255,108/255 $$data && \
	  $(BIN)/bench certify --metric psnr,lipsim --eps 1.5,2.5 $$data || exit 1; \
	done
	$(BIN)/bench run --metric lipsim,effnet-lite0 --attack l2-mse --eps 1,3 $(PEOPLE)
	$(BIN)/bench run --metric psnr,lipsim,effnet-lite0 --attack linf-aa --eps 0.01,0.02,0.03 $(PEOPLE)
	$(MAKE) reference-report

reference-report: $(VENV)/.installed ## the committed report of those runs
	rm -rf reports/reference
	$(BIN)/bench report $(KEPT) --to reports/reference --format md,latex

clean: ## remove what the targets above made
	rm -rf $(VENV) $(DEMO) build
