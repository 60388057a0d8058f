"""The account of `make attack` detects losses: it does not always say "0 lost" and "0 over the overlap"."""

import json
from collections import Counter

import pytest

from attack.account import make_account, read_export, read_ledger
from attack.measuring import measure
from attack.people import parse_comparison

LEFT, RIGHT = "1 the left one.", "2 the right one."


def build_ledger_line(judgment=1, verdict="left", answered=True, **changes):
    """A line of a ledger."""
    line = {"kind": "verdict", "judgment": judgment, "verdict": verdict, "answered": answered}
    return line | {"left": LEFT, "right": RIGHT, "began": 1.0, "ended": 1.1, "said": [200]} | changes


def build_csv_row(judgment=1, verdict="left", comparison="1-2", surplus="False", shown=(LEFT, RIGHT), won=None):
    """A row of judgments-csv."""
    places = {"left": [1, 2], "right": [2, 1]}.get(won or verdict)
    row = {"judgment": str(judgment), "comparison": comparison, "verdict": verdict, "surplus": surplus}
    row |= {"purpose": "vote", "responses": json.dumps(shown)}
    return row | {"choices": json.dumps([["", *places, 1, None]] if places else [])}


def compute_account(lines, rows, pairs=None, overlap=2):
    """The account with a dpo export that agrees with the table, unless `pairs` are given."""
    if pairs is None:
        pairs = Counter()
        for row in rows:
            texts = json.loads(row["responses"])
            pairs.update(tuple(texts[place - 1] for place in one[1:3]) for one in json.loads(row["choices"]))
    return make_account(lines, {int(row["judgment"]): row for row in rows}, pairs, overlap)


def test_what_is_exported_as_it_was_given_is_not_lost():
    lines = [
        build_ledger_line(1),
        build_ledger_line(2, "right"),
        build_ledger_line(3, "tie"),
        build_ledger_line(4, answered=False),
    ]
    rows = [build_csv_row(1), build_csv_row(2, "right"), build_csv_row(3, "tie", comparison="3-4")]
    account = compute_account(lines, rows)
    assert (account.acknowledged, account.lost, account.over_overlap, account.examples) == (3, 0, 0, [])


def test_an_acknowledged_judgment_that_is_not_exported_is_lost():
    account = compute_account([build_ledger_line(1), build_ledger_line(2)], [build_csv_row(1)])
    assert (account.acknowledged, account.lost) == (2, 1)
    assert account.examples[0]["wrong"] == "it is not in the export"


def test_another_verdict_is_lost():
    assert compute_account([build_ledger_line(1, "left")], [build_csv_row(1, "right")]).lost == 1
    assert compute_account([build_ledger_line(1, "tie")], [build_csv_row(1, "left")]).lost == 1


def test_another_winner_under_the_same_verdict_is_lost():
    account = compute_account([build_ledger_line(1, "left")], [build_csv_row(1, "left", won="right")])
    assert (account.lost, account.examples[0]["wrong"]) == (1, "another answer won")


def test_other_sides_than_the_person_saw_are_lost():
    account = compute_account([build_ledger_line(1, "left")], [build_csv_row(1, "left", shown=(RIGHT, LEFT))])
    assert (account.lost, account.examples[0]["wrong"]) == (1, "the export has other texts, or other sides")


def test_a_pair_that_is_missing_in_the_dpo_export_is_lost():
    lines, rows = [build_ledger_line(1), build_ledger_line(2)], [build_csv_row(1), build_csv_row(2)]
    account = compute_account(lines, rows, Counter({(LEFT, RIGHT): 1}))
    assert (account.lost, account.examples[0]["wrong"]) == (1, "the pair is not in the dpo export")


def test_the_first_acknowledged_verdict_of_a_judgment_stands():
    assert (
        compute_account([build_ledger_line(1, "left"), build_ledger_line(1, "right")], [build_csv_row(1, "left")]).lost
        == 0
    )


def test_a_vote_too_many_is_over_the_overlap_unless_it_is_surplus():
    rows = [build_csv_row(1), build_csv_row(2), build_csv_row(3)]
    assert compute_account([], rows).over_overlap == 1
    assert compute_account([], [*rows[:2], build_csv_row(3, surplus="True")]).over_overlap == 0
    assert compute_account([], [*rows[:2], build_csv_row(3, "skip")]).over_overlap == 0


def test_a_ledger_that_was_cut_off_is_read_up_to_there(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps(build_ledger_line(1)) + "\n" + json.dumps(build_ledger_line(2))[:20])
    assert [line["judgment"] for line in read_ledger(path, tmp_path / "none.jsonl")] == [1]


def test_the_time_that_the_attack_itself_took_is_no_waiting():
    lines = [
        build_ledger_line(1, began=0.0, ended=0.5),
        build_ledger_line(2, began=1.0, ended=6.0),
        build_ledger_line(3, began=8.0, ended=9.5),
    ]
    assert measure(lines, [])["worst_s"] == 5.0
    assert measure(lines, [[1.5, 5.9]])["worst_s"] == 1.5


def test_a_refused_verdict_and_an_error_show_in_the_figures():
    lines = [
        build_ledger_line(1, said=[503, "Cut", 200]),
        build_ledger_line(2, answered=False, said=[422], refused="not asked for"),
    ]
    figures = measure(lines, [])
    assert (figures["errors_to_people"], figures["cut"], figures["refused"]) == (1, 1, 1)


@pytest.fixture
def judged(client, alice, pairs, run_command, tmp_path):
    """(ledger, rows, pairs) of two verdicts on real pages, and of a real export."""
    client.force_login(alice)
    lines = []
    for verdict in ("left", "right"):
        shown = parse_comparison(client.get("/annotate/demo/").content.decode())
        client.post("/annotate/demo/", {"judgment": shown.judgment, "revision": shown.revision, "verdict": verdict})
        lines.append(build_ledger_line(shown.judgment, verdict, left=shown.left, right=shown.right))
    files = [tmp_path / "table.csv", tmp_path / "dpo.jsonl"]
    for name, path in zip(("judgments-csv", "dpo"), files, strict=True):
        run_command("export_dataset", "demo", f"--format={name}", "--mode=every", f"--output={path}")
    return lines, *read_export(*files)


def test_pages_and_exports_are_read_as_they_are(judged):
    account = make_account(*judged, overlap=1)
    assert (account.acknowledged, account.lost, account.over_overlap) == (2, 0, 0), account.examples


def test_a_real_export_that_differs_is_found(judged):
    lines, rows, pairs = judged
    first, second = lines
    assert make_account([first | {"verdict": "right"}, second], rows, pairs, 1).lost == 1
    assert make_account([first | {"left": first["right"], "right": first["left"]}], rows, pairs, 1).lost == 1
    assert make_account(lines, rows, Counter(), 1).lost == 2
    twice = rows | {0: rows[first["judgment"]]}
    assert make_account(lines, twice, pairs, 1).over_overlap == 1
    late = twice | {0: rows[first["judgment"]] | {"surplus": "True"}}
    assert make_account(lines, late, pairs, 1).over_overlap == 0
