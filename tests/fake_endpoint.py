"""A fake server of OpenAI's chat API on 127.0.0.1, with the faults of real servers; only the standard library.

`python -m tests.fake_endpoint --port 0 --quirks '{"limited_every": 5}'` prints `{"port": N}` when it listens.
`run_fake_endpoint(limited_every=5)` does the same for a test. `Quirks` in fake_completions.py lists the faults."""

import argparse
import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fake_completions import BLOCK, CHAT, Answer, Completion, Quirks, build_json, refuse, split_body, write_head

ROOT = Path(__file__).resolve().parent.parent
TICK = 0.05  # seconds between two looks whether a client has left


class Server:
    """The state of the server: its quirks, and the log of the requests."""

    def __init__(self, quirks: Quirks) -> None:
        self.reset(quirks)

    def reset(self, quirks: Quirks) -> None:
        self.quirks, self.asked = quirks, 0
        self.log: list[dict[str, Any]] = []
        self.open: set[int] = set()  # the requests in progress; a new set: those from before do not count

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            while await self.serve_request(reader, writer):
                pass
        writer.close()

    async def serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
        body: Any = await reader.readexactly(int(headers.get("content-length", 0)))
        try:
            body = json.loads(body)
        except ValueError:
            body = body.decode("utf-8", "replace")
        request = {"number": 0, "method": method, "path": path, "headers": headers, "body": body, "time": time.time()}
        request |= {"did": [], "status": None, "sent": 0, "whole": False, "ended": None}
        if path.startswith("/_"):
            return await Sending(reader, writer, request, Quirks()).send(self.handle_control(request))
        if path == CHAT and method == "POST":
            self.asked += 1
            request["number"] = self.asked
        self.log.append(request)
        begun = self.open
        begun.add(id(request))
        request["at_once"] = len(begun)
        quirks = self.quirks.choose(request["number"])
        try:
            answer = refuse(request, quirks) or Completion(request, quirks).build()
            request["whole"] = await Sending(reader, writer, request, quirks).send(answer)
        finally:
            begun.discard(id(request))
            request["ended"] = time.time()
        return request["whole"] and quirks.keep_alive and headers.get("connection", "").lower() != "close"

    def handle_control(self, request: dict[str, Any]) -> Answer:
        """GET /_log/AFTER: the log from there on. GET /_count. POST /_control and /_reset: other quirks."""
        path, _, after = request["path"][2:].partition("/")
        if path == "log":
            return build_json(self.log[int(after) :])
        if path == "count":
            return build_json(self.asked)
        kept = {} if path == "reset" else dataclasses.asdict(self.quirks)
        try:
            quirks = Quirks(**(kept | request["body"]))
        except TypeError as error:
            return build_json(str(error), 400)
        if path == "reset":
            self.reset(quirks)
        self.quirks = quirks
        return build_json(None)


@dataclasses.dataclass
class Sending:
    """How an answer is sent: at once, or in the way of the quirks."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: dict[str, Any]
    quirks: Quirks

    async def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, TICK))
            if self.reader.at_eof() or self.writer.is_closing():  # closed or reset
                raise ConnectionError("the client has left")

    async def write(self, part: bytes, drip: bool = False) -> None:
        for piece in (part[i : i + 1] for i in range(len(part))) if drip else [part]:
            self.writer.write(piece)
            await self.writer.drain()
            self.request["sent"] += len(piece)
            await self.wait(self.quirks.drip_s if drip else 0)

    async def send(self, answer: Answer) -> bool:
        """Whether the answer was sent completely."""
        quirks, self.request["status"] = self.quirks, answer.status
        stall, drip = quirks.stall_at if quirks.stalled_every else None, quirks.drip_s > 0
        await self.wait(quirks.delay_s + (quirks.stall_s if stall == "start" else 0))
        head, parts = write_head(answer, quirks), split_body(answer)
        if not stall and not drip and isinstance(answer.pieces, list):
            await self.write(head + b"".join(parts))
            return not answer.cut
        await self.write(head, drip and quirks.drip_headers)
        await self.wait(quirks.stall_s if stall == "headers" else 0)
        for part in parts:
            if stall == "chunk":
                stall, sent = None, len(part) // (1 if answer.length is None else 2)
                await self.write(part[:sent], drip)
                await self.wait(quirks.stall_s)
                part = part[sent:]
            await self.write(part, drip)
            await asyncio.sleep(0)  # a long body delays no other connection
        return not answer.cut


class FakeEndpoint:
    """A fake endpoint in another process."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}/v1"

    def read_log(self, after: int = 0) -> list[dict[str, Any]]:
        """The requests except the first `after`, as dicts: number (of the chat requests; 0 for other paths), method,
        path, headers (names in small letters), body (parsed), time, at_once (requests in progress, with this one), did
        (the quirks in force), status, sent (bytes), whole (all was sent), ended (a time; None: in progress)."""
        return self.ask("GET", f"/_log/{after}")

    def count_requests(self) -> int:
        """The number of requests to the chat path."""
        return self.ask("GET", "/_count")

    def configure(self, **quirks: Any) -> None:
        """Changes these quirks; the others stay."""
        self.ask("POST", "/_control", quirks)

    def reset(self, **quirks: Any) -> None:
        """Only these quirks, an empty log, and numbers from 1 again."""
        self.ask("POST", "/_reset", quirks)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as line:
            line.request(method, path, json.dumps(body))
            answer = line.getresponse()
            said = json.loads(answer.read())
        if answer.status != 200:
            raise TypeError(said)
        return said


@contextlib.contextmanager
def run_fake_endpoint(port: int = 0, **quirks: Any) -> Iterator[FakeEndpoint]:
    """A fake endpoint with these quirks; its process ends with the block, or with the process that started it."""
    Quirks(**quirks)  # an unknown name is an error here
    command = [sys.executable, "-m", "tests.fake_endpoint", f"--port={port}", "--until-eof"]
    command += ["--quirks", json.dumps(quirks)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            started, _, _ = select.select([process.stdout], [], [], 30)
            line = process.stdout.readline() if started else b""
            if not line:
                raise RuntimeError("the fake endpoint did not start")
            yield FakeEndpoint(json.loads(line)["port"])
        finally:
            process.kill()


async def serve(port: int, quirks: Quirks) -> None:
    server = await asyncio.start_server(Server(quirks).serve_connection, "127.0.0.1", port, backlog=1024, limit=BLOCK)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


def end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--quirks", default="{}", help="a JSON object; see Quirks")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    given = parser.parse_args()
    if given.until_eof:
        threading.Thread(target=end_with_input, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, Quirks(**json.loads(given.quirks))))


if __name__ == "__main__":
    main()
