"""Nothing takes longer than n log n in the sizes that a file, a text or many people control.

Two quantities are measured. Executed lines of Python are deterministic: going from 2n to 4n may add little more than
twice what going from n to 2n adds. Processor time covers libraries, with a loose limit and up to three tries.
"""

import contextlib
import gc
import gzip
import io
import json
import sys
import time
from math import log

import numpy as np
import pyarrow
import pytest
from django.db import connection

from analyze import charts, inbox, tables
from analyze.columns import Answers, Choices, DatasetColumns, code_pairs
from analyze.maths import people
from analyze.maths import strengths as fitting
from analyze.maths.votes import Votes
from analyze.reports import load_parts, strengths
from datasets import formats
from datasets.files import detect, item, limits
from datasets.formats import guessing, mapping
from datasets.formats.rows import CANDIDATES, Prompt, Refusal, Response, Row, TableRow
from datasets.imports import near_duplicates, personal_data, reading, validate, warnings
from datasets.imports.spool import Spool
from datasets.judgments.listing import Person
from datasets.models import Dataset
from datasets.models import Prompt as Stored
from datasets.text import diff, minhash
from datasets.text import near_duplicates as text_near_duplicates
from datasets.text.reading_time import count_words
from tests.test_files import build_workbook, encode_parquet, format_links, format_texts
from tests.test_formats import SHAPES

STEPS, FEW = 2.6, 300  # limit of the added lines of 4n over those of 2n (n²: 4), and a number of lines to ignore
pytestmark = pytest.mark.once  # how time grows with the input does not depend on the database
SLACK = 2  # factor of processor time, beyond n log n
SHORTEST, TRIES = 0.02, 3  # least seconds for 4n: n is doubled until they are reached
ORDINARY = "Explain in plain words how a river finds its way from the mountains to the sea, and why it bends so often. "


def count_lines(work):
    """The number of lines of Python that `work()` executes."""
    count, before = 0, sys.gettrace()

    def step(frame, event, arg):
        nonlocal count
        count += 1
        return step

    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def measure_seconds(work):
    """The processor time of `work()` in this thread."""
    gc.disable()
    try:
        started = time.thread_time()
        work()
        return time.thread_time() - started
    finally:
        gc.enable()


def check_lines(make, n):
    make(n)()  # lazy imports and caches of the first run
    once, twice, four = (count_lines(make(size)) for size in (n, 2 * n, 4 * n))
    assert four - twice <= STEPS * max(twice - once, 0) + FEW, f"lines at {n}, {2 * n}, {4 * n}: {once, twice, four}"


def check_seconds(make, n, most):
    four = measure_seconds(make(4 * n))
    while four < SHORTEST and 2 * n <= most:
        n *= 2
        four = measure_seconds(make(4 * n))
    if four < SHORTEST:
        return  # it takes no measurable time at any realistic size
    once, allowed = measure_seconds(make(n)), 4 * log(4 * n) / log(n) * SLACK
    for _ in range(TRIES - 1):
        if four <= allowed * once:
            return
        once, four = max(once, measure_seconds(make(n))), min(four, measure_seconds(make(4 * n)))
    assert four <= allowed * once, f"seconds at {n}, {4 * n}: {once:.4f}, {four:.4f}"


def check_growth(make, n, most=200_000, start=None):
    """Fails if the work grows faster than n log n.

    make: (size) -> the work.
    n: the smallest size.
    most: the largest n; sizes go up to four times it.
    """
    check_lines(make, n)
    check_seconds(make, start or n, most)


# Readers of files.


def encode_csv(*rows, end="\n"):
    return end.join(rows).encode()


def format_cells(n):
    return format_texts(range(n))


def format_styles(code, styles=1):
    """Number formats of a workbook: one format, and n styles that use it."""
    xfs = '<xf numFmtId="200"/>' * styles
    return f'<numFmts><numFmt numFmtId="200" formatCode="{code}"/></numFmts><cellXfs>{xfs}</cellXfs>'


