"""Operating: the environment, logs, the proxy, `check --deploy`, container files, and their docs."""

import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.test import Client
from django.urls import include, path

from annotate.people import build_link
from api.models import Token
from config import healthcheck
from config.logs import JsonFormatter, PlainFormatter
from datasets.views.access import anyone
from tests.serving import manage
from tests.test_jobs import open_database

ROOT = settings.BASE_DIR
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCS = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
READ = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "config/settings.py").read_text(encoding="utf-8")))
BY_THE_COMMAND = {"WORKERS", "PORT"}  # read by the Makefile and the container files only


def run_python(*args, **environment):
    """Runs Python as an operator would, without the environment of these tests."""
    kept = {key: value for key, value in os.environ.items() if key not in READ | {"DJANGO_ALLOW_ASYNC_UNSAFE"}}
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    return subprocess.run([sys.executable, *args], cwd=ROOT, env=environment, capture_output=True, text=True)


# The environment


def test_check_deploy_has_nothing_to_say_behind_a_proxy(tmp_path):
    done = run_python(
        *("manage.py", "check", "--deploy", "--fail-level", "DEBUG"),
        **{"DATA_DIR": str(tmp_path), "SECRET_KEY": "0123456789" * 6, "BEHIND_PROXY": "1"},
    )
    assert (done.returncode, "no issues" in done.stdout + done.stderr) == (0, True), done.stderr


def test_the_key_that_is_made_is_good_enough_for_check_deploy(tmp_path):
    done = run_python(
        "manage.py", "check", "--deploy", "--fail-level", "DEBUG", DATA_DIR=str(tmp_path), BEHIND_PROXY="1"
    )
    assert done.returncode == 0, done.stderr


SETTINGS = """
import json, sys
from config import settings
print(json.dumps({name: getattr(settings, name, None) for name in sys.argv[1:]}, default=str))
"""


