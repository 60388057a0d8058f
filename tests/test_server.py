"""The running server: slow, idle, greedy and hostile clients delay nobody else."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from tests.conftest import build_rows
from tests.serving import Person, read_fields, running_server

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
COOKIE = f"Cookie: csrftoken={'a' * 32}\r\n"
LONGEST = 1.0  # seconds: the longest wait of others
IDLE = 5000


pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,  # what keeps a server's connections free does not depend on the database
]


def connect(house, timeout=20):
    return socket.create_connection(("127.0.0.1", int(house["PORT"])), timeout=timeout)


def send(house, head, body=b""):
    """A connection on which these bytes were sent."""
    line = connect(house)
    line.sendall(head.encode().replace(b"\r\n", b"\r\nHost: 127.0.0.1\r\n", 1) + b"\r\n" + body)
    return line


def read_status(line):
    """The status of the response; None if the connection ends without one."""
    with contextlib.suppress(ConnectionError):
        first = line.recv(4096)
        return int(first.split()[1]) if first else None


def measure_waits(house, person, n=40):
    """(sorted seconds of judging requests, sorted seconds of /healthz requests)."""
    judging, health = [], []
    form = {**read_fields(person.get("/annotate/models/")), "verdict": "skip"}
    for _ in range(n):
        started = time.monotonic()
        person.post("/annotate/models/", form)  # saved once, and answered each time
        judging.append(time.monotonic() - started)
        started = time.monotonic()
        assert person.get("/healthz") == "ok"
        health.append(time.monotonic() - started)
    return sorted(judging), sorted(health)


def check_waits(house, person, n=40):
    """Everybody waits at most a second, but for one request in forty: the machine itself may stall that long."""
    judging, health = measure_waits(house, person, n)
    for waits in (judging, health):
        assert waits[-2] < LONGEST, waits[-3:]
        assert waits[-1] < 5 * LONGEST, waits[-3:]


def send_half_form(house, path):
    return send(house, f"POST {path} HTTP/1.1\r\n{COOKIE}{FORM}Content-Length: 1000\r\n", b"a=")


def test_half_sent_bodies_of_strangers_keep_nobody_waiting(house):
    """Of sixty on each path; all at once, as the measurement takes longest."""
    alice = Person("alice", house["PORT"])
    paths = ["/annotate/nosuch/", "/accounts/login/", "/datasets/upload/", "/api/v1/datasets/"]
    lines = [send_half_form(house, path) for _ in range(60) for path in paths]
    check_waits(house, alice)
    for line in lines:
        line.close()


@pytest.mark.long
@pytest.mark.once
def test_bodies_that_trickle_and_half_sent_headers_end_after_seconds_and_nobody_waits_for_them(house):
    alice = Person("alice", house["PORT"])
    bodies, over = [send_half_form(house, "/annotate/models/") for _ in range(60)], threading.Event()
    headers = [connect(house) for _ in range(60)]
    for line in headers:
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")

    def trickle():
        while not over.wait(1):
            for line in bodies:
                with contextlib.suppress(OSError):
                    line.sendall(b"b")

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    check_waits(house, alice)
    assert read_status(bodies[0]) == 408
    over.set()
    thread.join()
    assert read_status(headers[0]) in (None, 408), "it ends within the 20 seconds of the socket"
    check_waits(house, alice, 20)


def test_five_thousand_idle_connections_keep_nobody_waiting(house):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
        pytest.skip(f"this machine allows {hard} open files, {IDLE + 1000} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 1000), hard))
    alice = Person("alice", house["PORT"])
    lines = [connect(house) for _ in range(IDLE)]
    try:
        check_waits(house, alice)
    finally:
        for line in lines:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def measure_size(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/datasets/upload/",
        "/annotate/models/",
        "/i18n/setlang/",
        "/nosuch/",
        "/api/v1/datasets/models/rows/",
    ],
)
@pytest.mark.parametrize("length", ["Content-Length: 200000000\r\n", "Transfer-Encoding: chunked\r\n"])
def test_what_a_stranger_sends_is_not_kept(house, path, length):
    before = measure_size(house["DATA_DIR"])
    kind = "Content-Type: multipart/form-data; boundary=b\r\n"
    line = send(house, f"POST {path} HTTP/1.1\r\n{COOKIE}{kind}{length}")
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    piece = b"x" * 65536
    chunked = lambda data: b"%x\r\n%s\r\n" % (len(data), data) if "chunked" in length else data  # noqa: E731
    sent, most = 0, 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        line.sendall(chunked(part))
        while sent < 200_000_000:
            line.sendall(chunked(piece))
            sent += len(piece)
            if sent % (64 * len(piece)) == 0:
                most = max(most, measure_size(house["DATA_DIR"]) - before)
    line.close()
    assert max(most, measure_size(house["DATA_DIR"]) - before) < 1_000_000
    assert sent < 200_000_000, "all of it was taken"


def test_the_form_of_a_signed_in_person_may_be_large_but_not_endless(house):
    alice = Person("alice", house["PORT"])
    page = alice.get("/annotate/models/")
    form = {**read_fields(page), "verdict": "skip"}
    assert "data-comparison" in alice.post("/annotate/models/", form | {"more": "a" * 200_000})
    with pytest.raises(urllib.error.HTTPError, match="413"):
        alice.post("/annotate/models/", form | {"more": "a" * 4_000_000})


def upload(house, person, parts, more=""):
    """(status, body) of an upload of these parts, in this order."""
    lines = "".join(f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n" for head, body in parts)
    body = f"{lines}--b--\r\n".encode()
    line = http.client.HTTPConnection("127.0.0.1", int(house["PORT"]), timeout=30)
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Cookie": person.format_cookies()} | dict(more)
    line.request("POST", "/datasets/upload/", body, headers)
    answer = line.getresponse()
    return answer.status, answer.read().decode()


ROWS = "".join(json.dumps(row) + "\n" for row in build_rows(3))


def build_parts(person, slug="fresh"):
    token = read_fields(person.get("/datasets/upload/"))["csrfmiddlewaretoken"]
    token = 'name="csrfmiddlewaretoken"', token
    rest = [('name="slug"', slug), ('name="files"; filename="r.jsonl"', ROWS), ('name="overlap"', "1")]
    return token, rest


def test_an_upload_needs_its_token_before_the_first_file(house):
    admin = Person("admin", house["PORT"])
    token, rest = build_parts(admin)
    assert upload(house, admin, [token, *rest])[0] == 302
    assert upload(house, admin, [*rest, token])[0] == 403
    assert upload(house, admin, rest)[0] == 403
    assert upload(house, admin, rest, {"X-CSRFToken": token[1]})[0] == 302
    assert upload(house, admin, [(token[0], "a" * 64), *rest])[0] == 403


def test_a_large_upload_arrives_whole(house):
    admin = Person("admin", house["PORT"])
    token, rest = build_parts(admin, "large")
    rows = [
        row | {"prompt": "a" * 150_000} for row in build_rows(40)
    ]  # few and dull: the task that checks them is short
    rest[1] = rest[1][0], "".join(json.dumps(row) + "\n" for row in rows)
    assert upload(house, admin, [token, *rest])[0] == 302
    sizes = [path.stat().st_size for path in Path(house["DATA_DIR"], "uploads").glob("task-*/0")]
    assert len(rest[1][1]) in sizes


def test_rows_of_a_script_are_read_also_where_their_length_is_not_said(house):
    admin = Person("admin", house["PORT"])
    form = {**read_fields(admin.get("/profile/tokens/")), "name": "test", "reads": "on", "writes": "on"}
    secret = re.search(r"chosen_[\w-]{43}", admin.post("/profile/tokens/", form))[0]
    line = http.client.HTTPConnection("127.0.0.1", int(house["PORT"]), timeout=30)
    rows = [json.dumps(row).encode() + b"\n" for row in build_rows(2000)]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/x-ndjson"}
    line.request("POST", "/api/v1/datasets/models/rows/", iter(rows), headers, encode_chunked=True)
    answer = line.getresponse()
    assert (answer.status, json.loads(answer.read())["rows"]) == (200, 2000)


def find_workers(house):
    """The process ids of the server's workers, without that of the worker for background tasks."""
    found = subprocess.run(["pgrep", "-P", house["PID"]], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found if b"manage.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_worker_that_dies_is_replaced_and_the_others_serve(house):
    alice = Person("alice", house["PORT"])
    lives, dies = find_workers(house)
    for _ in range(3):  # even twice within seconds
        os.kill(dies, signal.SIGKILL)
        await_end([dies])
        check_waits(house, alice, 5)
        until = time.monotonic() + 20
        while not (new := set(find_workers(house)) - {lives, dies}):
            assert time.monotonic() < until
            time.sleep(0.05)
        (dies,) = new
    assert lives in find_workers(house)


@pytest.mark.long
@pytest.mark.once
def test_no_worker_outlives_its_server(place):
    with running_server({**place, "START_WORKERS": "0"}) as server:
        while len(workers := find_workers({"PID": str(server.pid)})) < 2:
            time.sleep(0.05)
        os.kill(server.pid, signal.SIGKILL)
        await_end(workers)
        until = time.monotonic() + 5
        while is_served(place):  # a process becomes a zombie before its last thread has closed the socket
            assert time.monotonic() < until
            time.sleep(0.05)


def await_end(workers):
    until = time.monotonic() + 5
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_served(house):
    with contextlib.suppress(ConnectionRefusedError):
        connect(house).close()
        return True
    return False


def is_alive(pid):
    """Whether any thread of a process is left; its sockets close with the last one."""
    with contextlib.suppress(FileNotFoundError):
        status = Path(f"/proc/{pid}/status").read_text()
        return not ("State:\tZ" in status and "Threads:\t1\n" in status)
    return False
