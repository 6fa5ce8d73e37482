# make        says what there is to do
# Everything is set up in .venv on the first call of any of them.

PYTHON := python3
SONGS :=
NETWORKS :=
LABEL_BY :=
VERBOSE :=
LIBRARY := $(or $(MUSIC_LIBRARY),data)
override LIBRARY := $(if $(filter ~/%,$(firstword $(LIBRARY))),$(HOME)$(patsubst ~%,%,$(LIBRARY)),$(LIBRARY))
PY := .venv/bin/python
export SONGS LIBRARY NETWORKS LABEL_BY VERBOSE

# A misspelt name is refused: make would pass over it, and take other music, or clean another library.
KNOWN := SONGS NETWORKS LABEL_BY LIBRARY PYTHON VERBOSE
ASKED := $(filter-out -%,$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
UNKNOWN := $(firstword $(filter-out $(KNOWN),$(ASKED)))
ifneq ($(UNKNOWN),)
NEAREST := import difflib, sys; print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1, 0.5))
MEANT := $(shell "$(PYTHON)" -c '$(NEAREST)' $(UNKNOWN) $(KNOWN) 2>/dev/null)
$(error There is no $(UNKNOWN)=. $(if $(MEANT),Did you mean $(MEANT)=?,Known are SONGS NETWORKS LABEL_BY LIBRARY PYTHON VERBOSE.) See: make help)
endif

# The groups of packages that are installed when they are first needed.
GROUPS := .venv/networks .venv/notebooks .venv/cluster .venv/tests

# A word that is no goal is the rest of a name with spaces, as a rule: what stands before it must not be cleaned.
GOALS += help run songs-are-there notebooks report pictures lab check test stress clean distclean $(GROUPS)
STRANGE := $(firstword $(filter-out $(GOALS),$(MAKECMDGOALS)))
ifneq ($(STRANGE),)
$(error There is no "make $(STRANGE)". A name with spaces goes in quotes: make run SONGS="My Music". See: make help)
endif

# The root that has results: the one that is named, or its demo.
RESULTS = root="$$LIBRARY"; test -d "$$root/report" || root="$$root/demo"; \
	test -d "$$root/report" || { echo "There are no results yet. Run: make run"; exit 1; };

.PHONY: help run songs-are-there notebooks report pictures lab check test stress clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make run                  songs -> clips -> features -> frame -> model -> an answer, a map, reports"
	@echo "                          (music in data/songs/<artist>/; else that of the last run, else a demo)"
	@echo "make run SONGS=~/Music    the same for music that lies elsewhere; nothing is written there"
	@echo "make run NETWORKS=none    the same without the published networks (120 MB; faster); or musicnn, voice"
	@echo "make run LABEL_BY=tag     the same; artists by the songs' tags, not by folders"
	@echo "make run VERBOSE=1        the same; it ends with all scores, which stand in report/index.html, too"
	@echo "make lab                  open Jupyter on the results"
	@echo "make report               make web pages of the notebooks in report/ again, after work in make lab"
	@echo "make check                check the code alone (seconds)"
	@echo "make test                 check the code and run the tests (four minutes)"
	@echo "make stress               kill, damage, fill and load it thousands of times (over an hour; as root, disks too)"
	@echo "make notebooks            run 126 free songs of Debian's games and put the notebooks beside the scripts"
	@echo "make pictures LIBRARY=dir put pictures of docs/how-it-works.md into images/"
	@echo "make clean                remove what was made of your songs; the songs and what is installed stay"
	@echo "make distclean            the same, and what is installed (.venv)"
	@echo "LIBRARY=dir keeps what is made elsewhere than in data/; PYTHON=python3.12 sets up another Python"

# A wrong folder is said before anything is installed.
run: songs-are-there .venv/ready
	@test "$$NETWORKS" = none || $(PY) -m soundalike --install networks || test -z "$$NETWORKS"
	@$(PY) -m soundalike --library "$$LIBRARY" $${SONGS:+--songs "$$SONGS"} $${NETWORKS:+--networks "$$NETWORKS"} \
	$${LABEL_BY:+--label-by "$$LABEL_BY"} $${VERBOSE:+--verbose}

songs-are-there:
	@case "$$SONGS" in ""|"~"*) ;; *) test -d "$$SONGS" || { echo "There is no folder $$SONGS."; exit 1; };; esac

notebooks: .venv/notebooks .venv/networks
	@$(PY) benchmarks/refresh.py notebooks --library "$$LIBRARY"

report: .venv/notebooks
	@$(RESULTS) $(PY) -m soundalike --report --library "$$root"

pictures: .venv/notebooks
	@$(PY) benchmarks/refresh.py pictures --library "$$LIBRARY"

lab: .venv/notebooks
	@$(RESULTS) export MUSIC_LIBRARY="$$(cd "$$root" && pwd)" PYTHONPATH="$(CURDIR)"; \
	$(PY) -m jupyter lab --ServerApp.root_dir="$$MUSIC_LIBRARY" --LabApp.default_url=/lab/tree/report/visualizations.ipynb

# All that can be checked without running the code: form, docstrings, types, and which module imports which.
check: .venv/notebooks .venv/cluster .venv/tests
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet . || { echo "To fix this: .venv/bin/ruff format ."; exit 1; }
	@.venv/bin/mypy
	@said=$$(.venv/bin/lint-imports --no-logo --no-cache 2>&1) || { echo "$$said"; exit 1; }

# Without the networks' weights their tests are skipped.
test: check
	@$(PY) -m soundalike --install networks || true
	@$(PY) -m pytest tests -n 2 --dist loadfile --no-loadscope-reorder

stress: .venv/cluster .venv/tests .venv/networks
	@STRESS=1 $(PY) -m pytest tests -m stress -n 2 --dist loadfile --no-loadscope-reorder

clean:
	@test -e "$${LIBRARY:?}/songs.txt" || test -e "$$LIBRARY/demo/songs.txt" || echo "Nothing was made in $$LIBRARY."
	@test ! -e "$$LIBRARY/demo/songs.txt" || { rm -rf "$$LIBRARY/demo" && echo "Removed the demo in $$LIBRARY/demo."; }
	@test ! -e "$$LIBRARY/songs.txt" || { (cd "$$LIBRARY" && rm -rf clips features model similar report \
	songs.csv songs.txt df_music.pkl df_music.parquet library.lock run.lock .unfinished-*) && \
	echo "Removed what was made of your songs in $$LIBRARY. The songs are untouched."; }
	@test ! "$$LIBRARY" -ef data || rm -f data/last

distclean: clean
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# A half-made .venv does not count: the file "ready" is written last.
.venv/ready: requirements.lock requirements-networks.txt
	@command -v "$(PYTHON)" >/dev/null || \
	{ echo "There is no $(PYTHON) here. Install Python 3.11, 3.12 or 3.13, or name it: make PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo "$(PYTHON) is $$("$(PYTHON)" --version); this needs Python 3.11, 3.12 or 3.13 (TensorFlow has no other)."; \
	echo "If you have one under another name: make PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv || \
	{ echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p; /^tqdm==/,/[^\\]$$/p' requirements.lock > .venv/first.txt
	@$(PY) -m pip install --disable-pip-version-check --quiet --require-hashes -r .venv/first.txt || \
	{ echo "Installing failed; the reason is above. Is there a network? Then run make again."; exit 1; }
	@$(PY) -m soundalike --install answers
	@touch $@

# The other groups of packages, each when it is first needed.
$(GROUPS): .venv/ready
	@$(PY) -m soundalike --install $(@F)
