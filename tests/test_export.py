"""Exports through the command: every dialect, every filter, and an account that adds up."""

import csv
import hashlib
import io
import itertools
import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.exports import export as export_export
from datasets.exports import query
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, Filters, pick_by_rank
from datasets.formats import get_file_kind, get_writable_formats
from datasets.formats.rows import Demonstration, JudgmentRow, Label, Preference
from datasets.models import Choice, Dataset, Job, Judgment, Response, Snapshot
from tests.conftest import build_rows
from tests.test_annotate import parse_page

pytestmark = pytest.mark.django_db

DIALECTS = sorted(get_writable_formats())


def pick_dialects(kind):
    return [name for name in DIALECTS if get_writable_formats()[name].WRITES is kind]


SFT, LABELS, PREFERENCES, TABLES = map(pick_dialects, (Demonstration, Label, Preference, JudgmentRow))
ONE_OF_EACH_KIND = [kind[0] for kind in (SFT, LABELS, PREFERENCES, TABLES)]
TRAINING = [*SFT, *LABELS, *PREFERENCES]


@pytest.fixture
def export(run_command, tmp_path):
    """export(format, *options): (rows of the file, summary) of the dataset `demo`."""

    def export_dataset(name, *options):
        path = tmp_path / "out.jsonl"
        status, summary, err = run_command("export_dataset", "demo", "--format", name, "--output", str(path), *options)
        assert status == 0, err
        data = path.read_bytes()
        assert summary["sha256"] == hashlib.sha256(data).hexdigest()
        rows = parse_rows(name, data)
        assert summary["rows"] == len(rows)
        reconcile(summary, options[options.index("--criterion") + 1] if "--criterion" in options else "")
        return rows, summary

    return export_dataset


def parse_rows(name, data):
    """The rows of a dialect's file."""
    if get_file_kind(name) == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    if get_file_kind(name) == "parquet":
        return parquet.read_table(io.BytesIO(data)).to_pylist()
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def reconcile(account, criterion="", purposes=("vote",)):
    """Checks that every choice by the criterion, every vote without one and, in SFT files, every demonstration is a row
    or left out; with labels each counts twice. In a table this holds for every act.

    purposes: of the judgments to account for.
    """
    acts = Judgment.objects.visible().filter(dataset__slug=account["dataset"], purpose__in=purposes)
    votes = acts.filter(state__in=Judgment.STANDING)
    stated = list(votes.values_list("pk", flat=True))  # ids, not a subquery, whose PostgreSQL plan may take minutes
    choices = list(Choice.objects.filter(judgment__in=stated, criterion=criterion).values_list("judgment", flat=True))
    there = len(choices) + len(set(stated) - set(choices))
    if account["format"] in SFT:
        there += Response.objects.filter(prompt__dataset__slug=account["dataset"], demonstration=True).count()
    if account["format"] in LABELS:
        there *= 2
    if account["format"] in TABLES:
        there = votes.count() + acts.filter(state=Judgment.State.SKIPPED).count()
    assert there == account["rows"] + sum(account["left_out"].values())


def build_matching_row(annotator, winner, n=0):
    """A judged row for the first two answers of a wide prompt."""
    row = build_judged_row(annotator, winner, *(f"Answer {answer} to {n}." for answer in (0, 1)), f"Prompt {n}?")
    return row | {"model_a": "m0", "model_b": "m1"}


def build_judged_row(annotator, winner, a="a", b="b", prompt="Hi"):
    """A judged row; the winner is `a`, `b`, `tie` or `both_bad`."""
    return {"annotator": annotator, "prompt": prompt, "response_a": a, "response_b": b, "winner": winner}


VOTES = [
    build_judged_row("ann", "a"), build_judged_row("bob", "a"), build_judged_row("cid", "b"),
    build_judged_row("dan", "tie"), build_judged_row("eve", "both_bad"),
    build_judged_row("ann", "b", "a", "c"), build_judged_row("bob", "a", "a", "c"),
    build_judged_row("ann", "a", "b", "c"),
]  # fmt: skip
DAYS = {"ann": 1, "bob": 2, "cid": 3, "dan": 4, "eve": 5}
AB, BA, AC, CA, BC = ("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c")


@pytest.fixture
def votes(make_dataset):
    dataset = make_dataset(VOTES)
    for name, day in DAYS.items():
        Judgment.objects.filter(imported_by=name).update(decided_at=datetime(2026, 3, day, 12, tzinfo=UTC))
    strong = Choice.objects.filter(judgment__imported_by="ann", rejected__text="c")
    strong.update(strength=3)
    return dataset


