"""The account at the end: what the server said is saved, against what the export holds."""

import csv
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

from bench.common import ROOT

NO_VERDICTS = ("", "skip", "flag")
EXAMPLES = 5

csv.field_size_limit(1 << 30)


@dataclass
class Account:
    """acknowledged: verdicts that the server said are saved; lost: of these, how many are not in the export as given;
    over_overlap: votes above what their comparison asks for that are not marked surplus."""

    acknowledged: int = 0
    lost: int = 0
    over_overlap: int = 0
    examples: list = field(default_factory=list)

    def add(self, other):
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.over_overlap += other.over_overlap
        self.examples = (self.examples + other.examples)[:EXAMPLES]


def make_account(ledger, rows, pairs, overlap):
    """Compare a ledger with an export.

    ledger: lines as people.Worker writes them; only acknowledged verdicts count.
    rows: {judgment: row of judgments-csv}.
    pairs: Counter of (chosen text, rejected text), as dpo has them with every judgment.
    """
    account, left = Account(), Counter(pairs)
    given = {}
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


def find_mismatch(line, row):
    """Why an exported row is not the verdict that was given; "" where it is."""
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


def take_pair(line, left):
    """Take the choice of a verdict out of `left`; what is wrong where it is not there."""
    wanted = get_pair(line)
    if not wanted or not line["left"]:
        return ""
    if not left[wanted]:
        return "the pair is not in the dpo export"
    left[wanted] -= 1
    return ""


def get_pair(line):
    """(chosen text, rejected text) as the person saw them; None for a tie."""
    sides = (line["left"], line["right"])
    return {"left": sides, "right": sides[::-1]}.get(line["verdict"])


def parse_shown(row):
    return tuple(normalize_blanks(text) for text in json.loads(row["responses"])[:2])


def parse_chosen(row):
    """(chosen text, rejected text) of an exported row."""
    texts, choices = json.loads(row["responses"]), json.loads(row["choices"])
    return tuple(normalize_blanks(texts[place - 1]) for place in choices[0][1:3]) if choices else None


def normalize_blanks(text):
    return " ".join(text.split())


def count_votes(rows):
    """{comparison: votes that count}"""
    counted = (
        row
        for row in rows
        if row["purpose"] == "vote"
        and row["verdict"] not in NO_VERDICTS
        and row["surplus"].lower() not in ("true", "1")
    )
    return Counter(row["comparison"] for row in counted)


def read_ledger(*paths):
    """The lines of ledgers; a line that was cut off at the end does not count."""
    for path in paths:
        if path.exists():
            for text in path.read_text().splitlines():
                try:
                    yield json.loads(text)
                except ValueError:
                    continue


def export(environment, dataset, folder):
    """(rows, pairs) of make_account, by command."""
    table, dpo = folder / f"{dataset}.csv", folder / f"{dataset}-dpo.jsonl"
    for name, path in (("judgments-csv", table), ("dpo", dpo)):
        command = [sys.executable, str(ROOT / "manage.py"), "export_dataset", dataset, f"--format={name}"]
        command += ["--mode=every", f"--output={path}"]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return read_export(table, dpo)


def read_export(table, dpo):
    """(rows, pairs) of make_account, from the two files."""
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = {int(row["judgment"]): row for row in csv.DictReader(file)}
    with open(dpo) as file:
        pairs = Counter(parse_pair(json.loads(line)) for line in file)
    return rows, pairs


def parse_pair(row):
    return tuple(normalize_blanks(row[name][-1]["content"]) for name in ("chosen", "rejected"))
