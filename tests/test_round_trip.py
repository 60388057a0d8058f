"""What docs/formats.md promises: a dialect's file, imported into an empty dataset, gives back what its row of the table
"What comes back" says, each text byte for byte."""

import io
import itertools
import json
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.exports.export import Export
from datasets.exports.extras import EXTRAS, get_dialects_with_extras
from datasets.formats import get_file_kind, get_writable_formats, rows
from datasets.formats.trajectories import build_response
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.spool import Spool
from datasets.models import Comparison, Dataset, Import, Judgment, Prompt, Response
from tests.test_docs_formats import SECTIONS, split_sections

pytestmark = pytest.mark.django_db

TABLE = split_sections(SECTIONS["Files that are written"], 3)["What comes back"]
HEAD, *LINES = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("|")
]
PROMISES = {line[0]: dict(zip(HEAD[1:], line[1:], strict=True)) for line in LINES[1:]}
YES, NO, WITH = "yes", "no", "--with"
EXTRA_COLUMNS = {"ids": "id", "sources": "source", "metadata": "meta"}
KINDS = {rows.Preference: rows.JUDGED, rows.Demonstration: rows.DEMONSTRATION, rows.Label: rows.DEMONSTRATION}


def is_promised(name, column):
    return PROMISES[name][column] != NO


# --- any rows that a dialect can hold -------------------------------------------------------------------------------

# Texts of one or two characters may be read as pointers to columns, such as "A" in `chosen`.
characters = st.characters(codec="utf-8", exclude_characters="\x00")
texts = (
    st.text(characters, min_size=3, max_size=12) | st.text("ab\n\r\t \"'\\,|{}[]=+-@#月\u2028\x85", min_size=3)
).filter(lambda text: len(text.strip()) > 2)
names = st.sampled_from(["", "atlas", "birch/2", "模型", "a, b"])
json_values = st.recursive(
    st.text(characters, min_size=1, max_size=5) | st.integers(-9, 2**70) | st.floats(-9, 9, width=16) | st.booleans(),
    lambda inner: st.lists(inner, min_size=1, max_size=2)
    | st.dictionaries(st.text(characters, max_size=3), inner, min_size=1, max_size=2),
    max_leaves=3,
)  # fmt: skip
metadata = st.dictionaries(st.sampled_from(["topic", "lang", "url", "info"]), json_values, max_size=2)
alternating = st.lists(st.tuples(texts, texts), max_size=2).map(
    lambda pairs: tuple(turn for pair in pairs for turn in zip(("user", "assistant"), pair, strict=True))
)
any_turns = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), texts), max_size=3).map(tuple)
trajectories = st.tuples(texts, texts, texts).map(
    lambda words: build_response(tuple(zip(("assistant", "user", "assistant"), words, strict=True)))
)
numbers = itertools.count()


@st.composite
def build_rows(draw, name):
    """Rows with one prompt each, with whatever the table promises for a dialect."""
    kind = get_writable_formats()[name].WRITES
    found = []
    for number in range(draw(st.integers(2, 5))):
        turns = draw(any_turns if is_promised(name, "non-alternating turns") else alternating)
        prompt = rows.Prompt(
            f"{draw(texts)}{number}",
            draw(st.just("") | texts) if is_promised(name, "input apart") or draw(st.booleans()) else "",
            draw(st.just("") | texts) if is_promised(name, "system") else "",
            turns if is_promised(name, "earlier turns") else (),
        )
        about = {
            "id": draw(st.just("") | st.text(characters, min_size=1, max_size=5)) if is_promised(name, "ids") else "",
            "meta": (draw(metadata) or None) if is_promised(name, "metadata") else None,
            "tags": tuple(draw(st.lists(st.sampled_from(["x", "月"]), unique=True)))
            if is_promised(name, "tags")
            else (),
        }
        source = names if is_promised(name, "sources") else st.just("")
        if kind in (rows.Preference, rows.JudgmentRow):
            sides = draw(st.lists(build_answers(name), min_size=2, max_size=2, unique_by=get_beginning))
            responses = tuple(answer._replace(source=draw(source)) for answer in sides)
            found.append(rows.Row(prompt, responses, rows.JUDGED, draw(build_votes(name)), **about))
        else:
            label = draw(st.booleans()) if is_promised(name, "labels") else None
            role = rows.JUDGED if label is False else rows.DEMONSTRATION
            answer = draw(build_answers(name))._replace(source=draw(source))
            found.append(rows.Row(prompt, (answer,), role, label=label, **about))
    return found


def build_answers(name):
    """Answers of one turn, and of several where they come back."""
    return texts.map(rows.Response) | (trajectories if is_promised(name, "several turns") else st.nothing())


def get_beginning(answer):
    """The first words of an answer; those of a pair differ, or `dpo-implicit` leaves it out."""
    return (answer.turns[0][1] if answer.turns else answer.text).strip()


@st.composite
def build_votes(draw, name):
    """The votes of a pair; several only where the annotators come back."""
    verdicts = ["left"] + ["tie"] * is_promised(name, "ties") + ["both_bad"] * is_promised(name, "both bad")
    people = ["ann", "bob", "月"][: draw(st.integers(1, 3))] if is_promised(name, "annotators") else [""]
    votes = []
    for person in people:
        verdict = draw(st.sampled_from(verdicts))
        pair = draw(st.sampled_from([(0, 1), (1, 0)]))
        strength = draw(st.integers(1, 3)) if verdict == "left" and is_promised(name, "strength") else 1
        has_margin = verdict == "left" and is_promised(name, "margin")
        margin = draw(st.none() | st.floats(0, 99, width=32)) if has_margin else None
        votes.append(rows.Vote(pair, verdict, person, strength=strength, margin=margin))
    return tuple(votes)


