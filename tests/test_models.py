"""Endpoints and model versions: addresses, keys, one answer over HTTP, versions that freeze."""

import ipaddress
import json
import re
import socket
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import call_command

from datasets.formats.rows import Prompt
from datasets.models import Dataset
from optimize import reasons
from optimize.models import Endpoint, Generation, ModelVersion
from optimize.versions import WrongModel, build_request, save_version
from optimize.wanted import Wanted, create_generations
from optimize.wire.addresses import (
    CheckedBackend,
    Deadline,
    ForbiddenAddress,
    WrongURL,
    is_allowed,
    parse_base_url,
    parse_networks,
    resolve_host,
)
from optimize.wire.client import Client, RequestFailed, Target, parse_retry_after
from optimize.wire.keys import KeyProblem, find_key, hide_secrets
from tests.conftest import build_rows
from tests.fake_endpoint import run_fake_endpoint

LOOPBACK = parse_networks(["127.0.0.0/8", "::1"])
OPEN = parse_networks(["0.0.0.0/0", "::/0"])
REQUEST = {"model": "tiny", "messages": [{"role": "user", "content": "Which moons has Mars?"}], "seed": 7}

# (address, allowed by default, allowed where all networks are listed)
ADDRESSES = [
    ("127.0.0.1", True, True),
    ("127.8.9.10", True, True),
    ("::1", True, True),
    ("::ffff:127.0.0.1", True, True),
    ("8.8.8.8", True, True),
    ("2606:4700::1111", True, True),
    ("::ffff:8.8.8.8", True, True),
    ("64:ff9b::808:808", True, True),
    ("10.0.0.1", False, True),
    ("172.16.0.1", False, True),
    ("192.168.1.1", False, True),
    ("100.64.0.1", False, True),
    ("fd00::1", False, True),
    ("fc00::1", False, True),
    ("::ffff:10.0.0.1", False, True),
    ("192.0.2.1", False, True),
    ("198.18.0.1", False, True),
    ("203.0.113.9", False, True),
    ("2001:db8::1", False, True),
    ("169.254.169.254", False, False),
    ("169.254.170.2", False, False),
    ("::ffff:169.254.169.254", False, False),
    ("64:ff9b::a9fe:a9fe", False, False),
    ("2002:a9fe:a9fe::", False, False),
    ("::169.254.169.254", False, False),
    ("fe80::1", False, False),
    ("fd00:ec2::254", False, False),
    ("fd20:ce::254", False, False),
    ("100.100.100.200", False, False),
    ("::ffff:100.100.100.200", False, False),
    ("0.0.0.0", False, False),
    ("0.0.0.1", False, False),
    ("::", False, False),
    ("::ffff:0.0.0.0", False, False),
    ("224.0.0.1", False, False),
    ("ff02::1", False, False),
    ("255.255.255.255", False, False),
    ("240.0.0.1", False, False),
    ("fec0::1", False, False),
    ("2002:7f00:1::", False, False),
    ("2002:a00:1::", False, False),
    ("64:ff9b::7f00:1", False, False),
    ("64:ff9b::a00:1", False, False),
    ("64:ff9b:1::a00:1", False, False),
]


@pytest.mark.parametrize(("address", "by_default", "where_open"), ADDRESSES)
def test_an_address_is_allowed_or_not(address, by_default, where_open):
    parsed = ipaddress.ip_address(address)
    assert (is_allowed(parsed, LOOPBACK), is_allowed(parsed, OPEN)) == (by_default, where_open)


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "localhost", "127.0.0.1"])
def test_other_spellings_of_loopback_are_the_same_address(host):
    assert resolve_host(host, 80, LOOPBACK)
    with pytest.raises(ForbiddenAddress):
        resolve_host(host, 80, ())


@pytest.mark.parametrize("host", ["0xa9fea9fe", "2852039166", "[fe80::1%lo]", "169.254.169.254"])
def test_other_spellings_of_metadata_services_are_refused(host):
    with pytest.raises((ForbiddenAddress, OSError)):
        resolve_host(host, 80, OPEN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_url"),
        ("lab.example/v1", "not_a_url"),
        ("ftp://lab.example/v1", "not_a_url"),
        ("file:///etc/passwd", "not_a_url"),
        ("http://", "not_a_url"),
        ("http://lab.example:99999/v1", "not_a_url"),
        ("http://lab.example:0/v1", "not_a_url"),
        ("http://läb.example/v1", "not_a_url"),
        ("http://lab.example/v1\nHost: other", "not_a_url"),
        ("http://lab.example\\@other.example/v1", "not_a_url"),
        ("http://me:secret@lab.example/v1", "user_in_url"),
        ("http://sk-abc@lab.example/v1", "user_in_url"),
        ("http://lab.example/v1?key=abc", "query_in_url"),
        ("http://lab.example/v1#x", "query_in_url"),
    ],
)
def test_a_wrong_url_is_refused(text, reason):
    with pytest.raises(WrongURL) as error:
        parse_base_url(text)
    assert error.value.reason == reason
    assert reason in reasons.MODEL


