"""A full disk: a small tmpfs is the data folder of a second server."""

import contextlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

from attack.faults.second import second_server
from attack.server import NotDone, Server
from attack.wire import upload

MIB, ROUNDS = 64, 3


def fill_disk(server: Server, rng: random.Random) -> int:
    """People judge and an admin uploads while the disk is full; then it has room again."""
    place = server.folder / f"{server.database}-disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MIB}m", "attack", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotDone(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    server.unmount.append(place)
    with second_server(server, rng, "disk", place) as (small, ledger):
        return sum(fill_once(server, small, place, ledger, number) for number in range(ROUNDS))


def fill_once(server: Server, small: Server, place: Path, ledger: Path, number: int) -> int:
    """Fills the disk, judges and uploads, and frees it; returns the number of faults."""
    time.sleep(1.5)
    fill, faults, admin = place / "fill", 1, small.sessions["disk-admin"][0]
    with open(fill, "wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(MIB * 64):
            file.write(b"\0" * 16384)
    left = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    until = time.monotonic() + 3
    answers = []
    while time.monotonic() < until:
        content = json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}).encode() + b"\n"
        status, _ = upload(small, admin, f"full-{number}", "rows.jsonl", content * 2000, 20)
        answers.append(status)
        faults += 1
        if status not in (507, 422):
            server.report_finding(f"an upload on a full disk was answered with {status}")
        time.sleep(0.5)
    fill.unlink()
    began = time.monotonic()
    is_back = small.wait_until_healthy(30) and wait_for_acknowledgement(ledger, began)
    server.note(**{f"disk_{number}": {"free": left, "uploads": answers, "judging_again_s": is_back}})
    if is_back is False:
        server.report_finding("ten seconds after the disk has room again nobody can judge")
    return faults


def wait_for_acknowledgement(ledger: Path, began: float) -> float | bool:
    """Seconds from `began` until the next acknowledged verdict; False if none comes within ten seconds."""
    while time.monotonic() - began < 10:
        for text in ledger.read_text().splitlines()[-50:]:
            with contextlib.suppress(ValueError):
                line = json.loads(text)
                if line["kind"] == "verdict" and line["answered"] and line["ended"] > began:
                    return round(float(line["ended"]) - began, 2)
        time.sleep(0.1)
    return False
