"""All rows of a file decide how it is read, and every column is read, kept, or named."""

import gzip
import io
import json
import sys
from types import SimpleNamespace

import pytest

from datasets.files.item import FileProblem, Item
from datasets.formats import leftovers
from datasets.imports import check as imports_check
from datasets.imports.reading import WATCHED, Facts, Options, choose_reading
from datasets.models import Import, Mapping, Prompt, Response

pytestmark = pytest.mark.django_db
PAIR = {"prompt": "2 + 2?", "chosen": "Four.", "rejected": "Five."}


@pytest.fixture
def put(run_command, tmp_path):
    """put(rows, *options): (exit status, summary, stderr) of an import into `demo`."""

    def put(rows, *options):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return run_command("import_dataset", "demo", str(path), *options)

    return put


def build_pairs(n, **more):
    return [{**PAIR, "prompt": f"{k} + 1?", **more} for k in range(n)]


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["label", "Rating", "isSafe", "safety_score", "reward", "votes", "image", "audio_url2audio", "tool_calls",
     "reasoning", "system_text", "weight", "gpt4_answer", "评分", "图片", "安全标签", "thumbs"],
)  # fmt: skip
def test_a_column_that_bears_on_learning_stops_the_import(put, name):
    status, summary, error = put([{**PAIR, name: "some words of its own"}, {**PAIR, "prompt": "1 + 1?"}])
    assert (status, summary["unread"], summary["rows"]) == (1, {name: 1}, 2)
    assert (summary["prompts"], summary["responses"], summary["choices"]) == (0, 0, 0)
    assert name in error
    assert not Prompt.objects.exists()
    status, summary, _ = put([{**PAIR, name: "some words of its own"}], "--ignore", name)
    assert (status, summary["unread"], summary["choices"]) == (0, {name: 1}, 1)


@pytest.mark.parametrize(
    "values",
    [[True, False], [0, 1, 2], ["a", "b"], ["tie", "left"], ["平局", "左"], ["https://x.org/1.png"], ["1.0", "2.0"]],
)
def test_so_does_one_whose_values_say_something_of_the_answers(put, values):
    rows = build_pairs(len(values))
    for row, value in zip(rows, values, strict=True):
        row["colour"] = value
    assert put(rows)[0] == 1
    assert put(rows, "--ignore", "colour")[0] == 0


def test_nine_in_ten_values_are_not_enough(put):
    rows = build_pairs(10, colour="a")
    rows[0]["colour"] = "a longer text"
    status, summary, _ = put(rows)
    assert (status, summary["unread"]) == (0, {"colour": 10})


def test_other_columns_are_named_and_left_behind(put):
    status, summary, error = put([{**PAIR, "colour": "red", "empty": ""}, {**PAIR, "prompt": "1 + 1?", "colour": None}])
    assert (status, summary["unread"]) == (0, {"colour": 1})
    assert "colour" in error


def test_harmless_columns_are_metadata_whatever_they_hold(put):
    status, summary, _ = put([{**PAIR, "id": 1, "split": "a", "Created-At": "2026-01-02"}])
    assert (status, summary["unread"]) == (0, {})
    assert Prompt.objects.get().origins[0][1:3] == ["1", {"split": "a", "Created-At": "2026-01-02"}]


def test_a_column_is_kept_as_metadata_on_demand(put):
    status, summary, _ = put([{**PAIR, "label": "x", "colour": "red"}], "--map", "meta=label", "--map", "meta=colour")
    assert (status, summary["format"], summary["unread"]) == (0, "dpo-text", {})
    assert Prompt.objects.get().origins[0][2] == {"label": "x", "colour": "red"}


def test_a_copy_of_what_was_read_is_nothing_new(put):
    rows = [{**PAIR, "prompt": f"{n}?", "question": f"{n}?", "response": "Four."} for n in range(3)]
    assert put(rows)[1]["unread"] == {}
    rows[1]["response"] = "Five."
    assert put(rows)[1]["unread"] == {"response": 3}


def test_a_column_that_is_read_in_some_rows_only_is_named_where_it_is_not(put):
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho", "name": "bot"}]}]
    status, summary, _ = put(rows)
    assert (status, summary["unread"]) == (0, {"messages[].name": 1})