def test_a_url_ends_before_the_path_of_the_api():
    for text in ("https://Lab.example/v1", "https://lab.example/v1/", "https://lab.example/v1/chat/completions"):
        assert parse_base_url(text) == "https://lab.example/v1"


def test_a_name_that_changes_its_address_is_caught_at_the_connection(monkeypatch):
    """Rebinding: the name is harmless when the URL is checked, and leads inside when the connection is made."""
    answers = iter(["93.184.216.34", "169.254.169.254", "10.0.0.1"])

    def resolve(host, port, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert resolve_host("lab.example", 80, LOOPBACK) == ["93.184.216.34"]
    backend = CheckedBackend(LOOPBACK, Deadline())
    for _ in range(2):
        with pytest.raises(ForbiddenAddress):
            backend.connect_tcp("lab.example", 80)


def test_a_host_with_one_forbidden_address_is_refused(monkeypatch):
    both = [(2, 1, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: both)
    with pytest.raises(ForbiddenAddress):
        resolve_host("lab.example", 80, LOOPBACK)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "url", "outcome"),
    [
        ("https://lab.example sk-1234567890", "https://lab.example/v1", "sk-1234567890"),
        ("https://lab.example:443 sk-1234567890", "https://LAB.example/v1", "sk-1234567890"),
        ("https://lab.example sk-1234567890", "http://lab.example/v1", "key_of_other_host"),
        ("https://lab.example sk-1234567890", "https://lab.example:8443/v1", "key_of_other_host"),
        ("https://lab.example sk-1234567890", "https://lab.example.evil.net/v1", "key_of_other_host"),
        ("https://lab.example sk-1234567890", "https://evil.net/lab.example", "key_of_other_host"),
        ("sk-1234567890", "https://lab.example/v1", "key_unreadable"),
        ("https://lab.example", "https://lab.example/v1", "key_unreadable"),
        ("https://lab.example a b", "https://lab.example/v1", "key_unreadable"),
        ("", "https://lab.example/v1", "key_missing"),
    ],
)
def test_a_key_goes_to_its_host_only(value, url, outcome):
    try:
        key = find_key("LAB", url, {"CHOSEN_KEY_LAB": value, "SECRET_KEY": "https://lab.example secret"})
    except KeyProblem as problem:
        key = problem.reason
        assert key in reasons.MODEL
    assert key == outcome


@pytest.mark.parametrize("name", ["lab", "../SECRET_KEY", "LAB=", " LAB", "KEY-1"])
def test_only_variables_with_the_prefix_are_keys(name):
    with pytest.raises(KeyProblem):
        find_key(name, "https://lab.example", {f"CHOSEN_KEY_{name}": "", name: "https://lab.example x"})


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcDEF123456.",
        "Bearer abcdef is not valid",
        "token hf_abcdefghijkl",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.abc",
        "key my-very-own-key-42 was refused",
        "first my-very-ow… last n-key-42",
    ],
)
def test_errors_are_stored_without_keys(text):
    hidden = hide_secrets(text, "my-very-own-key-42")
    for secret in ("abcDEF123456", "abcdef", "eyJhbGci", "own-key-42", "my-very-ow", "-key-42"):
        assert secret not in hidden or secret not in text
    assert len(hide_secrets("x y " * 1000)) == 300


# --- one answer over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fake():
    with run_fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def ask(fake):
    """ask(limits, quirks…): the completion, or the RequestFailed."""
    clients = []

    def ask(limits=None, key="", streams=True, **quirks):
        fake.reset(**quirks)
        client = Client(LOOPBACK)
        clients.append(client)
        try:
            return client.complete(Target(fake.url, key, **{"total_s": 5, **(limits or {})}, streams=streams), REQUEST)
        except RequestFailed as failure:
            return failure

    yield ask
    for client in clients:
        client.close()


@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_with_its_usage(ask, fake, streams):
    answer = ask(streams=streams)
    assert answer.text
    assert (answer.finish, answer.reasoning) == ("stop", "")
    assert answer.tokens_in > 0
    assert answer.tokens_out > 0
    assert answer.ms >= answer.first_ms
    (request,) = fake.read_log()
    assert "n" not in request["body"]
    assert "authorization" not in request["headers"]
    assert request["headers"]["accept-encoding"] == "identity"


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "both"])
def test_both_spellings_of_reasoning_stay_beside_the_text(ask, streams, name):
    plain = ask(streams=streams)
    thinking = ask(streams=streams, reasoning_field=name)
    assert thinking.text == plain.text
    assert thinking.reasoning


