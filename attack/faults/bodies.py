"""Oversized request bodies from anonymous clients."""

import contextlib
import random
import threading
import time
from collections import Counter

from attack.people import TOKEN
from attack.server import Server
from attack.wire import STRANGER, connect, draw_address, format_counter

URLS = (
    "/accounts/login/", "/datasets/upload/", "/annotate/main/", "/i18n/setlang/", "/nosuch/",
    "/api/v1/datasets/main/rows/", "/healthz", "/",
)  # fmt: skip
BYTES, PIECE, AT_ONCE = 200_000_000, 1 << 18, 4
GROWS = 1_000_000  # bytes by which the data folder may grow
SECONDS = 20
MARK = "attack"
FILE = f'--{MARK}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{TOKEN}\r\n--{MARK}\r\n'
FILE += 'Content-Disposition: form-data; name="files"; filename="a.jsonl"\r\n\r\n'
KINDS = {"file": f"multipart/form-data; boundary={MARK}", "form": "application/x-www-form-urlencoded"}


def send_large_bodies(server: Server, rng: random.Random) -> int:
    """200 MB to several URLs, as a file, as a form, and chunked."""
    before, memory = server.count_bytes(), server.measure_memory()
    todo = [(url, kind, is_chunked) for url in URLS for kind in KINDS for is_chunked in (False, True)]
    rng.shuffle(todo)
    did: Counter[str] = Counter()
    sent: list[int] = []
    over, grown = threading.Event(), [0, memory]
    watch = threading.Thread(target=watch_growth, args=(server, before, over, grown))
    watch.start()
    until = time.monotonic() + SECONDS
    threads = [threading.Thread(target=send_all, args=(server, rng, todo, did, sent, until)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    watch.join()
    server.note(did=format_counter(did), sent_mb=round(sum(sent) / 1e6), grew_bytes=grown[0])
    server.note(memory_mib=memory, most_memory_mib=grown[1], memory_after_mib=server.measure_memory())
    if grown[0] >= GROWS:
        server.report_finding(f"strangers' bodies took {grown[0]} bytes of the data folder")
    return len(sent)


def send_all(
    server: Server,
    rng: random.Random,
    todo: list[tuple[str, str, bool]],
    did: Counter[str],
    sent: list[int],
    until: float,
) -> None:
    while todo and time.monotonic() < until:
        url, kind, is_chunked = todo.pop()
        status, n = send_large(server, draw_address(rng), url, kind, is_chunked)
        did[status] += 1
        sent.append(n)


def send_large(server: Server, source: str, url: str, kind: str, is_chunked: bool) -> tuple[str, int]:
    """(the server's reaction, bytes that it accepted) when a client sends 200 MB until the server stops it."""
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {BYTES}"
    head = f"POST {url} HTTP/1.1\r\n{STRANGER}Content-Type: {KINDS[kind]}\r\n{length}\r\n\r\n"
    first = FILE if kind == "file" else f"csrfmiddlewaretoken={TOKEN}&a="
    piece, n, until = b"x" * PIECE, 0, time.monotonic() + 10
    line = None
    try:
        line = connect(server, source)
        line.sendall(head.encode() + encode_chunk(first.encode(), is_chunked))
        while n < BYTES and time.monotonic() < until:
            line.sendall(encode_chunk(piece, is_chunked))
            n += PIECE
    except OSError:
        pass
    status = "cut"
    if line:
        with contextlib.suppress(OSError):
            answer = line.recv(4096)
            status = answer[9:12].decode("ascii", "replace") if answer else "closed"
        line.close()
    return status, n


def encode_chunk(data: bytes, is_chunked: bool) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if is_chunked else data


def watch_growth(server: Server, before: int, over: threading.Event, grown: list[int]) -> None:
    """Keeps the maxima in `grown`: bytes added to the data folder, and MiB of memory."""
    while not over.wait(0.15):
        grown[0] = max(grown[0], server.count_bytes() - before)
        grown[1] = max(grown[1], server.measure_memory())
