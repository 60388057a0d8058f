"""Long operations continue after the response, as tasks that a script can follow and cancel."""

import json
import threading
import time

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from api import tasks
from datasets.bundles import tasks as bundle_tasks
from datasets.imports import tasks as import_tasks
from datasets.jobs import worker as job_worker
from datasets.jobs.worker import work_until_idle
from datasets.models import Comparison, Import, Job, Prompt, Snapshot
from tests.conftest import build_rows
from tests.test_api import Script, check_documented
from tests.test_api_rows import BAD, encode_ndjson, list_leftovers, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(job_worker, "IDLE", 0)
    monkeypatch.setattr(job_worker, "HEARTBEAT", 0.05)


@pytest.fixture
def script(admin):
    script = Script(admin, reads=True, writes=True)
    script.post("", {"slug": "demo", "overlap": 2})
    return script


def fetch_task(script, address, method="get"):
    """The task at this URL."""
    answer = check_documented(getattr(Client(), method)(address, headers=script.headers))
    assert answer.status_code == 200
    return answer.json()


def list_task_files():
    return list((settings.DATA_DIR / "uploads").glob("task-*/*"))


def test_rows_are_stored_after_the_answer_and_the_task_tells_what_came_of_it(script, admin):
    answer = send(script, [*build_rows(6), BAD], "?background=true&skip_bad_rows=true&file=late.jsonl")
    task = answer.json()
    assert (answer.status_code, task["state"], task["kind"], task["dataset"]) == (202, "waiting", "rows", "demo")
    assert (Prompt.objects.count(), list_leftovers()) == (0, [])
    assert fetch_task(script, task["address"])["state"] == "waiting"
    work_until_idle()
    task = fetch_task(script, task["address"])
    result = task["result"]
    assert (task["state"], task["error"], task["done"]) == ("done", "", task["total"])
    assert (result["rows"], result["prompts"], result["refused"], result["duplicates"]) == (7, 6, 1, 0)
    assert [error["line"] for error in result["errors"]] == [7]
    assert set(result) == set(send(script, build_rows(1)).json()), "the same as without a task"
    found = script.get(f"demo/imports/{result['number']}/").json()
    assert (found["files"], found["state"]) == (["late.jsonl"], "done")
    assert Comparison.objects.filter(wanted=2).count() == 6
    assert Import.objects.get(pk=result["number"]).created_by == admin
    assert list_task_files() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [(encode_ndjson([*build_rows(2), BAD]), "empty_answer"), (b"hello", "unknown_file"), (b"", "empty_file")],
)
def test_rows_that_are_refused_end_as_a_failed_task_that_says_the_same(script, body, reason):
    at_once = send(script, body, "?background=false").json()
    address = send(script, body, "?background=true").json()["address"]
    work_until_idle()
    task = fetch_task(script, address)
    assert (task["state"], task["error"]) == ("failed", at_once["detail"])
    assert [error["reason"] for error in task["result"]["errors"]] == [reason]
    for said in (task["result"], at_once):
        (said["summary"] or {}).pop("seconds", None)
    assert task["result"] == at_once
    assert (Prompt.objects.count(), Import.objects.count(), list_task_files()) == (0, 0, [])


@pytest.mark.parametrize(
    ("query", "most", "status"), [("", 10, 202), ("", 10**6, 200), ("false", 10, 200), ("true", 10**6, 202)]
)
def test_what_is_large_becomes_a_task_by_itself(script, monkeypatch, query, most, status):
    monkeypatch.setattr("api.endpoints.BYTES_AT_ONCE", most)
    assert send(script, build_rows(2), f"?background={query}" if query else "").status_code == status


@pytest.mark.parametrize(("query", "most", "status"), [("", 0, 202), ("", 9, 201), ("false", 0, 201), ("true", 9, 202)])
def test_a_bundle_of_many_prompts_is_made_as_a_task(script, monkeypatch, query, most, status):
    send(script, [{"prompt": "Why?", "chosen": "Because.", "rejected": "No."}])
    monkeypatch.setattr(bundle_tasks, "PROMPTS_AT_ONCE", most)
    answer = script.post(f"demo/bundles/?dialects=dpo&split=100,0,0&background={query}".removesuffix("&background="))
    assert answer.status_code == status
    if status == 202:
        assert Snapshot.objects.count() == 0
        work_until_idle()
        task = fetch_task(script, answer.json()["address"])
        assert (task["state"], task["result"]) == ("done", {"dataset": "demo", "bundle": 1})
    assert script.get("demo/bundles/1/").json()["manifest"]["settings"]["dialects"] == ["dpo"]


