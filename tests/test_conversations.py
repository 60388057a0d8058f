"""Exports of whole conversations: one row per chat, along the answers with which it went on."""

import hashlib
import json
import re

import pytest

from api.tokens import create_token
from datasets.exports import conversations
from datasets.exports.conversations import CONVERSATION_FORMATS, iter_conversations
from datasets.exports.forms import FilterForm
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Dataset, Prompt, Response, Snapshot
from datasets.views import exports as exports_view
from optimize.chat.talks import build_prompt
from optimize.models import Chat, Turn
from optimize.prompts import ensure_prompt, ensure_response
from tests.conftest import build_rows
from tests.test_annotate import parse_page

pytestmark = pytest.mark.django_db
GREETING = "你好！"
BEACH = [(GREETING, "您好，想去哪里？"), ("A place with a beach.\n", "  Da Nang,\r\nor Sanya.")]
MOONS = [("Name a moon.", "Phobos."), ("Another?", "Deimos."), ("2024-01-02", "“Luna” – \\n is no line end 🌑")]
GOOD_FILTERS = {
    "mode": "every", "annotator": "alice", "since": "2026-01-01", "until": "2027-01-01", "min-agreement": "0.5",
    "min-strength": "2", "min-votes": "2", "tags": "code", "flags": "without", "paused": "without",
    "decisions": "first", "length": "balanced", "criterion": "style", "ranks": "adjacent",
}  # fmt: skip


@pytest.fixture
def dataset(db):
    return Dataset.objects.create(slug="travel", criteria=[{"name": "style"}])


@pytest.fixture
def talk(dataset, alice):
    """talk(turns): a chat of (what was said, the chosen answer or None); each turn has another answer too."""

    def make(turns):
        chat = Chat.objects.create(dataset=dataset, user=alice, key=f"key-{Chat.objects.count()}")
        last = None
        for number, (text, answer) in enumerate(turns, 1):
            prompt, _is_new = ensure_prompt(dataset, build_prompt(text, last))
            ensure_response(prompt, f"Not this, {number}.", "birch@1")
            chosen = ensure_response(prompt, answer, "atlas@1") if answer is not None else None
            last = Turn.objects.create(
                chat=chat, number=number, prompt=prompt, versions=[1, 2], chosen=chosen, state=Turn.State.OVER
            )
        return chat

    return make


@pytest.fixture
def export(run_command, tmp_path):
    """export(format, *options): (rows of the file, summary)."""

    def run(name, *options):
        path = tmp_path / "out.jsonl"
        where = ("--output", str(path), "--conversations")
        status, summary, error = run_command("export_dataset", "travel", "--format", name, *where, *options)
        assert status == 0, error
        data = path.read_bytes()
        assert summary["sha256"] == hashlib.sha256(data).hexdigest()
        rows = [json.loads(line) for line in data.splitlines()]
        assert summary["rows"] == len(rows)
        return rows, summary

    return run


def build_header(admin):
    """The header of a script that may read."""
    return {"Authorization": f"Bearer {create_token(admin, 'test', reads=True, writes=False)[1]}"}


def list_turns(row):
    """The (role, text) pairs of a row of any of the three formats."""
    (turns,) = row.values()
    roles = {"human": "user", "gpt": "assistant"}
    return [(roles.get(role, role), text) for role, text in (turn.values() for turn in turns)]


def flatten(turns):
    return [turn for said, answer in turns for turn in (("user", said), ("assistant", answer))]


@pytest.mark.parametrize("name", CONVERSATION_FORMATS)
def test_each_chat_is_one_row_along_the_chosen_answers(dataset, talk, export, name):
    talk(BEACH)
    talk(MOONS)
    rows, summary = export(name)
    assert [list_turns(row) for row in rows] == [flatten(BEACH), flatten(MOONS)]
    del summary["sha256"], summary["seconds"]
    assert summary == {
        "dataset": "travel",
        "format": name,
        "rows": 2,
        "left_out": {},
        "skips": 0,
        "flags": 0,
        "warnings": {"looks_like_a_date": 1},
    }


