"""Each quirk of the fake endpoint does what it says."""

import contextlib
import email.utils
import gzip
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

import pytest

from tests.fake_completions import MODELS, THINKING, write_text
from tests.fake_endpoint import ROOT, run_fake_endpoint

MESSAGES = [{"role": "user", "content": "Where is a beach? 海滩在哪里？"}]
TEXT = write_text("m", MESSAGES, 1)


@pytest.fixture(scope="module")
def started():
    with run_fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def fake(started):
    """A running fake without quirks and with an empty log."""
    started.reset()
    return started


def send(fake, path="/v1/chat/completions", method="POST", headers=None, **fields):
    """The response, not yet read; its connection is in `line`."""
    line = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=5)
    body = json.dumps({"model": "m", "messages": MESSAGES, "seed": 1, **fields})
    line.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
    response = line.getresponse()
    response.line = line
    return response


def ask(fake, path="/v1/chat/completions", **fields):
    """(status, headers, body)."""
    response = send(fake, path, **fields)
    with contextlib.closing(response.line), response:
        return response.status, response.headers, response.read()


def read_answer(fake, **fields):
    status, headers, body = ask(fake, **fields)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    return json.loads(body)


def read_message(fake, **fields):
    return read_answer(fake, **fields)["choices"][0]["message"]


def parse_events(body):
    """The chunks of a stream, without the final [DONE]."""
    events = body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def stream(fake, **fields):
    status, headers, body = ask(fake, stream=True, **fields)
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    return parse_events(body)


def join(chunks, field="content"):
    return "".join(choice["delta"].get(field) or "" for chunk in chunks for choice in chunk["choices"])


def list_statuses(fake, n):
    return [ask(fake)[0] for _ in range(n)]


def measure(act):
    """(seconds, result)."""
    begun = time.monotonic()
    result = act()
    return time.monotonic() - begun, result


def test_the_answer_depends_on_model_messages_and_seed_only(fake):
    answers = [read_message(fake, **fields)["content"] for fields in ({}, {"n": 3}, {"seed": 2}, {"model": "x"})]
    assert answers[0] == answers[1] == TEXT
    assert len(set(answers)) == 3
    assert len({write_text("m", MESSAGES, seed) for seed in range(1000)}) == 1000


def test_an_answer_is_one_json_or_a_stream(fake):
    whole = read_answer(fake, n=3)
    assert len(whole["choices"]) == 1
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + len(TEXT.split())
    chunks = stream(fake, stream_options={"include_usage": True})
    assert join(chunks) == TEXT
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], whole["usage"])
    assert stream(fake)[-1]["choices"]  # usage only if it is asked for


def test_the_log_has_every_request(fake):
    ask(fake, headers={"Authorization": "Bearer sk-1"}, temperature=0.5)
    ask(fake, "/v1/models", method="GET")
    first, second = fake.read_log()
    assert (first["number"], first["path"], first["status"]) == (1, "/v1/chat/completions", 200)
    assert (first["headers"]["authorization"], first["body"]["temperature"]) == ("Bearer sk-1", 0.5)
    assert (first["whole"], first["did"], first["at_once"]) == (True, [], 1)
    assert first["time"] <= first["ended"] <= time.time()
    assert (second["number"], second["path"], second["method"]) == (0, "/v1/models", "GET")
    assert (fake.read_log(1), fake.count_requests()) == ([second], 1)


def test_a_connection_serves_many_requests(fake):
    line = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=5)
    with contextlib.closing(line):
        for streamed in (False, True, False):
            line.request("POST", "/v1/chat/completions", json.dumps({"messages": MESSAGES, "stream": streamed}))
            kept, response = line.sock, line.getresponse()
            assert response.read()
            assert line.sock is kept  # not reconnected
    fake.configure(keep_alive=False)
    with socket.create_connection(("127.0.0.1", fake.port), timeout=5) as line:
        line.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        assert b"Connection: close" in line.makefile("rb").read()  # to the end of the connection


