"""Imports through the command: what is stored, refused and merged, which comparisons result, and interruptions."""

import gzip
import io
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets import reasons
from datasets.comparisons import generate
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, Filters
from datasets.formats import rows
from datasets.formats.rows import TableRow
from datasets.imports import check as imports_check
from datasets.imports import spool
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.judgments.progress import annotate_counts, count_by_source, count_progress, count_verdicts
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Response
from datasets.prompts.editing import EditedAnswer, save_prompt
from tests.conftest import build_rows
from tests.test_formats import SHAPES
from tests.test_queue import has_right_counters

SHARED = Path(__file__).parent.parent.parent / "shared"
REAL = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real input, ../shared/data, is not here")
PRIMER = pytest.mark.skipif(not (SHARED / "seed").is_dir(), reason="the primer, ../shared/seed, is not here")

pytestmark = pytest.mark.django_db


@pytest.fixture
def put(tmp_path, run_command):
    """put(rows or text, …, slug="demo", options=()): imports these as files; returns (status, summary, stderr)."""

    def import_files(*contents, slug="demo", options=()):
        paths = []
        for number, content in enumerate(contents, 1):
            path = tmp_path / f"{number}.jsonl"
            path.write_text(content if isinstance(content, str) else format_jsonl(content), encoding="utf-8")
            paths.append(str(path))
        return run_command("import_dataset", slug, *paths, *options)

    return import_files


def format_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def count_all():
    """The number of rows of each model."""
    return {model.__name__: model.objects.count() for model in (Prompt, Response, Comparison, Judgment, Choice)}


def pick_counts(summary):
    return {key: summary[key] for key in ("prompts", "responses", "choices", "duplicates", "refused")}


def build_long_row(prompt, text, source):
    return {"prompt": prompt, "response": text, "model": source}


def build_judged_row(chosen, rejected, annotator="", prompt="Hi"):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, "annotator": annotator}


def list_asked_pairs():
    """The pairs of all comparisons to judge, as texts."""
    texts = dict(Response.objects.values_list("pk", "text"))
    return sorted(tuple(texts[pk] for pk in c.response_ids) for c in Comparison.objects.filter(held=""))


# --- the account ----------------------------------------------------------------------------------------------------

MIXED = [
    {"prompt": "A", "completion": "1"},
    {"prompt": "A", "completion": "1"},
    {"prompt": "A", "completion": ""},
    {"prompt": "A", "completion": "2"},
    {"prompt": "B"},
    {"prompt": "B", "completion": "\x00"},
]


def test_every_row_is_stored_or_a_duplicate_or_refused(put):
    status, summary, _ = put(MIXED, options=["--skip-bad-rows"])
    seconds = summary.pop("seconds")
    assert summary == {
        "dataset": "demo", "format": "sft", "rows": 6, "prompts": 1, "responses": 2, "choices": 0,
        "duplicates": 1, "refused": 3, "unread": {}, "warnings": {},
    }  # fmt: skip
    assert status == 0
    assert seconds > 0
    assert summary["rows"] == Response.objects.count() + summary["duplicates"] + summary["refused"]


def test_where_a_row_is_refused_nothing_is_stored(put, tmp_path):
    status, summary, err = put(MIXED)
    assert (status, summary["rows"]) == (1, 6)
    assert pick_counts(summary) == {"prompts": 0, "responses": 0, "choices": 0, "duplicates": 0, "refused": 3}
    assert not Dataset.objects.exists()
    assert not Import.objects.exists()
    assert not any(count_all().values())
    assert [*(tmp_path / "spool").iterdir()] == []
    assert err.splitlines() == [
        "1.jsonl:3: completion: The answer is empty.",
        "1.jsonl:5: completion: This field is missing.",
        f"1.jsonl:6: completion: {reasons.REFUSED['bad_unicode']} NUL",
    ]


def test_refused_rows_are_written_as_they_stood(put, tmp_path):
    bad = tmp_path / "bad.jsonl"
    broken = '{"prompt": "B", "completion": NaN}\n{"prompt": "B"\n[1, 2]\n'
    put(format_jsonl(MIXED) + broken, options=["--refused", str(bad)])
    found = [json.loads(line, parse_constant=pytest.fail) for line in bad.read_text("utf-8").splitlines()]
    assert [(r["file"], r["line"], r["number"], r["field"], r["reason"], r["row"]) for r in found] == [
        ("1.jsonl", 3, 3, "completion", "empty_answer", MIXED[2]),
        ("1.jsonl", 5, 5, "completion", "missing_field", MIXED[4]),
        ("1.jsonl", 6, 6, "completion", "bad_unicode", MIXED[5]),
        ("1.jsonl", 7, 7, "", "bad_json", '{"prompt": "B", "completion": NaN}'),
        ("1.jsonl", 8, 8, "", "bad_json", '{"prompt": "B"'),
        ("1.jsonl", 9, 9, "", "not_an_object", [1, 2]),
    ]
    put("prompt,completion\nHi,Hello!\nHi\nHi,Hello!,Hey!\n", options=["--refused", str(bad)])
    assert [json.loads(line)["row"] for line in bad.read_text().splitlines()] == [["Hi"], ["Hi", "Hello!", "Hey!"]]