@pytest.mark.parametrize("streams", [True, False])
def test_missing_usage_is_null(ask, streams):
    answer = ask(streams=streams, without_usage=True)
    assert (answer.tokens_in, answer.tokens_out, answer.tokens_cached) == (None, None, None)


@pytest.mark.parametrize("quirks", [{"empty_choices": True}, {"content_parts": True}, {"no_stream": True}])
def test_shapes_that_servers_vary(ask, quirks):
    assert ask(**quirks).text == ask().text


@pytest.mark.parametrize(
    ("quirks", "code", "may_retry"),
    [
        ({"no_choices": True}, "no_answer", False),
        ({"closed_every": 1}, "interrupted", False),
        ({"stalled_every": 1, "stall_s": 20}, "stalled", False),
        ({"stalled_every": 1, "stall_s": 20, "stall_at": "start"}, "timeout", True),
        ({"stalled_every": 1, "stall_s": 20, "stall_at": "headers"}, "timeout", True),
        ({"drip_s": 0.02}, "stalled", False),
        ({"drip_s": 0.02, "drip_headers": True}, "timeout", True),
        ({"too_long": 3_000_000}, "too_long", False),
        ({"bomb": 1 << 30}, "compressed", False),
        ({"not_json": True}, "not_openai", False),
        ({"limited_every": 1, "limited_for": 2}, "rate_limited", True),
        ({"failing_every": 1}, "server_error", True),
        ({"status": 400}, "bad_request", False),
        ({"status": 401}, "unauthorized", False),
        ({"status": 403}, "unauthorized", False),
        ({"status": 404}, "not_found", False),
        ({"status": 413}, "prompt_too_long", False),
        ({"status": 503}, "server_error", True),
        ({"redirected_to": "http://127.0.0.1:9/elsewhere"}, "redirect", False),
    ],
)
def test_a_failure_has_its_code_and_ends_in_time(ask, quirks, code, may_retry):
    failure = ask({"first_byte_s": 0.5, "total_s": 1, "max_bytes": 1 << 20}, **quirks)
    assert (failure.code, failure.may_retry) == (code, may_retry)
    assert code in reasons.FAILED
    assert len(failure.detail) <= 300


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2), ("0", 0), ("86400", 60), ("-1", 0), ("nan", None), ("soon", None), ("", None)]
)
def test_retry_after(header, seconds):
    assert parse_retry_after(header) == seconds


def test_retry_after_as_a_date(ask):
    failure = ask(limited_every=1, limited_for=30, limited_date=True)
    assert 25 <= failure.retry_after <= 31


def test_a_redirect_is_not_followed(ask):
    with run_fake_endpoint() as other:
        assert ask(redirected_to=f"{other.url}/chat/completions").code == "redirect"
        assert other.read_log() == []


def test_an_echoed_key_is_stored_nowhere(ask):
    failure = ask(key="my-very-own-key-42", status=401, echo_key=True)
    assert "own-key" not in f"{failure.detail} {failure!r} {failure}"
    assert "own-key" not in repr(Target("https://lab.example", "my-very-own-key-42"))