def test_wrong_requests_are_refused(fake):
    assert [ask(fake, path)[0] for path in ("/v1/other", "/chat/completions", "/v1/models")] == [404, 404, 404]
    assert ask(fake, messages=[])[0] == 400


def test_every_so_often_a_request_is_limited_or_fails(fake):
    fake.configure(limited_every=2, failing_every=3)
    assert list_statuses(fake, 6) == [200, 429, 500, 429, 200, 500]  # the longer period wins
    assert [line["did"] for line in fake.read_log()[:3]] == [[], ["limited_every"], ["failing_every"]]


@pytest.mark.parametrize(("given", "sent"), [(1, "1"), (0.5, "0.5"), ("soon", "soon"), (None, None)])
def test_retry_after_is_a_number_a_text_or_missing(fake, given, sent):
    fake.configure(limited_every=1, limited_for=given)
    assert ask(fake)[1]["Retry-After"] == sent


def test_retry_after_is_a_date(fake):
    fake.configure(limited_every=1, limited_for=2, limited_date=True)
    wait = email.utils.parsedate_to_datetime(ask(fake)[1]["Retry-After"]).timestamp() - time.time()
    assert 1 <= wait <= 3


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("place", ["start", "headers", "chunk"])
def test_a_stalled_answer_stops_in_its_place(fake, place, streamed):
    fake.configure(stalled_every=1, stall_at=place)
    body = json.dumps({"messages": MESSAGES, "stream": streamed}).encode()
    with socket.create_connection(("127.0.0.1", fake.port), timeout=5) as line:
        line.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        arrived = b""
        if place != "start":
            while b"\r\n\r\n" not in arrived or (place == "chunk" and not arrived.partition(b"\r\n\r\n")[2]):
                arrived += line.recv(4096)
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            line.recv(4096)
    begun = arrived.partition(b"\r\n\r\n")[2]
    assert (place == "chunk") == bool(begun)
    assert begun.count(b"data: ") == (streamed and place == "chunk")
    assert not begun.endswith(b"}")
    assert fake.read_log()[0]["whole"] is False


@pytest.mark.parametrize("place", ["start", "headers", "chunk"])
def test_a_stalled_answer_goes_on(fake, place):
    fake.configure(stalled_every=2, stall_at=place, stall_s=0.1)
    ask(fake)
    seconds, chunks = measure(lambda: stream(fake))
    assert (seconds >= 0.1, join(chunks)) == (True, TEXT)
    assert [line["did"] for line in fake.read_log()] == [[], ["stalled_every"]]


