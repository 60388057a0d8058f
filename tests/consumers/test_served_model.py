"""A real server answers: a tiny model, made here, behind `transformers serve`, asked through our commands.

The server runs in a separate environment, which `make test-served` makes, and listens on 127.0.0.1 only."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from datasets.models import Comparison, Response
from optimize.models import Endpoint, Generation
from optimize.versions import build_target, find_version, get_networks
from optimize.wire.client import Client, RequestFailed

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]

HERE = Path(__file__).resolve().parent
HOME = Path(settings.BASE_DIR) / ".venv-served"
LONGEST_START_S = 180
SAMPLING = ("--temperature=1", "--max-tokens=48")
QUESTIONS = {
    "Where shall we go?": ["To the quiet beach.", "To the old bridge.", "To a tea house.", "Up the green hill."],
    "我想去一个有海滩的地方度假。": ["你可以去马尔代夫。", "巴厘岛很好。", "夏威夷有海滩。", "去三亚吧。"],
    "What shall we eat?": ["Noodles with egg.", "Rice and fish.", "A bowl of soup.", "Bread and cheese."],
    "When does it begin?": ["At dawn.", "After lunch, at two.", "On Sunday evening.", "As soon as it rains."],
    "Who comes along?": ["My sister and I.", "Two friends.", "The whole class.", "Nobody but you."],
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(URL, name of the model, folder of the hub's cache) of a running server. Skips, with the reason, if its
    environment could not be created."""
    if not (HOME / "installed").exists():
        log = HOME / "install.log"
        last = log.read_text(encoding="utf-8").strip().rpartition("\n")[2] if log.exists() else "never tried"
        pytest.skip(f"{HOME.name} is not there ({last}): `make test-served` makes it")
    folder = tmp_path_factory.mktemp("served")
    model, cache = folder / "model", folder / "hub"
    cache.mkdir()  # without it, the server's list of models fails
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HUB_CACHE": str(cache), "HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"}
    environment |= {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}  # more threads wait for each other
    make_model(model, environment)
    with serving(model, folder, environment) as port:
        yield f"http://127.0.0.1:{port}/v1", str(model), cache


def make_model(folder, environment):
    made = subprocess.run(
        [HOME / "bin" / "python", "-I", HERE / "make_model.py", folder],
        input=json.dumps(QUESTIONS),
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert made.returncode == 0, made.stderr[-4000:]
    print(made.stdout.rstrip("\n").rpartition("\n")[2])


@contextlib.contextmanager
def serving(model, folder, environment):
    """The port of `transformers serve` for this model, once it answers; the server ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [HOME / "bin" / "transformers", "serve", model, "--host=127.0.0.1", f"--port={port}"]
    log = folder / "server.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [*command, "--device=cpu", "--dtype=float32"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        began = time.monotonic()
        while not is_healthy(port):
            said = log.read_text(encoding="utf-8", errors="replace")[-4000:]
            assert server.poll() is None, said
            assert time.monotonic() - began < LONGEST_START_S, said
            time.sleep(0.2)
        print(f"the server was up after {time.monotonic() - began:.1f} s")
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def dataset(make_dataset):
    return make_dataset([{"prompt": question} for question in QUESTIONS])


@pytest.fixture
def client():
    client = Client(get_networks())
    yield client
    client.close()


def add_model(run_command, served, name="bot", *options):
    """Adds the served model; returns the summary of the command."""
    url, model, _ = served
    status, summary, error = run_command("add_model", name, "--url", url, "--model", model, *SAMPLING, *options)
    assert status == 0, error
    return summary


def build_request(model, question, seed):
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "seed": seed, "temperature": 1.0, "top_p": 1.0, "max_tokens": 48}


def ask_patiently(client, target, request, attempts=3):
    """An answer; like generation, repeats what failed before its first byte (this server drops connections after an
    error of its own)."""
    try:
        return client.complete(target, request)
    except RequestFailed as failure:
        if attempts == 1 or not failure.may_retry:
            raise
        time.sleep(0.2)
        return ask_patiently(client, target, request, attempts - 1)


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_every_answer_is_stored(served, dataset, run_command, streams):
    assert add_model(run_command, served) == {"model": "bot", "version": 1, "source": "bot@1"}
    if not streams:
        Endpoint.objects.update(probed={"stream": False})
    status, summary, error = run_command("generate", dataset.slug, "--model", "bot", "--n", "2")
    assert (status, summary["wanted"], summary["done"], summary["failed"]) == (0, 10, 10, {}), error
    done = Generation.objects.filter(state="done", version__name="bot", version__number=1)
    assert done.count() == 10
    assert len(set(done.values_list("prompt", "place"))) == 10
    assert len(set(done.values_list("seed", flat=True))) == 10
    assert set(Response.objects.values_list("source", flat=True)) == {"bot@1"}
    assert set(done.values_list("finish", flat=True)) <= {"stop", "length"}
    for row in done.select_related("response"):
        assert row.response.text.strip()
        assert row.response.prompt_id == row.prompt_id
        assert row.ms >= row.first_ms >= 0
        assert row.tokens_in > row.tokens_out > 0
    pairs = [set(done.filter(prompt=prompt).values_list("response", flat=True)) for prompt in dataset.prompts.all()]
    assert Comparison.objects.count() == sum(len(responses) == 2 for responses in pairs)
    assert run_command("generate", dataset.slug, "--model", "bot", "--n", "2")[1]["asked"] == 0


def test_streamed_and_whole_are_the_same_answer(served, client, run_command):
    """One request at a time, since this server has one random state for all of its requests."""
    add_model(run_command, served)
    streamed = build_target(find_version("bot").endpoint)
    assert streamed.streams
    whole = replace(streamed, streams=False)
    for seed, question in enumerate(QUESTIONS):
        request = build_request(served[1], question, seed)
        answers = [client.complete(target, request) for target in (streamed, whole, streamed)]
        assert answers[0].text.strip()
        assert answers[0].text == answers[1].text == answers[2].text
        assert len({answer.finish for answer in answers}) == 1
        assert answers[0].first_ms <= answers[0].ms
    different = {client.complete(whole, build_request(served[1], "Where shall we go?", seed)).text for seed in range(9)}
    assert len(different) > 1


def test_the_list_of_models_comes_or_fails_in_order(served, client, run_command):
    """Without its cache folder this server answers with status 500, with it the list lacks the model that it serves. An
    answer comes all the same."""
    add_model(run_command, served)
    target, cache = build_target(find_version("bot").endpoint), served[2]
    cache.rename(cache.with_name("away"))  # before the first list: the server remembers one that it has made
    try:
        with pytest.raises(RequestFailed) as failed:
            client.list_models(target)
        assert failed.value.code == "server_error"
        assert ask_patiently(client, target, build_request(served[1], "Who comes along?", 1)).text
    finally:
        cache.with_name("away").rename(cache)
    assert client.list_models(target) == []


def test_another_name_of_the_model_is_refused_by_reason(served, dataset, run_command):
    command = ("add_model", "other", "--url", served[0], "--model", "not-there")
    assert run_command(*command)[0] == 0
    status, summary, _ = run_command("generate", dataset.slug, "--model", "other")
    assert (status, summary["done"], summary["failed"]) == (1, 0, {"bad_request": 5})
    assert "not-there" in Generation.objects.first().detail
