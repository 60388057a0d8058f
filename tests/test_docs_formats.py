"""docs/formats.md holds no example and no list that the code does not bear out."""

import io
import json
import re
from pathlib import Path

import pytest

from datasets import formats, reasons
from datasets.exports.export import Export
from datasets.files.detect import LONGEST_ROW, items
from datasets.files.writers import json_line
from datasets.formats import mapping, prompts
from datasets.imports import store as imports_store
from datasets.imports.near_duplicates import NEARLY, NEWLY_MARKED
from datasets.imports.validate import recognised
from datasets.models import Choice, Comparison, Dataset, Prompt, Response
from datasets.text.minhash import ALIKE
from datasets.text.tags import LONGEST, MOST
from tests.test_export import lines_of

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text("utf-8")
BLOCK = re.compile(r"```(json|csv)\n(.*?)```", re.DOTALL)


def parts(text, level):
    """{heading: what stands under it} of the headings of a level."""
    pieces = re.split(rf"^{'#' * level} (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def named(text):
    """{name: section} of the headings that are a name in backticks."""
    return {heading.strip("`"): body for heading, body in parts(text, 3).items() if heading.startswith("`")}


SECTIONS = parts(PAGE, 2)
READ = named(SECTIONS["Files that are read"])
WRITTEN = named(SECTIONS["Files that are written"])
EXAMPLES = [(name, text, body) for name, body in READ.items() for text, body in re.findall(
    r"```(?:json|csv)\n(.*?)```\n\n(Becomes [^\n]*)", body, re.DOTALL)]  # fmt: skip


def test_every_format_has_a_heading_and_every_heading_is_a_format():
    assert set(READ) == set(formats.readable())
    assert set(WRITTEN) == set(formats.writable())
    assert set(READ) | set(WRITTEN) == set(formats.all_formats())


def test_every_shape_has_an_example_and_every_example_says_what_it_becomes():
    assert {name for name, *_ in EXAMPLES} == set(READ)
    assert len(BLOCK.findall(SECTIONS["Files that are read"])) == len(EXAMPLES)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text", "becomes"), EXAMPLES)
def test_an_example_is_read_as_its_shape_and_becomes_what_the_page_says(name, text, becomes):
    found = list(items(io.BytesIO(text.encode()))[1])
    assert recognised(found, "auto")[0] == name
    run = imports_store.store(imports_store.check([("example", io.BytesIO(text.encode()))], "demo"))
    assert (run.refused, run.duplicates) == (0, 0)
    to_judge = Comparison.objects.filter(held="", open_slots__gt=0)
    counts = [Prompt.objects.count(), Response.objects.count(), Choice.objects.count(), to_judge.count()]
    assert list(map(int, re.findall(r"\d+", becomes))) == counts


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRITTEN)
def test_a_dialect_is_written_as_the_page_shows_it(name):
    for _, text in BLOCK.findall(SECTIONS["Files that are written"].split("\n### ")[0]):
        imports_store.store(imports_store.check([("example", io.BytesIO(text.encode()))], "demo"))
    export = Export(Dataset.objects.get(), name)
    written = b"".join(export.pieces())
    if formats.file_of(name) == "jsonl":
        shown = "".join(text for _, text in BLOCK.findall(WRITTEN[name]))  # with blanks, for people
        assert written == b"".join(json_line(json.loads(line)) for line in shown.splitlines())
    else:
        columns = re.findall(r"^\| `(\w+)` \| .+ \|$", WRITTEN["judgments-csv"], re.MULTILINE)
        assert [[*row] for row in lines_of(name, written)] == [columns] * 2
    left_out = re.search(r"^Left out: (.*)\.$", WRITTEN[name], re.MULTILINE)[1]
    counted = ", ".join(f"{count} `{reason}`" for reason, count in export.account()["left_out"].items())
    assert left_out == (counted or "nothing")


@pytest.mark.parametrize(
    ("heading", "words"),
    [("Refused rows", reasons.REFUSED), ("Refused files", reasons.FILE), ("Left out", reasons.LEFT_OUT)],
)
def test_every_reason_stands_in_its_table(heading, words):
    rows = re.findall(r"^\| `(\w+)` \| .+ \|$", parts(SECTIONS["Reasons"], 3)[heading], re.MULTILINE)
    assert rows == sorted(words)


def test_what_the_page_says_of_limits_and_names_is_so():
    assert f"up to {LONGEST_ROW >> 20} MiB" in PAGE
    assert "first 50 rows" in PAGE
    assert f"up to {MOST} of up to {LONGEST} characters" in PAGE
    for name in prompts.ABOUT:
        assert f"`{name}`" in READ["prompts"]
    for name in [*formats.wide.LISTS, *formats.wide.SOURCE_LISTS, *formats.wide.TIES, *formats.wide.BOTH_BAD]:
        assert f"`{name}`" in READ["wide"] or name in ("both bad", "bothbad")
    for role in formats.reading.ROLES:
        assert role in SECTIONS["Files that are read"].split("\n### ")[0]


def test_what_may_be_said_of_columns_and_every_doubt_stand_on_the_page():
    said = SECTIONS["Which column is what"]
    for name in [*mapping.ROLES, *mapping.COUNTS, "answer_26", "source_26", mapping.NAME]:
        assert f"`{name}`" in said
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", SECTIONS["Doubts"], re.MULTILINE) == sorted(reasons.DOUBTS)
    assert f"{NEWLY_MARKED:,}" in SECTIONS["Doubts"]
    assert (ALIKE, NEARLY) == (0.7, 0.85)


def test_every_example_of_json_is_json():
    for kind, text in BLOCK.findall(PAGE):
        if kind == "json":
            assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