def build_linked_workbook(n):
    """A workbook with n links to its shared strings, of which there are n."""
    strings = ((f"more{k}", "sharedStrings", "sharedStrings.xml") for k in range(n))
    sheets = ((f"r{k}", "worksheet", "worksheets/sheet1.xml") for k in (1, 2, 3))
    more = format_links(*sheets, *strings)
    return build_workbook(format_cells(2), "<si><t>a</t></si>" * n, **{"xl/_rels/workbook.xml.rels": more})


FILES = {
    "JSON Lines": lambda n: b'{"prompt": "Hi", "completion": "Hello!"}\n' * n,
    "JSON Lines: letters of a row": lambda n: json.dumps({"prompt": "Hi \n" * n}).encode(),
    "JSON Lines: keys of a row": lambda n: json.dumps(dict.fromkeys(map(str, range(n)), 1)).encode(),
    "JSON Lines: depth": lambda n: b'{"a": ' + b"[" * n,
    "JSON Lines: digits": lambda n: b'{"a": ' + b"7" * n + b"}",
    "JSON Lines: broken rows": lambda n: b'{"a": 1}\n' + b'{"a": 1,\n' * n,
    "JSON": lambda n: b"[" + b'{"prompt": "Hi"},' * n + b"{}]",
    "JSON: letters of a row": lambda n: json.dumps([{"prompt": "Hi \n" * n}]).encode(),
    "JSON: no number in each row": lambda n: b"[" + b'{"a": NaN},' * n + b"{}]",
    "JSON: digits": lambda n: b'[{"a": ' + b"7" * n + b"}]",
    "JSON: blanks": lambda n: b"[{}," + b"\n \t" * n + b"{}]",
    "CSV": lambda n: encode_csv("prompt,completion", *["Hi,Hello!"] * n),
    "CSV: columns": lambda n: encode_csv(",".join(map(str, range(n))), ",".join(map(str, range(n)))),
    "CSV: cells of a row": lambda n: encode_csv("a,b", "x," * n),
    "CSV: lines of a cell": lambda n: encode_csv("a,b", '"' + "x\n" * n + '",y'),
    "CSV: quotes": lambda n: encode_csv("a,b", '"' + '""' * n + '",y'),
    "CSV: letters of a name": lambda n: encode_csv("a" * n + ",b", "x,y"),
    "CSV: blank lines": lambda n: encode_csv("a,b", *[""] * n, "x,y"),
    "CSV: separators": lambda n: encode_csv(";,\t|" * n, "a"),
    "TSV": lambda n: encode_csv("prompt\tcompletion", *["Hi\tHello!"] * n),
    "GB18030": lambda n: "\n".join(["提示,回答", *["你好,您好"] * n]).encode("gb18030"),
    "UTF-16": lambda n: "\n".join(["提示,回答", *["你好,您好"] * n]).encode("utf-16"),
    "gzipped": lambda n: gzip.compress(encode_csv("a,b", *[f"{k},{k * k}" for k in range(n)])),
    "Parquet": lambda n: encode_parquet(pyarrow.table({"a": [f"text {k}" for k in range(n)]})),
    "Parquet: columns": lambda n: encode_parquet(pyarrow.table([[1]] * n, [f"c{k}" for k in range(n)])),
    "Parquet: groups of rows": lambda n: encode_parquet(pyarrow.table({"a": list(range(n))}), row_group_size=1),
    "Parquet: a list": lambda n: encode_parquet(pyarrow.table({"a": [list(range(n))]})),
    "Parquet: a dictionary": lambda n: encode_parquet(
        pyarrow.table({"a": pyarrow.array([f"text {k}" for k in range(n)]).dictionary_encode()})
    ),
    ".xlsx": lambda n: build_workbook(format_cells(2) * n),
    ".xlsx: columns": lambda n: build_workbook(format_cells(n) * 2),
    ".xlsx: letters of a cell": lambda n: build_workbook(format_texts(["_x000D_&lt;" * n, "b"])),
    ".xlsx: shared strings": lambda n: build_workbook(
        "".join(f'<row><c t="s"><v>{k}</v></c></row>' for k in range(n)),
        "".join(f"<si><t>text {k}</t></si>" for k in range(n)),
    ),
    ".xlsx: links": build_linked_workbook,
    ".xlsx: a comment": lambda n: build_workbook(f"<!--{'x' * n}-->{format_cells(2)}"),
    ".xlsx: a number format": lambda n: build_workbook(format_cells(2), formats=format_styles("[" * n)),
    ".xlsx: styles": lambda n: build_workbook(format_cells(2), formats=format_styles("0" * n, n)),
}
MOST = {".xlsx: a comment": 2_000_000}
AT_ONCE = 4_000  # at most 16,384 columns are allowed


