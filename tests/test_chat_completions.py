"""Policies as OpenAI's chat API, asked by OpenAI's own client."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

import openai
import pytest
from django.core.management import call_command

from annotate.judging.record import record
from annotate.models import User
from annotate.queue.lease import lease_next
from api import chat_completions
from api.tokens import create_token
from datasets.comparisons.generate import regenerate_comparisons
from datasets.jobs import worker
from datasets.models import Comparison, Dataset, Prompt, Response
from optimize import prompt_answers, tasks  # noqa: F401  # registers the kinds of tasks
from optimize.models import Generation, Pick, PolicySettings
from optimize.policy import learning, serving
from optimize.versions import save_version
from optimize.views.policy import count_live
from optimize.wire.client import Completion, RequestFailed
from tests.serving import ROOT
from tests.test_policy import BEACH, bots, make_crowd  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGES = [{"role": "user", "content": BEACH}]


@pytest.fixture
def demo(transactional_db):
    call_command("load_demo")
    dataset = Dataset.objects.get(slug="travel")
    PolicySettings.objects.create(dataset=dataset, n=8)
    return dataset


@pytest.fixture
def secret(demo):
    return create_token(User.objects.get(username="admin"), "bot", chats=True)[1]


@pytest.fixture
def ask(live_server, secret):
    """OpenAI's client, without repetitions."""
    return openai.OpenAI(base_url=f"{live_server.url}/v1", api_key=secret, max_retries=0)


def test_the_pick_of_a_policy(ask, demo, monkeypatch):
    monkeypatch.setattr(serving, "draw_seeds", lambda n: range(1, n + 1))
    answer = ask.chat.completions.create(model="travel", messages=MESSAGES)
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "你可以考虑去马尔代夫或巴厘岛。"
    assert answer.chosen == {"policy": "travel", "n": 8, "chance": None, "covered": True}
    assert (Generation.objects.count(), Pick.objects.count()) == (0, 0)  # nothing is stored
    assert Prompt.objects.count() == Prompt.objects.filter(imported__isnull=False).count()