def test_a_task_that_waits_is_stopped_and_one_that_has_ended_stays_as_it_is(script):
    address = send(script, build_rows(2), "?background=true").json()["address"]
    assert fetch_task(script, f"{address}cancel/", "post")["state"] == "cancelled"
    assert fetch_task(script, f"{address}cancel/", "post")["state"] == "cancelled"
    assert work_until_idle() == 0
    address = send(script, build_rows(2), "?background=true").json()["address"]
    work_until_idle()
    assert fetch_task(script, f"{address}cancel/", "post")["state"] == "done"
    assert Prompt.objects.count() == 2


def test_one_at_work_tells_how_far_it_is_and_leaves_nothing_when_it_is_stopped(script, monkeypatch):
    monkeypatch.setattr("datasets.imports.store.BATCH", 2)
    real = tasks.store_or_finish
    seen, gate = [], threading.Event()

    def work_slowly(run, progress, is_begun):
        def report_and_wait(done, total):
            progress(done, total)
            gate.wait(5)

        real(run, report_and_wait, is_begun)

    monkeypatch.setattr(tasks, "store_or_finish", work_slowly)
    address = send(script, build_rows(10), "?background=true").json()["address"]
    worker = threading.Thread(target=lambda: (work_until_idle(), connection.close()))
    worker.start()
    for _ in range(200):
        seen = fetch_task(script, address)
        if seen["done"] * 2 > seen["total"] > 0:
            break
        time.sleep(0.02)
    assert seen["state"] == "running"
    assert fetch_task(script, f"{address}cancel/", "post")["state"] == "running"
    time.sleep(0.3)
    gate.set()
    worker.join()
    assert fetch_task(script, address)["state"] == "cancelled"
    assert (Prompt.objects.count(), Import.objects.count(), list_task_files()) == (0, 0, [])


def test_a_task_whose_worker_is_gone_is_taken_up_where_the_rows_end(script, monkeypatch):
    monkeypatch.setattr("datasets.imports.store.BATCH", 2)
    address = send(script, build_rows(10), "?background=true").json()["address"]
    job, batches = job_worker.claim(), []

    def die_at_third(done, total):
        batches.append(done)
        if len(batches) == 3:
            raise SystemExit

    monkeypatch.setattr(
        "api.tasks.ReadTracker", lambda progress, total: import_tasks.ReadTracker(lambda *_: None, total)
    )
    with pytest.raises(SystemExit):
        job_worker.perform(job, die_at_third)
    assert 0 < Prompt.objects.count() < 10
    Job.objects.update(beat_at=timezone.now() - 2 * job_worker.STALE)
    work_until_idle()
    task = fetch_task(script, address)
    assert (task["state"], task["result"]["prompts"], task["result"]["rows"]) == ("done", 10, 10)
    assert (Prompt.objects.count(), Comparison.objects.count(), Import.objects.count()) == (10, 10, 1)


def test_the_words_of_a_task_are_in_the_language_of_who_asked(script):
    script.headers["Accept-Language"] = "zh-hans"
    send(script, [BAD], "?background=true")
    work_until_idle()
    assert Job.objects.get().error != "Some rows were rejected; nothing was stored."
    assert json.dumps(Job.objects.get().result).isascii()


def test_its_page_says_what_it_does_and_leads_to_the_dataset(script, client, admin):
    send(script, [BAD], "?background=true")
    work_until_idle()
    client.force_login(admin)
    shown = client.get(f"/datasets/upload/tasks/{Job.objects.get().pk}/").content.decode()
    assert "Importing rows sent by a script" in shown
    assert "Some rows were rejected; nothing was stored." in shown
    assert "/datasets/demo/" in shown


@pytest.mark.parametrize("scopes", [{"reads": True, "writes": False}, {"reads": False, "writes": True}])
def test_to_look_and_to_stop_are_two_scopes(script, admin, scopes):
    address = send(script, build_rows(2), "?background=true").json()["address"]
    other = Script(admin, **scopes)
    looked = Client().get(address, headers=other.headers)
    stopped = Client().post(f"{address}cancel/", headers=other.headers)
    assert (looked.status_code == 200, stopped.status_code == 200) == (scopes["reads"], scopes["writes"])
    assert Client().get("/api/v1/tasks/987654/", headers=script.headers).status_code == 404
