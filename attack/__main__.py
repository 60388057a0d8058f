"""`make attack` (ONLY=phase, DATABASE=sqlite or postgresql, SEED=number): attacks a separate server while people judge.

At the end it looks up every acknowledged verdict in the export. Prints a JSON line for each phase; the last one of
each database is {"database", "faults", "acknowledged", "lost", "over_overlap", "worst_wait_s"}. Exit status 1 if a
verdict is lost or above the overlap.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from attack.account import Account, export, make_account, read_ledger
from attack.faults import PHASES
from attack.faults.kills import account_tasks
from attack.faults.texts import write_texts
from attack.measuring import compute_waits, measure, say
from attack.server import NotDone, Postgres, Server, start_crowd, stop_crowd
from bench.common import write_judged_rows, write_wide_rows

DATABASES = ("sqlite", "postgresql")
CROWD, PROMPTS, OVERLAP = 20, 7000, 3
JUDGED = 10_000
SETTLES = 1.0  # seconds between two phases
LONGEST = 900  # seconds per database, then the attack gives up


def main() -> int:
    only, database = os.environ.get("ONLY", ""), os.environ.get("DATABASE", "")
    seed = os.environ.get("SEED") or "1"
    if only not in ("", *PHASES) or database not in ("", *DATABASES):
        raise SystemExit(f"ONLY is one of {', '.join(PHASES)}; DATABASE one of {', '.join(DATABASES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, give_up)
    accounts = []
    for name in [database] if database else DATABASES:
        with tempfile.TemporaryDirectory(prefix="chosen-attack-", ignore_cleanup_errors=True) as folder:
            os.chmod(folder, 0o755)  # if we are root, PostgreSQL runs as another user
            signal.alarm(LONGEST)
            accounts.append(attack(name, Path(folder), only, seed))
            signal.alarm(0)
    return 1 if any(account.lost or account.over_overlap for account in accounts) else 0


def give_up(*_: object) -> NoReturn:
    raise SystemExit(f"the attack took longer than {LONGEST} s")


def attack(database: str, folder: Path, only: str, seed: str) -> Account:
    """Runs all phases against one database.

    only: the one phase to run; "" for all.
    """
    postgres = Postgres(folder) if database == "postgresql" else None
    server = make_server(database, folder, postgres, seed)
    crowd: subprocess.Popen[bytes] | None = None
    faults, worst = 0, 0.0
    ledger = folder / f"{database}-crowd.jsonl"
    try:
        server.start()
        threading.Thread(target=server.keep_up, daemon=True).start()
        crowd = start_crowd(server, "main", "crowd", CROWD, ledger, seed)
        time.sleep(2)
        for name in PHASES:
            if only in ("", name) or name == "calm":
                faults += run_phase(server, name, random.Random(f"{seed} {name}"), ledger)
        stop_crowd(crowd)
        worst = max(compute_waits(read_ledger(ledger), server.outages), default=0.0)
        account = account_all(server, ledger)
    finally:
        if crowd and crowd.poll() is None:
            stop_crowd(crowd)
        server.stop()
        for place in server.unmount:
            subprocess.run(["umount", "-l", str(place)], check=False)
        if postgres:
            postgres.end()
    line = {"database": database, "faults": faults, "acknowledged": account.acknowledged, "lost": account.lost}
    say(**line, over_overlap=account.over_overlap, worst_wait_s=round(worst, 2))
    return account


def make_server(database: str, folder: Path, postgres: Postgres | None, seed: str) -> Server:
    """A server, not yet started, with the datasets to judge in its database."""
    environment = {**os.environ, "DATA_DIR": str(folder / f"{database}-data"), "SECRET_KEY": "for-the-attack-only"}
    environment.pop("DATABASE_URL", None)
    if postgres:
        environment["DATABASE_URL"] = postgres.url
    server = Server(database, environment, folder, postgres)
    server.manage("migrate", "--verbosity=0")
    write_wide_rows(folder / "main.jsonl", PROMPTS)
    write_judged_rows(folder / "judged.jsonl", JUDGED)
    texts = write_texts(folder / "hostile.jsonl", seed)
    server.manage("import_dataset", "main", str(folder / "main.jsonl"), f"--overlap={OVERLAP}")
    server.manage("import_dataset", "judged", str(folder / "judged.jsonl"))
    server.manage("import_dataset", "hostile", str(folder / "hostile.jsonl"), "--overlap=3", "--skip-bad-rows")
    server.make_people("admin", 1, "admin")
    server.make_people("hostile", 3)
    server.note(hostile_prompts=texts)
    return server


def run_phase(server: Server, name: str, rng: random.Random, ledger: Path) -> int:
    """The number of faults of one kind that were injected; prints its line."""
    server.figures, server.findings, server.recoveries, down = {}, [], [], server.down
    began, faults, problem = time.monotonic(), 0, None
    try:
        faults = PHASES[name](server, rng)
    except NotDone as why:
        say(phase=name, database=server.database, not_done=str(why))
        return 0
    except Exception:
        problem = traceback.format_exc(limit=-3)
    server.wait_until_healthy()
    time.sleep(SETTLES)
    lines = [line for line in read_ledger(ledger) if line["ended"] >= began]
    figures = measure(lines, server.outages)
    line: dict[str, Any] = {"phase": name, "database": server.database, "faults": faults, **figures}
    line |= {"seconds": round(time.monotonic() - began, 1), "load": round(os.getloadavg()[0], 1)}
    if server.recoveries:
        line["recovery_s"] = [round(seconds, 2) for seconds in server.recoveries]
    line |= server.figures
    if server.down > down:
        line["was_down"] = server.down - down
    if errors := server.read_errors():
        line["log"] = errors
    if server.findings:
        line["findings"] = sorted(set(server.findings))[:8]
    if problem:
        line["problem"] = problem
    say(**line)
    return faults


def account_all(server: Server, ledger: Path) -> Account:
    """Looks up every acknowledged verdict in the exports, and prints the line of the account."""
    server.figures, server.findings = {}, []
    stored = account_tasks(server)
    found = set(server.folder.glob(f"{server.database}-*.jsonl"))
    hostile, second = ({path for path in found if word in path.name} for word in ("-hostile.", "-second-"))
    main = sorted(found - hostile - second)
    account = Account()
    todo = [(server.environment, "main", OVERLAP, main), (server.environment, "hostile", 3, sorted(hostile))]
    for environment, dataset, overlap, paths in [*todo, *server.ledgers]:
        lines = list(read_ledger(*paths))
        account.add(make_account(lines, *export(environment, dataset, server.folder), overlap))
    unanswered = [line for line in read_ledger(ledger) if line["kind"] == "verdict" and not line["answered"]]
    line: dict[str, Any] = {"phase": "account", "database": server.database, "acknowledged": account.acknowledged}
    line |= {"lost": account.lost, "over_overlap": account.over_overlap, "never_answered": len(unanswered)}
    line |= {"was_down": server.down, "tasks_after_kills": stored, "open_slots_wrong": count_wrong_slots(server)}
    if server.findings or account.examples:
        line |= {"findings": server.findings, "examples": account.examples}
    say(**line)
    return account


def count_wrong_slots(server: Server) -> int:
    """The number of comparisons whose open_slots differs from wanted minus votes and leases."""
    (count,) = server.run_sql(
        """SELECT count(*) FROM datasets_comparison c WHERE open_slots <> wanted - (
          SELECT count(*) FROM datasets_judgment j WHERE j.comparison_id = c.id AND j.purpose = 'vote'
          AND j.state IN ('leased', 'saved', 'reopened'))"""
    )[0]
    return int(count)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
