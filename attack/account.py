"""The final account: acknowledged verdicts against the export."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.common import ROOT

Line = dict[str, Any]  # of a ledger, as people.Worker.note writes it
Pair = tuple[str, ...]  # chosen text, rejected text

NO_VERDICTS = ("", "skip", "flag")
EXAMPLES = 5

csv.field_size_limit(1 << 30)


@dataclass
class Account:
    """What became of the verdicts.

    acknowledged: verdicts that the server confirmed as saved.
    lost: acknowledged verdicts that are missing from the export, or differ in it.
    over_overlap: votes above their comparison's overlap that are not marked surplus.
    examples: up to EXAMPLES problems.
    """

    acknowledged: int = 0
    lost: int = 0
    over_overlap: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Account") -> None:
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.over_overlap += other.over_overlap
        self.examples = (self.examples + other.examples)[:EXAMPLES]


def make_account(
    ledger: Iterable[Line], rows: Mapping[int, dict[str, str]], pairs: Counter[Pair], overlap: int
) -> Account:
    """Compares a ledger with an export.

    ledger: only acknowledged verdicts count.
    rows: {judgment: row of judgments-csv}.
    pairs: Counter of (chosen text, rejected text) in the dpo export with `--mode every`.
    """
    account, left = Account(), Counter(pairs)
    given: dict[int, Line] = {}
    for line in ledger:
        if line["kind"] == "verdict" and line["answered"]:
            given.setdefault(line["judgment"], line)
    account.acknowledged = len(given)
    for judgment, line in given.items():
        wrong = find_mismatch(line, rows.get(judgment)) or take_pair(line, left)
        if wrong:
            account.lost += 1
            account.examples = [*account.examples, {"judgment": judgment, "wrong": wrong, **line}][:EXAMPLES]
    for comparison, votes in count_votes(rows.values()).items():
        if votes > overlap:
            account.over_overlap += votes - overlap
            account.examples = [*account.examples, {"comparison": comparison, "votes": votes}][:EXAMPLES]
    return account


def find_mismatch(line: Line, row: dict[str, str] | None) -> str:
    """How an exported row differs from the verdict; "" if it does not."""
    if row is None:
        return "it is not in the export"
    if row["verdict"] != line["verdict"]:
        return f"the export says {row['verdict'] or 'nothing'}"
    if line["left"] and parse_shown(row) != (line["left"], line["right"]):
        return "the export has other texts, or other sides"
    wanted = get_pair(line)
    if wanted and line["left"] and parse_chosen(row) != wanted:
        return "another answer won"
    return ""


def take_pair(line: Line, left: Counter[Pair]) -> str:
    """Removes the choice of a verdict from `left`; returns the problem if it is missing, else ""."""
    wanted = get_pair(line)
    if not wanted or not line["left"]:
        return ""
    if not left[wanted]:
        return "the pair is not in the dpo export"
    left[wanted] -= 1
    return ""


def get_pair(line: Line) -> Pair | None:
    """(chosen text, rejected text) as the person saw them; None for a tie."""
    sides = (line["left"], line["right"])
    return {"left": sides, "right": sides[::-1]}.get(line["verdict"])


def parse_shown(row: dict[str, str]) -> Pair:
    return tuple(normalize_blanks(text) for text in json.loads(row["responses"])[:2])


def parse_chosen(row: dict[str, str]) -> Pair | None:
    """(chosen text, rejected text) of an exported row."""
    texts, choices = json.loads(row["responses"]), json.loads(row["choices"])
    return tuple(normalize_blanks(texts[place - 1]) for place in choices[0][1:3]) if choices else None


def normalize_blanks(text: str) -> str:
    return " ".join(text.split())


def count_votes(rows: Iterable[dict[str, str]]) -> Counter[str]:
    """{comparison: votes that take a slot}"""
    counted = (
        row
        for row in rows
        if row["purpose"] == "vote"
        and row["verdict"] not in NO_VERDICTS
        and row["surplus"].lower() not in ("true", "1")
    )
    return Counter(row["comparison"] for row in counted)


def read_ledger(*paths: Path) -> Iterator[Line]:
    """The lines of ledgers; skips missing files and truncated lines."""
    for path in paths:
        if path.exists():
            for text in path.read_text().splitlines():
                try:
                    yield json.loads(text)
                except ValueError:
                    continue


def export(environment: dict[str, str], dataset: str, folder: Path) -> tuple[dict[int, dict[str, str]], Counter[Pair]]:
    """(rows, pairs) for make_account, exported by command."""
    table, dpo = folder / f"{dataset}.csv", folder / f"{dataset}-dpo.jsonl"
    for name, path in (("judgments-csv", table), ("dpo", dpo)):
        command = [sys.executable, str(ROOT / "manage.py"), "export_dataset", dataset, f"--format={name}"]
        command += ["--mode=every", f"--output={path}"]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return read_export(table, dpo)


def read_export(table: Path, dpo: Path) -> tuple[dict[int, dict[str, str]], Counter[Pair]]:
    """(rows, pairs) for make_account, read from the two files."""
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = {int(row["judgment"]): row for row in csv.DictReader(file)}
    with open(dpo) as file:
        pairs = Counter(parse_pair(json.loads(line)) for line in file)
    return rows, pairs


def parse_pair(row: dict[str, Any]) -> Pair:
    return tuple(normalize_blanks(row[name][-1]["content"]) for name in ("chosen", "rejected"))