def read_file(data, suppressed=item.FileProblem):
    with contextlib.suppress(suppressed):
        return len(list(detect.read_items(io.BytesIO(data))[1]))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_in_a_time_that_grows_with_it(name):
    def make(n):
        data = FILES[name](n)
        return lambda: read_file(data)

    most = AT_ONCE if name.endswith("columns") else MOST.get(name, 16_000)
    check_growth(make, 200, most, start=min(most, 4_000))


# Dialects: the first example of each in test_formats.py, lengthened.
EXAMPLES = {name: row for _, name, row, *_ in reversed(SHAPES)}
SHORT = {"role", "from", "winner", "label", "annotator", "judge", "source", "models", "model_a", "model_b", "user_id"}


def lengthen(value, n, key=""):
    """A value with each natural-language text in it repeated n times."""
    if isinstance(value, dict):
        return type(value)((name, lengthen(one, n, name)) for name, one in value.items())
    if isinstance(value, list):
        return [lengthen(one, n, key) for one in value]
    in_words = isinstance(value, str) and key not in SHORT and len(value) > 1 and value[0] not in "[0123456789"
    return f"{value} " * n if in_words else value


def repeat_turns(value, n):
    """A value with n earlier turns in each conversation, and every other list repeated n times."""
    if isinstance(value, dict):
        return type(value)((name, repeat_turns(one, n)) for name, one in value.items())
    if not isinstance(value, list):
        return value
    keys = [set(one) for one in value if isinstance(one, dict)]
    for role, text in (("role", "content"), ("from", "value")):
        if keys and all({role, text} <= found for found in keys) and len(value) > 1:
            turns = [{role: who, text: "Hi"} for who in ("user", "assistant")] * n
            return value[:1] + turns + value[1:] if value[0][role] == "system" else turns + value
    return value * n


def add_keys(row, n):
    """A row with n more keys, also in nested objects."""
    more = {f"extra_{k}": "x" for k in range(n)}
    return type(row)({key: {**one, **more} if isinstance(one, dict) else one for key, one in row.items()} | more)


def recognise_and_read(name, row):
    formats.detect(set(row), row)
    with contextlib.suppress(Refusal):
        formats.load_formats()[name].read(row)