def test_a_late_row_is_watched_too(put):
    """The first rows have no verdict, so that nobody reads who gave it."""
    rows = [{"prompt": f"{n}?", "response_a": "x", "response_b": "y", "winner": "", "annotator": ""} for n in range(60)]
    rows[-1] |= {"winner": "b", "annotator": "ann"}
    assert len(rows) > 2 * WATCHED
    status, summary, _ = put(rows)
    assert (status, summary["choices"], summary["unread"]) == (0, 1, {})


@pytest.mark.parametrize("name", [*leftovers.ROW_IDS, "Prompt ID", "source-filename", "创建时间"])
def test_names_of_metadata_are_known_in_any_spelling(name):
    assert leftovers.is_harmless(name) == (name != "source-filename")


# --- the whole file ---------------------------------------------------------------------------------------------------


def test_the_last_row_can_change_how_all_are_read(put):
    rows = [{"prompt": f"{n}?", "completion": "Yes."} for n in range(300)]
    status, summary, _ = put([*rows, {"prompt": "No?", "completion": "No.", "label": False}])
    assert (status, summary["rows"], summary["format"]) == (0, 301, "kto")
    assert Response.objects.filter(demonstration=False).get().text == "No."


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_again_too(monkeypatch, run_command, pack):
    rows = [{"prompt": f"{n}?", "completion": "Yes."} for n in range(60)]
    data = "".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "No?", "completion": "No.", "label": 0}])

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(pack(data.encode()))))
    status, summary, _ = run_command("import_dataset", "demo", "-")
    assert (status, summary["rows"], summary["format"]) == (0, 61, "kto")


def test_a_zero_anywhere_makes_numbers_of_winners_unclear(put):
    rows = [{"prompt": f"{n}?", "response_a": "x", "response_b": "y", "winner": 1} for n in range(200)]
    assert put(rows)[0] == 0
    rows[-1]["winner"] = 0
    status, summary, error = put(rows, "--skip-bad-rows")
    assert (status, summary) == (2, None)
    assert "winner" in error


def test_classes_are_no_labels(put):
    rows = [{"prompt": f"{n}?", "completion": "Yes.", "label": n % 2} for n in range(60)]
    status, _, error = put([*rows, {"prompt": "N?", "completion": "No.", "label": 2}], "--skip-bad-rows")
    assert status == 2
    assert "0, 1, 2" in error
    assert put([*rows, {"prompt": "N?", "completion": "No.", "label": "maybe"}], "--skip-bad-rows")[1]["refused"] == 1


def test_numbers_count_from_zero_where_the_columns_do(put):
    rows = [{"prompt": f"{n}?", "response_0": "x", "response_1": "y", "winner": n % 2} for n in range(4)]
    assert put(rows)[1]["choices"] == 4


def test_several_files_are_read_each_in_its_way(run_command, tmp_path):
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    paths[0].write_text("".join(json.dumps({"prompt": f"{n}?", "completion": "y"}) + "\n" for n in range(60)))
    paths[1].write_text(paths[0].read_text() + json.dumps({"prompt": "N?", "completion": "n", "label": False}) + "\n")
    status, summary, _ = run_command("import_dataset", "demo", *map(str, paths))
    assert (status, summary["rows"], summary["format"]) == (0, 121, "sft, kto")


def test_a_source_that_differs_is_a_model_where_prompts_repeat(put):
    rows = [{"instruction": "2 + 2?", "output": text, "source": text} for text in ("4", "5")]
    assert put(rows)[1]["format"] == "long"
    rows[1]["instruction"] = "3 + 2?"
    assert put(rows)[1]["format"] == "alpaca"


# --- paths and verdicts -----------------------------------------------------------------------------------------------


def test_what_stands_beside_a_path_is_named_or_kept(put):
    rows = [{"q": {"text": "2 + 2?", "id": "q7", "grade": 3}, "good": "4", "bad": "5"}]
    roles = ["--map", "prompt=q.text", "--map", "chosen=good", "--map", "rejected=bad"]
    assert put(rows, *roles)[1]["unread"] == {"q.grade": 1}
    status, _, _ = put(rows, *roles, "--ignore", "q.grade")
    assert status == 0
    assert Prompt.objects.get().origins[0][2] == {"q.id": "q7"}