# --- there and back -------------------------------------------------------------------------------------------------


def store_rows(found, slug):
    """Stores parsed rows, past all readers."""
    spool = Spool.create()
    spool.add("rows.jsonl", enumerate(found, 1))
    spool.finish()
    imports_store.store(imports_check.save_checked(Import(slug=slug, files=["rows.jsonl"], format="rows"), spool))
    return Dataset.objects.get(slug=slug)


def read_back(data, slug, file_name):
    """Imports a file into an empty dataset, without any options."""
    run = imports_check.check([(file_name, io.BytesIO(data))], slug)
    assert (run.refused, run.unread, run.blocking) == (0, {}, [])
    imports_store.store(run)
    return Dataset.objects.get(slug=slug)


def describe(dataset, name):
    """What a dataset holds of all that the table promises for a dialect, as plain values."""
    has = {column for column in HEAD[1:] if is_promised(name, column)}
    kind = get_writable_formats()[name].WRITES
    found = Counter()
    for prompt in Prompt.objects.filter(dataset=dataset):
        asked = (prompt.instruction, prompt.input)
        if "input apart" not in has:
            asked = (prompt.instruction + f"\n{prompt.input}" * bool(prompt.input), "")
        sources = {r.pk: (r.text, r.source if "sources" in has else "", r.turns or []) for r in prompt.responses.all()}
        answers = sorted(sources.values())
        ids = sorted({origin[1] for origin in prompt.origins if origin[1]}) if "ids" in has else []
        meta = describe_metadata(prompt, name) if "metadata" in has else ""
        labels = sorted(prompt.responses.values_list("text", "label"), key=str) if "labels" in has else []
        tags = sorted(prompt.tags) if "tags" in has else []
        votes = sorted(
            describe_vote(judgment, sources, has, kind)
            for judgment in Judgment.objects.filter(comparison__prompt=prompt)
        )
        roles = sorted(prompt.responses.values_list("candidate", "demonstration"))
        key = (prompt.system, prompt.turns, *asked, answers, ids, meta, labels, tags, votes, roles)
        found[json.dumps(key, ensure_ascii=False)] += 1
    return found


def describe_metadata(prompt, name):
    """The merged metadata of a prompt; of a table without what it tells of the judgments themselves."""
    merged = {}
    for origin in prompt.origins:
        merged |= origin[2] or {}
    keeps = getattr(get_writable_formats()["judgments-csv"], "KEEPS", ()) if get_file_kind(name) != "jsonl" else ()
    return json.dumps(
        {key: merged[key] for key in sorted(merged) if key not in keeps}, ensure_ascii=False, sort_keys=True
    )


def describe_vote(judgment, sources, has, kind):
    """A judgment by the texts that it is about."""
    choice = judgment.choices.filter(criterion="").first()
    if choice is None or not choice.strength:
        sides = sorted(sources[pk] for pk in judgment.order)
    else:
        sides = [sources[choice.chosen_id], sources[choice.rejected_id]]
    margin = choice.margin if choice and "margin" in has else None
    if margin is None and "margin" in has and kind is rows.Preference:
        margin = float(choice.strength)
    return [
        "tie" if choice and not choice.strength else "both_bad" if not choice else "left",
        sides,
        choice.strength if choice and "strength" in has else 0,
        -1.0 if margin is None else margin,
        judgment.imported_by if "annotators" in has else "",
    ]


def export_bytes(dataset, name):
    extras = EXTRAS if name in get_dialects_with_extras() else ()
    promised = tuple(extra for column, extra in EXTRA_COLUMNS.items() if PROMISES[name][column] == WITH)
    assert set(promised) <= set(extras)
    export = Export(dataset, name, extras=promised)
    data = b"".join(export.iter_pieces())
    assert export.build_account()["left_out"] == {}
    return data


def test_the_table_has_every_dialect_and_is_true_to_the_code():
    assert sorted(PROMISES) == sorted(get_writable_formats())
    assert {cell for promises in PROMISES.values() for cell in promises.values()} == {YES, NO, WITH}
    for name, promises in PROMISES.items():
        takes = name in get_dialects_with_extras()
        assert (promises["ids"] == WITH, promises["metadata"] == WITH) == (takes, takes)
    listed = re.search(r"These columns go with (.*?), whose", SECTIONS["Files that are written"], re.DOTALL)[1]
    assert sorted(re.findall(r"`([\w-]+)`", listed)) == sorted(get_dialects_with_extras())


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(PROMISES))
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_gives_back_what_the_table_promises(name, data):
    number = next(numbers)
    first = store_rows(data.draw(build_rows(name)), f"there-{number}")
    written = export_bytes(first, name)
    second = read_back(written, f"back-{number}", f"file.{get_file_kind(name)}")
    assert describe(second, name) == describe(first, name)
    assert Comparison.objects.filter(dataset=second, held="").exists() or name not in ("dpo",)
    assert (
        Response.objects.filter(prompt__dataset=second).count()
        == Response.objects.filter(prompt__dataset=first).count()
    )
