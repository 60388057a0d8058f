# `make run` serves, `make test` tests, `make lint` lints. See README.md and CONTRIBUTING.md for the rest.

PORT ?= 8000
PYTHON ?= python3
WORKERS ?= 2
DEMO ?= yes
PY := .venv/bin/python
# Complete lists and compilation on first import halve the installation time.
PIP := $(PY) -m pip --disable-pip-version-check install --progress-bar on --no-deps --no-compile
BIOME := 2.6.8
# Three processes on two cores: tests that start servers wait a third of their time.
PYTEST := $(PY) -m pytest -n 3 -q -rs
# The tests start some hundred processes: without .pyc files each would compile all modules again.
export PYTHONDONTWRITEBYTECODE :=
CONSUMERS := consumers llamafactory swift axolotl

.PHONY: run test test-sqlite test-postgres test-consumers test-served bench attack lint lint-types lint-rest lint-static \
  coverage pictures messages browser nginx

run: .venv/installed
	@$(PY) -m config.translations
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py take_up_imports > /dev/null
	@[ "$(DEMO)" = no ] || $(PY) manage.py load_demo > /dev/null
	@echo
	@echo "  Chosen is at  http://127.0.0.1:$(PORT)   (stop with Ctrl-C)"
	@[ "$(DEMO)" = no ] || echo "  Sign in as    admin / demo   (admin)"
	@[ "$(DEMO)" = no ] || echo "                alice / demo, bob / demo   (annotators)"
	@[ "$(DEMO)" = no ] || echo "  These sign-ins are there where the database was empty at the first run."
	@echo
	@exec $(PY) -m config.serve --port $(PORT) --workers $(WORKERS)

test: .venv/installed-dev browser nginx
	$(PYTEST)
	TEST_DB=pg $(PYTEST)

test-sqlite: .venv/installed-dev browser nginx
	$(PYTEST)

test-postgres: .venv/installed-dev browser nginx
	TEST_DB=pg $(PYTEST)

test-consumers: .venv/installed-dev $(CONSUMERS:%=.venv-%/installed)
	$(PY) -m pytest -q -rs -m consumers tests/consumers

test-served: .venv/installed-dev .venv-served/installed
	$(PY) -m pytest -q -rs -m consumers tests/consumers/test_served_model.py

bench: .venv/installed-dev
	@$(PY) bench/run.py $(ONLY)

attack: .venv/installed-dev
	@$(PY) -m attack

lint: lint-types lint-rest lint-static

lint-types: .venv/installed-dev
	.venv/bin/mypy

lint-rest: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) lint/names.py
	$(PY) lint/english.py
	$(PY) lint/examples.py
	$(PY) lint/templates.py
	.venv/bin/djlint --lint --quiet templates
	.venv/bin/codespell
	.venv/bin/deptry .
	.venv/bin/lint-imports > .venv/lint-imports.txt || { cat .venv/lint-imports.txt; exit 1; }
	$(PY) manage.py makemigrations --check --dry-run

# Scripts and style sheets; Biome comes from npm, so this needs Node.
lint-static:
	@if command -v npx > /dev/null; then npx --yes @biomejs/biome@$(BIOME) check --max-diagnostics=50 static; \
	else echo "No Node here: scripts and style sheets are not checked."; fi

# Line and branch coverage of both databases together.
coverage: .venv/installed-dev browser nginx
	rm -f .coverage .coverage.*
	$(PYTEST) --cov --cov-report=
	TEST_DB=pg $(PYTEST) --cov --cov-append --cov-report=term --cov-report=html:.venv/coverage

# The pictures of the READMEs, from answers of the demo.
pictures: .venv/installed-dev browser
	DJANGO_SETTINGS_MODULE=config.settings $(PY) -m tests.pictures

# Collect new texts into locale/ (needs gettext), to be translated there.
messages: .venv/installed-dev
	$(PY) manage.py makemessages -l zh_Hans --no-obsolete --no-location --ignore '.venv*' --ignore data

.venv/made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Chosen needs Python 3.11 or later; name one with: make PYTHON=python3.11 …")'
	@echo "Making .venv …"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/made pyproject.toml requirements.txt
	@echo "Installing what Chosen needs (once; about half a minute) …"
	@$(PIP) --require-hashes -r requirements.txt 1>&2
	@$(PIP) --no-build-isolation -e . 1>&2
	@touch $@

.venv/installed-dev: .venv/installed pyproject.toml requirements-dev.txt
	@echo "Installing what the tests need (once) …"
	@$(PIP) --require-hashes -r requirements-dev.txt 1>&2
	@touch $@

# One environment per trainer, one for a model server. If one cannot be created, its tests are skipped with the reason.
.venv-consumers/installed: tests/consumers/requirements.txt
	$(make-consumer)

.venv-%/installed: tests/consumers/%.txt
	$(make-consumer) --no-deps

define make-consumer
@echo "Making $(@D) (once; minutes) …"
@mkdir -p $(@D); echo '*' > $(@D)/.gitignore
@sh -c '{ $(PYTHON) -m venv $(@D) && $(@D)/bin/pip --disable-pip-version-check install -r $< "$$@" && touch $@; } \
  > $(@D)/install.log 2>&1 || echo "$(@D) could not be made: $$(tail -n 1 $(@D)/install.log)"' pip
endef

# A real browser for the tests: Debian's Chromium with apt-get and root, else Playwright's own.
browser:
	@if [ -n "$$CHROMIUM" ] || command -v chromium-headless-shell > /dev/null; then :; \
	elif command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-noto-cjk; then :; \
	elif command -v chromium > /dev/null; then :; \
	else $(MAKE) .venv/installed-dev && $(PY) -m playwright install chromium; fi

# nginx for the test of docs/operating.md: Debian's package, unpacked but not installed. Without it, the test is skipped.
nginx: .venv/made browser
	@if command -v nginx > /dev/null || [ -x .venv/nginx/usr/sbin/nginx ] || ! command -v apt-get > /dev/null; then :; else \
	  mkdir -p .venv/nginx && cd .venv/nginx && apt-get download -qq nginx && dpkg -x nginx_*.deb . || true; fi