def read_settings(tmp_path, *names, **environment):
    done = run_python("-c", SETTINGS, *names, DATA_DIR=str(tmp_path), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_empty_value_is_as_good_as_none(tmp_path):
    """docker-compose.yml passes variables that .env does not set as empty values."""
    names = ["DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY", "DATABASES", "LOG_FORMAT", "BEHIND_PROXY"]
    names += ["SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT"]
    assert read_settings(tmp_path, *names, **dict.fromkeys(READ - {"DATA_DIR"}, "")) == read_settings(tmp_path, *names)


def test_a_proxy_turns_https_on(tmp_path):
    names = ("SECURE_PROXY_SSL_HEADER", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE")
    found = read_settings(tmp_path, *names, BEHIND_PROXY="1")
    assert list(found.values()) == [["HTTP_X_FORWARDED_PROTO", "https"], 3600, True, True]
    found = read_settings(tmp_path, *names, BEHIND_PROXY="0")
    assert list(found.values()) == [None, 0, None, None]
    assert read_settings(tmp_path, *names, BEHIND_PROXY="1", HSTS_SECONDS="0")["SECURE_HSTS_SECONDS"] == 0
    assert read_settings(tmp_path, *names, HSTS_SECONDS="60")["SECURE_HSTS_SECONDS"] == 60


@pytest.fixture
def behind_proxy(settings):
    settings.BEHIND_PROXY = settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_REDIRECT_EXEMPT = [r"^(healthz|metrics)$"]
    settings.SECURE_HSTS_SECONDS = 60


def test_behind_a_proxy_http_is_sent_to_https_and_health_is_not(client, db, behind_proxy):
    assert client.get("/accounts/login/")["Location"] == "https://testserver/accounts/login/"
    assert client.get("/healthz").content == b"ok"
    response = client.get("/accounts/login/", HTTP_X_FORWARDED_PROTO="https")
    assert (response.status_code, response["Strict-Transport-Security"]) == (200, "max-age=60")
    assert response.cookies["csrftoken"]["secure"]


# Logs


ROW = "DETAIL: Failing row contains (The text of an answer)"


@anyone
def fail(request, token=None):
    try:
        raise KeyError("first")
    except KeyError as cause:
        raise ValueError(f"second{'.' * 500}\n{ROW}") from cause


urlpatterns = [path("broken/", fail), path("broken/<str:token>/", fail), path("", include("config.urls"))]


@pytest.fixture
def logged():
    """logged(): the lines logged since, as dicts, as with LOG_FORMAT=json."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in ("config.requests", "django.request")}
    logging.getLogger().addHandler(handler)
    logging.getLogger("config.requests").setLevel("INFO")
    logging.getLogger("django.request").setLevel("ERROR")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)


def test_each_request_is_one_object_on_one_line(client, alice, logged):
    client.force_login(alice)
    response = client.get("/?secret=question")
    (line,) = logged()
    assert {key: line[key] for key in ("method", "path", "status", "user", "level")} == {
        **{"method": "GET", "path": "/", "status": 200, "user": alice.pk, "level": "INFO"}
    }
    assert 0 < line["ms"] < 10_000
    assert line["request"] == response["X-Request-ID"]
    assert "question" not in json.dumps(line)


def test_the_log_asks_the_database_for_nobody(client, alice, logged, django_assert_num_queries):
    client.force_login(alice)
    with django_assert_num_queries(0):
        client.get("/static/icon.svg")
    assert logged()[0]["user"] is None


def test_a_health_check_that_went_well_is_not_worth_a_line(client, db, logged, monkeypatch):
    client.get("/healthz")
    assert logged() == []
    monkeypatch.setattr("config.health.connection", None)
    Client(raise_request_exception=False).get("/healthz")
    assert [line.get("status") for line in logged()] == [None, 500]


def test_an_error_comes_with_its_traceback_and_without_the_texts_in_it(db, logged, settings):
    settings.ROOT_URLCONF = __name__
    response = Client(raise_request_exception=False).get("/broken/")
    error, request = logged()
    assert (error["level"], request["status"]) == ("ERROR", 500)
    assert error["request"] == request["request"] == response["X-Request-ID"]
    assert "KeyError: 'first" in error["traceback"]
    assert "in fail" in error["traceback"]
    assert error["traceback"].index("KeyError") < error["traceback"].index("ValueError: second")
    assert ROW not in error["traceback"]
    assert len(error["traceback"].splitlines()[-1]) < 250


def test_the_plain_log_leaves_the_same_texts_out():
    try:
        fail(None)
    except ValueError:
        told = PlainFormatter().formatException(sys.exc_info())
    assert "ValueError: second" in told
    assert ROW not in told


def test_a_link_that_lets_somebody_in_is_not_logged(alice, logged, settings, caplog):
    settings.ROOT_URLCONF = __name__
    link = build_link(alice)
    token = link.split("/")[-2]
    assert Client().get(link).status_code == 302
    assert Client().get(link.removesuffix("/")).status_code == 301
    assert Client().get(f"/nowhere{link}").status_code == 404
    assert Client(raise_request_exception=False).get(f"/broken/{token}/").status_code == 500
    lines = logged()
    assert [line.get("status") for line in lines] == [302, 301, 404, None, 500]
    assert lines[0]["path"].endswith("/…/")
    assert token not in json.dumps(lines) + "".join(PlainFormatter().format(record) for record in caplog.records)


@pytest.mark.parametrize(
    ("behind", "given", "taken"),
    [
        (True, "abc-1_2", True),
        (True, 'x" y', False),
        (True, "x" * 65, False),
        (True, "é", False),
        (False, "abc", False),
    ],
)
def test_only_the_proxy_may_name_a_request(client, db, settings, behind, given, taken):
    settings.BEHIND_PROXY = behind
    name = client.get("/healthz", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    assert name == given if taken else re.fullmatch(r"[0-9a-f]{32}", name)


# The server, as the container runs it


def find_commands(instruction):
    return [json.loads(found) for found in re.findall(rf"{instruction} (\[.*\])$", DOCKERFILE, re.M)]


@pytest.mark.long
def test_the_containers_own_commands_serve_outside_one_and_stop_when_told(place, tmp_path):
    """Its CMD, HEALTHCHECK and environment; only JSON logs on stderr. Of the migrations, those of one app are left."""
    manage(place, "migrate", "api", "zero", "--verbosity=0")
    port = place["PORT"]
    (health,), (serve,) = find_commands("HEALTHCHECK .* CMD"), find_commands("^CMD")
    assert (health, serve[:2]) == (["python", "-m", "config.healthcheck"], ["sh", "-c"])
    serve = serve[2].replace("0.0.0.0 --port 8000", f"127.0.0.1 --port {port}")
    environment = {**place, "LOG_FORMAT": "json", "WORKERS": "1", "BEHIND_PROXY": "1"}
    environment |= {
        "ALLOWED_HOSTS": "chosen.example.org",
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
    }
    with open(tmp_path / "err", "wb") as errors:
        server = subprocess.Popen(
            ["sh", "-c", serve], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
    check = [sys.executable, "-m", "config.healthcheck", f"http://127.0.0.1:{port}/healthz"]
    try:
        patience = time.monotonic() + 120
        while well := subprocess.run(check, cwd=ROOT, env=environment, capture_output=True).returncode:
            assert server.poll() is None, (tmp_path / "err").read_text()
            assert time.monotonic() < patience, "it does not come up"
            time.sleep(0.2)
        other = {**environment, "ALLOWED_HOSTS": "other.example.org"}
        assert subprocess.run(check, cwd=ROOT, env=other, capture_output=True).returncode == 1
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(20)
    assert (well, status) == (0, 0)
    with open_database(place) as database, database.cursor() as cursor:
        assert Token._meta.db_table in database.introspection.table_names(cursor), "it migrates"
    lines = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    assert [line["status"] for line in lines if line["logger"] == "config.requests"] == [400]


@pytest.mark.parametrize(
    ("hosts", "asked"),
    [("", "localhost"), ("*", "localhost"), ("a.example.org, b", "a.example.org"), (".example.org", "example.org")],
)
def test_the_health_check_asks_under_a_name_that_is_allowed(monkeypatch, hosts, asked):
    monkeypatch.setenv("ALLOWED_HOSTS", hosts)
    assert healthcheck.get_host() == asked


# The container files


def test_every_folder_that_runs_is_copied_and_every_copied_one_exists():
    copied = {name.rstrip("/") for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M) for name in line.split()}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = {app.split(".")[0] for app in settings.INSTALLED_APPS if (ROOT / app.split(".")[0]).is_dir()}
    packages |= {found.parent.name for found in ROOT.glob("*/__init__.py")} - {"tests", "bench", "attack", "lint"}
    assert copied >= packages | {"config", "manage.py", "templates", "static", "locale", "pyproject.toml"}


def test_what_is_copied_is_not_kept_out_of_the_build():
    kept_out = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", "data"} <= set(kept_out)
    assert ".env" in (ROOT / ".gitignore").read_text().split()
    assert not {"config", "datasets", "annotate", "templates", "static", "locale"} & set(kept_out)


def test_the_container_runs_as_nobody_in_particular():
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.M)
    assert DOCKERFILE.rindex("\nUSER") > DOCKERFILE.rindex("\nRUN")
    web = COMPOSE["services"]["web"]
    assert (web["read_only"], web["cap_drop"], web["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert [place.partition(":")[0] for place in web["tmpfs"]] == ["/tmp"]
    assert all(service["mem_limit"] for service in COMPOSE["services"].values())


def test_every_variable_of_the_container_files_is_read_by_something():
    named = set(COMPOSE["services"]["web"]["environment"]) | set(re.findall(r"\b([A-Z_]+)=", DOCKERFILE))
    assert named - {"PYTHONUNBUFFERED"} <= READ | BY_THE_COMMAND
    assert READ - set(COMPOSE["services"]["web"]["environment"]) == {"DATA_DIR", "DEBUG"}


def test_secrets_come_from_outside_and_are_asked_for():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "SECRET_KEY"):
        uses = re.findall(rf"\$\{{{name}[^}}]*}}", text)
        assert uses
        assert all(":?" in use for use in uses), "without it compose must not start"
    assert "SECRET" not in DOCKERFILE


def test_compose_hangs_together():
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    mounted = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert mounted == set(volumes)
    assert services["web"]["depends_on"]["db"]["condition"] == "service_healthy"
    assert services["db"]["healthcheck"]["test"][0] == "CMD-SHELL"
    assert services["web"]["ports"][0].startswith("127.0.0.1:")
    user, name = (services["db"]["environment"][key] for key in ("POSTGRES_USER", "POSTGRES_DB"))
    assert re.fullmatch(
        rf"postgres://{user}:\$\{{POSTGRES_PASSWORD.*}}@db/{name}", services["web"]["environment"]["DATABASE_URL"]
    )
    assert f"VOLUME {services['web']['volumes'][0].split(':')[1]}" in DOCKERFILE
    assert services["web"]["ports"][0].endswith(re.search(r"EXPOSE (\d+)", DOCKERFILE)[1])


# docs/operating.md


def find_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.M | re.S)


def test_the_table_of_the_environment_names_what_is_read():
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", DOCS, re.M)) == READ


def test_every_command_in_the_docs_exists():
    named = set(re.findall(r"manage\.py ([a-z_]+)", DOCS))
    assert named >= {"backup", "restore", "migrate", "take_up_imports", "create_user"}
    assert named <= set(get_commands())


def test_every_part_of_the_docs_that_is_linked_to_exists():
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", DOCS, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", DOCS)) <= headings


def test_the_server_is_started_alike_everywhere():
    """The docs' unit and the container differ only in the address and the number of workers."""
    started = re.findall(r"python -m config\.serve (--[^\"\n]*)", DOCKERFILE + "".join(find_blocks("ini")))
    alike = {re.sub(r"--(host|workers) \S+ ", "", command) for command in started}
    assert (len(started), len(alike)) == (2, 1)


def test_the_example_of_a_log_line_has_the_fields_that_a_line_has(client, db, logged):
    client.get("/accounts/login/")
    example = next(json.loads(block) for block in find_blocks("json") if "config.requests" in block)
    assert example.keys() == logged()[0].keys()


def test_the_example_of_a_summary_has_the_fields_that_it_has(transactional_db, tmp_path, run_command):
    example = next(json.loads(block) for block in find_blocks("json") if "made_on" in block)
    assert example.keys() == run_command("backup", str(tmp_path / "b.zip"))[1].keys()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = next(block for block in find_blocks("ini") if "[Service]" in block)
    unit = re.sub(r"/opt/chosen/\.venv/bin/\w+", "/bin/true", unit).replace("/opt/chosen", "/")
    (tmp_path / "chosen.service").write_text(unit.replace("User=chosen", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "chosen.service")], capture_output=True, text=True
    )
    assert "chosen.service" not in done.stderr, done.stderr
