# `make run` serves, `make test` tests, `make lint` lints. All else is in README.md and CONTRIBUTING.md.

PORT ?= 8000
PYTHON ?= python3
WORKERS ?= 2
PY := .venv/bin/python
# The lists are complete, and modules are compiled when they are first imported: that halves the wait.
PIP := $(PY) -m pip --disable-pip-version-check install --progress-bar on --no-deps --no-compile
PYTEST := $(PY) -m pytest -n 2 -q -rs
# The tests start some hundred processes: each would compile all modules anew.
export PYTHONDONTWRITEBYTECODE :=
CONSUMERS := consumers llamafactory swift axolotl

.PHONY: run test test-sqlite test-postgres test-consumers bench attack lint messages browser nginx

run: .venv/installed
	@$(PY) -m config.translations
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py take_up_imports > /dev/null
	@$(PY) manage.py work --until-idle > /dev/null &
	@$(PY) manage.py load_demo > /dev/null
	@echo
	@echo "  Chosen is at  http://127.0.0.1:$(PORT)   (stop with Ctrl-C)"
	@echo "  Sign in as    admin / demo   (admin)"
	@echo "                alice / demo, bob / demo   (annotators)"
	@echo "  These sign-ins are there where the database was empty at the first run."
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

bench: .venv/installed-dev
	@$(PY) bench/run.py $(ONLY)

attack: .venv/installed-dev
	@$(PY) -m attack

lint: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) lint/names.py
	.venv/bin/djlint --lint --quiet templates
	.venv/bin/lint-imports > .venv/lint-imports.txt || { cat .venv/lint-imports.txt; exit 1; }
	$(PY) manage.py makemigrations --check --dry-run

# Collect new texts into locale/ (needs gettext); then translate them there.
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

# One environment for each trainer. Where one cannot be made, its tests are skipped and say why.
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

# A real browser for the tests: Debian's Chromium where there is apt-get and root, else Playwright's own.
browser:
	@if [ -n "$$CHROMIUM" ] || command -v chromium-headless-shell > /dev/null; then :; \
	elif command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-noto-cjk; then :; \
	elif command -v chromium > /dev/null; then :; \
	else $(MAKE) .venv/installed-dev && $(PY) -m playwright install chromium; fi

# nginx for the test of docs/operating.md: Debian's package, unpacked and not installed. Without it that test is skipped.
nginx: .venv/made browser
	@if command -v nginx > /dev/null || [ -x .venv/nginx/usr/sbin/nginx ] || ! command -v apt-get > /dev/null; then :; else \
	  mkdir -p .venv/nginx && cd .venv/nginx && apt-get download -qq nginx && dpkg -x nginx_*.deb . || true; fi