def test_a_row_has_the_layout_of_its_format(dataset, talk, export):
    talk(BEACH[:1])
    said, answer = BEACH[0]
    assert export("sharegpt")[0] == [
        {"conversations": [{"from": "human", "value": said}, {"from": "gpt", "value": answer}]}
    ]
    messages = [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
    assert export("sharegpt-primer")[0] == [{"conversation": messages}]
    assert export("messages")[0] == [{"messages": messages}]


def test_a_chat_whose_last_turn_is_undecided_ends_at_the_one_before(talk, export):
    talk([*MOONS[:2], ("And now?", None)])
    rows, summary = export("messages")
    assert [list_turns(row) for row in rows] == [flatten(MOONS[:2])]
    assert summary["left_out"] == {}


def test_a_chat_without_a_chosen_answer_is_left_out_and_counted(dataset, alice, talk, export):
    talk([("Hello?", None)])
    Chat.objects.create(dataset=dataset, user=alice, key="nothing said yet")
    talk(BEACH)
    rows, summary = export("sharegpt")
    assert [list_turns(row) for row in rows] == [flatten(BEACH)]
    assert summary["left_out"] == {"no_choice": 2}


def test_the_same_chat_twice_is_two_rows_and_other_datasets_and_rows_of_files_are_none(
    dataset, alice, talk, export, make_dataset
):
    make_dataset([{"instruction": GREETING, "output": "From a file."}], slug="travel")
    other = make_dataset(build_rows(1), slug="other")
    elsewhere = Chat.objects.create(dataset=other, user=alice, key="elsewhere")
    prompt = Prompt.objects.get(dataset=other)
    Turn.objects.create(chat=elsewhere, number=1, prompt=prompt, versions=[], chosen=prompt.responses.first())
    talk(BEACH)
    talk(BEACH)
    rows, summary = export("messages")
    assert [list_turns(row) for row in rows] == [flatten(BEACH)] * 2
    assert summary["left_out"] == {}


def test_rows_stand_in_the_order_of_the_chats_across_batches(dataset, talk, export, monkeypatch):
    monkeypatch.setattr(conversations, "AT_ONCE", 2)
    chats = [[(f"Question {n}?", f"Answer {n}.")] for n in (3, 1, 4, 1, 5)]
    for turns in [*chats[:3], [("Nothing?", None)], *chats[3:]]:
        talk(turns)
    rows, summary = export("messages")
    assert [list_turns(row) for row in rows] == [flatten(turns) for turns in chats]
    assert summary["left_out"] == {"no_choice": 1}


def test_a_chat_that_is_deleted_meanwhile_is_no_row(dataset, talk, monkeypatch):
    talk(BEACH)
    (path,) = conversations.iter_paths(dataset)
    Prompt.objects.all().delete()
    monkeypatch.setattr(conversations, "PATH_LISTERS", [])
    monkeypatch.setattr(conversations, "iter_paths", lambda dataset: iter([path]))
    assert list(iter_conversations(dataset, {})) == []


@pytest.mark.parametrize("name", CONVERSATION_FORMATS)
def test_a_file_read_back_gives_the_same_turns(dataset, talk, export, name, tmp_path):
    for turns in (BEACH, MOONS, [*MOONS[:1], ("Unanswered?", None)]):
        talk(turns)
    export(name)
    with open(tmp_path / "out.jsonl", "rb") as file:
        run = imports_store.store(imports_check.check([("chats.jsonl", file)], "back"))
    assert (run.refused, run.duplicates) == (0, 0)
    responses = Response.objects.filter(prompt__dataset__slug="back", demonstration=True).select_related("prompt")
    there = [
        [*map(tuple, response.prompt.turns), ("user", response.prompt.instruction), ("assistant", response.text)]
        for response in responses.order_by("pk")
    ]
    assert there == [flatten(BEACH), flatten(MOONS), flatten(MOONS[:1])]


@pytest.mark.parametrize("name", ["dpo", "alpaca", "kto", "judgments-csv", "prompt-completion", "bundle"])
def test_another_format_is_wrong_usage(dataset, run_command, tmp_path, name):
    output = tmp_path / "out.jsonl"
    where = ("--output", str(output), "--conversations")
    status, _, error = run_command("export_dataset", "travel", "--format", name, *where)
    assert (status, output.exists()) == (2, False)
    assert error == "--conversations: One row per chat is supported by sharegpt, sharegpt-primer, messages only."
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize("option", [*GOOD_FILTERS, "with"])
def test_an_option_that_chooses_among_judgments_is_wrong_usage(dataset, alice, run_command, tmp_path, option):
    assert {name.replace("_", "-") for name in FilterForm.base_fields} == set(GOOD_FILTERS)
    output = tmp_path / "out.jsonl"
    where = ("--output", str(output), f"--{option}", (GOOD_FILTERS | {"with": "id"})[option])
    call = ("export_dataset", "travel", "--format", "sharegpt", *where)
    assert run_command(*call)[0] == 0
    output.unlink()
    status, _, error = run_command(*call, "--conversations")
    assert (status, output.exists()) == (2, False)
    assert error == f"--conversations: One row per chat cannot be combined with: {option}"


def test_options_at_their_defaults_do_not_matter(talk, export):
    talk(BEACH)
    assert len(export("sharegpt", "--mode", "majority", "--ranks", "all", "--decisions", "votes")[0]) == 1


def test_page_api_and_command_give_the_same_file(dataset, talk, export, client, admin, tmp_path):
    talk(MOONS)
    talk(BEACH)
    export("messages")
    expected = (tmp_path / "out.jsonl").read_bytes()
    header = build_header(admin)
    api = client.get("/api/v1/datasets/travel/export/messages/?conversations=1", headers=header)
    assert b"".join(api.streaming_content) == expected
    client.force_login(admin)
    fields = {"format": "messages", "conversations": "1", "mode": "majority", "ranks": "all", "decisions": "votes"}
    answer = client.get("/datasets/travel/export/", fields | {"with": "id", "download": "1"})
    assert answer["Location"].partition("?")[0] == "/datasets/travel/export/messages/"
    assert "conversations=1" in answer["Location"]
    assert b"".join(client.get(answer["Location"]).streaming_content) == expected


@pytest.mark.parametrize("query", ["conversations=1&min-votes=2", "conversations=1&with=id", "conversations=yes"])
def test_page_and_api_refuse_what_the_command_refuses(dataset, client, admin, query):
    header = build_header(admin)
    api = client.get(f"/api/v1/datasets/travel/export/sharegpt/?{query}", headers=header)
    assert (api.status_code, api.json()["errors"][0]["field"]) == (422, "conversations")
    assert client.get("/api/v1/datasets/travel/export/dpo/?conversations=1", headers=header).status_code == 422
    client.force_login(admin)
    assert client.get(f"/datasets/travel/export/sharegpt/?{query}").status_code == 400
    assert client.get(f"/datasets/travel/export/?format=sharegpt&{query}&download=1").status_code == 422
    words = "One row per chat is supported by sharegpt, sharegpt-primer, messages only."
    for name in ("dpo", "bundle"):
        answer = client.get(f"/datasets/travel/export/{name}/?conversations=1")
        assert answer.status_code == 400
        assert words in answer.content.decode()


def test_the_page_offers_it_where_there_is_a_chat(dataset, talk, client, admin):
    client.force_login(admin)
    page = parse_page(client.get("/datasets/travel/export/"))
    assert not list(page.find_all("input", name="conversations"))
    Dataset.objects.update(has_chat=True)
    page = parse_page(client.get("/datasets/travel/export/?trainer=llama-factory"))
    assert not page.find("input", name="conversations").has("checked", True)
    offered = [radio["value"] for radio in page.find_all("input", name="format") if "chats" in radio["class"].split()]
    assert sorted(offered) == sorted(CONVERSATION_FORMATS)
    Dataset.objects.update(has_chat=False)
    talk(BEACH)
    page = parse_page(client.get("/datasets/travel/export/?conversations=1&format=messages"))
    assert page.find("input", name="conversations").has("checked", True), "it was switched off after some chats"


def test_the_page_previews_the_chats_and_counts_the_rest(dataset, talk, client, admin, monkeypatch):
    monkeypatch.setattr(exports_view, "PREVIEW_PROMPTS", 2)
    client.force_login(admin)
    for turns in (BEACH, [("Hello?", None)], MOONS, MOONS):
        talk(turns)
    path = "/datasets/travel/export/?format=messages&conversations=1"
    text = " ".join(parse_page(client.get(path)).text.split())
    assert "Da Nang" in text
    assert "Phobos" not in text
    assert re.search(r"≈ 2\b", text)
    assert "first 2 of 4 chats" in text
    text = " ".join(parse_page(client.get(f"{path}&exact=1")).text.split())
    assert "Phobos" in text
    assert "Excluded: judgments or chats without a preference1" in text


def test_a_format_without_it_ignores_the_hidden_tick(dataset, talk, client, admin):
    client.force_login(admin)
    talk(BEACH)
    fields = {"format": "dpo", "conversations": "1", "min-votes": "2"}
    assert client.get("/datasets/travel/export/", fields).context["account"]["rows"] == 0
    answer = client.get("/datasets/travel/export/", fields | {"download": "1"})
    assert answer["Location"] == "/datasets/travel/export/dpo/?min-votes=2"


def test_a_bundle_has_no_rows_per_chat(dataset, talk, client, admin):
    client.force_login(admin)
    fields = {"format": "sharegpt", "conversations": "1", "dialects": ["sharegpt"], "split": "100,0,0"}
    answer = client.post("/datasets/travel/bundles/", fields, follow=True)
    assert "Releases do not support one row per chat" in answer.content.decode()
    assert not Snapshot.objects.exists()
    assert not dataset.jobs.exists()
