"""Every example and list in docs/formats.md agrees with the code."""

import io
import json
import re
from pathlib import Path

import pytest

from datasets import formats, reasons
from datasets.exports.export import Export
from datasets.files.detect import read_items
from datasets.files.limits import LONGEST_ROW
from datasets.files.writers import encode_line
from datasets.formats import mapping, prompts
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.near_duplicates import LEAST_SIMILARITY, MOST_NEWLY_GROUPED
from datasets.imports.reading import Facts, detect_format
from datasets.models import Choice, Comparison, Dataset, Prompt, Response
from datasets.text.minhash import SIMILARITY_THRESHOLD
from datasets.text.tags import LONGEST_TAG, MOST_TAGS
from tests.test_export import parse_rows

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text("utf-8")
BLOCK = re.compile(r"```(json|csv)\n(.*?)```", re.DOTALL)


def split_sections(text, level):
    """{heading: its section} for the headings of a level."""
    pieces = re.split(rf"^{'#' * level} (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def split_named_sections(text):
    """{name: section} for the headings that are a name in backticks."""
    return {heading.strip("`"): body for heading, body in split_sections(text, 3).items() if heading.startswith("`")}


SECTIONS = split_sections(PAGE, 2)
READ = split_named_sections(SECTIONS["Files that are read"])
WRITTEN = split_named_sections(SECTIONS["Files that are written"])
EXAMPLES = [(name, text, body) for name, body in READ.items() for text, body in re.findall(
    r"```(?:json|csv)\n(.*?)```\n\n(Becomes [^\n]*)", body, re.DOTALL)]  # fmt: skip


def test_every_format_has_a_heading_and_every_heading_is_a_format():
    assert set(READ) == set(formats.get_readable_formats())
    assert set(WRITTEN) == set(formats.get_writable_formats())
    assert set(READ) | set(WRITTEN) == set(formats.load_formats())


def test_every_shape_has_an_example_and_every_example_says_what_it_becomes():
    assert {name for name, *_ in EXAMPLES} == set(READ)
    assert len(BLOCK.findall(SECTIONS["Files that are read"])) == len(EXAMPLES)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text", "becomes"), EXAMPLES)
def test_an_example_is_read_as_its_shape_and_becomes_what_the_page_says(name, text, becomes):
    found = list(read_items(io.BytesIO(text.encode()))[1])
    assert detect_format(Facts.collect(found), "auto")[0] == name
    run = imports_store.store(imports_check.check([("example", io.BytesIO(text.encode()))], "demo"))
    assert (run.refused, run.duplicates) == (0, 0)
    to_judge = Comparison.objects.filter(held="", open_slots__gt=0)
    counts = [Prompt.objects.count(), Response.objects.count(), Choice.objects.count(), to_judge.count()]
    assert list(map(int, re.findall(r"\d+", becomes))) == counts


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRITTEN)
def test_a_dialect_is_written_as_the_page_shows_it(name):
    for _, text in BLOCK.findall(SECTIONS["Files that are written"].split("\n### ")[0]):
        imports_store.store(imports_check.check([("example", io.BytesIO(text.encode()))], "demo"))
    export = Export(Dataset.objects.get(), name)
    written = b"".join(export.iter_pieces())
    if formats.get_file_kind(name) == "jsonl":
        shown = "".join(text for _, text in BLOCK.findall(WRITTEN[name]))  # with spaces, for readability
        assert written == b"".join(encode_line(json.loads(line)) for line in shown.splitlines())
    else:
        columns = re.findall(r"^\| `(\w+)` \| .+ \|$", WRITTEN["judgments-csv"], re.MULTILINE)
        assert [[*row] for row in parse_rows(name, written)] == [columns] * 2
    left_out = re.search(r"^Left out: (.*)\.$", WRITTEN[name], re.MULTILINE)[1]
    counted = ", ".join(f"{count} `{reason}`" for reason, count in export.build_account()["left_out"].items())
    assert left_out == (counted or "nothing")


@pytest.mark.parametrize(
    ("heading", "words"),
    [("Refused rows", reasons.REFUSED), ("Refused files", reasons.FILE), ("Left out", reasons.LEFT_OUT)],
)
def test_every_reason_stands_in_its_table(heading, words):
    rows = re.findall(r"^\| `(\w+)` \| .+ \|$", split_sections(SECTIONS["Reasons"], 3)[heading], re.MULTILINE)
    assert rows == sorted(words)


def test_what_the_page_says_of_limits_and_names_is_so():
    assert f"up to {LONGEST_ROW >> 20} MiB" in PAGE
    assert "first 50 rows" in PAGE
    assert f"up to {MOST_TAGS} of up to {LONGEST_TAG} characters" in PAGE
    for name in prompts.EXTRA_KEYS:
        assert f"`{name}`" in READ["prompts"]
    for name in [*formats.wide.LISTS, *formats.wide.SOURCE_LISTS, *formats.wide.TIES, *formats.wide.BOTH_BAD]:
        assert f"`{name}`" in READ["wide"] or name in ("both bad", "bothbad")
    for role in formats.parsers.ROLES:
        assert role in SECTIONS["Files that are read"].split("\n### ")[0]


def test_what_may_be_said_of_columns_and_every_doubt_stand_on_the_page():
    said = SECTIONS["Which column is what"]
    for name in [*mapping.ROLES, *mapping.COUNTS, "answer_26", "source_26", mapping.NAME]:
        assert f"`{name}`" in said
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", SECTIONS["Doubts"], re.MULTILINE) == sorted(reasons.WARNINGS)
    assert f"{MOST_NEWLY_GROUPED:,}" in SECTIONS["Doubts"]
    assert (SIMILARITY_THRESHOLD, LEAST_SIMILARITY) == (0.7, 0.85)


def test_every_example_of_json_is_json():
    for kind, text in BLOCK.findall(PAGE):
        if kind == "json":
            assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