def test_a_table_of_values_says_what_they_mean(put):
    rows = [{"q": f"{n}?", "a": "x", "b": "y", "v": value} for n, value in enumerate([True, False, "A=B", "?"])]
    roles = [word for role in ("prompt=q", "answer_1=a", "answer_2=b", "winner=v") for word in ("--map", role)]
    verdicts = [word for value in ("true=1", "false=2", "A=B=tie", "?=none") for word in ("--verdict", value)]
    status, summary, _ = put(rows, *roles, *verdicts)
    assert (status, summary["choices"], summary["refused"]) == (0, 3, 0)
    assert put(rows, *roles, "--verdict", "true=3x")[0] == 2


@pytest.mark.parametrize(
    "words", [["prompt=q", "demonstration=a", "counts=from_0"], ["prompt=q", "demonstration=a", "source_1=b"],
              ["prompt=q", "answer_1=a", "answer_2=b", "label=c"], ["prompt=q", "chosen=a", "rejected=b", "better=low"]]
)  # fmt: skip
def test_a_role_without_effect_is_wrong_usage(put, words):
    status, summary, _ = put([{"q": "?", "a": "x", "b": "y", "c": 1}], *(x for word in words for x in ("--map", word)))
    assert (status, summary) == (2, None)


# --- page -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def upload(client, admin):
    """upload(rows): the address of the page that follows."""

    def upload(rows):
        client.force_login(admin)
        file = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
        file.name = "rows.jsonl"
        return client.post("/datasets/upload/", {"slug": "demo", "overlap": 1, "files": file})["Location"]

    return upload


def test_the_page_asks_about_a_column_before_anything_is_stored(upload, client):
    address = upload([{**PAIR, "label": "x", "colour": "red"}])
    page = client.get(address).content.decode()
    assert "label" in page
    assert "Ignored columns" in page
    columns = client.get(address).context["form"].columns
    choices = {f"column_{n}": {"label": "ignored", "colour": "meta"}.get(name, "") for n, name in enumerate(columns)}
    client.post(address, {**choices, "keep_shape": "on", "counts": "names", "decision": "read"})
    run = Import.objects.get()
    assert (run.state, run.format, run.unread, run.blocking) == ("checked", "dpo-text", {"label": 1}, [])
    assert "Map columns" in client.get(address).content.decode()
    client.post(address, {"decision": "store"})
    assert Prompt.objects.get().origins[0][2] == {"colour": "red"}
    assert Mapping.objects.get().roles == {"format": "dpo-text", "ignored_1": "label", "meta_1": "colour"}


def test_a_recognised_file_can_be_mapped_otherwise(upload, client):
    address = upload([{"question": "2 + 2?", "answer": "4", "other": "5"}])
    client.post(address, {"decision": "columns"})
    form = client.get(address).context["form"]
    roles = {"question": "prompt", "answer": "chosen", "other": "rejected"}
    choices = {f"column_{n}": roles[name] for n, name in enumerate(form.columns)}
    client.post(address, {**choices, "counts": "names", "decision": "read"})
    client.post(address, {"decision": "store"})
    assert Import.objects.get().choices == 1


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_file_without_rows_names_its_first_line():
    with pytest.raises(FileProblem) as problem:
        imports_check.check([("x", io.BytesIO(b"[1, 2]"))], "demo")
    assert problem.value.code == "no_rows"


def test_ignored_columns_are_still_counted():
    items = [Item(1, {**PAIR, "label": "x"})]
    reading = choose_reading(Facts.collect(items), Options(ignored=frozenset({"label"})))
    reading.read_batch(items)
    assert (reading.leftovers.get_unread(), reading.leftovers.get_blocking()) == ({"label": 1}, [])


ARGILLA = {"fields": {"prompt": "What is shown?", "response_1": "A cat.", "response_2": "A dog."}, "responses": {}}
STUDIO = {"data": {"prompt": "What is shown?", "answer1": "A cat.", "answer2": "A dog."}, "annotations": []}


@pytest.mark.parametrize(("row", "column"), [(ARGILLA, "fields"), (STUDIO, "data")])
def test_a_picture_within_an_object_stops_the_import(put, row, column):
    rows = [{**row, column: {**row[column], "image": f"https://x.org/{n}.png", "topic": "pets"}} for n in range(2)]
    status, summary, _ = put(rows)
    assert (status, summary["unread"]) == (1, {f"{column}.image": 2})
    assert put(rows, "--ignore", f"{column}.image")[0] == 0
    assert Prompt.objects.get().origins[0][2] == {f"{column}.topic": "pets"}
