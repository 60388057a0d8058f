"""Generation: every wanted answer is done, failed by reason, or waiting; what comes is checked and compared."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.db import connection

from annotate.queue.lease import lease_next
from datasets.jobs import worker
from datasets.models import Comparison, Dataset, Job, Prompt, Response
from optimize import asking, generation, reasons, tasks  # noqa: F401  # registers the kinds of tasks
from optimize.generation import AlreadyRunning, Limits, generate_here, start_generation
from optimize.models import Endpoint, Generation
from optimize.versions import list_newest, save_version
from optimize.wanted import Wanted, count_generations, estimate
from tests.conftest import build_rows
from tests.fake_endpoint import run_fake_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def shared_fake():
    with run_fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def fake(shared_fake):
    shared_fake.reset()
    return shared_fake


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(asking, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(asking, "HAND_OUT_S", 0.05)


@pytest.fixture
def bot(fake):
    return save_version("bot", fake.url, "tiny")


def make_prompts(make_dataset, n, **settings):
    return make_dataset([{"prompt": f"What is {i} + {i}?"} for i in range(n)], **settings)


def test_prompts_times_models_times_n(fake, bot, make_dataset, run_command):
    dataset = make_prompts(make_dataset, 5)
    save_version("cat", fake.url, "other")
    status, summary, _ = run_command("generate", dataset.slug, "--model", "bot", "cat", "--n", "2")
    assert (status, summary["wanted"], summary["done"], summary["failed"]) == (0, 20, 20, {})
    assert (summary["asked"], summary["responses"]) == (20, 20)
    assert set(Response.objects.values_list("source", flat=True)) == {"bot@1", "cat@1"}
    assert Comparison.objects.count() == 5 * 6  # all pairs of four answers
    seeds = {request["body"]["seed"] for request in fake.read_log()}
    assert len(seeds) == 20
    assert all(request["at_once"] <= 8 for request in fake.read_log())


def test_a_further_call_asks_only_for_what_is_missing(fake, bot, make_dataset, run_command):
    dataset = make_prompts(make_dataset, 3)
    run_command("generate", dataset.slug, "--model", "bot")
    assert run_command("generate", dataset.slug, "--model", "bot")[1]["asked"] == 0
    summary = run_command("generate", dataset.slug, "--model", "bot", "--n", "3")[1]
    assert (summary["wanted"], summary["done"], summary["asked"]) == (9, 9, 6)
    assert Comparison.objects.count() == 9


def test_all_faults_at_once(fake, bot, make_dataset, run_command):
    """Done + failed = wanted, each failure with its reason; a further call tries those that failed again."""
    quirks = {"limited_every": 5, "limited_for": 0, "failing_every": 7, "closed_every": 11, "nul_every": 13}
    fake.reset(**quirks, surrogate_every=17, reasoning_field="both", without_usage=True, empty_choices=True)
    dataset = make_prompts(make_dataset, 40)
    status, summary, _ = run_command("generate", dataset.slug, "--model", "bot", "--n", "3")
    assert (status, summary["wanted"]) == (1, 120)
    assert summary["done"] + sum(summary["failed"].values()) == 120
    certain, by_turn = (
        {"bad_unicode", "interrupted"},
        {"server_error"},
    )  # which request meets which fault depends on turns
    assert certain <= set(summary["failed"]) <= certain | by_turn
    assert set(summary["failed"]) <= set(reasons.FAILED)
    assert not any("\0" in text for text in Response.objects.values_list("text", flat=True))
    done = Generation.objects.filter(state="done")
    assert not done.filter(response__reasoning=None).exists()
    assert not done.exclude(tokens_in=None).exists()
    assert Response.objects.count() == summary["responses"] <= summary["done"]
    fake.reset()
    status, summary, _ = run_command("generate", dataset.slug, "--model", "bot", "--n", "3")
    assert (status, summary["done"], summary["failed"]) == (0, 120, {})
    assert Generation.objects.filter(state="done").count() == 120


def test_nobody_chooses_between_an_answer_and_an_error(fake, bot, make_dataset, run_command):
    """A prompt's comparisons hold whole answers only, and begin when none of its answers is awaited any more."""
    fake.reset(closed_every=2)
    dataset = make_prompts(make_dataset, 6)
    run_command("generate", dataset.slug, "--model", "bot", "--n", "2", "--at-once", "1")
    assert Response.objects.count() == 6
    assert not Comparison.objects.exists()
    fake.reset()
    run_command("generate", dataset.slug, "--model", "bot", "--n", "2")
    assert Comparison.objects.count() == 6