def test_nothing_of_the_environment_is_sent(fake, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fake.reset()
    client = Client(LOOPBACK)
    client.complete(Target(fake.url), REQUEST)
    client.close()
    assert "environment" not in json.dumps(fake.read_log())


def test_an_unreachable_server():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with pytest.raises(RequestFailed) as error:
            Client(LOOPBACK).complete(Target(url), REQUEST)
    assert (error.value.code, error.value.may_retry) == ("unreachable", True)


def test_a_forbidden_address_gets_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        with pytest.raises(RequestFailed) as error:
            Client(()).complete(Target(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "secret"), REQUEST)
        with pytest.raises(TimeoutError):
            server.accept()
    assert error.value.code == "address"


def test_a_bomb_takes_no_memory(fake):
    """The reply of 1 GB is refused by its header; measured in a process of its own."""
    fake.reset(bomb=1 << 30)
    script = f"""
import pathlib, sys
sys.path.insert(0, ".")
from optimize.wire.addresses import parse_networks
from optimize.wire.client import Client, RequestFailed, Target
try:
    Client(parse_networks(["127.0.0.0/8"])).complete(Target("{fake.url}"), {REQUEST})
except RequestFailed as failure:
    print(failure.code, pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    code, kilobytes = run.stdout.split()
    assert code == "compressed"
    assert int(kilobytes) < 100_000


# --- versions ---------------------------------------------------------------------------------------------------------


def add(name="bot", url="http://127.0.0.1:9/v1", model="tiny", **values):
    return save_version(name, url, model, **values)


def test_a_version_is_replaced_until_it_is_used(make_dataset):
    dataset = make_dataset([{"prompt": "Which moons has Mars?"}])
    first = add()
    assert (first.source, add(system="Be brief.").pk) == ("bot@1", first.pk)
    create_generations(Wanted(dataset, [ModelVersion.objects.get()], 1))
    assert add(system="Be brief.").number == 1
    second = add(system="Be long.")
    assert (second.source, ModelVersion.objects.get(number=1).system) == ("bot@2", "Be brief.")
    assert add(system="Be longer.").number == 2


def test_a_source_of_a_file_freezes_a_version_too(make_dataset):
    add()
    row = build_rows(1)[0]
    row["responses"][0]["model"] = "bot@1"
    make_dataset([row])
    assert add(model="other").number == 2


def test_the_probe_and_the_prices_stay_with_the_endpoint(db):
    version = add()
    Endpoint.objects.update(price_in=3)
    add(system="Be brief.")
    assert ModelVersion.objects.get().endpoint.price_in == 3
    add(url="http://127.0.0.1:10/v1")
    assert version.endpoint_id in set(Endpoint.objects.values_list("pk", flat=True)) or Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "a@1"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"model": " "}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"system": "a\0b"}, "system"),
        ({"url": "ftp://x"}, "url"),
        ({"key_name": "NONE"}, "key"),
        ({"parameters": {"temperature": 9}}, "parameters"),
        ({"parameters": {"temperature": True}}, "parameters"),
        ({"parameters": {"top_p": "1"}}, "parameters"),
        ({"parameters": {"n": 4}}, "parameters"),
        ({"parameters": {"x": float("nan")}}, "parameters"),
    ],
)
def test_a_wrong_model_is_refused(db, values, field):
    with pytest.raises(WrongModel) as error:
        add(**values)
    assert error.value.field == field
    assert reasons.MODEL[error.value.reason]
    assert not ModelVersion.objects.exists()


def test_a_request_holds_the_whole_prompt(db):
    version = add(system="Be brief.", parameters={"temperature": 0.5, "max_tokens": None, "top_k": 40})
    prompt = Prompt("Translate.", "Phobos", "You know moons.", (("user", "Hi"), ("assistant", "Hello")))
    assert build_request(version, prompt, 5) == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be brief.\n\nYou know moons."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Translate.\nPhobos"},
        ],
        "temperature": 0.5,
        "top_p": 1.0,
        "top_k": 40,
        "seed": 5,
    }


def test_add_model(run_command, db):
    common = ("add_model", "bot", "--url", "http://127.0.0.1:9/v1", "--model", "tiny")
    assert run_command(*common)[:2] == (0, {"model": "bot", "version": 1, "source": "bot@1"})
    assert run_command(*common, "--temperature", "0")[1]["version"] == 1
    assert ModelVersion.objects.get().parameters["temperature"] == 0
    assert run_command(*common, "--key", "LAB")[0] == 2
    assert run_command(*common, "--extra", "[]")[0] == 2


def test_a_key_whose_endpoint_is_edited_is_not_sent(run_command, make_dataset, monkeypatch, transactional_db):
    """The address of an endpoint changes, in the database even: the key does not follow."""
    dataset = make_dataset([{"prompt": "Which moons has Mars?"}])
    with run_fake_endpoint() as mine, run_fake_endpoint() as other:
        monkeypatch.setenv("CHOSEN_KEY_LAB", f"{mine.url.removesuffix('/v1')} my-very-own-key-42")
        add(url=mine.url, key_name="LAB")
        call_command("generate", dataset.slug, "--model", "bot")
        assert mine.read_log()[0]["headers"]["authorization"] == "Bearer my-very-own-key-42"
        Endpoint.objects.update(base_url=other.url)
        status, summary, error = run_command("generate", dataset.slug, "--model", "bot", "--n", "2")
        assert (status, summary["done"]) == (1, 1)
        assert "another host" in error
        assert other.read_log() == []
    assert not Generation.objects.filter(detail__contains="own-key").exists()
    assert Dataset.objects.get().jobs.exists()
    assert "own-key" not in json.dumps(list(Dataset.objects.get().jobs.values("arguments", "result", "error")))


def test_the_docs_list_every_reason():
    text = (settings.BASE_DIR / "docs/models.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == sorted(reasons.FAILED)
