"""/metrics: who may read it, what it counts, over all processes of a server."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import settings as project
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from annotate.queue.lease import lease_next
from config.acts import find_act
from datasets import counters
from datasets.models import Job, Judgment
from datasets.text import renderers
from tests.conftest import build_rows
from tests.serving import Person, read_fields, running_server

TOKEN = "a-long-token-for-prometheus"
LINE = re.compile(r'([a-z_]+)((?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (\S+)')


@pytest.fixture
def fresh(monkeypatch, settings):
    """Counters that start at zero, of this process only; a token that may read them."""
    monkeypatch.delenv(counters.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(counters, "_array", None)
    settings.METRICS_TOKEN = TOKEN
    cache.clear()


def parse_metrics(text):
    """{metric with its labels: value}; fails on a line that is no sample."""
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    return {found[1] + found[2]: float(found[3]) for found in (LINE.fullmatch(line) for line in lines)}


def read_samples(client):
    cache.clear()
    return parse_metrics(client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").content.decode())


# Who may read


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_by_default_there_is_no_such_page(method, admin):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    for path in ("/metrics", "/nowhere"):
        assert getattr(client, method)(path, HTTP_AUTHORIZATION="Bearer ").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "status"),
    [(f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 404), (TOKEN, 404), ("Bearer é", 404)],
)
def test_who_has_the_token_may_read(client, fresh, given, status):
    assert client.get("/metrics", HTTP_AUTHORIZATION=given).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "forwarded", "behind", "status"),
    [
        ("127.0.0.1", "", False, 200),
        ("::1", "", False, 200),
        ("10.1.2.3", "", False, 200),
        ("10.2.2.3", "", False, 404),
        ("203.0.113.9", "127.0.0.1", False, 404),  # without a proxy, nobody may say who they are
        ("127.0.0.1", "203.0.113.9", True, 404),  # through the proxy
        ("127.0.0.1", "127.0.0.1, 203.0.113.9", True, 404),
        ("127.0.0.1", "", True, 200),  # past the proxy, on the machine itself
        ("", "", False, 404),
    ],
)
def test_who_is_in_a_trusted_network_may_read(client, settings, address, forwarded, behind, status):
    settings.METRICS_NETS = [ip_network(net) for net in ("127.0.0.0/8", "::1", "10.1.0.0/16")]
    settings.BEHIND_PROXY = behind
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert client.get("/metrics", REMOTE_ADDR=address, **headers).status_code == status


def test_the_settings_come_from_the_environment(tmp_path):
    code = "from config import settings as s; print(s.METRICS_TOKEN, *s.METRICS_NETS)"
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "METRICS_TOKEN": " abc ", "METRICS_NETS": "10.0.0.0/8, ::1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=project.BASE_DIR, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["abc", "10.0.0.0/8", "::1/128"]


# What it says


@pytest.mark.django_db
def test_what_waits_is_counted_in_the_database(client, fresh, make_dataset, alice, bob, django_assert_max_num_queries):
    dataset = make_dataset(build_rows(5), overlap=3)
    make_dataset(build_rows(3), "halted", state="paused")
    lease_next(alice, dataset)
    late = lease_next(bob, dataset)
    Judgment.objects.filter(pk=late.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    Job.objects.all().delete()
    for kind, state in (("probe", "waiting"), ("generate", "running"), ("store", "waiting"), ("store", "done")):
        Job.objects.create(kind=kind, state=state)
    Job.objects.filter(kind="store").update(created_at=timezone.now() - timedelta(seconds=70))
    with django_assert_max_num_queries(3):
        found = read_samples(client)
    assert found["chosen_open_comparisons"] == 5
    assert found['chosen_leases{state="live"}'] == found['chosen_leases{state="overdue"}'] == 1
    jobs = {key: n for key, n in found.items() if key.startswith("chosen_jobs") and n}
    assert jobs == {
        'chosen_jobs{lane="chat",state="waiting"}': 1,
        'chosen_jobs{lane="generate",state="running"}': 1,
        'chosen_jobs{lane="bulk",state="waiting"}': 1,
    }
    assert 70 <= found['chosen_oldest_waiting_job_seconds{lane="bulk"}'] < 100


@pytest.mark.django_db
def test_the_database_is_not_asked_at_each_read_samples(client, fresh, settings, django_assert_num_queries):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "metrics"}}
    read_samples(client)
    with django_assert_num_queries(0):
        client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")


@pytest.mark.django_db
def test_a_histogram_is_cumulative_and_adds_up(client, fresh):
    for seconds in (0.001, 0.005, 0.2, 99):
        counters.count_act("undo", "refused", seconds)
    found = read_samples(client)
    buckets = [value for key, value in found.items() if key.startswith('chosen_act_seconds_bucket{act="undo"')]
    assert buckets == [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4]
    assert found['chosen_act_seconds_count{act="undo"}'] == 4
    assert found['chosen_act_seconds_sum{act="undo"}'] == pytest.approx(99.206)
    assert found['chosen_acts_total{act="undo",outcome="refused"}'] == 4
    assert sum(value for key, value in found.items() if key.startswith("chosen_acts_total")) == 4


def test_every_metric_has_a_help_and_a_type_and_every_line_can_be_read(client, fresh, db):
    answer = client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    text = answer.content.decode()
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert text.endswith("\n")
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert re.findall(r"^# HELP (\w+) ", text, re.M) == list(types)
    names = {re.match(r"\w+", key)[0] for key in parse_metrics(text)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in names} == types.keys()


@pytest.mark.django_db
def test_verdicts_are_counted_by_what_became_of_them(client, fresh, make_dataset, alice):
    dataset = make_dataset(build_rows(5))
    client.force_login(alice)

    def send(verdict, revision=0, pk=None, **more):
        pk = pk or lease_next(alice, dataset).pk
        client.post("/annotate/demo/", {"judgment": pk, "revision": revision, "verdict": verdict, **more})
        return pk

    again = send("left")
    send("left", pk=again)
    send("skip")
    client.headers = {"HX-Request": "true"}
    pk = lease_next(alice, dataset).pk
    form = {"judgment": pk, "revision": 0, "verdict": "left", "ready": 1}
    client.post("/annotate/demo/", form, headers={"HX-Request": "true"})
    found = {key: value for key, value in read_samples(client).items() if key.startswith("chosen_verdicts") and value}
    assert found == {
        'chosen_verdicts_total{outcome="saved",way="fast"}': 1,
        'chosen_verdicts_total{outcome="saved",way="slow"}': 1,
        'chosen_verdicts_total{outcome="skipped",way="slow"}': 1,
        'chosen_verdicts_total{outcome="unchanged",way="slow"}': 1,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "headers", "act"),
    [
        ("get", "/annotate/demo/", {}, "page"),
        ("post", "/annotate/demo/", {}, "verdict_without_script"),
        ("post", "/annotate/demo/", {"HX-Request": "true"}, "verdict"),
        ("post", "/annotate/demo/ahead/", {}, "next"),
        ("get", "/annotate/demo/history/", {}, "other"),
        ("post", "/annotate/demo/review/undo/", {}, "review"),
        ("get", "/datasets/demo/", {}, "lead"),
        ("get", "/team/", {}, "lead"),
        ("get", "/datasets/demo/chat/", {}, "lead"),
        ("get", "/chat/demo/", {}, "chat"),
        ("get", "/api/v1/datasets/", {}, "api"),
        ("get", "/v1/models", {}, "policy"),
        ("get", "/static/ready.js", {}, "static"),
        ("get", "/nowhere/", {}, "other"),
        ("get", "/healthz", {}, None),
        ("get", "/metrics", {}, None),
    ],
)
def test_each_request_is_an_act(client, admin, make_dataset, method, path, headers, act):
    make_dataset(build_rows(1))
    client.force_login(admin)
    assert find_act(getattr(client, method)(path, headers=headers).wsgi_request) == act
    assert act is None or act in counters.ACTS


def test_texts_that_reach_a_limit_of_rendering_are_counted(client, fresh, db, monkeypatch):
    monkeypatch.setattr(renderers, "MAX_WAIT", 0.01)
    renderers.Renderers(0).render(["**a**", "**b**"])
    pool = renderers.Renderers(1)
    assert pool.render_one(None, "**a**", 0)[0].why is None
    child = renderers.Child(seconds=0.01)
    assert pool.render_one(child, "[" * 150_000, 20)[0].why == renderers.SLOW
    found = read_samples(client)
    assert [found[f'chosen_rendering_limits_total{{reason="{why}"}}'] for why in counters.RENDERING] == [1, 0, 1, 2]


# Of several processes


def test_an_act_costs_less_than_a_tenth_of_a_millisecond(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv(counters.FOLDER_VARIABLE, str(tmp_path))
    counters.count_act("verdict", "done", 0.01)
    started = time.perf_counter()
    for _ in range(10_000):
        counters.count_act("verdict", "done", 0.01)
    assert (time.perf_counter() - started) / 10_000 < 0.0001
    assert counters.read_totals()["act", "verdict", "done"] == 10_001


ADDING = "from datasets import counters; [counters.count_act('next', 'done', 0.01) for _ in range(7)]"


def test_the_acts_of_a_process_that_has_ended_still_count(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv(counters.FOLDER_VARIABLE, str(tmp_path))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", ADDING], cwd=project.BASE_DIR, check=True)
    (tmp_path / "1").write_bytes(b"half")
    counters.count_act("next", "done", 0.01)
    assert counters.read_totals()["act", "next", "done"] == 15


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_without_its_folder_a_process_counts_for_itself(fresh, monkeypatch, tmp_path, what):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv(counters.FOLDER_VARIABLE, str(tmp_path / what))
    counters.count_act("next", "done", 0.01)
    assert counters.read_totals()["act", "next", "done"] == 1


@pytest.mark.long
@pytest.mark.once  # the counters are files
def test_values_rise_over_all_workers_whichever_is_asked(demo_place):
    """Each request has a connection of its own, so that both workers get some."""
    environment = {**demo_place, "METRICS_TOKEN": TOKEN, "START_WORKERS": "0"}
    port = environment["PORT"]

    def ask():
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        return parse_metrics(urllib.request.urlopen(request, timeout=20).read().decode())

    with running_server(environment):
        alice = Person("alice", port)
        before = ask()
        asked = 0
        while asked < 8 or (asked < 100 and ask()["chosen_processes"] < 2):
            page, asked = alice.get("/annotate/models/"), asked + 1
        alice.post("/annotate/models/", read_fields(page) | {"verdict": "left"})
        scrapes = [ask() for _ in range(12)]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")
    pages, verdicts = (
        'chosen_acts_total{act="page",outcome="done"}',
        'chosen_verdicts_total{outcome="saved",way="slow"}',
    )
    assert before[pages] == before[verdicts] == 0
    assert {each[pages] for each in scrapes} == {asked + 1}  # the last is the redirect after the verdict
    assert {each[verdicts] for each in scrapes} == {1}
    assert {each['chosen_act_seconds_count{act="verdict_without_script"}'] for each in scrapes} == {1}
    assert min(each["chosen_processes"] for each in scrapes) >= 2
