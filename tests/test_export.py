"""What people chose as files, through the command: every dialect, every filter, and an account that adds up."""

import hashlib
import itertools
import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.judging import record, undo
from annotate.queue import next_judgment
from datasets import exports
from datasets.exports import EVERY, Export, Filters
from datasets.formats import writable
from datasets.formats.rows import Demonstration
from datasets.models import Choice, Judgment, Response

pytestmark = pytest.mark.django_db

DIALECTS = sorted(writable())
SFT = [name for name in DIALECTS if writable()[name].WRITES is Demonstration]


@pytest.fixture
def export(run_command, tmp_path):
    """export(format, *options): (the rows of the file, the summary) of the dataset `demo`."""

    def export_dataset(name, *options):
        path = tmp_path / "out.jsonl"
        status, summary, err = run_command("export_dataset", "demo", "--format", name, "--output", str(path), *options)
        assert status == 0, err
        data = path.read_bytes()
        assert summary["sha256"] == hashlib.sha256(data).hexdigest()
        assert summary["rows"] == data.count(b"\n")
        reconcile(summary)
        return [json.loads(line) for line in data.splitlines()], summary

    return export_dataset


def reconcile(account):
    """Every choice, every verdict without one and, in SFT files, every demonstration is a row or left out."""
    votes = Judgment.objects.votes().filter(dataset__slug=account["dataset"])
    there = Choice.objects.filter(judgment__in=votes).count() + votes.filter(verdict="both_bad").count()
    if account["format"] in SFT:
        there += Response.objects.filter(prompt__dataset__slug=account["dataset"], demonstration=True).count()
    assert there == account["rows"] + sum(account["left_out"].values())


def said(annotator, winner, a="a", b="b", prompt="Hi"):
    """A judged row; the winner is `a`, `b`, `tie` or `both_bad`."""
    return {"annotator": annotator, "prompt": prompt, "response_a": a, "response_b": b, "winner": winner}