@pytest.mark.parametrize("change", [lengthen, repeat_turns, add_keys], ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", formats.get_readable_formats())
def test_a_dialect_is_read_in_a_time_that_grows_with_its_row(name, change):
    def make(n):
        row = change(EXAMPLES[name], n)
        return lambda: recognise_and_read(name, row)

    check_growth(make, 50, most=1_000, start=1_000)


def build_argilla_record(n, prompt="Hi", question="preference", fields=2):
    """An Argilla record that n users have judged."""
    said = [{"value": "response_1", "user_id": f"u{k}"} for k in range(n)]
    answers = {f"response_{k}": f"text {k}" for k in range(1, fields + 1)}
    return {"fields": {"prompt": prompt, **answers}, "responses": {question: said}, "metadata": {}}


ROWS = {
    "argilla: users and a name": lambda n: ("argilla", build_argilla_record(n, question="preference" + "x" * 99 * n)),
    "argilla: users and answers": lambda n: ("argilla", build_argilla_record(n, fields=n) | {
        "fields": {"prompt": "a"} | {f"f{k}": f"text {k}" for k in range(n)}}),
    "argilla: questions and answers": lambda n: ("argilla", {
        "fields": {"prompt": "Hi"} | {f"f{k}": f"text {k}" for k in range(n)},
        "responses": {f"q{k}": [{"value": None}] for k in range(n)}}),
    "wide: answers": lambda n: ("wide", {"prompt": "Hi", "winner": "1", "responses": [f"text {k}" for k in range(n)]}),
    "hh: turns": lambda n: ("hh", dict.fromkeys(("chosen", "rejected"), "\n\nHuman: a\n\nAssistant: b" * n)),
    "nectar: answers": lambda n: ("nectar", {
        "prompt": "Hi", "answers": [{"answer": f"text {k}", "rank": k} for k in range(n)]}),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_read_in_a_time_that_grows_with_it(name):
    def make(n):
        format, row = ROWS[name](n)
        return lambda: recognise_and_read(format, row)

    check_growth(make, 100, most=2_000, start=2_000)


# Texts.


def build_row(texts):
    return Row(Prompt("Hi"), tuple(Response(text) for text in texts), CANDIDATES)


def build_text(n):
    return "".join(f"<p>{k}</p>" for k in range(n))


TEXTS = {
    "differences: words": lambda n: lambda: diff.mark_differences([build_text(n), build_text(n + 9)]),
    "differences: answers": lambda n: lambda: diff.mark_differences([f"<p>{k} is</p>" for k in range(n)]),
    "differences: tags": lambda n: lambda: diff.split_pieces("<b>a</b>" * n),
    "differences: a formula": lambda n: lambda: diff.split_pieces(f"<math>{'<mi>a</mi>' * n}</math>"),
    "differences: signs": lambda n: lambda: diff.split_pieces("&lt;a &amp" * n),
    "differences: tags that do not end": lambda n: lambda: diff.split_pieces("<a <!-- </ " * n),
    "differences: quotes that do not end": lambda n: lambda: diff.split_pieces('<a b="' * n),
    "differences: blanks": lambda n: lambda: diff.split_pieces(" " * n + "字\u3000" * n),
    "likeness: words": lambda n: (
        lambda: minhash.compute_minhash_bands(minhash.compute_shingles(" ".join(map(str, range(n)))))
    ),
    "likeness: repeated words": lambda n: lambda: minhash.compute_minhash_bands(minhash.compute_shingles("a " * n)),
    "likeness: accents": lambda n: lambda: minhash.compute_shingles("a" + "\u0301\u0323" * n),
    "likeness: two texts": lambda n: lambda: list(near_duplicates.iter_twins([ORDINARY * n + mark for mark in "abc"])),
    "likeness: many answers": lambda n: (
        lambda: list(near_duplicates.iter_twins([f"{ORDINARY} {k}" for k in range(n)][: near_duplicates.MOST_ANSWERS]))
    ),
    "doubts: answers": lambda n: lambda: warnings.find_warnings(build_row([f"As ChatGPT, {k}" for k in range(n)])),
    "doubts: equal answers": lambda n: lambda: warnings.find_warnings(build_row(["Hi"] * n)),
    "doubts: names": lambda n: (
        lambda: warnings.find_warnings(build_row(["gpt-4" * n, "gpt-4 " * n + "-", "claude-" * n]))
    ),
    "doubts: an open end": lambda n: (
        lambda: warnings.find_warnings(build_row([" \n" * n + "a", "```" * n, "1" * n, "\t" * n + "-"]))
    ),
    "doubts: tokens": lambda n: (
        lambda: warnings.find_warnings(
            build_row(["<|" * n, "<s>" * n, "<s>a<b" * n + "</s>", "<image>" * n, "<|a" * n + "</video>", "[" * n])
        )
    ),
    "doubts: a dialogue": lambda n: (
        lambda: warnings.find_warnings(
            Row(Prompt("user:\n" * n + "assistant" + " " * n, " \n" * n + "\nai:"), (), CANDIDATES)
        )
    ),
    "doubts: keys": lambda n: (
        lambda: warnings.find_warnings(
            build_row(
                ["sk-" * n, "sk-a " * n, "eyJaaaaaaaa." * n, "-----BEGIN PRIVATE KEY-----\n" * n, "hf_" + "a" * n]
            )
        )
    ),
    "doubts: personal data": lambda n: (
        lambda: personal_data.mask_row(
            build_row(
                ["a" * n + "@", "a@b." * n, "@" * n, "1" * n, "+1 " * n, "12.34." * n, "DE89 " * n, "a@b.cc " * n]
            ),
            personal_data.MASKABLE,
        )
    ),
    "doubts: sources": lambda n: (
        lambda: warnings.find_warnings(
            Row(
                Prompt("Hi"),
                tuple(Response(f"from source {k % 200}", f"source {k % 200}") for k in range(n)),
                CANDIDATES,
            )
        )
    ),
    "words": lambda n: lambda: (count_words("a b " * n), count_words("字 a\u3000" * n)),
    "columns": lambda n: (
        lambda: reading.Facts.collect(
            [item.Item(1, {f"c{k}": k for k in range(n)}), item.Item(2, {f"d{k}": k for k in range(n)})]
        ).list_columns()
    ),
    "guesses of columns": lambda n: lambda: guessing.guess([f"answer_{k}" for k in range(n)]),
    "columns as they were said": lambda n: (
        lambda: mapping.read(
            {"prompt": "q", "answer_1": "a", "answer_2": "b"},
            TableRow({"q": "Hi", "a": "x", "b": "y", **dict.fromkeys(map(str, range(n)), "")}),
        )
    ),
    "the shape of a file": lambda n: (
        lambda: reading.detect_format(
            reading.Facts.collect(
                [item.Item(1, {"prompt": "Hi", "Completion": "a", **{f"c{k}": k for k in range(n)}})]
            ),
            "auto",
        )
    ),
    "people: of one pair": lambda n: (
        lambda: people._compute_agreement(Votes(np.arange(n), np.zeros(n, int), np.ones(n, int)), np.ones(n, bool))
    ),
    "codes of pairs": lambda n: lambda: code_pairs(np.arange(n) // 3, np.arange(n) // 2 + 1),
    "charts: whiskers": lambda n: (
        lambda: charts.build_whiskers(
            [{"source": f"s{k}", "value": 0.5, "interval": [0.4, 0.6], "group": k // 2} for k in range(n)],
            "source",
            "value",
            True,
        )
    ),
    "charts: a plot": lambda n: (
        lambda: charts.build_plot([{"x": k, "y": 0.5, "interval": [0.4, 0.6]} for k in range(n)], "x", "y")
    ),
    "charts: a name": lambda n: lambda: charts.shorten_name("\u0301" * n),
    "tables": lambda n: (
        lambda: list(tables.iter_csv_lines([{"name": f"={k}", "value": k, "interval": [0, 1]} for k in range(n)]))
    ),
}
STARTS = {"differences: words": 20_000, "likeness: accents": 10_000, "likeness: two texts": 50}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_looked_at_in_a_time_that_grows_with_it(name):
    start = STARTS.get(name, 2_000)
    check_growth(TEXTS[name], min(start, 400) if name != "differences: words" else start, 20_000, start=start)


def test_two_answers_as_long_as_are_compared_take_no_more_than_a_moment():
    """Up to this length, the comparison of their words is quadratic."""
    n = diff.MOST_WORDS
    htmls = [" ".join(f"{side}{k}" for k in range(n)) for side in "ab"]
    assert "<mark>" in diff.mark_differences(htmls)[1]
    assert min(measure_seconds(lambda: diff.mark_differences(htmls)) for _ in range(TRIES)) < 0.5


# Uploads, and their near-duplicates.


def fill_spool(rows):
    spool = Spool.create()
    spool.add("file", list(enumerate(rows, 1)))
    return spool


def build_rows(texts):
    return [Row(Prompt(text), (Response("Hello!"), Response("What.")), CANDIDATES) for text in texts]


def build_near_duplicates(n):
    return build_rows(f"{ORDINARY * 2}{k}" for k in range(n))


UPLOADS = {
    "near-duplicate prompts": build_near_duplicates,
    "prompts of a word again and again": lambda n: build_rows("a " * (k % 9 + 3) + str(k // 9) for k in range(n)),
    "one prompt again and again": lambda n: build_rows(["Hi"] * n),
    "answers in rows of their own": lambda n: [
        Row(Prompt("Hi"), (Response(f"{ORDINARY} {k}"),), CANDIDATES) for k in range(n)
    ],
}


@pytest.mark.parametrize("name", UPLOADS)
def test_near_duplicates_are_found_in_a_time_that_grows_with_the_rows(name):
    def make(n):
        spool = fill_spool(UPLOADS[name](n))
        return lambda: near_duplicates.note_near_duplicates(spool)

    check_growth(make, 50, most=250, start=250)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["near-duplicate prompts", "prompts that have nothing in common"])
def test_groups_are_given_in_a_time_that_grows_with_the_prompts(name, monkeypatch):
    monkeypatch.setattr(text_near_duplicates, "AT_ONCE", 8)
    near = "near" in name

    def make(n):
        dataset = Dataset.objects.create(slug=f"d{n}-{time.monotonic_ns()}")
        texts = [f"{ORDINARY} {k}" if near else " ".join(str(k * 99 + m) for m in range(9)) for k in range(n)]
        Stored.objects.bulk_create(Stored(dataset=dataset, instruction=text, fingerprint=text[-64:]) for text in texts)
        return lambda: text_near_duplicates.assign_groups(dataset)

    check_lines(make, 40)


@pytest.mark.django_db
def test_what_is_stored_already_is_found_in_a_time_that_grows_with_the_rows(monkeypatch):
    monkeypatch.setattr(text_near_duplicates, "AT_ONCE", 8)
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 8)

    def make(n):
        dataset = Dataset.objects.create(slug=f"d{n}-{time.monotonic_ns()}")
        texts = [f"{ORDINARY} {k}" for k in range(n)]
        Stored.objects.bulk_create(Stored(dataset=dataset, instruction=text, fingerprint=text[-64:]) for text in texts)
        spool = fill_spool(build_near_duplicates(n))
        return lambda: near_duplicates.note_near_duplicates(spool, dataset)

    check_lines(make, 40)


VOTES = {
    "users of a long prompt": lambda n: build_argilla_record(n, prompt="word " * 100 * n),
    "users of long answers": lambda n: build_argilla_record(n) | {
        "fields": {"prompt": "Hi", "response_1": "a" * 500 * n, "response_2": "b" * 500 * n}},
}  # fmt: skip


@pytest.mark.parametrize("name", VOTES)
def test_votes_are_checked_in_a_time_that_grows_with_the_row(name):
    def make(n):
        row, spool = formats.load_formats()["argilla"].read(VOTES[name](n)), Spool.create()
        return lambda: validate.check_votes(spool, row, {}, "file:1")

    check_growth(make, 50, most=500, start=500)


# Reports.


class Columns(DatasetColumns):
    """The columns of a dataset, without its rows.

    choices: (chosen, rejected, prompt, person); sources: by answer.
    """

    def __init__(self, dataset, chosen, rejected, prompt, person, sources=6, ties=True):
        super().__init__(dataset)
        n = len(chosen)
        draw = np.random.default_rng(1)
        strength = draw.integers(0, 3, n) if ties else np.ones(n, int)
        left = np.where(draw.random(n) < 0.5, 1, -1)
        self.people = [Person(f"p{k}", "account", k) for k in range(int(person.max()) + 1)]
        ids, place = np.unique(np.concatenate([chosen, rejected]), return_index=True)
        first, second = np.minimum(chosen, rejected), np.maximum(chosen, rejected)
        vars(self).update(
            choices=Choices(np.arange(n), chosen, rejected, strength, person, prompt, left, np.arange(n) // 1000),
            responses=Answers(
                ids,
                np.concatenate([prompt, prompt])[place],
                np.array([f"source {pk % sources}" for pk in ids], object),
                10 + ids % 90,
            ),
            stars={},
            pairs=code_pairs(first, second)[1],
            votes=Votes(
                person,
                code_pairs(first, second)[0],
                np.where(strength == 0, 0, np.where(chosen == first, 1, -1)),
                left=left,
                when=np.arange(n) * 60.0,
                seconds=np.full(n, 30.0),
                words=np.full(n, 90.0),
            ),
        )

    def fetch_texts(self, ids):
        return {pk: f"{ORDINARY} {pk % 7} {'so ' * (pk % 5)}" for pk in ids}

    def fetch_prompts(self, ids):
        return {pk: f"prompt {pk}" for pk in ids}


def build_many_prompts(dataset, n, sources=6):
    """n choices, three per prompt, in a cycle."""
    prompt = np.arange(n) // 3
    turn = np.arange(n) % 3
    return Columns(dataset, prompt * 3 + turn, prompt * 3 + (turn + 1) % 3, prompt, np.arange(n) % 20, sources)


def build_many_sources(dataset, n):
    """n choices between n sources, each one over the next."""
    places = np.arange(n)
    return Columns(dataset, places, places + 1, places * 0, places % 20, n + 1)


def build_ring(dataset, n):
    """n choices about one prompt, in one cycle through n answers."""
    places = np.arange(n)
    return Columns(dataset, places, (places + 1) % n, places * 0, places * 0, ties=False)


def build_pair(dataset, n):
    """n people on one pair of answers."""
    places = np.arange(n)
    return Columns(dataset, places % 2, 1 - places % 2, places * 0, places)


REPORTS = [
    ("counts", build_many_prompts), ("counts", build_ring),
    ("strengths", build_many_prompts), ("strengths", build_many_sources),
    ("agreement", build_many_prompts), ("agreement", build_pair),
    ("annotators", build_many_prompts), ("annotators", build_pair),
    ("bias", build_many_prompts), ("predictor", build_many_prompts), ("suspicious", build_many_prompts),
    ("asking", build_many_sources),
    ("contradictions", build_many_prompts), ("contradictions", build_ring), ("contradictions", build_pair),
]  # fmt: skip
LEARNT = (
    "predictor",
    "suspicious",
)  # the library iterates to convergence: the number of steps varies


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "choices"), REPORTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_report_is_made_in_a_time_that_grows_with_the_choices(name, choices, monkeypatch):
    dataset = Dataset.objects.create(slug="d")
    monkeypatch.setattr(fitting, "MOST_SOURCES", 40)  # a fit is cubic up to here
    tags = [(pk, [f"tag {pk % 700} {k}" for k in range(9)], "Hi") for pk in range(10_000)]

    def make(n):
        monkeypatch.setattr(strengths, "list_prompts", lambda data: tags[: n // 3 + 1])
        data = choices(dataset, n)
        return lambda: load_parts()[name].numbers(data)

    if name in LEARNT:
        make(100)()
        check_seconds(make, 100, 100)
    else:
        check_growth(make, 200, most=2_000, start=2_000)


def test_every_reader_and_every_report_is_looked_at():
    assert set(EXAMPLES) >= set(formats.get_readable_formats())
    assert {name for name, _ in REPORTS} == set(load_parts())


@pytest.mark.parametrize("name", ["CSV: columns", "Parquet: columns"])
def test_a_table_wider_than_a_spreadsheet_is_refused(name):
    with pytest.raises(item.FileProblem, match="too_many_columns"):
        read_file(FILES[name](limits.MOST_COLUMNS + 1), ())


@pytest.mark.parametrize("name", sorted({*FILES} - {"CSV: separators"}))
def test_the_files_that_are_looked_at_can_be_read(name):
    assert read_file(FILES[name](5), ()) is not None


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [inbox.FLAGGED, inbox.SPLIT, inbox.ASKED])
def test_what_waits_is_found_in_an_index_of_its_own(kind):
    """Not by going through all comparisons of the dataset."""
    plan = inbox.Inbox(Dataset.objects.create(slug="d")).filter(kind).explain()
    if connection.vendor == "sqlite":  # PostgreSQL reads so small a table as a whole
        assert "held_comparisons" in plan or "reviewed_comparisons" in plan
        assert "SCAN" not in plan
