"""Connections of attackers: many, slow, or unfinished."""

import contextlib
import http.client
import random
import selectors
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attack.people import TOKEN

if TYPE_CHECKING:
    from attack.server import Server

Thing = TypeVar("Thing")

STRANGER = f"Host: 127.0.0.1\r\nCookie: csrftoken={TOKEN}\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


def draw_address(rng: random.Random) -> str:
    """A random loopback address that none of the people uses."""
    return f"127.0.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}"


def connect(server: "Server", source: str, timeout: float = 5, receives: int | None = None) -> socket.socket:
    """A connection from the address `source`.

    receives: size of the receive buffer, in bytes.
    """
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receives:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    line.settimeout(timeout)
    try:
        line.bind((source, 0))
        line.connect(("127.0.0.1", server.port))
    except OSError:
        line.close()
        raise
    return line


def open_lines(server: "Server", rng: random.Random, firsts: Iterable[bytes]) -> list[socket.socket]:
    """One connection for each entry of `firsts`, which it sends; without those that fail."""
    lines = []
    for first in firsts:
        with contextlib.suppress(OSError):
            line = connect(server, draw_address(rng))
            line.sendall(first)
            lines.append(line)
    return lines


def hold(lines: Iterable[socket.socket], seconds: float, drip: bytes = b"") -> Counter[str]:
    """Counter of how the server reacted to connections held open: a status, "closed", or "open" if it did nothing.

    drip: sent once a second.
    """
    did: dict[socket.socket, str] = {}
    until, next_drip = time.monotonic() + seconds, time.monotonic() + 1
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        while time.monotonic() < until and selector.get_map():
            for key, _ in selector.select(0.2):
                held = key.fileobj
                if isinstance(held, socket.socket) and note_answer(held, did):
                    selector.unregister(held)
            if drip and time.monotonic() > next_drip:
                next_drip += 1
                for key in list(selector.get_map().values()):
                    held = key.fileobj
                    with contextlib.suppress(OSError):
                        if isinstance(held, socket.socket):
                            held.send(drip)
    for line in lines:
        did.setdefault(line, "open")
        line.close()
    return Counter(did.values())


def note_answer(line: socket.socket, did: dict[socket.socket, str]) -> bool:
    """Whether the server has closed the connection; notes in `did` how it reacted."""
    try:
        data = line.recv(65536)
    except TimeoutError:
        return False
    except OSError:
        data = b""
    if data.startswith(b"HTTP/1.1 "):
        did[line] = data[9:12].decode()
    elif not data:
        did.setdefault(line, "closed")
    return not data


def format_counter(counter: Mapping[Any, int]) -> dict[str, int]:
    """A Counter for JSON, with sorted text keys."""
    return dict(sorted((str(key), count) for key, count in counter.items()))


def fetch(server: "Server", session: str, path: str, seconds: float = 30) -> tuple[int, int]:
    """(status, bytes) of a download, read at full speed; (0, bytes) if it breaks off."""
    connection, n = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds), 0
    try:
        connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
        answer = connection.getresponse()
        while piece := answer.read(1 << 16):
            n += len(piece)
        return answer.status, n
    except (OSError, http.client.HTTPException):
        return 0, n
    finally:
        connection.close()


def encode_multipart(fields: Mapping[str, object], name: str, content: bytes) -> tuple[str, bytes]:
    """(content type, body) of a form with one file."""
    mark = uuid.uuid4().hex
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields]
    parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n')
    return f"multipart/form-data; boundary={mark}", "".join(parts).encode() + content + f"\r\n--{mark}--\r\n".encode()


def upload(
    server: "Server", session: str, slug: str, name: str, content: bytes, seconds: float = 60
) -> tuple[int, str]:
    """(status, Location) of an upload by an admin, as the page sends it; (0, "") if the connection fails."""
    fields: dict[str, object] = {"csrfmiddlewaretoken": TOKEN, "slug": slug, "overlap": 1}
    kind, body = encode_multipart(fields, name, content)
    headers = {"Cookie": f"sessionid={session}; csrftoken={TOKEN}", "Content-Type": kind, "X-CSRFToken": TOKEN}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds)
    try:
        connection.request("POST", "/datasets/upload/", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def shuffle(rng: random.Random, things: Iterable[Thing]) -> list[Thing]:
    """A shuffled list."""
    shuffled = list(things)
    rng.shuffle(shuffled)
    return shuffled