def test_a_comparison_waits_for_the_last_answer(fake, bot, make_dataset):
    dataset = make_prompts(make_dataset, 1)
    limits = Limits(answers=2)
    result = generate_here(Wanted(dataset, [bot], 4), at_once=1, limits=limits)
    assert (result["paused"], Response.objects.count()) == ("limit_answers", 2)
    assert not Comparison.objects.exists()
    generate_here(Wanted(dataset, [bot], 4))
    assert Comparison.objects.count() == 6


def test_twenty_failures_in_a_row_pause_and_say_why(fake, bot, make_dataset, run_command):
    fake.reset(status=503, error_text="The GPU is on fire")
    dataset = make_prompts(make_dataset, 40)
    status, summary, error = run_command("generate", dataset.slug, "--model", "bot")
    assert (status, summary["done"]) == (1, 0)
    assert "20 times in a row" in error
    assert "GPU is on fire" in error
    assert 20 <= summary["asked"] <= 20 + 8
    assert count_generations(Wanted(dataset, [bot], 1)).waiting
    assert Job.objects.get().result["failure"] == "server_error"
    fake.reset()
    assert run_command("generate", dataset.slug, "--model", "bot")[1]["done"] == 40


def test_a_busy_server_is_not_a_broken_one(fake, bot, make_dataset, run_command, monkeypatch):
    """429 does not count among the failures in a row: the job waits as the server says."""
    monkeypatch.setattr(asking, "MOST_FAILURES", 2)
    monkeypatch.setattr(asking, "MOST_ATTEMPTS", 40)
    fake.reset(limited_every=2, limited_for=0)
    dataset = make_prompts(make_dataset, 60)
    assert run_command("generate", dataset.slug, "--model", "bot")[1]["done"] == 60


def test_an_attempt_is_repeated_six_times_at_most(fake, bot, make_dataset, run_command, monkeypatch):
    monkeypatch.setattr(asking, "MOST_FAILURES", 1000)
    fake.reset(failing_every=1)
    dataset = make_prompts(make_dataset, 2)
    summary = run_command("generate", dataset.slug, "--model", "bot")[1]
    assert (summary["failed"], summary["asked"]) == ({"server_error": 2}, 12)
    assert set(Generation.objects.values_list("attempts", flat=True)) == {6}


def test_no_retry_after_the_first_byte(fake, bot, make_dataset, run_command):
    fake.reset(closed_every=1)
    dataset = make_prompts(make_dataset, 2)
    summary = run_command("generate", dataset.slug, "--model", "bot")[1]
    assert (summary["failed"], summary["asked"]) == ({"interrupted": 2}, 2)


@pytest.mark.parametrize(
    ("limits", "paused"),
    [
        (Limits(answers=5), "limit_answers"),
        (Limits(tokens=60), "limit_tokens"),
        (Limits(money=Decimal("0.0001")), "limit_money"),
    ],
)
def test_limits_pause_the_task(fake, bot, make_dataset, limits, paused):
    Endpoint.objects.update(price_in=2, price_out=4)
    bot.endpoint.refresh_from_db()
    dataset = make_prompts(make_dataset, 200)
    result = generate_here(Wanted(dataset, [bot], 1), at_once=1, limits=limits)
    assert result["paused"] == paused
    assert result["paused"] in reasons.PAUSED
    assert 0 < result["done"] < 200
    if limits.answers:
        assert fake.count_requests() == 5


def test_the_estimate(fake, bot, make_dataset):
    Endpoint.objects.update(price_in=2, price_out=4)
    bot.endpoint.refresh_from_db()
    dataset = make_prompts(make_dataset, 10)
    wanted = Wanted(dataset, [bot], 3)
    (before,) = estimate(wanted)
    assert (before.answers, before.most_out) == (30, 30 * 1024)
    assert before.cost == (2 * Decimal(before.tokens_in) + 4 * Decimal(before.tokens_out)) / 1_000_000
    generate_here(Wanted(dataset, [bot], 1))
    (after,) = estimate(wanted)
    known = Generation.objects.filter(state="done").first()
    assert after.answers == 20
    assert after.tokens_out == pytest.approx(20 * known.tokens_out, rel=0.5)


def test_answers_that_are_the_same_text_are_stored_once(fake, bot, make_dataset, run_command):
    fake.reset(text="Two.")
    dataset = make_prompts(make_dataset, 2)
    summary = run_command("generate", dataset.slug, "--model", "bot", "--n", "3")[1]
    assert (summary["done"], summary["responses"]) == (6, 2)
    assert not Comparison.objects.exists()