# (filters, the pairs in the file, what is left out)
FILTERED = [
    ([], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--mode", "majority"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--mode", "every"], [AB, AB, BA, CA, AC, BC], {"both_bad": 1, "tie": 1}),
    (["--min-agreement", "0.5"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--min-agreement", "0.51"], [BC], {"both_bad": 1, "low_agreement": 3, "split": 2, "tie": 1}),
    (["--min-agreement", "1"], [BC], {"both_bad": 1, "low_agreement": 3, "split": 2, "tie": 1}),
    (["--annotator", "ann"], [AB, CA, BC], {"annotator": 5}),
    (["--annotator", "ann", "--annotator", "bob"], [AB, BC], {"annotator": 3, "merged": 1, "split": 2}),
    (["--annotator", "eve"], [], {"annotator": 7, "both_bad": 1}),
    (["--annotator", "nobody"], [], {"annotator": 8}),
    (["--since", "2026-03-03"], [BA], {"both_bad": 1, "date": 5, "tie": 1}),
    (["--since", "2026-03-02T12:00"], [AC], {"both_bad": 1, "date": 3, "split": 2, "tie": 1}),
    (["--since", "2026-03-02T12:00:01Z"], [BA], {"both_bad": 1, "date": 5, "tie": 1}),
    (["--since", "2026-03-02T20:00+08:00"], [AC], {"both_bad": 1, "date": 3, "split": 2, "tie": 1}),
    (["--until", "2026-03-01"], [AB, CA, BC], {"date": 5}),
    (["--until", "2026-03-02T12:00"], [AB, CA, BC], {"date": 5}),
    (["--until", "9999-12-31"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--since", "2026-03-02", "--until", "2026-03-02"], [AB, AC], {"date": 6}),
    (["--mode", "soft"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--min-votes", "2"], [AB], {"both_bad": 1, "few_votes": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--min-votes", "5"], [], {"both_bad": 1, "few_votes": 7}),
    (["--tags", "x"], [], {"tag": 8}),
    (["--flags", "without"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--length", "balanced"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--decisions", "first"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--decisions", "only"], [], {"undecided": 8}),
    (["--min-strength", "1"], [AB, BC], {"both_bad": 1, "merged": 1, "outvoted": 1, "split": 2, "tie": 1}),
    (["--min-strength", "2"], [BC], {"both_bad": 1, "tie": 1, "weak": 5}),
    (["--min-strength", "3", "--mode", "every", "--annotator", "bob"], [], {"annotator": 6, "weak": 2}),
]  # fmt: skip


@pytest.mark.usefixtures("votes")
@pytest.mark.parametrize(("filters", "pairs", "left_out"), FILTERED, ids=lambda part: " ".join(map(str, part)))
def test_filters_choose_and_count_what_they_leave_out(export, filters, pairs, left_out):
    rows, summary = export("dpo-text", *filters)
    assert [(row["chosen"], row["rejected"]) for row in rows] == pairs
    assert summary["left_out"] == left_out


@pytest.mark.usefixtures("votes")
def test_the_account_adds_up_under_every_filter_in_every_dialect(export, subtests):
    """All filters for one dialect of each kind, a few for the others: the kind decides what goes in.
    tests/test_export_properties.py has any filters for any dialect."""
    for name in DIALECTS:
        for filters, *_ in FILTERED if name in ONE_OF_EACH_KIND else FILTERED[::6]:
            with subtests.test(f"{name} {' '.join(filters)}"):
                export(name, *filters)


def test_a_chosen_answer_stands_once_in_an_sft_file(export, votes):
    for filters, chosen in [([], ["a", "b"]), (["--mode", "every"], ["a", "b", "c"])]:
        rows, summary = export("alpaca", *filters)
        assert [row["output"] for row in rows] == chosen
    assert summary["left_out"] == {"both_bad": 1, "merged": 3, "tie": 1}


@pytest.mark.usefixtures("votes")
def test_a_file_of_preferences_can_hold_how_many_people_said_so(export):
    for name in TRAINING:
        plain, soft = (export(name, "--mode", mode)[0] for mode in ("majority", "soft"))
        counted = [{key: row.pop(key) for key in ("votes_chosen", "votes_total") if key in row} for row in soft]
        assert soft == plain
        expected = [(2, 4), (1, 1)] if name in PREFERENCES else [()] * len(plain)
        assert [tuple(row.values()) for row in counted] == expected


def test_an_answer_with_a_label_stands_once_as_most_people_have_it(export, make_dataset):
    make_dataset(
        [
            build_judged_row("ann", "a"),
            build_judged_row("bob", "a"),
            build_judged_row("cid", "b"),
            build_judged_row("ann", "a", "b", "c"),
            build_judged_row("ann", "b", "a", "c"),
        ]
    )
    for name in LABELS:
        rows, summary = export(name, "--mode", "every")
        assert (rows, summary["left_out"]) == ([], {"split": 10})
        rows, summary = export(name)
        assert [(*parse_line(row)[1], row["label"]) for row in rows] == [("a", True), ("b", False)]
        assert summary["left_out"] == {"merged": 2, "outvoted": 4, "split": 2}


def test_a_margin_is_how_strong_a_choice_is_in_the_mean(export, make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1), question="scale", overlap=2)
    for who, strength in ((alice, 3), (bob, 2)):
        judgment = lease_next(who, dataset)
        side = "left" if judgment.order == sorted(judgment.order) else "right"
        assert record(judgment, 0, f"{side}{strength}")
    assert [row["margin"] for row in export("reward")[0]] == [2.5]
    assert [row["margin"] for row in export("reward", "--mode", "every")[0]] == [3.0, 2.0]


def test_prompts_with_any_of_the_tags_asked_for_go_in(export, make_dataset):
    make_dataset(
        [build_judged_row("ann", "a", prompt=tag) | {"tags": tags} for tag, tags in [("x", "x"), ("y", ["z", "y"])]]
    )
    make_dataset([build_judged_row("ann", "a", prompt="x") | {"tags": "later"}, build_judged_row("ann", "a")])
    for asked, prompts in [("x", ["x"]), ("x, y", ["x", "y"]), ("later", ["x"]), ("none", [])]:
        rows, summary = export("dpo-text", "--tags", asked)
        assert [row["prompt"] for row in rows] == prompts
        assert summary["left_out"] == {"tag": 3 - len(prompts)}


def test_what_anybody_flagged_can_be_left_out(export, make_dataset, alice, bob):
    dataset = make_dataset([build_judged_row("ann", "a", prompt="Leak")], allow_flag=True, overlap=2)
    make_dataset([build_judged_row("ann", "a")])
    judgment = lease_next(alice, dataset)
    assert record(judgment, 0, "flag", {"note": ""}, flag="leak")
    flagged = judgment.comparison.prompt.instruction
    assert len(export("dpo-text")[0]) == 2
    rows, summary = export("dpo-text", "--flags", "without")
    assert [row["prompt"] for row in rows] == [{"Leak": "Hi", "Hi": "Leak"}[flagged]]
    assert summary["left_out"] == {"flagged": 1}


def test_the_shorter_answer_is_chosen_as_often_as_the_longer_one(export, make_dataset):
    long = [build_judged_row("ann", "a", "longer", "b", f"{n}") for n in range(5)]
    make_dataset(
        [*long, build_judged_row("ann", "a", "a", "longer", "short"), build_judged_row("ann", "a", "a", "b", "equal")]
    )
    kept = [row["prompt"] for row in export("dpo-text", "--length", "balanced")[0]]
    assert kept[1:] == ["short", "equal"]
    for name in DIALECTS:
        rows, summary = export(name, "--length", "balanced")
        each = 2 if name in LABELS else 1
        assert (len(rows), summary["left_out"]) == ((7, {}) if name in TABLES else (3 * each, {"balance": 4 * each}))
    make_dataset([build_judged_row("ann", "a", "a", "longer", "another")])
    assert set(kept) < {row["prompt"] for row in export("dpo-text", "--length", "balanced")[0]}


def test_every_demonstration_is_in_an_sft_file_and_in_no_other(export, make_dataset):
    make_dataset(
        [{"prompt": "Hi", "completion": text} for text in ("x", "a", "y")] + [{"prompt": "Ho", "completion": "z"}]
    )
    make_dataset([build_judged_row("ann", "a"), build_judged_row("bob", "a")])
    for name in SFT:
        rows, summary = export(name)
        assert [parse_exchange(row) for row in rows] == [("Hi", "x"), ("Hi", "a"), ("Hi", "y"), ("Ho", "z")]
        assert summary["left_out"] == {"merged": 2}
    assert export("dpo")[1]["rows"] == 1


def test_what_a_dialect_does_not_take_is_left_out_with_its_reason(export, make_dataset):
    make_dataset(
        [
            {"system": "Be kind.", "question": "Hi", "chosen": "a", "rejected": "b"},
            {"system": "Be kind.", "question": "Hi", "chosen": "a", "rejected": "b"},
        ]
    )
    history = [["Hi", "Hello!"]]
    make_dataset([{"instruction": "Ho", "history": history, "chosen": "a", "rejected": "b"}])
    make_dataset([{"prompt": "Hi", "chosen": "a", "rejected": "a\n"}])
    for name in DIALECTS:
        summary = export(name)[1]
        if name == "alpaca":
            expected = (1, {"needs_history": 1, "needs_system": 2})
        elif name == "dpo-text":
            expected = (0, {"needs_history": 1, "needs_system": 2, "same_answer": 1})
        elif name in SFT:
            expected = (3, {"merged": 1})
        elif name in PREFERENCES:
            expected = (2, {"merged": 1, "same_answer": 1})
        else:
            expected = (6, {"merged": 2}) if name in LABELS else (4, {})
        assert (summary["rows"], summary["left_out"]) == expected, name


def test_people_and_imported_names_stand_in_one_file_and_skips_are_counted(export, make_dataset, alice, bob):
    dataset = make_dataset([{"prompt": "Hi", "responses": ["a", "b"]}], overlap=3)
    make_dataset([build_judged_row("ann", "a", "a", "c")])
    chosen = set()
    while mine := lease_next(alice, dataset):
        record(mine, mine.revision, "left")
        chosen.add(tuple(Response.objects.get(pk=pk).text for pk in mine.order))
    theirs = lease_next(bob, dataset)
    record(theirs, theirs.revision, "skip")
    rows, summary = export("dpo-text", "--annotator", "alice", "--mode", "every")
    assert {(row["chosen"], row["rejected"]) for row in rows} == chosen
    assert len(rows) == 2
    assert (summary["left_out"], summary["skips"]) == ({"annotator": 1}, 1)


# --- judgments of every kind -----------------------------------------------------------------------------------------

ONE_BEST = [("a", "b", 1, 1), ("a", "c", 1, 2), ("b", "c", 1, 1)]  # a > b > c
TWO_BEST = [("a", "b", 0, 0), ("a", "c", 1, 1), ("b", "c", 1, 1)]  # a = b > c
BETWEEN = [("a", "b", 1, 1), ("a", "c", 1, 1), ("a", "d", 1, 2), ("b", "d", 1, 1), ("c", "d", 1, 1)]  # a > b, c > d
TIED = [("a", "b", 0, 0)]
PLAIN = [("a", "b", 3, None), ("x", "a", 1, None)]
TAKEN = [
    (ONE_BEST, "all", ["ab", "ac", "bc"]),
    (ONE_BEST, "adjacent", ["ab", "bc"]),
    (ONE_BEST, "best-rest", ["ab", "ac"]),
    (ONE_BEST, "best-worst", ["ac"]),
    (TWO_BEST, "adjacent", ["ab", "ac", "bc"]),
    (TWO_BEST, "best-worst", ["ab", "ac", "bc"]),
    (BETWEEN, "all", ["ab", "ac", "ad", "bd", "cd"]),
    (BETWEEN, "adjacent", ["ab", "ac", "bd", "cd"]),
    (BETWEEN, "best-rest", ["ab", "ac", "ad"]),
    (BETWEEN, "best-worst", ["ad"]),
    (TIED, "best-worst", ["ab"]),
    (PLAIN, "best-worst", ["ab", "xa"]),
    ([*ONE_BEST, ("x", "a", 1, None)], "best-rest", ["ab", "ac", "xa"]),
    ([], "adjacent", []),
]


@pytest.mark.parametrize(("choices", "policy", "taken"), TAKEN)
def test_a_policy_takes_some_of_the_choices_of_an_order(choices, policy, taken):
    found = pick_by_rank(choices, policy)
    assert sorted(chosen + rejected for chosen, rejected, *_ in found) == taken


@pytest.fixture
def ranked(make_dataset, alice, bob):
    """One prompt with four answers: alice ranks 0 > 1 = 2 > 3, bob 0 > 2 > 1 > 3."""
    dataset = make_dataset(build_rows(1, answers=4), question="rank", most_shown=4, overlap=2)
    for who, places in ((alice, [1, 2, 2, 4]), (bob, [1, 3, 2, 4])):
        judgment = lease_next(who, dataset)
        by_answer = dict(zip(sorted(judgment.order), places, strict=True))
        assert record(judgment, 0, "rank", {"rank": [by_answer[pk] for pk in judgment.order]})
    return dataset


def get_answer_numbers(rows):
    return [f"{row['chosen'][7]}{row['rejected'][7]}" for row in rows]


RANKED = [
    (["--mode=every"], ["01", "01", "02", "02", "03", "03", "13", "13", "21", "23", "23"], {"tie": 1}),
    (["--mode=every", "--ranks=adjacent"], ["01", "02", "02", "13", "13", "21", "23"], {"rank_policy": 4, "tie": 1}),
    (["--mode=every", "--ranks=best-rest"], ["01", "01", "02", "02", "03", "03"], {"rank_policy": 5, "tie": 1}),
    (["--mode=every", "--ranks=best-worst"], ["03", "03"], {"rank_policy": 9, "tie": 1}),
    ([], ["01", "02", "03", "13", "21", "23"], {"merged": 5, "tie": 1}),
    (["--min-agreement", "0.6"], ["01", "02", "03", "13", "23"], {"low_agreement": 1, "merged": 5, "tie": 1}),
    (["--ranks", "best-worst"], ["03"], {"merged": 1, "rank_policy": 9, "tie": 1}),
    (["--min-strength", "2"], [], {"tie": 1, "weak": 11}),
]  # fmt: skip


@pytest.mark.usefixtures("ranked")
def test_an_order_gives_the_pairs_that_are_asked_for(export, subtests):
    for options, pairs, left_out in RANKED:
        with subtests.test(" ".join(options)):
            rows, summary = export("dpo-text", *options)
            assert sorted(get_answer_numbers(rows)) == pairs
            assert summary["left_out"] == left_out
            for name in ONE_OF_EACH_KIND:
                export(name, *options)


@pytest.mark.usefixtures("ranked")
def test_a_pair_is_one_wherever_it_was_shown(export, make_dataset):
    make_dataset([build_matching_row(name, "b") for name in ("ann", "cid", "dan")])
    rows, summary = export("dpo-text")
    assert sorted(get_answer_numbers(rows)) == ["02", "03", "10", "13", "21", "23"]
    assert summary["left_out"] == {"merged": 6, "outvoted": 2, "tie": 1}
    assert export("dpo-text", "--ranks", "best-worst")[1]["left_out"]["rank_policy"] == 9


def test_a_scale_and_stars_tell_how_strong_a_choice_is(export, make_dataset, alice):
    dataset = make_dataset(build_rows(3), question="scale")
    for verdict in ("left1", "right2", "left3"):
        assert record(lease_next(alice, dataset), 0, verdict)
    strengths = [export("dpo", "--min-strength", str(least))[1]["rows"] for least in (1, 2, 3)]
    assert strengths == [3, 2, 1]
    make_dataset([{"prompt": "Stars?", "responses": ["a", "b"]}], slug="starred", question="stars")
    judgment = lease_next(alice, Dataset.objects.get(slug="starred"))
    assert record(judgment, 0, "rate", {"stars": [5, 2]})
    account = Export(judgment.dataset, "dpo", Filters(min_strength=3))
    assert b"".join(account.iter_pieces()).count(b"\n") == 1


def test_single_answers_with_stars_state_no_choice(export, make_dataset, alice):
    dataset = make_dataset(build_rows(2), question="stars", fewest_shown=1, most_shown=1)
    while judgment := lease_next(alice, dataset):
        assert record(judgment, 0, "rate", {"stars": [4]})
    rows, summary = export("dpo")
    assert (rows, summary["left_out"]) == ([], {"no_choice": 4})


@pytest.fixture
def by_criteria(make_dataset, alice, bob):
    """alice and bob chose the first answer overall; by style alice chose the second, bob neither."""
    criteria = [{"name": "truth", "guideline": ""}, {"name": "style", "guideline": ""}]
    dataset = make_dataset(build_rows(1), criteria=criteria, overlap=2)
    for who, style in ((alice, "second"), (bob, "both_bad")):
        judgment = lease_next(who, dataset)
        first, second = ("left", "right") if judgment.order == sorted(judgment.order) else ("right", "left")
        by = {"truth": {"verdict": ["tie"]}, "style": {"verdict": [second if style == "second" else style]}}
        assert record(judgment, 0, first, {"criteria": by})
    make_dataset([build_matching_row("ann", "a")])
    return dataset


@pytest.mark.usefixtures("by_criteria")
@pytest.mark.parametrize(
    ("criterion", "pairs", "left_out"),
    [
        ("", ["01"], {"merged": 2}),
        ("truth", [], {"no_choice": 1, "tie": 2}),
        ("style", ["10"], {"both_bad": 1, "no_choice": 1}),
    ],
)
def test_an_export_takes_the_choices_of_one_criterion(export, criterion, pairs, left_out):
    for name in DIALECTS:
        rows, summary = export(name, "--criterion", criterion)
        assert name != "dpo-text" or get_answer_numbers(rows) == pairs
        assert name not in PREFERENCES or summary["left_out"] == left_out


def test_a_criterion_that_is_not_asked_any_more_can_be_exported(export, by_criteria, run_command, client, admin):
    Dataset.objects.filter(pk=by_criteria.pk).update(criteria=[{"name": "new", "guideline": ""}])
    assert len(export("dpo", "--criterion", "style")[0]) == 1
    told = run_command("export_dataset", "demo", "--format", "dpo", "--criterion", "none")
    assert (told[0], told[2]) == (2, "--criterion: Unknown criterion “none”. Available: new, style, truth")
    client.force_login(admin)
    page = client.get("/datasets/demo/export/").content.decode()
    assert [name for name in ("new", "style", "truth") if f'<option value="{name}">' in page] == [
        "new",
        "style",
        "truth",
    ]
    assert client.get("/datasets/demo/export/dpo/?criterion=style").status_code == 200
    assert client.get("/datasets/demo/export/dpo/?criterion=none").status_code == 400
    assert "Unknown criterion" in client.get("/datasets/demo/export/?criterion=none").content.decode()


@pytest.mark.usefixtures("votes")
def test_who_has_no_criteria_is_not_asked_for_one(client, admin):
    client.force_login(admin)
    assert 'name="criterion"' not in client.get("/datasets/demo/export/?format=dpo").content.decode()


def test_a_better_answer_is_chosen_over_what_it_replaces(export, make_dataset, alice):
    dataset = make_dataset(build_rows(2), allow_repair=True)
    for verdict, repairs in (("both_bad", {"new": "Best."}), ("left", {"left": "Better."})):
        assert record(lease_next(alice, dataset), 0, verdict, {"repairs": repairs})
    rows, summary = export("dpo-text")
    assert sorted(Counter(row["chosen"] for row in rows).values()) == [1, 1, 2]
    assert (len(rows), summary["left_out"]) == (4, {})


def test_flags_are_counted_apart_from_skips(export, make_dataset, alice):
    dataset = make_dataset(build_rows(2), allow_flag=True)
    record(lease_next(alice, dataset), 0, "flag", {"note": "x"}, flag="leak")
    record(lease_next(alice, dataset), 0, "skip")
    assert [export("dpo")[1][name] for name in ("skips", "flags")] == [1, 1]


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("votes")
def test_the_file_is_the_same_each_time_wherever_it_goes(run_command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, default, _ = run_command("export_dataset", "demo", "--format", "dpo")
    _, named, _ = run_command("export_dataset", "demo", "--format", "dpo", "--output", "named.jsonl")
    status, last_row, err = run_command("export_dataset", "demo", "--format", "dpo", "--output", "-")
    data = (tmp_path / "demo-dpo.jsonl").read_bytes()
    assert (tmp_path / "named.jsonl").read_bytes() == data
    assert (status, last_row) == (0, json.loads(data.splitlines()[-1]))
    accounts = [{**account, "seconds": 0} for account in (default, named, json.loads(err))]
    assert accounts[0] == accounts[1] == accounts[2]
    assert accounts[0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert {"dataset", "format", "rows", "left_out", "sha256", "seconds"} <= set(default)
    assert sorted(path.name for path in tmp_path.glob("*dpo*")) == ["demo-dpo.jsonl"]


@pytest.mark.usefixtures("votes")
def test_stdout_holds_the_file_and_nothing_else(capfdbinary, tmp_path):
    from django.core.management import call_command

    call_command("export_dataset", "demo", "--format", "dpo-text", "--output", "-")
    out = capfdbinary.readouterr().out
    assert out == b"".join(Export(Judgment.objects.first().dataset, "dpo-text").iter_pieces())


@pytest.mark.usefixtures("votes")
def test_an_export_that_fails_leaves_the_file_that_was_there(run_command, tmp_path, monkeypatch):
    path = tmp_path / "out.jsonl"
    path.write_text("of yesterday")

    def fail(row):
        raise RuntimeError

    monkeypatch.setattr(get_writable_formats()["dpo"], "write", fail)
    with pytest.raises(RuntimeError):
        run_command("export_dataset", "demo", "--format", "dpo", "--output", str(path))
    assert path.read_text() == "of yesterday"
    assert [entry.name for entry in tmp_path.iterdir() if "out" in entry.name] == ["out.jsonl"]


@pytest.mark.usefixtures("votes")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nothing", "--format", "dpo"], "There are: demo"),
        (["demo", "--format", "csv"], "There are: " + ", ".join(get_writable_formats())),
        (["demo", "--format", "wide"], "There is no format wide"),
        (["demo", "--format", "dpo", "--mode", "most"], "--mode"),
        (["demo", "--format", "dpo", "--min-agreement", "1.5"], "--min-agreement"),
        (["demo", "--format", "dpo", "--min-agreement", "half"], "--min-agreement"),
        (["demo", "--format", "dpo", "--min-strength", "0"], "--min-strength"),
        (["demo", "--format", "dpo", "--ranks", "some"], "--ranks"),
        (["demo", "--format", "dpo", "--min-votes", "0"], "--min-votes"),
        (["demo", "--format", "dpo", "--flags", "with"], "--flags"),
        (["demo", "--format", "dpo", "--length", "short"], "--length"),
        (["demo", "--format", "dpo", "--criterion", "beauty"], "--criterion: Unknown criterion “beauty”"),
        (["demo", "--format", "dpo", "--since", "yesterday"], "--since"),
        (["demo", "--format", "dpo", "--until", "2026-02-30"], "--until"),
        (["demo", "--format", "dpo", "--output", "no/such/folder/out.jsonl"], "no/such/folder/out.jsonl"),
    ],
)
def test_wrong_usage_ends_with_2_and_tells_what_there_is(run_command, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    status, summary, err = run_command("export_dataset", *options)
    assert (status, summary) == (2, None)
    assert told in err


def test_a_dataset_without_a_judgment_gives_an_empty_file(export, make_dataset):
    make_dataset([{"prompt": "Hi", "responses": ["a", "b"]}])
    for name in DIALECTS:
        assert export(name)[1]["rows"] == 0


def test_a_file_keeps_every_character_in_utf8(export, make_dataset):
    text = "  <think>é 😀\u2028\u0085\r\n\t</think> \ufeff"
    make_dataset([{"prompt": text, "chosen": text + "1", "rejected": "0" + text}])
    rows, _ = export("dpo-text")
    assert rows == [{"prompt": text, "chosen": text + "1", "rejected": "0" + text}]


# --- dates ----------------------------------------------------------------------------------------------------------

DATES = ["2024-01-02", "2024-01-02 03:04:05", "2024-01-02T03", "2024-01-02T03:04Z", "2024-01-02 03:04:05+08:00"]
NO_DATES = ["2024-01", "20240102", "03:04", "2024/01/02", "2024-01-02 ", "2024-01-02T03:04:05.123Z", "On 2024-01-02"]


@pytest.mark.parametrize("text", DATES)
def test_a_text_that_looks_like_a_date_is_known(text):
    assert export_export.is_date_like({"prompt": "When?", "chosen": [{"role": "assistant", "content": text}]})


@pytest.mark.parametrize("text", NO_DATES)
def test_other_texts_are_no_dates(text):
    assert not export_export.is_date_like({"prompt": "When?", "chosen": [{"role": "assistant", "content": text}]})


@pytest.mark.parametrize("plain_at", [0, 1, 3, None])
def test_the_first_row_is_not_all_dates_where_there_is_one_that_is_not(export, make_dataset, subtests, plain_at):
    rows = [{"prompt": f"When {n}?", "chosen": f"2024-01-0{n + 1}", "rejected": f"2024-02-0{n + 1}"} for n in range(4)]
    if plain_at is not None:
        rows[plain_at] |= {"chosen": "Yesterday.", "rejected": "Never."}
    make_dataset(rows)
    for name in TRAINING:
        with subtests.test(name):
            found, summary = export(name)
            each = 2 if name in LABELS else 1
            prompts = [row["prompt"] for row in rows for _ in range(each)]
            expected = prompts if plain_at is None else [prompts.pop(plain_at * each), *prompts]
            assert [parse_line(row)[0][-1][1] for row in found] == expected
            assert summary["warnings"] == {"looks_like_a_date": each * (4 if plain_at is None else 3)}


@pytest.mark.parametrize("dates_first", [True, False])
def test_the_first_row_fills_every_column_where_one_does_and_is_no_date(export, make_dataset, dates_first):
    pair = {"chosen": "a", "rejected": "b"}
    make_dataset([{"instruction": f"{n}", **pair} for n in range(3)])
    full = [{"instruction": "date", "history": [["Hi", "2024-01-02"]], **pair}] * dates_first
    make_dataset([*full, {"instruction": "full", "history": [["Hi", "Hello!"]], **pair}])
    names = [row["instruction"] for row in export("dpo-alpaca")[0]]
    assert names == ["full", "0", "1", "2", *["date"] * dates_first]


def test_a_look_at_the_first_prompts_holds_no_others(make_dataset):
    pair = {"chosen": "a", "rejected": "b"}
    rows = [{"instruction": f"{n}", "history": [["Hi", "Hello!"]] if n else [], **pair} for n in range(3)]
    dataset = make_dataset(rows)
    for most, prompts in [(1, ["0"]), (2, ["1", "0"]), (None, ["1", "0", "2"])]:
        lines = b"".join(Export(dataset, "dpo-alpaca", most=most).iter_pieces())
        assert [row["instruction"] for row in parse_rows("dpo-alpaca", lines)] == prompts


@pytest.mark.parametrize("name", ["dpo", "kto", "alpaca", "judgments-csv"])
def test_however_many_prompts_are_read_at_once_the_file_is_the_same(make_dataset, monkeypatch, name):
    rows = [{"instruction": f"{n % 7}", "chosen": f"a{n}", "rejected": f"b{n}" * 40} for n in range(20)]
    make_dataset(rows)
    dataset = make_dataset([{"instruction": "7", "output": "c"}])
    whole = b"".join(Export(dataset, name).iter_pieces())
    assert whole
    asked = []
    monkeypatch.setattr(
        query,
        "build_vote_finder",
        lambda filters, real=query.build_vote_finder: note_sizes(real(filters), asked),
    )
    for first, most, characters in [(1, 2000, 1 << 22), (3, 4, 1 << 22), (5, 2000, 100)]:
        asked.clear()
        sizes = {"FIRST_PROMPTS": first, "PROMPTS_AT_ONCE": most, "CHARACTERS_AT_ONCE": characters}
        for setting, value in sizes.items():
            monkeypatch.setattr(query, setting, value)
        assert b"".join(Export(dataset, name).iter_pieces()) == whole
        if name != "judgments-csv":
            assert asked[0] == min(first, 8)
            assert max(asked) <= max(first, most)
    assert asked in ([], [5, 1, 1, 1]), "where texts are long, one prompt at a time"


def note_sizes(votes_of, asked):
    """A function that loads votes and records the number of prompts per call."""
    return lambda prompts: (asked.append(len(prompts)), votes_of(prompts))[1]


# --- for any sides --------------------------------------------------------------------------------------------------


def parse_message(message):
    """(role, text) of a message in either spelling."""
    roles = {"system": "system", "human": "user", "gpt": "assistant"}
    return (message["role"], message["content"]) if "role" in message else (roles[message["from"]], message["value"])


def parse_prompt(row):
    """[(role, text)] of a row's prompt, under any keys."""
    if "instruction" in row:
        system = [("system", row["system"])] if row.get("system") else []
        earlier = [turn for pair in row.get("history", []) for turn in zip(("user", "assistant"), pair, strict=True)]
        return [*system, *earlier, ("user", "\n".join(filter(None, (row["instruction"], row["input"]))))]
    keys = ("prompt", "messages", "conversations", "conversation", "input")
    said = next((row[key] for key in keys if key in row), row.get("chosen"))
    said = said["messages"] if isinstance(said, dict) else said
    return [("user", said)] if isinstance(said, str) else list(map(parse_message, said))


def parse_side(value):
    """The text of one side: a text, a message, or the last of a list of messages."""
    message = value[-1] if isinstance(value, list) else value
    return message if isinstance(message, str) else parse_message(message)[1]


ANSWERS = (
    *("chosen", "rejected", "preferred_output", "non_preferred_output"),
    *("output", "completion", "rejected_response"),
)


def parse_line(row):
    """([(role, text)] of the prompt, answers: one, or the chosen and the rejected one) of a line."""
    prompt, answers = parse_prompt(row), [parse_side(row[key]) for key in ANSWERS if key in row]
    if prompt[-1][0] == "assistant":
        answers = [prompt.pop()[1], *answers[-1:]]
    return prompt, answers


def parse_exchange(row):
    """(the question, its answers) of a line."""
    prompt, answers = parse_line(row)
    return prompt[-1][1], *answers


numbers = itertools.count()
answers = st.lists(st.text("ab \n<é😀", min_size=1).filter(str.strip), min_size=2, max_size=4, unique_by=str.strip)
acts = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2]),
        st.sampled_from(["left", "right", "left", "right", "tie", "both_bad", "skip"]),
        st.sampled_from([None, None, "left", "right", "tie", "skip", "keep"]),
    ),
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(answers, min_size=1, max_size=3), acts=acts)
def test_what_was_chosen_is_what_people_chose_whatever_the_sides_were(make_dataset, alice, bob, charlie, texts, acts):
    rows = [{"prompt": f"Prompt {n}", "responses": some} for n, some in enumerate(texts)]
    dataset = make_dataset(rows, slug=f"random-{next(numbers)}", overlap=2)
    chosen = {}  # (person, comparison): (prompt, chosen, rejected), None for a verdict without a choice
    for person, verdict, second in acts:
        user = (alice, bob, charlie)[person]
        judgment = lease_next(user, dataset)
        if judgment is None:
            continue
        record_verdict(judgment, verdict, chosen)
        judgment.refresh_from_db()
        if second and undo(judgment, judgment.revision):
            again = lease_next(user, dataset)
            assert again.pk == judgment.pk
            assert again.order == judgment.order
            record_verdict(again, "left" if second == "keep" and again.state == "leased" else second, chosen)
    stated = Counter(said for said in chosen.values() if said)
    for name in ("messages", "alpaca", "dpo", "dpo-text"):  # tests/test_export_properties.py has every dialect
        export = Export(dataset, name, Filters(EVERY))
        lines = parse_rows(name, b"".join(export.iter_pieces()))
        reconcile(export.build_account())
        if name in SFT:
            assert Counter(parse_exchange(line) for line in lines) == Counter({said[:2] for said in stated})
        elif name in PREFERENCES:
            assert Counter(parse_exchange(line) for line in lines) == stated


def record_verdict(judgment, verdict, chosen):
    """Records a verdict on the shown comparison, and remembers its meaning."""
    shown = Response.objects.in_bulk(judgment.order)
    left, right = (shown[pk].text for pk in judgment.order)
    assert record(judgment, judgment.revision, verdict)
    key, prompt = (judgment.annotator_id, judgment.comparison_id), judgment.comparison.prompt.instruction
    if verdict == "skip":
        chosen.pop(key, None)
    elif verdict != "keep":
        chosen[key] = {"left": (prompt, left, right), "right": (prompt, right, left)}.get(verdict)


def test_a_link_is_followed_and_a_pipe_is_written_into(pairs, run_command, tmp_path):
    options = ("export_dataset", "demo", "--format", "dpo", "--output")
    there, link, pipe = tmp_path / "there.jsonl", tmp_path / "link.jsonl", tmp_path / "pipe"
    there.write_text("old")
    link.symlink_to(there)
    os.mkfifo(pipe)
    assert run_command(*options, str(link))[0] == 0
    assert link.is_symlink()
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert run_command(*options, str(pipe))[0] == 0
    reader.join(10)
    assert pipe.is_fifo()
    assert read == [there.read_bytes()]


def test_refused_rows_are_not_written_over_what_is_read(run_command, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "Hi", "chosen": "a", "rejected": ""}\n')
    status, _, told = run_command("import_dataset", "demo", str(path), "--refused", str(path))
    assert (status, "a file to read from" in told) == (2, True)
    assert path.read_text().startswith('{"prompt"')


@pytest.mark.parametrize("path", ["export/dpo/", "export/?format=dpo&mode=majority"])
def test_a_name_that_cannot_be_is_refused(client, admin, pairs, path):
    client.force_login(admin)
    mark = "&" if "?" in path else "?"
    answer = client.get(f"/datasets/demo/{path}{mark}annotator=%00")
    assert answer.status_code == 400 or "Null characters" in answer.content.decode()


def test_a_bundle_takes_only_what_it_knows(client, admin, pairs):
    client.force_login(admin)
    posted = {"dialects": "dpo", "split": "100,0,0", "zzz": "\0"}
    assert "zzz" in client.post("/datasets/demo/bundles/", posted, follow=True).content.decode()
    del posted["zzz"]
    client.post("/datasets/demo/bundles/", posted | {"annotator": "\0"}, follow=True)
    assert not Job.objects.exists()
    assert client.post("/datasets/demo/bundles/", posted).status_code == 302
    assert Job.objects.count() == 1


# --- the page: whichever button is pressed takes the filters as they are on it ----------------------------------------


def test_each_button_of_the_page_sends_the_fields_of_one_form(votes, client, admin):
    client.force_login(admin)
    for fields in ("", "?format=dpo&min-votes=2"):
        page = parse_page(client.get(f"/datasets/demo/export/{fields}"))
        (form,) = page.find_all("form", id="choosing")
        assert form["method"] == "get"
        inside = form.find_all("button")
        pressed = {button.text.strip(): button for button in [*inside, *page.find_all("button", form="choosing")]}
        trainers = {name for name, button in pressed.items() if button.has("name", "trainer")}
        assert trainers == {"TRL", "LLaMA-Factory", "Axolotl", "ms-swift", "OpenRLHF", "OpenAI", "Tables"}
        assert set(pressed) - trainers == {"", "Update preview", "Download", "Create release"}
        assert next(iter(pressed)) == "", "Enter in a field presses the first button, which is no trainer's"
        assert (pressed["Download"]["name"], pressed["Download"]["value"]) == ("download", "1")
        assert pressed["Create release"]["formaction"] == "/datasets/demo/bundles/"
        assert not [*page.find_all("form", action="/datasets/demo/bundles/")], "no second form with older filters"
        assert not [*page.find_all("a", href="/datasets/demo/export/dpo/")], "no address with older filters"
        assert {field["name"] for field in page.find_all("input", form="choosing")} == {"dialects", "split"}


def test_a_download_has_the_filters_of_the_page_and_nothing_else(votes, client, admin):
    client.force_login(admin)
    fields = {"format": "dpo", "mode": "every", "since": "", "annotator": ["ann", "bob"], "min-votes": "2"}
    fields |= {"dialects": ["dpo", "kto"], "split": "80,10,10", "with": "", "download": "1"}
    answer = client.get("/datasets/demo/export/", fields)
    assert answer["Location"] == "/datasets/demo/export/dpo/?mode=every&annotator=ann&annotator=bob&min-votes=2"
    assert client.get("/datasets/demo/export/", {"download": "1"})["Location"] == "/datasets/demo/export/dpo/"


@pytest.mark.django_db(transaction=True)
def test_a_bundle_has_the_filters_of_the_page(votes, client, admin):
    client.force_login(admin)
    fields = {"format": "dpo", "min-votes": "2", "mode": "", "dialects": ["dpo"], "split": "100,0,0"}
    client.post("/datasets/demo/bundles/", fields)
    assert Snapshot.objects.get().manifest["settings"]["min_votes"] == 2
    again = client.post("/datasets/demo/bundles/", fields | {"split": "1,1,1"}, follow=True)
    page = parse_page(again)
    assert page.find("input", name="min-votes")["value"] == "2", "the page keeps what was chosen"
    ticked = [box["value"] for box in page.find_all("input", name="dialects") if box.has("checked", True)]
    assert ticked == ["dpo"]
    assert "100, such as 80,10,10" in again.content.decode()


@pytest.mark.parametrize("name", ["min_votes", "colour", "format"])
def test_a_misspelt_filter_is_refused_rather_than_overlooked(votes, client, admin, name):
    client.force_login(admin)
    answer = client.get("/datasets/demo/export/dpo/", {name: "dpo"})
    assert (answer.status_code, "Content-Disposition" in answer) == (422, False)
    assert name in answer.content.decode()
    if name == "format":
        return
    for fields in ({}, {"download": "1"}):
        answer = client.get("/datasets/demo/export/", {"format": "dpo", name: "2"} | fields)
        assert answer.status_code == 422
        assert f"Unknown filter “{name}”." in answer.content.decode()
    answer = client.post("/datasets/demo/bundles/", {"dialects": ["dpo"], name: "2"}, follow=True)
    assert (answer.status_code, Snapshot.objects.count()) == (422, 0)


@pytest.mark.django_db(transaction=True)
def test_each_name_of_a_filter_is_taken(votes, client, admin):
    client.force_login(admin)
    known = {
        "mode": "every", "annotator": "ann", "since": "2026-01-01", "until": "2027-01-01", "min-agreement": "0.5",
        "min-strength": "1", "min-votes": "1", "tags": "", "flags": "without", "paused": "without",
        "decisions": "first", "length": "", "criterion": "", "ranks": "all", "for-spreadsheets": "", "with": "id",
    }  # fmt: skip
    assert client.get("/datasets/demo/export/dpo/", known).status_code == 200
    assert client.get("/datasets/demo/export/", known | {"format": "dpo", "exact": "1"}).status_code == 200
    assert (
        client.get("/datasets/demo/export/bundle/", known | {"dialects": "dpo", "split": "100,0,0"}).status_code == 200
    )
    assert client.get("/datasets/demo/export/dpo/", {"split": "100,0,0"}).status_code == 422
    assert client.get("/datasets/demo/export/", {"format": "nothing"}).content.decode().count("Unknown format.")
