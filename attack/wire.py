"""Connections of attackers: many at once, slow, half finished."""

import contextlib
import http.client
import random
import selectors
import socket
import time
import uuid
from collections import Counter

from attack.people import TOKEN

STRANGER = f"Host: 127.0.0.1\r\nCookie: csrftoken={TOKEN}\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


def draw_address(rng):
    """A loopback address that none of the people has."""
    return f"127.0.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}"


def connect(server, source, timeout=5, receives=None):
    """A connection from this address; `receives`: bytes of the buffer that the system receives into."""
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


def open_lines(server, rng, firsts):
    """One connection for each of these first bytes."""
    lines = []
    for first in firsts:
        with contextlib.suppress(OSError):
            line = connect(server, draw_address(rng))
            line.sendall(first)
            lines.append(line)
    return lines


def hold(lines, seconds, drip=b""):
    """Keep connections open, sending `drip` once a second. Counter of what the server did with them: the status that it
    answered with, "closed", or "open" where it did nothing."""
    did, until, next_drip = {}, time.monotonic() + seconds, time.monotonic() + 1
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        while time.monotonic() < until and selector.get_map():
            for key, _ in selector.select(0.2):
                if note_answer(key.fileobj, did):
                    selector.unregister(key.fileobj)
            if drip and time.monotonic() > next_drip:
                next_drip += 1
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(drip)
    for line in lines:
        did.setdefault(line, "open")
        line.close()
    return Counter(did.values())


def note_answer(line, did):
    """Note what came over a connection; whether it is over."""
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


def format_counter(counter):
    """A Counter as JSON can hold it."""
    return dict(sorted((str(key), count) for key, count in counter.items()))


def fetch(server, session, path, seconds=30):
    """(status, bytes) of a download, read at full speed; (0, …) where it was cut."""
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


def encode_multipart(fields, name, content):
    """(content type, body) of a form with one file."""
    mark = uuid.uuid4().hex
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields]
    parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n')
    return f"multipart/form-data; boundary={mark}", "".join(parts).encode() + content + f"\r\n--{mark}--\r\n".encode()


def upload(server, session, slug, name, content, seconds=60):
    """(status, where it leads) of an upload by an admin, as the page sends it."""
    fields = {"csrfmiddlewaretoken": TOKEN, "slug": slug, "overlap": 1}
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


def shuffle(rng: random.Random, things):
    things = list(things)
    rng.shuffle(things)
    return things