def test_the_file_of_refused_rows_is_empty_where_none_is_refused(put, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text("of an earlier run")
    assert put(MIXED[:1], options=["--refused", str(bad)])[0] == 0
    assert bad.read_text() == ""


def test_only_ten_refusals_are_told_and_the_rest_counted(put):
    _, _, err = put([{"prompt": "A", "completion": "1"}, *[{"prompt": "A"}] * 12])
    assert (err.count("1.jsonl:"), err.splitlines()[-1]) == (10, "… and 2 more")


@pytest.mark.parametrize(
    ("slug", "content", "options", "said"),
    [
        ("a b", "{}", [], "letters, digits"),
        ("upload", "{}", [], "cannot be taken"),
        ("demo", "", [], "1.jsonl: The file is empty."),
        ("demo", "dark and stormy", [], "1.jsonl: The file is not"),
        ("demo", '[{"a": 1},\n{"b"', [], "1.jsonl:2: The file is not valid JSON."),
        ("demo", '{"colour": "red"}', [], "“Formats” under Help. (colour)"),
        ("demo", "{\n{\n", [], "1.jsonl:1: No row of the file could be read. (bad_json)"),
        ("demo", '{"prompt": "A", "completion": "1"}', ["--overlap", "0"], "--overlap"),
        ("demo", '{"prompt": "A", "completion": "1"}', ["--refused", "no/such/folder/bad.jsonl"], "no/such/folder"),
    ],
)  # fmt: skip
def test_wrong_usage_and_unreadable_files_end_with_2_and_store_nothing(put, slug, content, options, said):
    status, summary, err = put(content, slug=slug, options=options)
    assert (status, summary) == (2, None)
    assert said in err
    assert not Dataset.objects.exists()
    assert not Import.objects.exists()


def test_a_file_that_is_not_there_ends_with_2(run_command, tmp_path):
    assert run_command("import_dataset", "demo", str(tmp_path / "none.jsonl"))[0] == 2
    assert run_command("import_dataset", "demo", str(tmp_path))[0] == 2
    assert run_command("import_dataset", "demo", "-", "-")[0] == 2


def test_an_unknown_format_ends_with_2():
    command = [sys.executable, "manage.py", "import_dataset", "demo", "rows.jsonl", "--format", "nonsense"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "dpo-sharegpt" in done.stderr


def test_a_good_file_beside_a_broken_one_is_not_stored(put):
    assert put([{"prompt": "A", "completion": "1"}], "[", slug="demo")[0] == 2
    assert not any(count_all().values())


def test_a_file_may_come_from_stdin_and_be_gzipped(run_command, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(format_jsonl(MIXED[:2]).encode())))
    monkeypatch.setattr(sys, "stdin", stdin)
    status, summary, _ = run_command("import_dataset", "demo", "-")
    assert (status, summary["rows"], summary["responses"], summary["duplicates"]) == (0, 2, 1, 1)
    assert Import.objects.get().files == ["-"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such file names")
def test_a_files_name_may_be_no_unicode(run_command, tmp_path):
    path = tmp_path / b"caf\xe9.jsonl".decode("utf-8", "surrogateescape")
    path.write_text(format_jsonl([build_judged_row("a", "b")]))
    assert run_command("import_dataset", "demo", str(path))[0] == 0
    assert Judgment.objects.get().imported_from == r"caf\udce9.jsonl:1"


def test_a_new_dataset_asks_all_pairs_once_unless_told_otherwise(put):
    put([{"prompt": "A", "responses": ["1", "2", "3"]}], slug="once")
    put([{"prompt": "A", "responses": ["1", "2", "3"]}], slug="thrice", options=["--overlap", "3"])
    put([{"prompt": "B", "responses": ["1", "2"]}], slug="thrice", options=["--overlap", "5"])
    assert Counter(Comparison.objects.values_list("dataset__slug", "wanted")) == {("once", 1): 3, ("thrice", 3): 4}
    assert Dataset.objects.get(slug="once").pairs == "all"


# --- again ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "annotator"),
    sorted(
        {
            (name, annotator)
            for _, name, row, said in SHAPES
            for annotator in (["", "ann"] if said.votes else ["ann"])
            if not isinstance(row, TableRow)
        }
    ),
)
def test_a_file_that_comes_again_brings_nothing_new(put, name, annotator):
    rows = [
        {"annotator": f"{annotator}{number}"} | row if annotator and said.votes else row
        for number, (_, shape, row, said) in enumerate(SHAPES)
        if shape == name and not isinstance(row, TableRow)
    ]
    again = list(reversed(rows))
    assert put(rows)[0] == 0
    before = count_all()
    for files in ([rows], [again], [rows, again] if annotator else [again]):
        status, summary, _ = put(*files)
        assert (status, summary["duplicates"]) == (0, summary["rows"])
        assert pick_counts(summary) == {
            "prompts": 0,
            "responses": 0,
            "choices": 0,
            "duplicates": summary["rows"],
            "refused": 0,
        }
    assert count_all() == before


def test_equal_votes_of_nobody_in_particular_count_each_within_one_upload(put):
    three, two = [build_judged_row("a", "b")] * 3, [build_judged_row("a", "b")] * 2
    assert put(three, slug="one")[1]["choices"] == 3
    assert pick_counts(put(three, slug="one")[1]) | {"refused": 0} == {
        "prompts": 0, "responses": 0, "choices": 0, "duplicates": 3, "refused": 0,
    }  # fmt: skip
    assert put(three + two, slug="one")[1]["choices"] == 2
    assert put(two, three, slug="two")[1]["choices"] == 5
    assert put([build_judged_row("b", "a")] * 4, slug="two")[1]["choices"] == 4


def test_a_corrected_file_stores_just_what_was_corrected(put):
    rows = [build_judged_row("a", "b"), build_judged_row("a", ""), build_judged_row("a", "b")]
    assert put(rows, options=["--skip-bad-rows"])[1]["choices"] == 2
    rows[1] = build_judged_row("a", "b")
    assert pick_counts(put(rows)[1]) == {"prompts": 0, "responses": 0, "choices": 1, "duplicates": 2, "refused": 0}
    long_rows = [build_long_row("A", "1", "x"), build_long_row("A", "", "y")]
    put(long_rows, slug="long", options=["--skip-bad-rows"])
    long_rows[1] = build_long_row("A", "2", "y")
    summary = put(long_rows, slug="long")[1]
    assert pick_counts(summary) == {"prompts": 0, "responses": 1, "choices": 0, "duplicates": 1, "refused": 0}


def test_a_known_answer_in_a_new_role_is_something_new(put):
    put([build_judged_row("a", "b")])
    row = {"prompt": "Hi", "completion": "a"}
    assert pick_counts(put([row, row])[1]) == {
        "prompts": 0,
        "responses": 0,
        "choices": 0,
        "duplicates": 1,
        "refused": 0,
    }
    assert Response.objects.get(text="a").demonstration


# --- merging --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "calls", [[[0, 1, 2]], [[0, 1], [2]], [[0], [1], [2]]], ids=["together", "later", "one by one"]
)
def test_long_rows_merge_across_files_and_calls(put, calls):
    files = [[build_long_row("A", f"{name} A", name), build_long_row("B", f"{name} B", name)] for name in "xyz"]
    for call in calls:
        assert put(*[files[number] for number in call])[0] == 0
    assert count_all() == {"Prompt": 2, "Response": 6, "Comparison": 6, "Judgment": 0, "Choice": 0}
    assert len(list_asked_pairs()) == 6