def test_what_arrives_is_warned_about_as_in_an_import(fake, bot, make_dataset, run_command):
    fake.reset(text="I am ChatGPT, write to ann@example.com", finish="length")
    dataset = make_prompts(make_dataset, 1)
    run_command("generate", dataset.slug, "--model", "bot")
    assert Generation.objects.get().warnings == ["cut_off", "names_model", "personal_data"]


@pytest.mark.parametrize(
    ("quirks", "code"),
    [({"text": ""}, "empty_answer"), ({"text": "", "reasoning_field": "reasoning"}, "only_reasoning")],
)
def test_an_empty_answer_is_a_failure(fake, bot, make_dataset, run_command, quirks, code):
    fake.reset(**quirks)
    dataset = make_prompts(make_dataset, 1)
    assert run_command("generate", dataset.slug, "--model", "bot")[1]["failed"] == {code: 1}


def test_usage_and_times_are_stored(fake, bot, make_dataset, run_command):
    dataset = make_prompts(make_dataset, 1)
    run_command("generate", dataset.slug, "--model", "bot")
    row = Generation.objects.get()
    assert row.tokens_in > 0
    assert row.tokens_out > 0
    assert row.ms >= row.first_ms >= 0
    assert (row.finish, row.attempts, row.response.source) == ("stop", 1, "bot@1")
    assert row.finished_at


def test_wrong_usage(make_dataset, run_command, bot):
    dataset = make_prompts(make_dataset, 1)
    assert run_command("generate", "nothing", "--model", "bot")[0] == 2
    status, _, error = run_command("generate", dataset.slug, "--model", "cat")
    assert (status, "bot@1" in error) == (2, True)
    assert run_command("generate", dataset.slug, "--model", "bot", "--n", "0")[0] == 2
    assert run_command("generate", dataset.slug, "--model", "bot@7")[0] == 2


def test_a_task_of_a_live_worker_is_waited_for_and_of_a_dead_one_taken_over(fake, bot, make_dataset):
    dataset = make_prompts(make_dataset, 2)
    wanted = Wanted(dataset, [bot], 1)
    waiting = start_generation(wanted)
    with pytest.raises(AlreadyRunning):
        start_generation(wanted)
    live = worker.create_job("generate", None, dataset, is_claimed=True)
    waiting.delete()
    with pytest.raises(AlreadyRunning):
        start_generation(wanted, here=True)
    with pytest.raises(TimeoutError):
        generate_here(wanted, wait_s=0)
    Job.objects.filter(pk=live.pk).update(beat_at=live.beat_at - worker.STALE)
    assert generate_here(wanted)["done"] == 2
    live.refresh_from_db()
    assert live.state == Job.State.CANCELLED


def test_a_pause_keeps_what_was_in_flight(fake, bot, make_dataset):
    fake.reset(delay_s=0.3)
    dataset = make_prompts(make_dataset, 100)
    wanted = Wanted(dataset, [bot], 1)
    job = start_generation(wanted)
    claimed = worker.claim()
    assert claimed.pk == job.pk
    real, calls = generation.store_answers, []

    def store(*args):
        calls.append(args)
        worker.cancel(Job.objects.get(pk=job.pk))
        return real(*args)

    generation.store_answers = store
    try:
        worker.run_claimed(claimed)
    finally:
        generation.store_answers = real
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert Generation.objects.filter(state="done").count() == fake.count_requests() < 100
    generate_here(wanted)
    assert fake.count_requests() == 100


def test_people_who_judge_get_the_processor(fake, bot, make_dataset, alice, monkeypatch):
    """While people judge, at most PACE answers a second are asked for; all of them come."""
    monkeypatch.setattr(generation, "PACE", 40)
    dataset = make_prompts(make_dataset, 60)
    lease_next(alice, make_dataset(build_rows(1), "judged"))
    started = time.monotonic()
    assert generate_here(Wanted(dataset, [bot], 1))["done"] == 60
    times = [request["time"] for request in fake.read_log()]
    assert max(times) - min(times) > 1
    assert time.monotonic() - started < 30


def test_a_dataset_that_is_deleted_meanwhile(fake, bot, make_dataset):
    dataset = make_prompts(make_dataset, 20)
    real = generation.store_answers

    def delete_first(*args):
        Prompt.objects.filter(dataset=dataset).delete()
        return real(*args)

    generation.store_answers = delete_first
    try:
        result = generate_here(Wanted(dataset, [bot], 1))
    finally:
        generation.store_answers = real
    assert result["state"] == Job.State.DONE
    assert not Response.objects.exists()