@pytest.mark.parametrize("linger", [(0, 0), (1, 0)])  # the connection is closed, or reset
def test_a_client_that_leaves_ends_the_stall(fake, linger):
    fake.configure(stalled_every=1)
    lines = [send(fake, stream=True) for _ in range(2)]
    assert [line["at_once"] for line in fake.read_log()] == [1, 2]
    for response in lines:
        response.line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *linger))
        response.close()
        response.line.close()
    until = time.monotonic() + 5
    while any(line["ended"] is None for line in fake.read_log()) and time.monotonic() < until:
        time.sleep(0.02)
    for line in fake.read_log():
        assert (line["whole"], line["did"], line["ended"] is None) == (False, ["stalled_every"], False)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_connection_closes_after_half_of_the_text(fake, streamed):
    fake.configure(closed_every=1)
    response = send(fake, stream=streamed)
    with contextlib.closing(response.line), pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    assert fake.read_log()[0]["whole"] is False
    if streamed:
        events = [json.loads(event[6:]) for event in broken.value.partial.decode().split("\n\n")[:-1]]
        assert join(events) == TEXT[: len(TEXT) // 2]
        assert not any(choice["finish_reason"] for event in events for choice in event["choices"])


def test_nul_and_a_lone_surrogate_are_sent(fake):
    fake.configure(nul_every=2, surrogate_every=3)
    bodies = [ask(fake)[2] for _ in range(3)]
    assert [b"\\u0000" in body for body in bodies] == [False, True, False]
    assert [rb"\ud800" in body for body in bodies] == [False, False, True]
    fake.reset(text="a\0b\ud800c 海")
    assert join(stream(fake)) == read_message(fake)["content"] == "a\0b\ud800c 海"


@pytest.mark.parametrize("text", ["", "x", "一二三"])
def test_a_fixed_text_is_sent(fake, text):
    fake.configure(text=text)
    assert join(stream(fake)) == read_message(fake)["content"] == text


def test_thinking_has_two_names(fake):
    fake.configure(reasoning_field="both")
    assert read_message(fake)["reasoning"] == THINKING
    assert join(stream(fake), "reasoning_content") == THINKING
    fake.configure(reasoning_field="reasoning_content")
    message = read_message(fake)
    assert (message["content"], message["reasoning_content"], "reasoning" in message) == (TEXT, THINKING, False)


def test_usage_can_be_missing(fake):
    fake.configure(without_usage=True)
    assert "usage" not in read_answer(fake)
    assert not any("usage" in chunk for chunk in stream(fake, stream_options={"include_usage": True}))


def test_chunks_without_choices(fake):
    fake.configure(empty_choices=True)
    chunks = stream(fake)
    assert [chunk["id"] for chunk in chunks if not chunk["choices"]] == [""] * (len(chunks) // 2)
    assert join(chunks) == TEXT
    fake.configure(no_choices=True)
    assert not any(chunk["choices"] for chunk in stream(fake))
    assert read_answer(fake)["choices"] == []


def test_another_reason_to_finish(fake):
    fake.configure(finish="length")
    assert read_answer(fake)["choices"][0]["finish_reason"] == "length"
    assert stream(fake)[-1]["choices"][0]["finish_reason"] == "length"


def test_content_is_null_or_a_list(fake):
    fake.configure(content_null=True)
    assert read_message(fake)["content"] is None
    assert all(chunk["choices"][0]["delta"].get("content") is None for chunk in stream(fake))
    fake.reset(content_parts=True)
    parts = read_message(fake)["content"]
    assert {part["type"] for part in parts} == {"text"}
    assert "".join(part["text"] for part in parts) == TEXT
    pieces = [chunk["choices"][0]["delta"].get("content", []) for chunk in stream(fake)]
    assert "".join(part["text"] for piece in pieces for part in piece) == TEXT


@pytest.mark.parametrize("streamed", [False, True])
def test_too_long_a_text(fake, streamed):
    fake.configure(too_long=1_000_001)
    assert len(join(stream(fake)) if streamed else read_message(fake)["content"]) == 1_000_001


def test_a_bomb_is_a_gzip_file_of_zeros(fake):
    fake.configure(bomb=3_000_001, every={"bomb": 2})
    assert join(stream(fake)) == TEXT
    _, headers, body = ask(fake, stream=True)
    assert (headers["Content-Encoding"], headers["Content-Type"]) == ("gzip", "text/event-stream")
    assert len(body) < 20_000
    assert gzip.decompress(body) == bytes(3_000_001)
    assert fake.read_log()[1]["did"] == ["bomb"]


def test_a_bomb_has_a_gigabyte_by_default(fake):
    fake.configure(bomb=True)
    response = send(fake)
    with contextlib.closing(response.line):
        begin, rest = response.read(1 << 15), response.read()
    assert zlib.decompressobj(31).decompress(begin, 1000) == bytes(1000)
    assert int.from_bytes(rest[-4:], "little") == 1 << 30  # the size, at the end of a gzip file


def test_requests_are_redirected(fake):
    fake.configure(redirected_to="http://127.0.0.1:9/v1/chat/completions", every={"redirected_to": 2})
    assert list_statuses(fake, 2) == [200, 307]
    ask(fake)
    status, headers, _ = ask(fake)
    assert (status, headers["Location"]) == (307, "http://127.0.0.1:9/v1/chat/completions")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
def test_a_fixed_status_with_the_key_in_the_error(fake, status):
    key = {"Authorization": "Bearer sk-1"}
    fake.configure(status=status)
    assert b"sk-1" not in ask(fake, headers=key)[2]
    fake.configure(echo_key=True, error_text="no " * 500)
    got, headers, body = ask(fake, headers=key)
    assert (got, headers["Content-Type"]) == (status, "application/json")
    error = json.loads(body)["error"]
    assert error["message"].startswith("no no ")
    assert error["message"].endswith("Bearer sk-1")
    assert ask(fake, "/v1/models", method="GET")[0] == status


def test_html_instead_of_json(fake):
    fake.configure(not_json=True)
    status, headers, body = ask(fake, stream=True)
    assert (status, headers["Content-Type"], body[:9]) == (200, "text/html", b"<!doctype")


def test_one_json_instead_of_a_stream(fake):
    fake.configure(no_stream=True)
    assert read_message(fake, stream=True)["content"] == TEXT


def test_stream_options_are_refused(fake):
    fake.configure(refuse_stream_options=True)
    assert ask(fake, stream=True, stream_options={"include_usage": True})[0] == 400
    assert join(stream(fake)) == TEXT


def test_answers_are_delayed_or_arrive_byte_by_byte(fake):
    fake.configure(delay_s=0.15)
    assert measure(lambda: ask(fake))[0] >= 0.15
    fake.reset(drip_s=0.001, text="海滩")
    seconds, message = measure(lambda: read_message(fake))
    assert message["content"] == "海滩"
    assert seconds >= 0.2
    with socket.create_connection(("127.0.0.1", fake.port), timeout=5) as line:
        line.sendall(b"POST / HTTP/1.1\r\n\r\n")
        assert len(line.recv(4096)) > 50  # the headers at once
    fake.configure(drip_s=0.1, drip_headers=True)
    with socket.create_connection(("127.0.0.1", fake.port), timeout=5) as line:
        line.sendall(b"POST / HTTP/1.1\r\n\r\n")
        assert len(line.recv(4096)) < 20


def test_the_list_of_models_or_another_path_fails(fake):
    listed = json.loads(ask(fake, "/v1/models", method="GET")[2])
    assert [model["id"] for model in listed["data"]] == list(MODELS)
    fake.configure(models_fail=True)
    assert (ask(fake, "/v1/models", method="GET")[0], ask(fake)[0]) == (500, 200)
    fake.reset(refuse_path="/v1/chat")
    assert (ask(fake)[0], ask(fake, "/v1/models", method="GET")[0]) == (404, 200)


def test_configure_keeps_the_other_quirks_and_reset_does_not(fake):
    fake.configure(status=401)
    fake.configure(error_text="x")
    assert ask(fake)[0] == 401
    fake.reset(error_text="x")
    assert (ask(fake)[0], fake.count_requests()) == (200, 1)


@pytest.mark.parametrize("quirks", [{"limitedevery": 2}, {"every": {"bombs": 2}}])
def test_an_unknown_quirk_is_an_error(fake, quirks):
    with pytest.raises(TypeError, match=r"limitedevery|bombs"):
        fake.configure(**quirks)
    with pytest.raises(TypeError, match=r"limitedevery|bombs"), run_fake_endpoint(**quirks):
        pass


def test_the_fake_ends_with_the_process_that_started_it():
    code = "import tests.fake_endpoint as f\nwith f.run_fake_endpoint() as fake: print(fake.port, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        port = int(process.stdout.readline())
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        os.kill(process.pid, signal.SIGKILL)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except ConnectionRefusedError:
                return
            time.sleep(0.02)
    raise AssertionError("it still listens")