VOTES = [
    said("ann", "a"), said("bob", "a"), said("cid", "b"), said("dan", "tie"), said("eve", "both_bad"),
    said("ann", "b", "a", "c"), said("bob", "a", "a", "c"),
    said("ann", "a", "b", "c"),
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
@pytest.mark.parametrize("name", DIALECTS)
def test_the_account_adds_up_under_every_filter_in_every_dialect(export, name):
    for filters, *_ in FILTERED:
        export(name, *filters)


def test_a_chosen_answer_stands_once_in_an_sft_file(export, votes):
    for filters, chosen in [([], ["a", "b"]), (["--mode", "every"], ["a", "b", "c"])]:
        rows, summary = export("alpaca", *filters)
        assert [row["output"] for row in rows] == chosen
    assert summary["left_out"] == {"both_bad": 1, "merged": 3, "tie": 1}


def test_every_demonstration_is_in_an_sft_file_and_in_no_other(export, make_dataset):
    make_dataset(
        [{"prompt": "Hi", "completion": text} for text in ("x", "a", "y")] + [{"prompt": "Ho", "completion": "z"}]
    )
    make_dataset([said("ann", "a"), said("bob", "a")])
    for name in SFT:
        rows, summary = export(name)
        assert [answer(name, row) for row in rows] == [("Hi", "x"), ("Hi", "a"), ("Hi", "y"), ("Ho", "z")]
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
    expected = {
        "alpaca": (1, {"needs_history": 1, "needs_system": 2}),
        "sharegpt": (3, {"merged": 1}),
        "sharegpt-primer": (3, {"merged": 1}),
        "messages": (3, {"merged": 1}),
        "dpo": (2, {"merged": 1, "same_answer": 1}),
        "dpo-text": (0, {"needs_history": 1, "needs_system": 2, "same_answer": 1}),
    }
    assert set(expected) == set(DIALECTS)
    for name, (rows, left_out) in expected.items():
        summary = export(name)[1]
        assert (summary["rows"], summary["left_out"]) == (rows, left_out), name


def test_people_and_imported_names_stand_in_one_file_and_skips_are_counted(export, make_dataset, alice, bob):
    dataset = make_dataset([{"prompt": "Hi", "responses": ["a", "b"]}], overlap=3)
    make_dataset([said("ann", "a", "a", "c")])
    chosen = set()
    while mine := next_judgment(alice, dataset):
        record(mine, mine.revision, "left")
        chosen.add(tuple(Response.objects.get(pk=pk).text for pk in mine.order))
    theirs = next_judgment(bob, dataset)
    record(theirs, theirs.revision, "skip")
    rows, summary = export("dpo-text", "--annotator", "alice", "--mode", "every")
    assert {(row["chosen"], row["rejected"]) for row in rows} == chosen
    assert len(rows) == 2
    assert (summary["left_out"], summary["skips"]) == ({"annotator": 1}, 1)


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
    assert out == b"".join(Export(Judgment.objects.first().dataset, "dpo-text").lines())


@pytest.mark.usefixtures("votes")
def test_an_export_that_fails_leaves_the_file_that_was_there(run_command, tmp_path, monkeypatch):
    path = tmp_path / "out.jsonl"
    path.write_text("of yesterday")

    def broken(row):
        raise RuntimeError

    monkeypatch.setattr(writable()["dpo"], "write", broken)
    with pytest.raises(RuntimeError):
        run_command("export_dataset", "demo", "--format", "dpo", "--output", str(path))
    assert path.read_text() == "of yesterday"
    assert [entry.name for entry in tmp_path.iterdir() if "out" in entry.name] == ["out.jsonl"]


@pytest.mark.usefixtures("votes")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nothing", "--format", "dpo"], "There are: demo"),
        (["demo", "--format", "csv"], "There are: " + ", ".join(writable())),
        (["demo", "--format", "wide"], "There is no format wide"),
        (["demo", "--format", "dpo", "--mode", "most"], "--mode"),
        (["demo", "--format", "dpo", "--min-agreement", "1.5"], "--min-agreement"),
        (["demo", "--format", "dpo", "--min-agreement", "half"], "--min-agreement"),
        (["demo", "--format", "dpo", "--min-strength", "0"], "--min-strength"),
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
    assert exports.is_date_like({"prompt": "When?", "chosen": [{"role": "assistant", "content": text}]})


@pytest.mark.parametrize("text", NO_DATES)
def test_other_texts_are_no_dates(text):
    assert not exports.is_date_like({"prompt": "When?", "chosen": [{"role": "assistant", "content": text}]})


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("plain_at", [0, 1, 3, None])
def test_the_first_row_is_not_all_dates_where_there_is_one_that_is_not(export, make_dataset, name, plain_at):
    rows = [{"prompt": f"When {n}?", "chosen": f"2024-01-0{n + 1}", "rejected": f"2024-02-0{n + 1}"} for n in range(4)]
    if plain_at is not None:
        rows[plain_at] |= {"chosen": "Yesterday.", "rejected": "Never."}
    make_dataset(rows)
    found, summary = export(name)
    prompts = [row["prompt"] for row in rows]
    expected = prompts if plain_at is None else [prompts.pop(plain_at), *prompts]
    assert [prompt_of(name, row) for row in found] == expected
    assert summary["warnings"] == {"looks_like_a_date": 4 if plain_at is None else 3}


# --- whatever the sides were ----------------------------------------------------------------------------------------


def prompt_of(name, row):
    said = row.get("instruction") or row.get("prompt") or row.get("conversations") or row.get("conversation")
    said = said or row["messages"]
    return said if isinstance(said, str) else said[0].get("content") or said[0]["value"]


def answer(name, row):
    """(prompt, answer) of a line of an SFT dialect."""
    if name == "alpaca":
        return row["instruction"], row["output"]
    (said,) = row.values()
    return prompt_of(name, row), said[-1].get("content") or said[-1]["value"]


def choice(name, row):
    """(prompt, chosen, rejected) of a line of a preference dialect."""
    sides = [row[side] if name == "dpo-text" else row[side][0]["content"] for side in ("chosen", "rejected")]
    return prompt_of(name, row), *sides


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
    chosen = {}  # (person, comparison): (prompt, chosen, rejected), None where there is a verdict without a choice
    for person, verdict, second in acts:
        user = (alice, bob, charlie)[person]
        judgment = next_judgment(user, dataset)
        if judgment is None:
            continue
        say(judgment, verdict, chosen)
        judgment.refresh_from_db()
        if second and undo(judgment, judgment.revision):
            again = next_judgment(user, dataset)
            assert again.pk == judgment.pk
            assert again.order == judgment.order
            say(again, "left" if second == "keep" and again.state == "leased" else second, chosen)
    stated = Counter(said for said in chosen.values() if said)
    for name in DIALECTS:
        export = Export(dataset, name, Filters(EVERY))
        lines = [json.loads(line) for line in export.lines()]
        reconcile(export.account())
        if name in SFT:
            assert Counter(answer(name, line) for line in lines) == Counter({said[:2] for said in stated})
        else:
            assert Counter(choice(name, line) for line in lines) == stated


def say(judgment, verdict, chosen):
    """Record a verdict on what is shown, and note what was meant by it."""
    shown = Response.objects.in_bulk(judgment.order)
    left, right = (shown[pk].text for pk in judgment.order)
    assert record(judgment, judgment.revision, verdict)
    key, prompt = (judgment.annotator_id, judgment.comparison_id), judgment.comparison.prompt.instruction
    if verdict == "skip":
        chosen.pop(key, None)
    elif verdict != "keep":
        chosen[key] = {"left": (prompt, left, right), "right": (prompt, right, left)}.get(verdict)