def test_prompts_are_the_same_only_to_the_byte(put):
    put([build_long_row(text, "1", "x") for text in ("Hi", "Hi ", "hi", "Hi\n", "é", "e\u0301")])
    assert Prompt.objects.count() == 6


def test_the_same_text_of_two_sources_stays_twice_and_is_not_asked_against_itself(put):
    put(
        [
            build_long_row("A", "same", "x"),
            build_long_row("A", "same", "y"),
            build_long_row("A", "other", "z"),
            build_long_row("A", "same", "x"),
        ]
    )
    assert Counter(Response.objects.values_list("text", "source")) == {
        ("same", "x"): 1, ("same", "y"): 1, ("other", "z"): 1,
    }  # fmt: skip
    assert list_asked_pairs() == [("same", "other"), ("same", "other")]


# --- persons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [build_judged_row("b", "a", "ann"), {**build_judged_row("a", "b", "ann")} | {"chosen": "b", "rejected": "a"}],
)
@pytest.mark.parametrize("where", ["same file", "other file", "database"])
def test_the_same_person_with_another_verdict_is_refused_naming_the_earlier_row(put, where, other):
    first = [build_judged_row("x", "y", "ann"), build_judged_row("a", "b", "ann"), build_judged_row("b", "a", "bob")]
    files = {"same file": [[*first, other]], "other file": [first, [other]], "database": [[other]]}[where]
    if where == "database":
        assert put(first)[0] == 0
    status, summary, err = put(*files)
    assert (status, summary["refused"]) == (1, 1)
    place = "2.jsonl:1" if where == "other file" else f"1.jsonl:{len(files[0])}"
    said = "The same annotator gave a different verdict on the same two answers earlier. 1.jsonl:2"
    assert err.strip() == f"{place}: annotator: {said}"


