"""Answers of several turns: read, stored, judged, masked, edited, and written as they were, or left out."""

import io
import json

import pytest

from datasets import formats
from datasets.exports.export import Export, Writer
from datasets.formats import mapping
from datasets.formats.rows import Demonstration, Label, Omission, Preference, Prompt, Refusal, Response
from datasets.formats.trajectories import build_response, build_transcript
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.personal_data import PERSONAL, mask_row
from datasets.imports.spool import decode_row, encode_row
from datasets.imports.undo import undo_import
from datasets.models import Comparison, Dataset
from datasets.models import Prompt as StoredPrompt
from datasets.models import Response as Stored
from datasets.prompts.editing import EditedAnswer, save_prompt
from tests.test_judging_page import Judge

QUESTION = "Name two moons of Mars."
GOOD = (("assistant", "Phobos."), ("user", "And?"), ("assistant", "Deimos."))
POOR = (("assistant", "Luna."), ("user", "And?"), ("assistant", "Io."))
LATE = (("assistant", "Phobos."), ("user", "And?"), ("assistant", "Io."))  # begins as GOOD does


def say(*turns):
    """Messages of (role, text)."""
    return [{"role": role, "content": words} for role, words in turns]


ASKED = say(("user", QUESTION))
EXPLICIT = {"prompt": ASKED, "chosen": say(*GOOD), "rejected": say(*POOR)}
ONE, OTHER = ("assistant", "Phobos."), ("assistant", "Luna.")
BE_EXACT = ("system", "Be exact.")

