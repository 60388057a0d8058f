"""Counters of all processes of a server, for /metrics (config/metrics.py).

Each process adds to an array of its own, mapped from a file in the folder that the server names in FOLDER_VARIABLE: an
act costs no system call, and whichever process is asked sums the arrays of all, also of those that have ended. Without
that folder, or when it cannot be written, a process counts for itself. Imports no Django.
"""

import contextlib
import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path

FOLDER_VARIABLE = "CHOSEN_COUNTERS"  # environment variable: the folder of a server's arrays (config/serve.py)

ACTS = (
    "page",
    "verdict",
    "verdict_without_script",
    "next",
    "undo",
    "draft",
    "differences",
    "give_back",
    "practice",
    "review",
    "chat",
    "lead",
    "api",
    "policy",
    "static",
    "other",
)
OUTCOMES = ("done", "refused", "failed")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, of the histogram's buckets
VERDICTS = ("saved", "skipped", "flagged", "unchanged")
WAYS = ("fast", "slow")
# Why a text was shown as plain text: its own time or memory; the time of its page; no renderer was free.
RENDERING = ("time", "memory", "page", "busy")

Series = tuple[str, ...]  # ("act", act, outcome), ("seconds", act), ("bucket", act, bound), ("verdict", …), …
PLACES: dict[Series, int] = {
    series: place
    for place, series in enumerate(
        [
            *(("act", act, outcome) for act in ACTS for outcome in OUTCOMES),
            *(("seconds", act) for act in ACTS),
            *(("bucket", act, str(bound)) for act in ACTS for bound in (*BOUNDS, "+Inf")),
            *(("verdict", outcome, way) for outcome in VERDICTS for way in WAYS),
            *(("rendering", reason) for reason in RENDERING),
        ]
    )
}
SIZE = 8 * len(PLACES)  # bytes
SECONDS = {act: PLACES["seconds", act] for act in ACTS}
BUCKETS = {act: PLACES["bucket", act, str(BOUNDS[0])] for act in ACTS}  # the first one of each act

_lock = threading.Lock()
_array: "memoryview[float] | None" = None


def count_act(act: str, outcome: str, seconds: float) -> None:
    """Counts an act of ACTS with its outcome, one of OUTCOMES, and its duration."""
    place, bucket, duration = PLACES["act", act, outcome], BUCKETS[act] + bisect_left(BOUNDS, seconds), SECONDS[act]
    with _lock:
        array = _array or open_array()
        array[place] += 1
        array[bucket] += 1
        array[duration] += seconds


def count_verdict(outcome: str, way: str) -> None:
    """Counts a verdict that was sent. outcome, way: of VERDICTS and WAYS."""
    count_one(("verdict", outcome, way))


def count_plain(reason: str) -> None:
    """Counts a text shown as plain text. reason: of RENDERING."""
    count_one(("rendering", reason))


def count_one(series: Series) -> None:
    place = PLACES[series]
    with _lock:
        array = _array or open_array()
        array[place] += 1


def open_array() -> "memoryview[float]":
    """The array of this process, of doubles; _lock is held."""
    global _array  # noqa: PLW0603
    folder = os.environ.get(FOLDER_VARIABLE)
    buffer: bytearray | mmap.mmap = bytearray(SIZE)
    if folder:
        with contextlib.suppress(OSError, ValueError):
            buffer = map_file(Path(folder) / str(os.getpid()))
    _array = memoryview(buffer).cast("d")
    return _array


def map_file(path: Path) -> mmap.mmap:
    """The file, mapped; zeros are written, not left out, so that a full disk is an error here and no crash later."""
    with open(path, "a+b") as file:
        file.write(bytes(max(0, SIZE - path.stat().st_size)))
        file.flush()
        return mmap.mmap(file.fileno(), SIZE)


def forget_array() -> None:
    """Lets a forked process open an array of its own."""
    global _array, _lock
    _array, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=forget_array)


def read_totals() -> Mapping[Series, float]:
    """{series: its sum over all processes of the server}"""
    with _lock:
        arrays = [_array or open_array()]
    if folder := os.environ.get(FOLDER_VARIABLE):
        arrays = [memoryview(data).cast("d") for data in read_files(Path(folder))] or arrays
    return {series: sum(array[place] for array in arrays) for series, place in PLACES.items()}


def count_processes() -> int:
    """The number of this server's processes that have counted something and still run."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return max(1, sum(map(is_alive, os.listdir(folder)))) if folder and os.path.isdir(folder) else 1


def is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return True


def read_files(folder: Path) -> list[bytes]:
    """The arrays in the folder; one that is only being made is left out."""
    with contextlib.suppress(OSError):
        return [data for path in folder.iterdir() if len(data := path.read_bytes()) == SIZE]
    return []