def test_a_tie_is_another_verdict_than_a_choice(put):
    row = {"prompt": "Hi", "response_a": "a", "response_b": "b", "annotator": "ann", "winner": "a"}
    status, summary, _ = put([row, {**row, "winner": "tie"}, {**row, "winner": "both_bad"}, row])
    assert (status, summary["refused"]) == (1, 2)


def test_the_same_verdict_with_the_sides_swapped_is_a_duplicate(put):
    row = {"prompt": "Hi", "response_a": "x", "response_b": "y", "annotator": "ann", "winner": "a"}
    swapped = {"prompt": "Hi", "response_a": "y", "response_b": "x", "annotator": "ann", "winner": "b"}
    assert pick_counts(put([row, swapped])[1]) == {
        "prompts": 1,
        "responses": 2,
        "choices": 1,
        "duplicates": 1,
        "refused": 0,
    }
    assert put([swapped])[1]["duplicates"] == 1


def test_a_refused_row_says_nothing(put):
    """If one of a row's votes is refused, none counts."""
    row = {"prompt": "Hi", "responses": ["a", "b", "c"], "annotator": "ann"}
    contradicts = [
        {**row, "responses": ["b", "c"], "winner": 1},
        {**row, "winner": 3},  # refused: ann has already said that b is better than c
        {**row, "responses": ["a", "c"], "winner": 1},  # must not be compared with the refused row
    ]
    status, summary, _ = put(contradicts, options=["--skip-bad-rows"])
    assert (status, summary["refused"], summary["choices"]) == (0, 1, 2)


def test_imported_names_are_never_our_accounts(put, alice):
    put([build_judged_row("a", "b", "alice")])
    assert Judgment.objects.get().annotator is None
    assert Judgment.objects.get().imported_by == "alice"


# --- comparisons ----------------------------------------------------------------------------------------------------


def test_demonstrations_ask_nothing_unless_the_dataset_says_so(put):
    rows = [{"prompt": "Hi", "completion": text} for text in ("a", "b", "c")]
    put(rows)
    assert list_asked_pairs() == []
    Dataset.objects.create(slug="asks", ask_demonstrations=True)
    put(rows, slug="asks")
    assert list_asked_pairs() == [("a", "b"), ("a", "c"), ("b", "c")]


def test_prompts_without_answers_ask_nothing_and_wait_for_answers(put):
    put([{"prompt": "A", "topic": "letters"}, {"prompt": "B"}])
    assert count_all() == {"Prompt": 2, "Response": 0, "Comparison": 0, "Judgment": 0, "Choice": 0}
    assert pick_counts(put([build_long_row("A", text, "x") for text in "ab"])[1])["prompts"] == 0
    assert list_asked_pairs() == [("a", "b")]


def test_demonstrations_are_asked_once_the_setting_is_changed_and_no_longer_once_it_is_back(put):
    put([{"prompt": "Hi", "completion": text} for text in ("a", "b")])
    for wanted in (True, False):
        Dataset.objects.update(ask_demonstrations=wanted)
        generate.regenerate_comparisons(Dataset.objects.get())
        assert list_asked_pairs() == [("a", "b")] * wanted


def test_a_judged_row_asks_for_its_own_pair_only(put):
    put([build_judged_row("a", "b"), build_judged_row("a", "c")])
    put([{"prompt": "Hi", "responses": ["a", "d", "e"], "winner": "3"}])
    assert list_asked_pairs() == [("a", "b"), ("a", "c"), ("a", "e"), ("d", "e")]
    assert set(Comparison.objects.values_list("open_slots", flat=True)) == {0}
    put([{"prompt": "Hi", "responses": ["f", "g"]}])
    assert list_asked_pairs() == [("a", "b"), ("a", "c"), ("a", "e"), ("d", "e"), ("f", "g")]