@pytest.mark.long
def test_kill_9_in_the_middle_asks_for_nothing_twice_but_what_was_in_flight(fake, bot, make_dataset):
    fake.reset(delay_s=0.02)
    dataset = make_prompts(make_dataset, 100)
    command = [sys.executable, "manage.py", "generate", dataset.slug, "--model", "bot", "--n", "2"]
    environment = {**os.environ, "DATABASE_URL": build_database_url(), "DATA_DIR": str(django_settings.DATA_DIR)}
    options = {
        "cwd": django_settings.BASE_DIR,
        "env": environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    process = subprocess.Popen(command, **options)
    until = time.monotonic() + 60
    while Generation.objects.filter(state="done").count() < 50 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 50 <= Generation.objects.filter(state="done").count() < 200
    ended = subprocess.run(command, **options, timeout=120, check=False)
    summary = json.loads(ended.stdout)
    assert (ended.returncode, summary["done"]) == (0, 200)
    assert Generation.objects.filter(state="done").count() == 200
    assert 200 <= fake.count_requests() <= 200 + 8  # wanted, and what was in flight
    assert Comparison.objects.count() == 100
    assert Dataset.objects.get().prompts.count() == 100


def build_database_url():
    """The address of the test's database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].replace("/postgres?", f"/{name}?")


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client_of_admin(client, admin):
    client.force_login(admin)
    return client


def work(client, path):
    """Runs the waiting tasks, then shows a page."""
    while (job := worker.claim()) is not None:
        worker.run_claimed(job)
    response = client.get(path, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_from_no_data_to_the_first_comparison(fake, client_of_admin):
    """A model, typed prompts, answers, a comparison: without a file and without JavaScript."""
    assert "No models yet" in client_of_admin.get("/datasets/new/").content.decode()
    model = {"name": "bot", "url": fake.url, "model": "tiny", "temperature": "0.7", "top_p": "1", "max_tokens": "200"}
    assert client_of_admin.post("/models/", model).headers["Location"] == "/models/bot/"
    prompts = "Which moons has Mars?\r\n\r\n  去哪里？  \r\nWhich moons has Mars?\r\n"
    form = {"slug": "first", "prompts": prompts, "models": ["bot"], "n": "2"}
    assert client_of_admin.post("/datasets/new/", form).headers["Location"] == "/datasets/first/generate/"
    assert "Queued." in client_of_admin.get("/datasets/first/generate/").content.decode()
    page = work(client_of_admin, "/datasets/first/generate/")
    assert "bot@1" in page
    assert "Resume" not in page
    assert set(Prompt.objects.values_list("instruction", flat=True)) == {"Which moons has Mars?", "去哪里？"}
    assert Comparison.objects.count() == 2
    assert "data-comparison" not in client_of_admin.get("/annotate/first/").content.decode(), "it is a draft"
    client_of_admin.post("/datasets/first/state/", {"state": "open"})
    assert "data-comparison" in client_of_admin.get("/annotate/first/").content.decode()
    assert fake.read_log()[0]["body"]["temperature"] == 0.7


def test_the_page_estimates_starts_pauses_and_goes_on(fake, bot, make_dataset, client_of_admin):
    make_prompts(make_dataset, 3)
    path = "/datasets/demo/generate/"
    assert "Generate 6 answers" in client_of_admin.get(f"{path}?models=bot&n=2").content.decode()
    start = {"act": "start", "models": ["bot"], "n": "2", "most_answers": "4"}
    assert client_of_admin.post(path, start).status_code == 302
    again = client_of_admin.post(path, start, follow=True).content.decode()
    assert "Generation is running" in again
    page = work(client_of_admin, path)
    assert "Answer limit reached" in page
    assert "Resume" in page
    fake.reset(closed_every=2)
    client_of_admin.post(path, {"act": "resume"})
    assert fake.count_requests() == 0
    client_of_admin.post(path, {"act": "pause"})
    assert "Paused. All answers received so far are stored." in work(client_of_admin, path)
    assert fake.count_requests() == 0
    client_of_admin.post(path, {"act": "resume"})
    page = work(client_of_admin, path)
    assert "The connection broke in the middle of the answer" in page
    assert "Retry failed answers" in page


def test_a_further_model_and_one_prompt_more(fake, bot, make_dataset, client_of_admin):
    dataset = make_prompts(make_dataset, 2)
    generate_here(Wanted(dataset, [bot], 2))
    save_version("cat", fake.url, "other")
    path = "/datasets/demo/generate/"
    client_of_admin.post(path, {"act": "start", "models": ["cat"], "n": "1"})
    work(client_of_admin, path)
    assert Response.objects.filter(source="cat@1").count() == 2
    prompt = dataset.prompts.earliest("pk").pk
    assert f"{path}?prompt={prompt}" in client_of_admin.get(f"/datasets/demo/prompts/{prompt}/").content.decode()
    assert 'value="3"' in client_of_admin.get(f"{path}?prompt={prompt}").content.decode()
    client_of_admin.post(path, {"act": "start", "prompt": prompt, "models": ["bot"], "n": "3"})
    work(client_of_admin, path)
    assert sorted(Response.objects.filter(source="bot@1").values_list("prompt", flat=True)).count(prompt) == 3
    assert Response.objects.filter(source="bot@1").count() == 5
    assert client_of_admin.get(f"{path}?prompt=987654").status_code == 404


def test_a_trial_and_a_probe(fake, bot, client_of_admin):
    fake.reset(reasoning_field="reasoning", models_fail=True)
    trial = client_of_admin.post("/models/bot/try/", {"prompt": "<script>alert(1)</script> Where to?"})
    page = work(client_of_admin, trial.headers["Location"])
    assert page.count('class="answer"') == 3
    assert "<script>alert" not in page
    assert fake.count_requests() == 3
    assert not Response.objects.exists()
    probe = client_of_admin.post("/models/bot/probe/")
    page = work(client_of_admin, probe.headers["Location"])
    assert "It does not list its models." in page
    assert "The same seed gives the same answer." in page
    endpoint = Endpoint.objects.get()
    assert (endpoint.probed["stream"], endpoint.probed["usage"], endpoint.probed["seed"]) == (True, True, True)
    assert endpoint.probed["models_failure"] == "server_error"


def test_a_server_that_refuses_stream_options_works_after_a_check(fake, bot, make_dataset, client_of_admin):
    fake.reset(refuse_stream_options=True)
    dataset = make_prompts(make_dataset, 1)
    assert generate_here(Wanted(dataset, [bot], 1))["failed"] == 1
    work(client_of_admin, client_of_admin.post("/models/bot/probe/").headers["Location"])
    bot.endpoint.refresh_from_db()
    assert bot.endpoint.probed["stream_options"] is False
    assert generate_here(Wanted(dataset, [bot], 1))["done"] == 1


def test_a_dead_server_is_named_on_the_page(bot, client_of_admin):
    Endpoint.objects.update(base_url="http://127.0.0.1:9/v1")
    page = work(client_of_admin, client_of_admin.post("/models/bot/probe/").headers["Location"])
    assert "The server cannot be reached." in page
    trial = client_of_admin.post("/models/bot/try/", {"prompt": "Where to?"})
    assert "The server cannot be reached." in work(client_of_admin, trial.headers["Location"])


def test_prices_and_limits_are_saved(bot, client_of_admin):
    form = {"at_once": 3, "first_byte_s": 5, "total_s": 9, "max_bytes": 4096, "price_in": "0.5", "price_out": 2}
    assert client_of_admin.post("/models/bot/endpoint/", form).status_code == 302
    endpoint = Endpoint.objects.get()
    assert (endpoint.at_once, endpoint.price_in, endpoint.total_s) == (3, Decimal("0.5"), 9)
    assert client_of_admin.post("/models/bot/endpoint/", form | {"at_once": 0}).status_code == 422


def test_a_model_can_be_deleted_until_it_is_used(bot, make_dataset, client_of_admin):
    save_version("cat", bot.endpoint.base_url, "other")
    assert client_of_admin.post("/models/cat/", {"act": "delete"}).headers["Location"] == "/models/"
    generate_here(Wanted(make_prompts(make_dataset, 1), [bot], 1))
    client_of_admin.post("/models/bot/", {"act": "delete"})
    assert [version.source for version in list_newest()] == ["bot@1"]
    assert Endpoint.objects.count() == 1
    assert client_of_admin.get("/models/cat/").status_code == 404


def test_a_backup_holds_models_and_generations_and_no_key(fake, make_dataset, monkeypatch, tmp_path, run_command):
    monkeypatch.setenv("CHOSEN_KEY_LAB", f"{fake.url.removesuffix('/v1')} my-very-own-key-42")
    fake.reset(status=401, echo_key=True)
    bot = save_version("bot", fake.url, "tiny", key_name="LAB")
    Endpoint.objects.update(price_in="0.25")
    dataset = make_prompts(make_dataset, 3)
    generate_here(Wanted(dataset, [bot], 1))
    path = tmp_path / "whole.zip"
    assert run_command("backup", str(path))[0] == 0
    with zipfile.ZipFile(path) as archive:
        contents = b"".join(archive.read(name) for name in archive.namelist())
    assert b"optimize.generation" in b" ".join(name.encode() for name in archive.namelist()) + contents
    assert b"own-key" not in contents
    assert b"0.25" in contents
