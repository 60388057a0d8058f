"""A second server beside the main one, with special conditions and a few people."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

from attack.account import read_ledger
from attack.measuring import measure
from attack.server import Server, start_crowd, stop_crowd
from bench.common import write_wide_rows

OVERLAP, PEOPLE, ROWS = 3, 6, 600


@contextlib.contextmanager
def second_server(
    server: Server, rng: random.Random, dataset: str, data: Path | None = None, **extra: str
) -> Iterator[tuple[Server, Path]]:
    """(server, ledger) of a running second server.

    data: another data folder; on SQLite, this means a new database.
    extra: additions to its environment.

    The final account includes the verdicts that it acknowledged.
    """
    environment = {**server.environment, "DATA_DIR": str(data or server.data)}
    small, crowd = Server(server.database, environment, server.folder, server.postgres), None
    small.extra = extra
    ledger = server.folder / f"{server.database}-second-{dataset}.jsonl"
    try:
        if data and not server.postgres:
            small.manage("migrate", "--verbosity=0")
        write_wide_rows(server.folder / f"{dataset}.jsonl", ROWS)
        small.manage("import_dataset", dataset, str(server.folder / f"{dataset}.jsonl"), f"--overlap={OVERLAP}")
        small.make_people(f"{dataset}-admin", 1, "admin")
        small.start()
        crowd = start_crowd(small, dataset, f"{dataset}-crowd", PEOPLE, ledger, rng.random())
        server.ledgers.append((environment, dataset, OVERLAP, [ledger]))
        yield small, ledger
        stop_crowd(crowd)
        figures = measure(list(read_ledger(ledger)), [])
        server.note(second={name: figures[name] for name in ("acts", "p50_ms", "worst_s", "errors_to_people")})
    finally:
        if crowd and crowd.poll() is None:
            stop_crowd(crowd)
        if small.process:
            small.stop()