def test_an_imported_vote_takes_one_of_the_judgments_wanted(put):
    put(
        [build_judged_row("a", "b", "ann"), build_judged_row("a", "b", "bob"), build_judged_row("a", "c", "ann")],
        options=["--overlap", "3"],
    )
    assert sorted(Comparison.objects.values_list("open_slots", flat=True)) == [1, 2]
    assert has_right_counters(Dataset.objects.get())


ALL, FIRST = "all", "first"
ABC = [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("responses", "pairs", "limit", "asked", "expected"),
    [
        ([], ALL, None, [], []),
        (ABC[:1], ALL, None, [], []),
        (ABC, ALL, None, [], [(1, 2), (1, 3), (2, 3)]),
        (ABC[::-1], ALL, None, [], [(1, 2), (1, 3), (2, 3)]),
        (ABC, FIRST, None, [], [(1, 2), (1, 3)]),
        (ABC, FIRST, 1, [], [(1, 2)]),
        ([(1, "a"), (2, "a"), (3, "c")], ALL, None, [], [(1, 3), (2, 3)]),
        ([(1, "a"), (2, "a"), (3, "c")], FIRST, None, [], [(1, 3)]),
        (ABC, FIRST, None, [(2, 3)], [(2, 3), (1, 2), (1, 3)]),
        (ABC, FIRST, 2, [(2, 3)], [(2, 3), (1, 2)]),
        (ABC, ALL, 1, [(1, 3), (2, 3)], [(1, 3), (2, 3)]),
    ],
)
def test_the_policy_says_which_pairs_are_asked(responses, pairs, limit, asked, expected):
    policy = Dataset(pairs=pairs, pairs_limit=limit)
    assert generate.choose_groups(responses, policy, frozenset(asked)) == expected