# (format, row, prompt, turns or text of the better answer, of the worse one)
READ = [
    ("dpo", EXPLICIT, Prompt(QUESTION), GOOD, POOR),
    ("dpo", EXPLICIT | {"prompt": QUESTION}, Prompt(QUESTION), GOOD, POOR),
    ("dpo", EXPLICIT | {"prompt": say(BE_EXACT, ("user", QUESTION))}, Prompt(QUESTION, system="Be exact."), GOOD, POOR),
    ("dpo", {key: json.dumps(value) for key, value in EXPLICIT.items()}, Prompt(QUESTION), GOOD, POOR),
    ("dpo", {"question": QUESTION, "chosen": say(*GOOD), "rejected": say(*POOR)}, Prompt(QUESTION), GOOD, POOR),
    ("dpo", EXPLICIT | {"rejected": say(*LATE)}, Prompt(QUESTION), GOOD, LATE),
    ("dpo", EXPLICIT | {"prompt": "And?", "rejected": say(OTHER)}, Prompt("And?"), GOOD, "Luna."),
    ("dpo", EXPLICIT | {"rejected": say(OTHER)}, Prompt(QUESTION), GOOD, "Luna."),
    ("dpo", EXPLICIT | {"chosen": "Phobos."}, Prompt(QUESTION), "Phobos.", POOR),
    ("dpo", {"chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(*POOR)]}, Prompt(QUESTION), GOOD, POOR),
    ("dpo", {"chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(OTHER)]}, Prompt(QUESTION), GOOD, "Luna."),
    (
        "dpo",
        {"prompt": QUESTION, "chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(*POOR)]},
        Prompt(QUESTION), GOOD, POOR,
    ),
    (
        "dpo",
        {"chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(*LATE)]},
        Prompt("And?", turns=(("user", QUESTION), ONE)), "Deimos.", "Io.",
    ),
    (  # the assistant greets: the sides repeat the whole prompt
        "dpo",
        {"prompt": "Hi", "chosen": say(("assistant", "Hello."), ("user", "Hi"), ONE),
         "rejected": say(("assistant", "Hello."), ("user", "Hi"), OTHER)},
        Prompt("Hi", turns=(("assistant", "Hello."),)), "Phobos.", "Luna.",
    ),
    (
        "dpo",
        {"prompt": say(("assistant", "Hello."), ("user", "Hi")),
         "chosen": say(("assistant", "Hello."), ("user", "Hi"), ONE),
         "rejected": say(("assistant", "Hello."), ("user", "Hi"), OTHER)},
        Prompt("Hi", turns=(("assistant", "Hello."),)), "Phobos.", "Luna.",
    ),
    (
        "dpo-swift",
        {"messages": [*ASKED, *say(*GOOD)], "rejected_messages": [*ASKED, *say(*POOR)]},
        Prompt(QUESTION), GOOD, POOR,
    ),
    (
        "dpo-swift",
        {"messages": [*ASKED, *say(*GOOD)], "rejected_messages": [*ASKED, *say(*LATE)]},
        Prompt("And?", turns=(("user", QUESTION), ONE)), "Deimos.", "Io.",
    ),
]  # fmt: skip


def build_answer(said):
    return Response(said) if isinstance(said, str) else build_response(said)


@pytest.mark.parametrize(("name", "row", "prompt", "better", "worse"), READ)
def test_both_sides_of_a_preference_may_have_several_turns(name, row, prompt, better, worse):
    assert formats.detect(set(row), row) == name
    read = formats.get_readable_formats()[name].read(row)
    assert read.prompt == prompt
    assert read.responses == (build_answer(better), build_answer(worse))
    assert decode_row(encode_row(read)) == read


@pytest.mark.parametrize(
    ("name", "column"), [("sft", {}), ("long", {"model": "atlas"}), ("kto", {"label": False, "model": "atlas"})]
)
def test_an_answer_beside_its_prompt_may_have_several_turns(name, column):
    row = {"prompt": ASKED, "completion": say(*GOOD), **column}
    assert formats.detect(set(row), row) == name
    (answer,) = formats.get_readable_formats()[name].read(row).responses
    assert answer == build_response(GOOD, column.get("model", ""))


def test_a_mapped_demonstration_keeps_its_turns():
    roles = {"prompt": "q", "demonstration": "a", "source": "m"}
    (answer,) = mapping.read(roles, {"q": ASKED, "a": say(*GOOD), "m": "atlas"}).responses
    assert answer == build_response(GOOD, "atlas")


REFUSED = [
    ("prompts_differ", "rejected", {"chosen": [*ASKED, *say(*GOOD)], "rejected": say(("user", "Hi"), *POOR)}),
    ("prompts_differ", "rejected",
     {"chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(ONE, ("user", "More?"), ("assistant", "Io."))]}),
    ("prompts_differ", "rejected",
     {"chosen": say(BE_EXACT, ("user", QUESTION), *GOOD), "rejected": [*ASKED, *say(*POOR)]}),
    ("prompts_differ", "rejected", {"chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(ONE)]}),
    ("prompts_differ", "rejected", EXPLICIT | {"rejected": [*ASKED, *say(OTHER)]}),
    ("prompts_differ", "rejected",
     {"chosen": [*ASKED, *say(("user", "And?"), ONE)], "rejected": [*ASKED, *say(OTHER)]}),
    ("prompts_differ", "prompt",
     {"prompt": "Hi", "chosen": [*ASKED, *say(*GOOD)], "rejected": [*ASKED, *say(*POOR)]}),
    ("system_not_first", "chosen", EXPLICIT | {"chosen": say(ONE, BE_EXACT, *GOOD)}),
    ("tools", "rejected[1].role", EXPLICIT | {"rejected": say(ONE, ("tool", "{}"), OTHER)}),
    ("not_alternating", "chosen", EXPLICIT | {"chosen": say(ONE, ("user", "And?"), ("user", "Well?"), OTHER)}),
    ("not_alternating", "chosen", EXPLICIT | {"chosen": say(ONE, OTHER, *GOOD)}),
    ("not_one_answer", "chosen", EXPLICIT | {"chosen": say(ONE, OTHER)}),
    ("not_one_answer", "rejected", EXPLICIT | {"rejected": say(*POOR, ("user", "And?"))}),
    ("empty_turn", "rejected", EXPLICIT | {"rejected": say(OTHER, ("user", " "), ONE)}),
    ("empty_answer", "rejected", EXPLICIT | {"rejected": say(OTHER, ("user", "And?"), ("assistant", ""))}),
    ("same_answer", "rejected", EXPLICIT | {"rejected": say(*GOOD)}),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "field", "row"), REFUSED)
def test_what_is_no_answer_of_several_turns_is_refused(reason, field, row):
    with pytest.raises(Refusal) as caught:
        formats.get_readable_formats()["dpo"].read(row)
    assert (caught.value.reason, caught.value.field) == (reason, field)


# --- written --------------------------------------------------------------------------------------------------------

ROWS = {
    Preference: Preference(Prompt(QUESTION), "x", "y", chosen_turns=GOOD, rejected_turns=POOR),
    Demonstration: Demonstration(Prompt(QUESTION), "x", GOOD),
    Label: Label(Prompt(QUESTION), "x", wanted=True, turns=GOOD),
}
WHOLE = [*ASKED, *say(*GOOD)]
WRITTEN = {
    "dpo": EXPLICIT,
    "dpo-implicit": {"chosen": WHOLE, "rejected": [*ASKED, *say(*POOR)]},
    "reward": EXPLICIT | {"margin": 1.0},
    "kto": {"prompt": ASKED, "completion": say(*GOOD), "label": True},
    "prompt-completion": {"prompt": ASKED, "completion": say(*GOOD)},
    "messages": {"messages": WHOLE},
    "sharegpt-primer": {"conversation": WHOLE},
    "sharegpt": {"conversations": [
        {"from": {"user": "human", "assistant": "gpt"}[turn["role"]], "value": turn["content"]} for turn in WHOLE
    ]},
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, module in formats.get_writable_formats().items() if
                                  module.WRITES in ROWS])  # fmt: skip
def test_a_dialect_writes_the_turns_or_leaves_the_row_out(name):
    writer = Writer(name, "majority")
    row = ROWS[writer.module.WRITES]
    if name in WRITTEN:
        assert writer.module.write(writer.check_row(row)) == WRITTEN[name]
    else:
        with pytest.raises(Omission, match="several_turns"):
            writer.check_row(row)


def test_a_pair_whose_answers_begin_alike_has_no_implicit_prompt():
    row = ROWS[Preference]._replace(rejected_turns=LATE)
    with pytest.raises(Omission, match="several_turns"):
        formats.get_writable_formats()["dpo-implicit"].write(row)
    assert formats.get_writable_formats()["dpo"].write(row)["rejected"] == say(*LATE)


# --- stored ---------------------------------------------------------------------------------------------------------

LABELLED = [{"prompt": ASKED, "completion": say(*turns), "label": turns is GOOD} for turns in (GOOD, POOR)]


@pytest.fixture
def put(db):
    """put(rows, slug="demo"): the Import that stored them."""

    def store(found, slug="demo"):
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode()
        return imports_store.store(imports_check.check([("rows.jsonl", io.BytesIO(data))], slug))

    return store


def export(name, slug="demo"):
    """(bytes, what is left out) of an export."""
    run = Export(Dataset.objects.get(slug=slug), name)
    data = b"".join(run.iter_pieces())
    return data, run.build_account()["left_out"]


def list_turns():
    return list(Stored.objects.order_by("pk").values_list("turns", flat=True))


def build_lists(turns):
    return [list(turn) for turn in turns]


def test_they_are_stored_once_and_undone_with_their_import(put):
    run = put([EXPLICIT, EXPLICIT | {"chosen": say(ONE)}])
    assert list_turns() == [build_lists(GOOD), build_lists(POOR), None]
    assert list(Stored.objects.order_by("pk").values_list("text", flat=True))[:2] == [
        build_transcript(GOOD), build_transcript(POOR)]  # fmt: skip
    again = put([EXPLICIT])
    assert (again.prompts, again.responses) == (0, 0)
    assert list_turns() == [build_lists(GOOD), build_lists(POOR), None]
    undo_import(again)
    undo_import(run)
    assert list_turns() == []


def test_a_column_that_repeats_the_chosen_messages_counts_as_read(put):
    assert put([EXPLICIT | {"all_messages": WHOLE}]).unread == {}


def test_ordinary_labelled_and_spoken_answers_share_a_batch(put):
    put([*LABELLED, {"prompt": "Hi", "completion": "Yes", "label": False}, {"prompt": "Ho", "completion": "No"}])
    stored = Stored.objects.order_by("pk").values_list("turns", "label", "demonstration", "html", "plain")
    assert list(stored) == [
        (build_lists(GOOD), True, True, None, None),
        (build_lists(POOR), False, False, None, None),
        (None, False, False, None, None),
        (None, None, True, None, None),
    ]


@pytest.mark.parametrize("name", ["dpo", "dpo-implicit", "reward"])
def test_a_preference_is_written_exactly_as_it_was(put, name):
    put([EXPLICIT])
    data, left_out = export(name)
    assert (json.loads(data), left_out) == (WRITTEN[name], {})


def test_labels_are_written_exactly_as_they_were(put):
    put(LABELLED)
    assert [json.loads(line) for line in export("kto")[0].splitlines()] == LABELLED
    assert json.loads(export("messages")[0]) == WRITTEN["messages"]


@pytest.mark.parametrize(
    ("name", "times"),
    [("dpo-alpaca", 1), ("dpo-text", 1), ("dpo-chatml", 1), ("dpo-sharegpt", 1), ("dpo-swift", 1), ("dpo-openai", 1),
     ("alpaca", 1), ("kto-messages", 2)],
)  # fmt: skip
def test_other_dialects_count_what_they_leave_out(put, name, times):
    put([EXPLICIT, {"prompt": "Hi", "chosen": say(ONE), "rejected": say(OTHER)}])
    data, left_out = export(name)
    assert (len(data.splitlines()), left_out) == (times, {"several_turns": times})


def test_a_text_within_the_turns_that_looks_like_a_date_is_counted(put):
    put([EXPLICIT | {"chosen": say(("assistant", "2024-01-02"), ("user", "2024-01-03"), ("assistant", "2024-01-04"))}])
    run = Export(Dataset.objects.get(), "dpo")
    b"".join(run.iter_pieces())
    assert run.build_account()["warnings"] == {"looks_like_a_date": 1}


@pytest.mark.parametrize(("table", "file"), [("judgments-csv", "t.csv"), ("judgments-parquet", "t.parquet")])
def test_a_table_of_judgments_brings_the_turns_back(put, table, file):
    put([EXPLICIT, EXPLICIT | {"rejected": say(OTHER)}, {"prompt": "Hi", "chosen": say(ONE), "rejected": say(OTHER)}])
    data, _ = export(table)
    again = imports_check.check([(file, io.BytesIO(data))], "again")
    assert (again.refused, again.blocking) == (0, [])
    imports_store.store(again)
    assert sorted(export("dpo", "again")[0].splitlines()) == sorted(export("dpo")[0].splitlines())
    turns = [str(answer.turns) for answer in Stored.objects.filter(prompt__dataset__slug="again")]
    assert sorted(turns) == sorted(str(answer.turns) for answer in Stored.objects.filter(prompt__dataset__slug="demo"))


@pytest.mark.parametrize(
    ("turns", "reason"),
    [("[[]]", "lengths_differ"), ('[[["user", "Hi"]], []]', "not_one_answer"), ('[[["assistant"]], []]', "not_a_pair")],
)
def test_broken_turns_in_a_table_of_judgments_are_refused(turns, reason):
    row = {"judgment": "1", "comparison": "1-2", "verdict": "skip", "instruction": "Hi", "responses": '["a", "b"]',
           "choices": "[]", "response_turns": turns}  # fmt: skip
    with pytest.raises(Refusal) as caught:
        formats.get_readable_formats()["judgments-csv"].read(row)
    assert caught.value.reason == reason


# --- masked, edited, judged -----------------------------------------------------------------------------------------


def test_each_turn_is_masked():
    row = formats.get_readable_formats()["dpo"].read(
        EXPLICIT | {"chosen": say(("assistant", "ann@example.com"), ("user", "And bob@example.com?"), ONE)}
    )
    masked = mask_row(row, {PERSONAL}).responses[0]
    assert masked == build_response([("assistant", "[EMAIL]"), ("user", "And [EMAIL]?"), ONE])


def test_an_edited_answer_is_an_ordinary_one(put):
    put([EXPLICIT | {"chosen": say(("assistant", "Phobos.\r\n"), *GOOD[1:])}])
    prompt = StoredPrompt.objects.get()
    Comparison.objects.all().delete()
    first, second = prompt.responses.order_by("pk")
    untouched = first.text.replace("\r\n", "\n")  # as a form returns it
    dataset, parts = Dataset.objects.get(), Prompt(QUESTION)
    save_prompt(dataset, parts, [EditedAnswer(untouched, "atlas", pk=first.pk)], prompt)
    first.refresh_from_db()
    assert (first.source, first.text, first.turns[0]) == ("atlas", first.text, ["assistant", "Phobos.\r\n"])
    assert "Phobos.\r\n" in first.text
    save_prompt(dataset, parts, [EditedAnswer("Luna?", pk=second.pk)], prompt)
    second.refresh_from_db()
    assert (second.text, second.turns) == ("Luna?", None)


@pytest.fixture
def at_work(put, client, alice):
    """Alice on the page that shows two answers of several turns."""
    Dataset.objects.create(slug="demo", ask_demonstrations=True, allow_repair=True)
    put([{"prompt": ASKED, "completion": say(*turns)} for turns in (GOOD, POOR)])
    return Judge(client, alice).look()


def test_a_transcript_is_shown_and_judged(at_work):
    sides = at_work.read_answers()
    better = next(side for side, text in sides.items() if "Phobos." in text)
    assert sides[better].split() == ["Assistant:", "Phobos.", "User:", "And?", "Assistant:", "Deimos."]
    at_work.press(better)
    assert json.loads(export("dpo")[0]) == EXPLICIT


def test_a_repair_is_an_ordinary_answer(at_work):
    at_work.press("left", want="1", repair_left="Phobos and Deimos.")
    repair = Stored.objects.get(source="repair")
    assert (repair.text, repair.turns) == ("Phobos and Deimos.", None)
    assert sorted(map(str, list_turns())) == sorted(map(str, [build_lists(GOOD), build_lists(POOR), None]))