def test_a_stream_has_the_role_the_text_the_end_and_the_usage(ask, monkeypatch):
    def complete(target, request):
        return Completion(f"Answer {request['seed']}.", "", "length", 10, 5)

    monkeypatch.setattr(prompt_answers, "get_client", lambda: type("Bot", (), {"complete": staticmethod(complete)}))
    chunks = list(
        ask.chat.completions.create(
            model="travel", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("Answer ")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (80, 40)  # of all eight
    assert chunks[-1].usage.total_tokens == 120
    whole = ask.chat.completions.create(model="travel", messages=MESSAGES)
    assert whole.usage.total_tokens == 120


def test_the_list_of_models(ask, demo):
    assert [model.id for model in ask.models.list()] == ["travel"]
    Dataset.objects.filter(slug="models").update(has_chat=True)
    assert [model.id for model in ask.models.list()] == ["models", "travel"]
    demo.state = "archived"
    demo.save()
    assert [model.id for model in ask.models.list()] == ["models"]


@pytest.mark.parametrize(
    ("changes", "error", "code", "param"),
    [
        ({"model": "nothing"}, openai.NotFoundError, "model_not_found", "model"),
        ({"messages": []}, openai.BadRequestError, None, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, openai.BadRequestError, "tools", "messages[0].role"),
        ({"messages": [*MESSAGES, {"role": "assistant", "content": "x"}]}, openai.BadRequestError, None, "messages"),
        ({"messages": [{"role": "user", "content": "a\0"}]}, openai.BadRequestError, "bad_unicode", None),
        ({"n": 2}, openai.BadRequestError, None, "n"),
    ],
)
def test_errors_have_openais_shape(changes, error, code, param, ask):
    with pytest.raises(error) as caught:
        ask.chat.completions.create(**{"model": "travel", "messages": MESSAGES, **changes})
    assert caught.value.body["message"]
    assert code is None or caught.value.code == code
    assert param is None or (caught.value.param or "").startswith(param)


def test_a_token_needs_the_scope(live_server, demo):
    admin = User.objects.get(username="admin")
    for key, error in (
        ("none", openai.AuthenticationError),
        (create_token(admin, "script", reads=True, writes=True)[1], openai.PermissionDeniedError),
    ):
        client = openai.OpenAI(base_url=f"{live_server.url}/v1", api_key=key, max_retries=0)
        with pytest.raises(error):
            client.chat.completions.create(model="travel", messages=MESSAGES)
        with pytest.raises(error):
            client.models.list()


def test_if_all_answers_fail_the_client_is_told_why(ask, bots):  # noqa: F811
    bots.answers["travel-bot"] = [RequestFailed("unauthorized", "key sk-123")]
    with pytest.raises(openai.InternalServerError) as caught:
        ask.chat.completions.create(model="travel", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (502, "unauthorized")
    assert "sk-123" not in str(caught.value)


def test_one_failure_leaves_the_others(ask, bots):  # noqa: F811
    bots.answers["travel-bot"] = [RequestFailed("bad_request")] * 7 + ["三亚。"]
    answer = ask.chat.completions.create(model="travel", messages=MESSAGES)
    assert (answer.choices[0].message.content, answer.chosen["n"]) == ("三亚。", 1)


def test_the_conversation_and_the_limits_of_the_request_reach_the_model(ask, bots):  # noqa: F811
    said = [{"role": "system", "content": "Brief."}, *MESSAGES, {"role": "assistant", "content": "三亚。"}, *MESSAGES]
    ask.chat.completions.create(model="travel", messages=said, max_tokens=7, stop=["\n"], temperature=0)
    assert bots.requests[0]["messages"] == said
    assert (bots.requests[0]["max_tokens"], bots.requests[0]["stop"]) == (7, ["\n"])
    assert "temperature" not in bots.requests[0]  # the version says it
    assert len({request["seed"] for request in bots.requests}) == 8


def test_more_requests_at_once_than_a_judging_process_spares_are_told_to_wait(ask, bots, monkeypatch):  # noqa: F811
    gate = threading.Event()
    monkeypatch.setattr(bots, "complete", lambda *_: gate.wait(20) and Completion("Well."))
    monkeypatch.setattr(chat_completions, "PLACES", threading.BoundedSemaphore(1))
    first = threading.Thread(target=lambda: ask.chat.completions.create(model="travel", messages=MESSAGES))
    first.start()
    try:
        for _ in range(100):
            if not chat_completions.PLACES._value:
                break
            time.sleep(0.05)
        with pytest.raises(openai.RateLimitError) as caught:
            ask.chat.completions.create(model="travel", messages=MESSAGES)
        assert caught.value.response.headers["Retry-After"] == "1"
    finally:
        gate.set()
        first.join()


def test_a_share_of_live_requests_is_judged_blind(ask, demo, monkeypatch):
    PolicySettings.objects.update(live_share=100)
    learning._learnt.clear()
    seeds = iter(range(1, 1000))
    monkeypatch.setattr(serving, "draw_seeds", lambda n: [next(seeds) for _ in range(n)])
    for _ in range(6):
        ask.chat.completions.create(model="travel", messages=MESSAGES)
    picks = list(Pick.objects.exclude(comparison=None))
    assert picks  # whenever the pick was not the first answer
    assert all(pick.first_id != pick.pick_id for pick in picks)
    alice = User.objects.get(username="alice")
    judgment = lease_next(alice, demo)
    pick = next(pick for pick in picks if pick.comparison_id == judgment.comparison_id)
    record(judgment, 0, "left" if judgment.order[0] == pick.pick_id else "right")
    counts = count_live(demo)
    assert (counts["won"], counts["lost"]) == (sum(p.comparison_id == pick.comparison_id for p in picks), 0)
    assert not Response.objects.filter(candidate=True, source__startswith="travel-bot").exists()


@pytest.mark.long
@pytest.mark.once
def test_a_process_of_its_own_serves_policies_and_nothing_else(demo_place):
    script = (
        "import django; django.setup()\n"
        "from annotate.models import User\nfrom api.tokens import create_token\n"
        "print(create_token(User.objects.get(username='admin'), 'bot', chats=True)[1])\n"
    )
    environment = {**os.environ, **demo_place, "DJANGO_SETTINGS_MODULE": "config.settings"}
    made = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    command = [sys.executable, str(ROOT / "manage.py"), "serve_policies", "--port", demo_place["PORT"]]
    server = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{demo_place['PORT']}/healthz"):
                break
            time.sleep(0.1)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{demo_place['PORT']}/v1", api_key=made.stdout.strip())
        answer = client.chat.completions.create(model="travel", messages=MESSAGES)
        assert answer.choices[0].message.content.startswith("你可以考虑去")
        connection = http.client.HTTPConnection("127.0.0.1", int(demo_place["PORT"]))
        connection.request("GET", "/accounts/login/")
        assert connection.getresponse().status == 404
    finally:
        server.terminate()
        assert server.wait(20) is not None


def test_the_page_shows_how_the_bot_would_answer(demo, client):
    client.force_login(User.objects.get(username="admin"))
    address = "/datasets/travel/policy/"
    assert "Preview the policy" in client.get(address).content.decode()
    assert client.post(address, {"act": "try", "prompts": "5"}).status_code == 302
    page = client.get(address).content.decode()
    assert 'hx-trigger="every 1s"' in page
    job = worker.claim()
    assert job.kind == "policy"
    worker.run_claimed(job)
    page = client.get(address).content.decode()
    assert "你可以考虑去马尔代夫或巴厘岛。" in page
    assert "你可以考虑去夏威夷或马尔代夫。" in page
    assert "Too few preferences to hold any out" in page
    assert json.dumps(job.arguments) == '{"prompts": 5}'
    assert Comparison.objects.filter(open_slots__gt=0, dataset=demo).count() == 0


def test_the_settings_of_a_policy(demo, client):
    save_version("other", "http://127.0.0.1:1/v1", "other")
    client.force_login(User.objects.get(username="admin"))
    form = {"act": "save", "names": ["other"], "n": "16", "picker": "predictor", "margin": "0.7", "live_share": "5"}
    assert client.post("/datasets/travel/policy/", form).status_code == 302
    stored = PolicySettings.objects.get()
    assert (stored.names, stored.n, stored.picker, str(stored.margin)) == (["other"], 16, "predictor", "0.70")
    for wrong in ({"n": "17"}, {"n": "0"}, {"margin": "0.4"}, {"picker": "oracle"}, {"names": ["nobody"]}):
        assert client.post("/datasets/travel/policy/", {**form, **wrong}).status_code == 422


def test_the_page_with_enough_choices(make_dataset, admin, client, monkeypatch):
    dataset = make_crowd(make_dataset, n=40)
    save_version("one", "http://127.0.0.1:1/v1", "one")
    PolicySettings.objects.create(dataset=dataset, names=["one"])
    words = iter([f"w{k} {word}" for k in range(500) for word in ("cold", "warm")])
    bot = type("Bot", (), {"complete": staticmethod(lambda *_: Completion(next(words)))})
    monkeypatch.setattr(prompt_answers, "get_client", lambda: bot)
    client.force_login(admin)
    client.post("/datasets/crowd/policy/", {"act": "try", "prompts": "3"})
    worker.run_claimed(worker.claim())
    page = client.get("/datasets/crowd/policy/").content.decode()
    assert "Estimated human preference" in page
    assert "own estimate" in page
    assert Pick.objects.count() == 3
    assert any(pick.pick_id != pick.first_id and pick.chance >= 0.6 for pick in Pick.objects.all())


def test_the_same_live_request_again_and_a_change_of_settings(ask, demo, monkeypatch):
    PolicySettings.objects.update(live_share=100, n=2)
    learning._learnt.clear()
    seeds = iter([1, 4, 3, 4, 3, 4, 1, 4])
    monkeypatch.setattr(serving, "draw_seeds", lambda n: [next(seeds) for _ in range(n)])
    for _ in range(2):
        ask.chat.completions.create(model="travel", messages=MESSAGES)
    assert Pick.objects.exclude(comparison=None).count() == 2
    regenerate_comparisons(demo)
    demo.delete()
    assert Pick.objects.count() == 0