@pytest.mark.parametrize("n", range(2, 31))
def test_of_many_answers_a_sample_is_asked_in_which_all_stand_about_equally_often(n):
    responses = [(pk, f"text {pk}") for pk in range(1, n + 1)]
    assert len(generate.choose_groups(responses, Dataset())) == (n * (n - 1) // 2 if n <= 6 else max(15, n))
    for limit in range(1, min(n * (n - 1) // 2, 2 * n) + 1):
        pairs = generate.choose_groups(responses, Dataset(pairs_limit=limit))
        assert len(pairs) == len(set(pairs)) == limit
        assert all(left < right for left, right in pairs)
        stands = Counter({pk: 0 for pk, _ in responses})
        stands.update(itertools.chain(*pairs))
        assert max(stands.values()) - min(stands.values()) <= (1 if limit <= n else 2)


def test_the_sample_does_not_walk_in_step_with_the_order_of_upload():
    answers = [(pk, f"text {pk}") for pk in range(1, 9)]
    assert generate.choose_groups(answers, Dataset(pairs_limit=4)) != [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert generate.choose_groups(answers, Dataset(pairs_limit=4)) == generate.choose_groups(
        answers[::-1], Dataset(pairs_limit=4)
    )


def test_a_further_upload_asks_for_the_new_pairs_only(put):
    put([build_long_row("A", text, "x") for text in "abc"])
    before = set(Comparison.objects.values_list("pk", "priority"))
    put([build_long_row("A", "d", "y")])
    assert before < set(Comparison.objects.values_list("pk", "priority"))
    assert Comparison.objects.count() == 6


def test_changed_settings_take_away_what_nobody_has_touched_and_keep_what_was_judged(put, alice):
    put([{"prompt": "Hi", "responses": ["a", "b", "c", "d"]}], options=["--overlap", "2"])
    dataset = Dataset.objects.get()
    judgment = lease_next(alice, dataset)
    while "a" in list_texts(judgment):
        record(judgment, judgment.revision, "left")
        judgment = lease_next(alice, dataset)
    record(judgment, judgment.revision, "left")
    kept = {comparison.pk for comparison in Comparison.objects.filter(judgments__isnull=False)}
    Dataset.objects.update(pairs=FIRST)
    for _ in range(2):
        generate.regenerate_comparisons(Dataset.objects.get())
        pairs = list_asked_pairs()
        assert [pair for pair in pairs if "a" in pair] == [("a", "b"), ("a", "c"), ("a", "d")]
        assert kept <= set(Comparison.objects.values_list("pk", flat=True))
        assert len(pairs) == 4
    Dataset.objects.update(pairs=ALL)
    generate.regenerate_comparisons(Dataset.objects.get())
    assert len(list_asked_pairs()) == 6
    assert has_right_counters(dataset)


def list_texts(judgment):
    return list(Response.objects.filter(pk__in=judgment.order).values_list("text", flat=True))


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 2), (2, 5), (5, 1)])
def test_another_overlap_counts_the_open_places_anew(put, alice, bob, before, after):
    put([{"prompt": p, "responses": ["a", "b"]} for p in "ABC"], options=["--overlap", str(before)])
    dataset = Dataset.objects.get()
    for user, verdict in [(alice, "left"), (alice, "skip"), (bob, "tie")]:
        if judgment := lease_next(user, dataset):
            record(judgment, judgment.revision, verdict)
    lease_next(bob, dataset)
    generate.set_overlap(dataset, after)
    assert set(Comparison.objects.values_list("wanted", flat=True)) == {after}
    assert has_right_counters(dataset)
    assert Dataset.objects.get().overlap == after


# --- interruptions --------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends the process of an import, as kill -9 would."""


@pytest.fixture
def interrupt(monkeypatch, put):
    """interrupt(act, n, *files): an import in batches of two rows that dies at the n-th call of `act`."""

    def import_until(act, n, *files):
        calls, real = itertools.count(1), getattr(imports_store, act)

        def call_or_die(*args, **options):
            if next(calls) == n:
                raise Killed
            return real(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(imports_store, "LARGE_BATCH", 2)
            patched.setattr(imports_store, act, call_or_die)
            with pytest.raises(Killed):
                put(*files)

    return import_until


def export_rows(dataset, name, filters=None):
    """The rows of an export."""
    content = b"".join(Export(dataset, name, filters or Filters()).iter_pieces())
    return [json.loads(line) for line in content.splitlines()]


def list_all_visible(slug="demo"):
    """Everything in a dataset that is visible to anybody."""
    dataset = Dataset.objects.get(slug=slug)
    exports = {name: export_rows(dataset, name, Filters(EVERY)) for name in ("dpo", "alpaca")}
    shown = [
        list(m.objects.visible().order_by("pk").values_list("pk", flat=True)) for m in (Prompt, Response, Judgment)
    ]
    counts = [(r.text, r.chosen, r.rejected) for r in annotate_counts(Response.objects.visible()).order_by("pk")]
    return count_progress(dataset), count_verdicts(dataset), count_by_source(dataset), exports, shown, counts


def age_imports():
    """Time passes: unfinished imports become stale."""
    Import.objects.update(touched_at=timezone.now() - imports_store.STALE - timedelta(seconds=1))


ROWS = [
    *[build_judged_row("a", "b", f"person {n}") for n in range(3)],
    build_judged_row("c", "b", "person 1"),
    {"prompt": "New", "chosen": "a", "rejected": "b"},
    build_judged_row("a", "b", "person 0"),
]
STANDING = [build_judged_row("a", "b", "person 9"), build_judged_row("c", "d", "person 9")]
CANDIDATES = [build_long_row("Hi", text, source) for text in "abc" for source in "xy"]
DEMONSTRATIONS = [{"prompt": "Hi", "completion": text} for text in "abefg"]


@pytest.mark.parametrize("rows", [ROWS, CANDIDATES, DEMONSTRATIONS], ids=["judged", "candidates", "demonstrations"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_interrupted_import_shows_nothing_and_is_finished_later(put, interrupt, rows, batch, alice):
    put(STANDING)
    before = list_all_visible()
    interrupt("store_batch", batch, rows)
    assert list_all_visible() == before
    assert lease_next(alice, Dataset.objects.get()) is None
    assert imports_store.resume_unfinished() == (0, 0), "it may still be at work"
    age_imports()
    assert imports_store.resume_unfinished() == (1, 0)
    finished = Import.objects.latest("pk")
    assert not imports_spool.get_spool_path(finished).exists()
    put(STANDING, slug="straight")
    _, straight, _ = put(rows, slug="straight")
    assert {key: getattr(finished, key) for key in pick_counts(straight)} == pick_counts(straight)
    assert list_all_visible()[:4] == list_all_visible("straight")[:4]


@pytest.mark.parametrize("rows", [ROWS, CANDIDATES, DEMONSTRATIONS], ids=["judged", "candidates", "demonstrations"])
def test_an_interrupted_import_whose_spool_is_gone_leaves_nothing(put, interrupt, rows):
    put(STANDING)
    before, there = list_all_visible(), count_all()
    interrupt("store_batch", 3, rows)
    imports_spool.get_spool_path(Import.objects.latest("pk")).unlink()
    age_imports()
    assert imports_store.resume_unfinished() == (0, 1)
    assert (list_all_visible(), count_all()) == (before, there)
    assert put(rows)[0] == 0


@pytest.mark.parametrize("spool", ["there", "gone"])
@pytest.mark.parametrize("act", ["generate_for_prompts", "reopen_comparisons"])
def test_an_import_interrupted_while_asking_is_stored_and_its_comparisons_are_made_later(put, interrupt, act, spool):
    interrupt(act, 1, CANDIDATES, [build_judged_row("k", "l")])
    assert Response.objects.visible().count() == 8
    if spool == "gone":
        imports_spool.get_spool_path(Import.objects.get()).unlink()
    age_imports()
    assert imports_store.resume_unfinished() == (1, 0)
    assert Import.objects.get().state == "done"
    assert len(list_asked_pairs()) == 12 + 1
    assert has_right_counters(Dataset.objects.get())


@pytest.mark.parametrize(
    "rows",
    [build_rows(7, 3), [build_long_row(f"{n}", text, "x") for text in "abc" for n in range(7)]],
    ids=["in a row", "row by row"],
)
def test_new_prompts_are_asked_the_same_whether_noted_or_looked_up(put, interrupt, rows, monkeypatch):
    interrupt("generate_for_prompts", 2, rows)
    assert Comparison.objects.count() == 2 * 3, "a batch"
    age_imports()
    assert imports_store.resume_unfinished() == (1, 0)
    monkeypatch.setattr(imports_store, "iter_stored_prompts", None)
    put(rows, slug="straight")
    assert has_right_counters(Dataset.objects.get(slug="demo"))
    texts = dict(Response.objects.values_list("pk", "text"))
    demo, straight = (
        sorted((sorted(texts[pk] for pk in one.response_ids), one.words, one.open_slots, one.held) for one in found)
        for found in (Comparison.objects.filter(dataset__slug=slug) for slug in ("demo", "straight"))
    )
    assert demo == straight
    assert len(demo) == 7 * 3


@pytest.fixture
def meanwhile(make_checked, monkeypatch):
    """meanwhile(rows, done, act): an import in batches of five rows; somebody else acts after `done` steps."""

    def import_with(rows, done, act):
        monkeypatch.setattr(imports_store, "BATCH", 5)
        run = make_checked(rows)
        imports_store.store(run, progress=lambda so_far, total: act() if so_far == done else None)
        return run

    return import_with


@pytest.fixture
def make_checked(db):
    def check(rows):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return imports_check.check([("rows", io.BytesIO(data))], "demo")

    return check


def test_a_prompt_that_somebody_writes_meanwhile_is_known(meanwhile):
    run = meanwhile(build_rows(30), 10, lambda: save_prompt(Dataset.objects.get(), rows.Prompt("Prompt 20?"), []))
    assert (run.state, run.prompts, Prompt.objects.count()) == ("done", 29, 30)
    assert Comparison.objects.count() == 30


def test_an_answer_that_is_taken_away_before_its_turn_is_in_no_comparison(meanwhile):
    def take_one_away():
        prompt = Prompt.objects.get(instruction="Prompt 20?")
        save_prompt(
            prompt.dataset, rows.Prompt("Prompt 20?"), [EditedAnswer("", pk=prompt.responses.earliest("pk").pk)], prompt
        )

    meanwhile(build_rows(30, 3), 35, take_one_away)
    there = set(Response.objects.values_list("pk", flat=True))
    assert len(there) == 89
    assert all(set(comparison.response_ids) <= there for comparison in Comparison.objects.all())


def test_the_limit_of_pairs_holds_where_settings_change_before_their_turn(meanwhile):
    Dataset.objects.create(slug="demo", pairs_limit=2)

    def change():
        Dataset.objects.update(pairs="first")
        generate.regenerate_comparisons(Dataset.objects.get())

    meanwhile(build_rows(30, 5), 35, change)
    assert set(Counter(Comparison.objects.values_list("prompt", flat=True)).values()) == {2}


def test_rows_left_out_may_be_as_many_as_prompts_that_repeat(make_checked):
    odd = build_rows(60)
    odd[55] = build_rows(1)[0] | {"responses": [{"model": "x", "text": "Other."}, {"model": "y", "text": "More."}]}
    odd[30]["responses"][1]["text"] = odd[30]["responses"][0]["text"]
    run = make_checked(odd)
    assert imports_check.leave_out(run, ["same_answers"]) == 1
    imports_store.store(run)
    assert (run.state, run.prompts, run.responses) == ("done", 58, 118)


def test_nothing_stays_on_the_disk_of_an_import_that_is_dropped(meanwhile):
    def die():
        raise Killed

    with pytest.raises(Killed):
        meanwhile(build_rows(30), 10, die)
    imports_store.drop(Import.objects.get())
    assert list(spool.get_spool_folder().iterdir()) == []


def test_the_next_import_takes_up_what_was_left(put, interrupt):
    interrupt("store_batch", 2, ROWS)
    age_imports()
    put(STANDING)
    assert [run.state for run in Import.objects.order_by("pk")] == ["done", "done"]
    assert Choice.objects.of_votes().count() == 5 + 2


def test_a_batch_of_long_rows_is_a_short_one(put, monkeypatch):
    """The length of the texts also limits a batch, and so the memory."""
    monkeypatch.setattr("datasets.imports.spool.LONG_BATCH", 3)
    sizes, real = [], imports_store.store_batch

    def store_batch(run, spool, batch):
        sizes.append(len(batch.rows))
        real(run, spool, batch)

    monkeypatch.setattr(imports_store, "store_batch", store_batch)
    assert put(ROWS)[1]["rows"] == len(sizes) == len(ROWS)


# --- real input -----------------------------------------------------------------------------------------------------


@REAL
def test_four_models_answers_to_805_prompts_become_one_dataset(run_command, tmp_path):
    bad = tmp_path / "bad.jsonl"
    files = sorted(map(str, (SHARED / "data" / "alpaca_eval").glob("*.json")))
    status, summary, _ = run_command("import_dataset", "eval", *files, "--skip-bad-rows", "--refused", str(bad))
    assert (status, summary["format"], summary["rows"]) == (0, "long", 3220)
    assert pick_counts(summary) == {"prompts": 805, "responses": 3218, "choices": 0, "duplicates": 0, "refused": 2}
    assert Comparison.objects.filter(held="", open_slots=1).count() == 4783
    refused = [json.loads(line) for line in bad.read_text("utf-8").splitlines()]
    assert [(r["file"], r["field"], r["reason"]) for r in refused] == [
        ("text_davinci_003.json", "output", "empty_answer")
    ] * 2
    rows = json.loads((SHARED / "data" / "alpaca_eval" / "text_davinci_003.json").read_text("utf-8"))
    assert [r["row"] for r in refused] == [row for row in rows if not row["output"].strip()]
    assert [rows[r["number"] - 1] for r in refused] == [r["row"] for r in refused]
    sizes = Counter(Response.objects.values_list("source", flat=True))
    assert sizes == {"alpaca-7b": 805, "gpt4": 805, "text_davinci_003": 803, "vicuna-13b": 805}


@REAL
def test_the_primers_five_choices(run_command):
    status, summary, _ = run_command("import_dataset", "travel", str(SHARED / "data" / "travel.jsonl"))
    assert (status, summary["format"]) == (0, "dpo-text")
    assert pick_counts(summary) == {"prompts": 1, "responses": 4, "choices": 5, "duplicates": 0, "refused": 0}
    assert Comparison.objects.count() == 4
    chosen = {response.text: response.chosen for response in annotate_counts(Response.objects.all())}
    assert chosen == {"马尔代夫": 2, "巴厘岛": 2, "夏威夷": 1, "巴哈马": 0}


def read_primer():
    (path,) = (SHARED / "seed").glob("*.txt")
    return re.findall(r"```json\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


@PRIMER
@pytest.mark.parametrize(("key", "name"), [("instruction", "alpaca"), ("conversation", "sharegpt-primer")])
def test_the_primers_examples_go_in_and_come_out_equal_key_for_key(put, key, name):
    examples = [text for text in read_primer() if f'"{key}"' in text]
    assert examples
    assert put("\n".join(examples))[0] == 0
    written = export_rows(Dataset.objects.get(), name)
    originals = {text: json.loads(text) for text in examples}  # the primer shows two of them twice
    assert [json.dumps(row) for row in written] == [json.dumps(row) for row in originals.values()]


def test_tags_come_along_and_are_added_to(make_dataset, admin, client):
    row = {"prompt": "Why?", "responses": ["one", "two"]}
    make_dataset([row | {"tags": ["maths", " code ", 7, "", "maths"]}, {**row, "prompt": "Who?", "tags": "a, b，c"}])
    dataset = make_dataset([row | {"tags": ["new", "code"]}])
    assert [prompt.tags for prompt in dataset.prompts.order_by("pk")] == [["maths", "code", "new"], ["a", "b", "c"]]
    client.force_login(admin)
    assert (
        "maths, code, new"
        in client.get(f"/datasets/demo/prompts/{dataset.prompts.earliest('pk').pk}/").content.decode()
    )
