"""Connections that send or read too slowly, or not at all."""

import contextlib
import random
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping

from attack.people import TOKEN, Person
from attack.server import NotDone, Server
from attack.wire import FORM, STRANGER, connect, draw_address, fetch, format_counter, hold, open_lines

URLS = ("/annotate/main/", "/accounts/login/", "/datasets/upload/", "/api/v1/datasets/main/rows/", "/nosuch/")
HELD = 13  # seconds: longer than the server waits for headers and small bodies
IDLE, SPARE_FILES = 5000, 200
READERS = 20


def stay_calm(server: Server, rng: random.Random) -> int:
    """People judge, nobody attacks: the baseline."""
    time.sleep(8)
    return 0


def send_halves(server: Server, rng: random.Random) -> int:
    """Bodies and headers that stop half way, trickle, never end or give two lengths; idle keep-alive connections."""
    begun = {
        "bodies": [build_half_body(url) for url in URLS[:4] for _ in range(60)],
        "headers": [f"GET {url} HTTP/1.1\r\n{STRANGER}X-Half: ".encode() for url in URLS for _ in range(12)],
        "kept": [f"GET /accounts/login/ HTTP/1.1\r\n{STRANGER}\r\n".encode() for _ in range(60)],
        "large": [build_large_body(url) for url in URLS for _ in range(6)],
        "both_lengths": [build_both_lengths(url) for url in URLS for _ in range(4)],
    }
    dripping = {
        "trickled": (b"a", [build_half_body(url) for url in URLS for _ in range(8)]),
        "trickled_headers": (b"a", [f"GET {url} HTTP/1.1\r\nHost: ".encode() for url in URLS for _ in range(4)]),
        "endless": (b"5\r\naaaaa\r\n", [build_chunked(url) for url in URLS for _ in range(8)]),
    }
    lines = {name: (b"", open_lines(server, rng, firsts)) for name, firsts in begun.items()}
    lines |= {name: (drip, open_lines(server, rng, firsts)) for name, (drip, firsts) in dripping.items()}
    did: dict[str, Counter[str]] = {}

    def hold_group(name: str) -> None:
        drip, group = lines[name]
        did[name] = hold(group, HELD, drip)

    threads = [threading.Thread(target=hold_group, args=(name,)) for name in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.note(did={name: format_counter(counter) for name, counter in did.items()})
    return sum(len(group) for _, group in lines.values())


def build_half_body(url: str) -> bytes:
    return f"POST {url} HTTP/1.1\r\n{STRANGER}{FORM}Content-Length: 1000\r\n\r\ncsrfmiddlewaretoken={TOKEN}&a=".encode()


def build_large_body(url: str) -> bytes:
    """The beginning of a body above the limit for small ones."""
    return f"POST {url} HTTP/1.1\r\n{STRANGER}{FORM}Content-Length: 2000000\r\n\r\n".encode() + b"a" * 100_000


def build_chunked(url: str) -> bytes:
    return f"POST {url} HTTP/1.1\r\n{STRANGER}{FORM}Transfer-Encoding: chunked\r\n\r\n".encode()


def build_both_lengths(url: str) -> bytes:
    """Request smuggling: a request with two lengths that hides another one."""
    return (
        f"POST {url} HTTP/1.1\r\n{STRANGER}{FORM}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + (b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    )


def hold_idle(server: Server, rng: random.Random) -> int:
    """5,000 silent connections, reopened when the server closes them. Each hundred counts as a fault."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise NotDone(f"a process may open {hard} files here, {wanted} are needed")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    lines: list[socket.socket] = []
    refused, most = 0, 0
    until = time.monotonic() + 14
    try:
        while time.monotonic() < until:
            lines = [line for line in lines if is_open(line)]
            refused += open_up_to(server, rng, lines, IDLE, until)
            most = max(most, len(lines))
            time.sleep(0.2)
    finally:
        for line in lines:
            line.close()
    server.note(connections=most, not_connected=refused)
    if most < IDLE * 0.9:
        server.report_finding(f"only {most} of {IDLE} idle connections could be opened")
    return most // 100


def open_up_to(server: Server, rng: random.Random, lines: list[socket.socket], n: int, until: float) -> int:
    """Opens connections until `lines` has n; returns the number of failures."""
    refused = 0
    while len(lines) < n and time.monotonic() < until and refused < 100:
        try:
            lines.append(connect(server, draw_address(rng)))
        except OSError:
            refused += 1
    return refused


def is_open(line: socket.socket) -> bool:
    """Whether the server keeps the connection open; otherwise closes our side."""
    line.setblocking(False)
    try:
        if line.recv(1, socket.MSG_PEEK):
            return True
    except BlockingIOError:
        return True
    except OSError:
        pass
    line.close()
    return False


def read_slowly(server: Server, rng: random.Random) -> int:
    """An admin's downloads, and pages, read at one byte per second."""
    admin, annotator = server.sessions["admin"][0], server.sessions["crowd"][0]
    wanted = [(admin, f"/datasets/judged/export/{name}/?mode=every") for name in ("judgments-csv", "dpo")]
    wanted = wanted * (READERS // 2) + [(annotator, "/annotate/judged/"), (admin, "/datasets/judged/judgments/")] * 10
    lines = []
    for session, path in wanted:
        with contextlib.suppress(OSError):
            line = connect(server, draw_address(rng), receives=2048)
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={session}\r\n\r\n".encode())
            lines.append(line)
    first: dict[int, bytes] = {}
    until = time.monotonic() + 12
    while time.monotonic() < until:
        for number, line in enumerate(lines):
            line.setblocking(False)
            with contextlib.suppress(OSError):
                first[number] = first.get(number, b"") + line.recv(16 if number not in first else 1)
        time.sleep(1)
    server.note(while_read=fetch(server, admin, "/datasets/judged/export/dpo/?mode=every")[0])
    for line in lines:
        line.close()
    server.note(answers=count_statuses(first))
    server.note(**export_again(server, admin))
    person = Person(server.port, annotator)
    if person.ask("GET", "/annotate/main/", htmx=False).status != 200:
        server.report_finding("after slow readers the comparison page is no 200")
    person.close()
    return len(lines)


def export_again(server: Server, admin: str) -> dict[str, float]:
    """Seconds until an admin gets a download after the slow readers have gone, and its duration."""
    gone = time.monotonic()
    while time.monotonic() - gone < 70:
        began = time.monotonic()
        if fetch(server, admin, "/datasets/judged/export/dpo/?mode=every")[0] == 200:
            return {"export_again_after_s": round(began - gone, 2), "export_took_s": round(time.monotonic() - began, 2)}
        time.sleep(0.25)
    server.report_finding("a minute after slow readers have gone an admin gets no export")
    return {}


def count_statuses(first: Mapping[int, bytes]) -> dict[str, int]:
    """{status: count} from the first bytes of responses."""
    counted: dict[str, int] = {}
    for data in first.values():
        status = data[9:12].decode("ascii", "replace") or "none"
        counted[status] = counted.get(status, 0) + 1
    return counted
