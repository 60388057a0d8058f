"""A second server beside the one that is attacked, in circumstances of its own, with a few people of its own."""

import contextlib

from attack.account import read_ledger
from attack.measuring import measure
from attack.server import Server, start_crowd, stop_crowd
from bench.common import write_wide_rows

OVERLAP, PEOPLE, ROWS = 3, 6, 600


@contextlib.contextmanager
def second_server(server, rng, dataset, data=None, **extra):
    """(server, ledger): it serves the same database, or a new one where SQLite gets another data folder (`data`).

    `extra` goes into its environment. What its people were told is saved is looked for at the end, as with all others.
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
