"""The feedback API: what users of a product said becomes votes, ratings and labels, once per key."""

import csv
import http.client
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from api import feedback as api_feedback
from api.endpoints import build_document
from api.rate_limit import RateLimit
from api.tokens import create_token
from datasets.exports.export import Export
from datasets.exports.selection import Filters
from datasets.imports.undo import CannotUndo, undo_import
from datasets.judgments.progress import count_progress
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Rating, Response
from optimize.feedback import store_feedback
from optimize.models import Feedback
from tests.conftest import build_rows
from tests.serving import Person, read_fields
from tests.test_api import Script
from tests.test_concurrent_acts import run_at_once
from tests.test_queue import has_right_counters

PATH = "demo/feedback/"
USER = "ann.smith+7@example.org"
HISTORY = [
    {"role": "user", "content": "A beach?"},
    {"role": "assistant", "content": "Which continent?"},
    {"role": "user", "content": "Asia.\r\n"},
]
DOCS = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
SECTION = DOCS[DOCS.index("## Feedback") : DOCS.index("## Exports")]


def build(key="1", responses=("Bali.", "Phuket."), user=USER, messages=HISTORY, **act):
    return {"key": key, "user": user, "messages": messages, "responses": responses, **act}


@pytest.fixture
def script(admin):
    return Script(admin, feeds=True)


@pytest.fixture
def dataset(db):
    return Dataset.objects.create(slug="demo")


@pytest.fixture
def send(script, dataset):
    """send(key, responses, **act): the response to a single feedback."""
    return lambda *args, **said: script.post(PATH, build(*args, **said))


@pytest.fixture
def send_list(script, dataset):
    """send_list(items): the lines of the response to a list."""

    def send(items):
        answer = script.post(PATH, items)
        assert answer.status_code == 207
        return answer.json()

    return send


def read_error(answer):
    (error,) = answer.json()["errors"]
    assert error["words"]
    return error["field"], error["reason"]


def export(dataset, name, **filters):
    return [json.loads(line) for line in b"".join(Export(dataset, name, Filters(**filters)).iter_pieces()).splitlines()]


def count_all():
    return [model.objects.count() for model in (Prompt, Response, Comparison, Judgment, Choice, Rating, Feedback)]


def list_choices():
    """(text of the chosen response, of the rejected one, strength) of each choice."""
    rows = Choice.objects.order_by("pk").values_list("chosen__text", "rejected__text", "strength")
    return list(rows)


@pytest.mark.parametrize(
    ("choice", "verdict", "choices"),
    [
        (0, "left", [("Bali.", "Phuket.", 1)]),
        (1, "right", [("Phuket.", "Bali.", 1)]),
        ("tie", "tie", [("Bali.", "Phuket.", 0)]),
        ("both_bad", "both_bad", []),
    ],
)
def test_a_choice_is_a_vote_of_a_hashed_name(send, dataset, choice, verdict, choices):
    answer = send(choice=choice)
    assert (answer.status_code, answer.json()) == (201, {"key": "1", "status": 201})
    vote = Judgment.objects.votes().get()
    assert (vote.verdict, vote.said, vote.annotator, vote.imported, vote.surplus) == (verdict, {}, None, None, False)
    assert re.fullmatch(r"user-[0-9a-f]{16}", vote.imported_by)
    assert [Response.objects.get(pk=pk).text for pk in vote.order] == ["Bali.", "Phuket."]
    assert vote.decided_at is not None
    assert list_choices() == choices
    assert not Rating.objects.exists()
    record = Feedback.objects.get()
    assert (record.judgment, record.response, record.thumb) == (vote, None, "")


def test_the_messages_become_a_prompt_with_its_history(send, dataset):
    send(choice=1, system="Be brief.")
    prompt = Prompt.objects.get()
    assert (prompt.system, prompt.instruction, prompt.input) == ("Be brief.", "Asia.\r\n", "")
    assert prompt.turns == [["user", "A beach?"], ["assistant", "Which continent?"]]
    assert prompt.group
    (row,) = export(dataset, "dpo")
    assert row["prompt"] == [{"role": "system", "content": "Be brief."}, *HISTORY]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("Phuket.", "Bali.")


def test_a_system_message_may_come_first(send, dataset):
    messages = [{"role": "system", "content": "Be brief."}, *HISTORY]
    assert send(choice=0, messages=messages).status_code == 201
    assert send("2", choice=0, system="Be brief.").status_code == 200
    assert Prompt.objects.get().system == "Be brief."


def test_texts_are_kept_to_the_byte(send, dataset):
    texts = ["  去海边\r\n\n", "\ufeff去山里\u2028"]
    assert send(responses=texts, choice=0).status_code == 201
    assert list(Response.objects.order_by("pk").values_list("text", flat=True)) in (texts, texts[::-1])
    assert list_choices() == [(*texts, 1)]


def test_the_responses_may_have_sources(send, dataset):
    send(choice=1, sources=["bot@1", None])
    assert dict(Response.objects.values_list("text", "source")) == {"Bali.": "bot@1", "Phuket.": ""}
    assert not Response.objects.filter(candidate=True).exists()
    assert not Response.objects.filter(demonstration=True).exists()


def test_stars_of_two_are_ratings_and_a_choice(send, dataset):
    assert send(stars=[2, 5]).status_code == 201
    vote = Judgment.objects.votes().get()
    assert (vote.verdict, vote.said) == ("rate", {"stars": [2, 5]})
    ratings = Rating.objects.order_by("stars").values_list("response__text", "stars", "criterion")
    assert list(ratings) == [("Bali.", 2, ""), ("Phuket.", 5, "")]
    assert list_choices() == [("Phuket.", "Bali.", 3)]
    assert len(export(dataset, "dpo")) == 1


def test_equal_stars_are_a_tie(send, dataset):
    send(stars=[4, 4.0])
    assert [strength for *_, strength in list_choices()] == [0]
    assert Judgment.objects.get().said == {"stars": [4, 4]}


def test_stars_of_one_are_a_rating_and_no_choice(send, dataset):
    assert send(responses=["Bali."], stars=[4]).status_code == 201
    assert Rating.objects.get().stars == 4
    assert Comparison.objects.get().key == str(Response.objects.get().pk)
    assert not Choice.objects.exists()
    assert export(dataset, "dpo") == export(dataset, "kto") == []


def test_tables_and_pairs_have_the_votes(send, dataset):
    send("1", choice=0)
    send("2", ["Bali."], stars=[1])
    table = csv.DictReader(io.StringIO(b"".join(Export(dataset, "judgments-csv").iter_pieces()).decode(), newline=""))
    assert [(row["annotator"][:5], row["verdict"]) for row in table] == [("user-", "left"), ("user-", "rate")]
    assert [len(export(dataset, name)) for name in ("dpo", "reward", "messages")] == [1, 1, 1]


def test_an_edit_is_chosen_over_the_first_response(send, dataset):
    assert send(responses=["Bali."], edit="Bali, by ferry.").status_code == 201
    edit = Response.objects.get(source=Response.REPAIR)
    assert (edit.text, edit.demonstration, edit.candidate) == ("Bali, by ferry.", True, False)
    assert list_choices() == [("Bali, by ferry.", "Bali.", 1)]
    vote = Judgment.objects.get()
    assert (vote.verdict, vote.order[1]) == ("right", edit.pk)
    assert [row["messages"][-1]["content"] for row in export(dataset, "messages")] == ["Bali, by ferry."]
    assert len(export(dataset, "dpo")) == 1


def test_an_edit_of_one_of_two_leaves_the_other_alone(send, dataset):
    assert send(edit="Bali, by ferry.").status_code == 201
    assert list_choices() == [("Bali, by ferry.", "Bali.", 1)]
    assert Comparison.objects.count() == 1


def test_an_edit_is_compared_with_others_where_the_dataset_asks_for_it(make_dataset, script):
    make_dataset(build_rows(1), ask_repairs=True)
    messages = [{"role": "user", "content": "Prompt 0?"}]
    sources = {"sources": ["m0"]}
    answer = script.post(PATH, build("1", ["Answer 0 to 0."], messages=messages, edit="Better.", **sources))
    assert answer.status_code == 201
    edit = Response.objects.get(source=Response.REPAIR)
    others = [c for c in Comparison.objects.open() if edit.pk in c.response_ids]
    assert len(others) == 1  # with the answer that was not edited; the other pair is judged


def test_a_thumb_labels_its_response_and_is_never_a_choice(send, dataset):
    assert send("1", ["Bali."], thumb="up").status_code == 201
    assert send("2", ["Phuket."], thumb="down").status_code == 201
    assert dict(Response.objects.values_list("text", "label")) == {"Bali.": True, "Phuket.": False}
    assert (Judgment.objects.count(), Comparison.objects.count(), Choice.objects.count()) == (0, 0, 0)
    rows = export(dataset, "kto")
    assert {(row["completion"][0]["content"], row["label"]) for row in rows} == {("Bali.", True), ("Phuket.", False)}
    assert rows[0]["prompt"] == HISTORY
    assert export(dataset, "dpo") == []
    record = Feedback.objects.get(key="2")
    assert (record.judgment, record.response.text, record.thumb) == (None, "Phuket.", "down")


def test_a_response_is_labelled_as_most_thumbs_say(send, dataset):
    labels = []
    for n, thumb in enumerate(["up", "down", "down", "up", "up"]):
        send(str(n), ["Bali."], f"user {n}", thumb=thumb)
        labels.append(Response.objects.get().label)
    assert labels == [True, None, False, None, True]
    assert len(export(dataset, "kto")) == 1


def test_a_thumb_of_the_same_user_counts_once(send, dataset):
    assert send("1", ["Bali."], thumb="up").status_code == 201
    assert send("2", ["Bali."], thumb="up").status_code == 200
    assert send("3", ["Bali."], "bob", thumb="down").status_code == 201
    assert Response.objects.get().label is None
    answer = send("4", ["Bali."], thumb="down")
    assert (answer.status_code, read_error(answer)) == (422, ("thumb", "other_verdict"))
    assert Feedback.objects.count() == 3


def test_the_same_key_and_body_again_changes_nothing(send, dataset):
    for act in ({"choice": 0}, {"stars": [1, 5]}, {"edit": "Better."}):
        assert send("k" + str(act), **act, messages=[{"role": "user", "content": str(act)}]).status_code == 201
    send("thumb", ["Bali."], thumb="up")
    before = count_all()
    for act in ({"choice": 0}, {"stars": [1, 5]}, {"edit": "Better."}):
        answer = send("k" + str(act), **act, messages=[{"role": "user", "content": str(act)}])
        assert (answer.status_code, answer.json()["status"]) == (200, 200)
    assert send("thumb", ["Bali."], thumb="up").status_code == 200
    assert count_all() == before


def test_the_order_and_the_blanks_of_the_json_do_not_matter(script, dataset):
    item = build(choice=0)
    assert script.post(PATH, json.dumps(item)).status_code == 201
    assert script.post(PATH, json.dumps(dict(reversed(item.items())), indent=4)).status_code == 200


@pytest.mark.parametrize(
    "other",
    [{"choice": 1}, {"user": "bob"}, {"responses": ["Bali.", "Rome."]}, {"system": "x"}, {"sources": ["a", ""]}],
)
def test_the_same_key_with_another_body_is_a_conflict(send, dataset, other):
    send(choice=0)
    before = count_all()
    answer = send(**{"choice": 0, **other})
    assert (answer.status_code, read_error(answer)) == (409, ("key", "other_body"))
    assert count_all() == before


def test_a_key_counts_within_its_dataset(send, script, dataset):
    Dataset.objects.create(slug="other")
    assert send(choice=0).status_code == 201
    assert script.post("other/feedback/", build(choice=1)).status_code == 201
    names = {vote.dataset.slug: vote.imported_by for vote in Judgment.objects.all()}
    assert len(set(names.values())) == 2  # nobody can follow a user from one dataset to another


def test_a_refused_key_may_be_used_again(send, dataset):
    assert send(choice=2).status_code == 422
    assert send(choice=0).status_code == 201


@pytest.mark.parametrize(
    ("first", "again"),
    [({"choice": 0}, {"choice": 0}), ({"choice": "tie"}, {"choice": "tie"}), ({"stars": [1, 2]}, {"stars": [1, 2]})],
)
def test_a_user_who_says_the_same_twice_has_one_vote(send, dataset, first, again):
    assert send("1", **first).status_code == 201
    assert send("2", **again).status_code == 200
    assert (Judgment.objects.count(), Feedback.objects.count()) == (1, 2)
    assert send("2", choice="both_bad").status_code == 409


@pytest.mark.parametrize(
    ("first", "mirrored"), [({"choice": 0}, {"choice": 1}), ({"stars": [5, 1]}, {"stars": [1, 5]})]
)
def test_the_side_of_a_response_does_not_matter(send, dataset, first, mirrored):
    assert send("1", **first).status_code == 201
    assert send("2", ["Phuket.", "Bali."], **mirrored).status_code == 200
    answer = send("3", ["Phuket.", "Bali."], **first)
    assert (answer.status_code, read_error(answer)) == (422, (next(iter(first)), "other_verdict"))
    assert (Judgment.objects.count(), Feedback.objects.count(), Choice.objects.count()) == (1, 2, 1)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"choice": 0}, {"choice": 1}),
        ({"choice": 0}, {"choice": "tie"}),
        ({"choice": "tie"}, {"choice": "both_bad"}),
        ({"choice": 0}, {"stars": [5, 1]}),
        ({"stars": [5, 1]}, {"stars": [5, 2]}),
    ],
)
def test_a_user_who_says_otherwise_is_refused(send, dataset, first, other):
    send("1", **first)
    before = count_all()
    answer = send("2", **other)
    assert (answer.status_code, read_error(answer)) == (422, (next(iter(other)), "other_verdict"))
    assert count_all() == before
    assert send("2", user="bob", **other).status_code == 201


def test_two_users_with_the_same_edit_are_two_votes(send, dataset):
    send("1", ["Bali."], "ann", edit="Better.")
    send("2", ["Bali."], "bob", edit="Better.")
    assert (Judgment.objects.count(), Comparison.objects.count(), Response.objects.count()) == (2, 1, 2)


def test_the_user_is_nowhere_in_the_database(send, dataset):
    send("1", choice=0)
    send("2", ["Bali."], thumb="up")
    send("3", ["Bali."], edit="Better.")
    stored = repr([list(model.objects.values_list()) for model in apps.get_models()])
    assert "Bali." in stored
    assert USER not in stored
    assert USER.partition("@")[0] not in stored
    assert len({*Feedback.objects.values_list("user_hash", flat=True)}) == 1
    assert len({*Judgment.objects.values_list("imported_by", flat=True)}) == 1


def test_the_hashes_depend_on_the_secret_key(send, dataset, settings):
    send("1", choice=0)
    settings.SECRET_KEY = "another"
    assert send("2", choice=0).status_code == 201
    assert len(set(Feedback.objects.values_list("user_hash", flat=True))) == 2


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"key": None}, "key", "missing_field"),
        ({"key": " "}, "key", "missing_field"),
        ({"key": "x" * 201}, "key", "name_too_long"),
        ({"key": ["1"]}, "key", "not_text"),
        ({"key": True}, "key", "not_text"),
        ({"key": "\x00"}, "key", "bad_unicode"),
        ({"user": ""}, "user", "missing_field"),
        ({"user": "\ud800"}, "user", "bad_unicode"),
        ({"user": 1.5}, "user", "not_text"),
        ({"system": 1}, "system", "not_text"),
        ({"system": "\x00"}, "system", "bad_unicode"),
        ({"messages": []}, "messages", "no_user_turn"),
        ({"messages": "Hi"}, "messages", "not_a_list"),
        ({"messages": json.dumps(HISTORY)}, "messages", "not_a_list"),
        ({"messages": ["Hi"]}, "messages[0]", "not_a_message"),
        ({"messages": HISTORY[:2]}, "messages", "ends_with_assistant"),
        ({"messages": HISTORY[1:]}, "messages", "not_alternating"),
        ({"messages": [HISTORY[0], HISTORY[2]]}, "messages", "not_alternating"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", "empty_prompt"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "null_text"),
        ({"messages": [{"role": "tool", "content": "1"}, HISTORY[0]]}, "messages[0].role", "tools"),
        ({"messages": [{"role": "king", "content": "1"}, HISTORY[0]]}, "messages[0].role", "unknown_role"),
        ({"messages": [HISTORY[0], {"role": "system", "content": "x"}, HISTORY[0]]}, "messages", "system_not_first"),
        ({"system": "a", "messages": [{"role": "system", "content": "b"}, HISTORY[0]]}, "messages", "two_systems"),
        ({"responses": []}, "responses", "wrong_count"),
        ({"responses": ["a", "b", "c"]}, "responses", "wrong_count"),
        ({"responses": "ab"}, "responses", "not_a_list"),
        ({"responses": ["a", 1]}, "responses[1]", "not_text"),
        ({"responses": ["a", " "]}, "responses[1]", "empty_answer"),
        ({"responses": ["a\x00", "b"]}, "responses[0]", "bad_unicode"),
        ({"responses": ["a", "a"]}, "responses[1]", "same_answer"),
        ({"responses": ["a"]}, "responses", "wrong_count"),
        ({"sources": ["a"]}, "sources", "lengths_differ"),
        ({"sources": "ab"}, "sources", "not_a_list"),
        ({"sources": ["a", {}]}, "sources[1]", "not_text"),
        ({"sources": ["a", "x" * 201]}, "sources[1]", "name_too_long"),
        ({"choice": None}, "choice", "not_one_act"),
        ({"choice": 2}, "choice", "off_scale"),
        ({"choice": -1}, "choice", "off_scale"),
        ({"choice": True}, "choice", "off_scale"),
        ({"choice": 0.0}, "choice", "off_scale"),
        ({"choice": "left"}, "choice", "off_scale"),
        ({"choice": "0"}, "choice", "off_scale"),
        ({"choice": [0]}, "choice", "off_scale"),
        ({"stars": [1, 2]}, "stars", "not_one_act"),
        ({"choice": None, "stars": [1]}, "stars", "wrong_count"),
        ({"choice": None, "stars": 3}, "stars", "not_a_list"),
        ({"choice": None, "stars": [0, 1]}, "stars[0]", "off_scale"),
        ({"choice": None, "stars": [1, 6]}, "stars[1]", "off_scale"),
        ({"choice": None, "stars": [1, 2.5]}, "stars[1]", "off_scale"),
        ({"choice": None, "stars": [1, "5"]}, "stars[1]", "off_scale"),
        ({"choice": None, "stars": [True, 5]}, "stars[0]", "off_scale"),
        ({"choice": None, "stars": [1, None]}, "stars[1]", "off_scale"),
        ({"choice": None, "thumb": "up"}, "responses", "wrong_count"),
        ({"choice": None, "thumb": "UP", "responses": ["a"]}, "thumb", "off_scale"),
        ({"choice": None, "thumb": True, "responses": ["a"]}, "thumb", "off_scale"),
        ({"choice": None, "edit": ""}, "edit", "empty_answer"),
        ({"choice": None, "edit": "Bali."}, "edit", "same_answer"),
        ({"choice": None, "edit": ["x"]}, "edit", "not_text"),
        ({"colour": 0}, "colour", "unknown_field"),
        ({"\ud800": 0}, "?", "unknown_field"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(send, dataset, send_list, wrong, field, reason):
    answer = send(**{"choice": 0, **wrong})
    assert (answer.status_code, read_error(answer)) == (422, (field, reason))
    (line,) = send_list([build(**{"choice": 0, **wrong})])
    assert (line["status"], line["field"], line["reason"]) == (422, field, reason)
    assert count_all() == [0] * 7


@pytest.mark.parametrize("field", ["key", "user", "messages", "responses"])
def test_a_missing_field_is_named(script, dataset, field):
    item = build(choice=0)
    del item[field]
    answer = script.post(PATH, item)
    assert (answer.status_code, read_error(answer)) == (422, (field, "missing_field"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"null", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b"[" * 100_000, "too_deep"),
        (b'{"choice": ' + b"9" * 5000 + b"}", "bad_json"),
    ],
)
def test_a_body_that_is_no_feedback_is_refused(script, dataset, body, reason):
    answer = script.post(PATH, body)
    assert (answer.status_code, read_error(answer)) == (422, ("", reason))


def test_a_number_may_be_a_key_or_a_user(send, dataset):
    assert send(7, user=42, choice=0).json() == {"key": "7", "status": 201}
    assert Feedback.objects.get().key == "7"


def test_too_large_a_body_is_refused(send, dataset):
    assert send(responses=["x" * 2_700_000, "y"], choice=0).status_code == 413
    assert count_all() == [0] * 7


def test_a_list_has_a_status_for_each_item_in_its_order(send, send_list):
    send("old", choice=0)
    send("taken", ["x"], thumb="up")
    lines = send_list(
        [
            build("new", choice=0, user="bob"),
            build("old", choice=0),
            build("taken", ["x"], thumb="down"),
            build("bad", choice=7),
            "nonsense",
            build("new", choice=0, user="bob"),
            build("new", choice=1, user="bob"),
            build("again", choice=1),
            {"key": 9},
            build(None, choice=0),
        ]
    )
    assert lines == [
        {"key": "new", "status": 201},
        {"key": "old", "status": 200},
        {"key": "taken", "status": 409, "reason": "other_body", "field": "key"},
        {"key": "bad", "status": 422, "reason": "off_scale", "field": "choice"},
        {"key": "", "status": 422, "reason": "not_an_object", "field": ""},
        {"key": "new", "status": 200},
        {"key": "new", "status": 409, "reason": "other_body", "field": "key"},
        {"key": "again", "status": 422, "reason": "other_verdict", "field": "choice"},
        {"key": "9", "status": 422, "reason": "missing_field", "field": "user"},
        {"key": "", "status": 422, "reason": "missing_field", "field": "key"},
    ]
    assert Judgment.objects.count() == 2
    assert Response.objects.get(text="x").label is True


def test_an_empty_list_has_no_lines(send_list):
    assert send_list([]) == []


def test_a_list_of_a_thousand_is_stored_and_a_longer_one_refused(send_list, script, dataset, monkeypatch):
    items = [build(str(n), choice=n % 2, user=str(n)) for n in range(1001)]
    answer = script.post(PATH, items)
    assert (answer.status_code, read_error(answer)) == (422, ("", "list_too_long"))
    assert not Feedback.objects.exists()
    monkeypatch.setattr(api_feedback, "store_feedback", lambda *args: api_feedback.Outcome.NEW)
    assert Counter(line["status"] for line in send_list(items[:1000])) == {201: 1000}


def test_a_list_sent_again_costs_one_look(send_list, dataset, django_assert_max_num_queries):
    items = [build(str(n), choice=n % 2, user=str(n)) for n in range(30)]
    assert {line["status"] for line in send_list(items)} == {201}
    send_list([])
    with django_assert_max_num_queries(4):
        assert {line["status"] for line in send_list(items)} == {200}


def test_a_server_reads_a_large_list_and_answers_one_that_is_too_large(house):
    """A client that is still sending when the connection closes sees no status."""
    admin = Person("admin", house["PORT"])
    form = {**read_fields(admin.get("/profile/tokens/")), "name": "shop", "feeds": "on"}
    form.pop("reads", None)
    secret = re.search(r"chosen_[\w-]{43}", admin.post("/profile/tokens/", form))[0]

    def post(length):
        line = http.client.HTTPConnection("127.0.0.1", int(house["PORT"]), timeout=60)
        body = json.dumps([build(f"{n}", ["x" * length, "y"], choice=0, user=f"{n}") for n in range(3)])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        line.request("POST", "/api/v1/datasets/models/feedback/", body, headers)
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())

    assert post(100_000) == (207, [{"key": str(n), "status": 201} for n in range(3)])
    assert post(10_000_000)[0] == 413


def test_the_queue_asks_for_as_many_votes_as_before(make_dataset, script, alice):
    dataset = make_dataset(build_rows(1), overlap=2)
    messages = [{"role": "user", "content": "Prompt 0?"}]
    said = {"messages": messages, "responses": ["Answer 0 to 0.", "Answer 1 to 0."], "sources": ["m0", "m1"]}
    before = count_progress(dataset)
    for n in range(3):
        assert script.post(PATH, build(str(n), user=str(n), choice=0, **said)).status_code == 201
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots, comparison.held) == (5, 2, "")
    assert has_right_counters(dataset)
    assert count_progress(dataset) == before
    assert not Judgment.objects.filter(surplus=True).exists()


def test_a_new_pair_is_not_in_the_queue(send, dataset):
    send("1", choice=0)
    send("2", choice=1, user="bob")
    comparison = Comparison.objects.get()
    assert (comparison.held, comparison.wanted, comparison.open_slots) == (Comparison.CHAT, 2, 0)
    assert not Comparison.objects.open().exists()
    assert has_right_counters(dataset)


def test_a_comparison_has_no_most_votes(send, dataset):
    send("1", choice=0)
    Comparison.objects.update(wanted=32_767, open_slots=32_766)
    assert send("2", choice=0, user="bob").status_code == 201
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots) == (32_767, 32_765)
    assert has_right_counters(dataset)


def test_users_who_differ_go_to_a_reviewer_where_the_dataset_says_so(send, dataset):
    Dataset.objects.update(review=Dataset.Review.DIFFER)
    send("1", choice=0)
    assert Comparison.objects.get().review == ""
    send("2", choice=1, user="bob")
    assert Comparison.objects.get().review == Comparison.Review.WANTED


@pytest.mark.parametrize(("state", "status"), [("open", 201), ("paused", 201), ("closed", 422), ("archived", 422)])
def test_a_dataset_takes_feedback_while_it_is_open_or_paused(send, send_list, dataset, state, status):
    send("before", choice=0)
    Dataset.objects.update(state=state)
    answer = send("1", choice=0, user="bob")
    assert answer.status_code == status
    if status == 422:
        assert read_error(answer) == ("", "closed")
    assert send_list([build("2", choice=0, user="eve")])[0]["status"] == status
    assert send("before", choice=0).status_code == 200


@pytest.mark.parametrize("scopes", [{"reads": True}, {"writes": True}, {"chats": True}])
def test_other_scopes_are_not_enough(admin, dataset, scopes):
    answer = Script(admin, **scopes).post(PATH, build(choice=0))
    assert answer.status_code == 403
    assert "feedback" in answer.json()["detail"]
    assert not Feedback.objects.exists()


def test_a_token_for_feedback_does_nothing_else(script, dataset):
    assert script.get().status_code == script.get("demo/").status_code == 403
    assert script.get("demo/export/dpo/").status_code == 403
    assert script.post("", {"slug": "x"}).status_code == script.post("demo/rows/", b"{}").status_code == 403
    assert "read" in script.get().json()["detail"]


def test_a_dataset_that_is_not_there_is_404(script, dataset):
    assert script.post("none/feedback/", build(choice=0)).status_code == 404


def test_a_misspelt_parameter_is_refused(script, dataset):
    assert script.post(f"{PATH}?dry_run=1", build(choice=0)).status_code == 422


def test_the_page_makes_tokens_of_the_new_scopes(client, admin):
    client.force_login(admin)
    page = client.post("/profile/tokens/", {"name": "shop", "feeds": "on", "chats": "on"})
    token = admin.tokens.get()
    assert (page.status_code, token.feeds, token.chats, token.reads, token.writes) == (200, True, True, False, False)
    listed = client.get("/profile/tokens/").content.decode().partition("<tbody>")[2]
    assert re.findall(r"\b(read|write|chat|feedback)\b", listed) == ["chat", "feedback"]


def test_too_many_requests_are_told_when_to_come_again(send, admin, dataset, monkeypatch):
    monkeypatch.setattr(api_feedback, "RATE", RateLimit(per_second=0.5, seconds=4))
    assert [send(str(n), choice=0).status_code for n in range(2)] == [201, 200]
    answer = send("3", choice=0)
    assert (answer.status_code, answer["Retry-After"]) == (429, "2")
    assert answer.json()["detail"]
    assert Feedback.objects.count() == 2
    assert Script(admin, feeds=True).post(PATH, build("4", choice=0)).status_code == 200


def test_a_rate_is_an_average(monkeypatch):
    now, rate = [1000.0], RateLimit(per_second=50, seconds=10)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert [rate.count("a") for _ in range(500)] == [0] * 500
    assert rate.count("a") == pytest.approx(0.02)
    assert rate.count("b") == 0
    now[0] += 1
    assert [rate.count("a") for _ in range(51)] == [*[0] * 50, pytest.approx(0.02)]


def test_a_third_list_at_the_same_time_waits(script, dataset):
    with api_feedback.LISTS, api_feedback.LISTS:
        answer = script.post(PATH, [build(choice=0)])
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert script.post(PATH, build(choice=0)).status_code == 201
    assert script.post(PATH, [build("2", choice=0)]).status_code == 207


def test_what_an_import_may_take_away_is_not_built_on(make_dataset, script):
    dataset = make_dataset(build_rows(2))
    said = {"messages": [{"role": "user", "content": "Prompt 0?"}], "responses": ["Answer 0 to 0.", "x"]}
    said["sources"] = ["m0", ""]
    for state, status in [("storing", 503), ("undoing", 503), ("asking", 201), ("done", 200)]:
        Import.objects.update(state=state)
        answer = script.post(PATH, build(state, choice=0, **said))
        assert answer.status_code == status, state
        if status == 503:
            assert read_error(answer) == ("", "importing")
            assert answer["Retry-After"] == "5"
            thumb = build("thumb", ["y"], messages=said["messages"], thumb="up")
            assert script.post(PATH, [thumb]).json()[0]["status"] == 503
            assert not Feedback.objects.exists()
    with pytest.raises(CannotUndo):
        undo_import(dataset.imports.get())
    assert Judgment.objects.votes().count() == 1


def test_an_undo_leaves_what_feedback_has_brought(make_dataset, script):
    dataset = make_dataset(build_rows(1))
    script.post(PATH, build(messages=[{"role": "user", "content": "Prompt 0?"}], choice=0))
    undo_import(dataset.imports.get())
    assert list_choices() == [("Bali.", "Phuket.", 1)]
    assert len(export(dataset, "dpo")) == 1


def test_feedback_goes_with_its_dataset_and_outlives_its_vote(send, dataset):
    send("1", choice=0)
    send("2", ["Bali."], thumb="up")
    Judgment.objects.all().delete()
    Response.objects.all().delete()
    assert list(Feedback.objects.values_list("judgment", "response")) == [(None, None)] * 2
    assert send("1", choice=0).status_code == 200
    dataset.delete()
    assert not Feedback.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [{"choice": 0}, {"stars": [1, 5]}, {"edit": "Better."}, {"thumb": "up"}])
def test_one_key_sent_many_times_at_once_is_stored_once(script, dataset, act):
    item = build(responses=["Bali."] if "thumb" in act else ["Bali.", "Phuket."], **act)
    statuses, start = [], threading.Barrier(8)

    def post():
        start.wait()
        statuses.append(script.post(PATH, item).status_code)

    run_at_once(*[post] * 8)
    assert Counter(statuses) == {201: 1, 200: 7}
    assert (Feedback.objects.count(), Judgment.objects.count()) == (1, 0 if "thumb" in act else 1)
    assert has_right_counters(dataset)


@pytest.mark.django_db(transaction=True)
def test_many_users_at_once_have_a_vote_each(script, dataset):
    """Of the same two responses, sent in either order, and with thumbs and edits of one of them."""
    statuses, start = Counter(), threading.Barrier(12)

    def post(n):
        start.wait()
        pair = ["Bali.", "Phuket."] if n % 2 else ["Phuket.", "Bali."]
        acts = [(pair, {"choice": 0}), (["Bali."], {"thumb": "up"}), (["Bali."], {"edit": "Better."})]
        for k, (responses, act) in enumerate(acts):
            for _again in range(2):
                statuses[script.post(PATH, build(f"{n} {k}", responses, str(n), **act)).status_code] += 1

    run_at_once(*[lambda n=n: post(n) for n in range(12)])
    assert statuses == {201: 36, 200: 36}
    assert (Prompt.objects.count(), Response.objects.count(), Comparison.objects.count()) == (1, 3, 2)
    assert sorted(Comparison.objects.values_list("wanted", "open_slots")) == [(12, 0), (12, 0)]
    assert Counter((chosen, rejected) for chosen, rejected, _ in list_choices()) == {
        ("Bali.", "Phuket."): 6,
        ("Phuket.", "Bali."): 6,
        ("Better.", "Bali."): 12,
    }
    assert Response.objects.get(text="Bali.").label is True
    assert has_right_counters(dataset)


@pytest.mark.django_db(transaction=True)
def test_two_who_send_a_new_pair_mirrored_do_not_wait_for_each_other_in_a_circle(script, dataset, monkeypatch):
    script.post(PATH, build("first", ["Rome."], thumb="up"))  # stores the prompt
    really = store_feedback.__globals__["ensure_response"]

    def ensure_slowly(*args):
        response = really(*args)
        time.sleep(0.3)
        return response

    monkeypatch.setitem(store_feedback.__globals__, "ensure_response", ensure_slowly)
    statuses = []

    def post(responses):
        statuses.append(script.post(PATH, build(responses[0], responses, user=responses[0], choice=0)).status_code)

    run_at_once(lambda: post(["Bali.", "Phuket."]), lambda: post(["Phuket.", "Bali."]))
    assert statuses == [201, 201]
    assert Comparison.objects.get().wanted == 2


@pytest.mark.django_db(transaction=True)
def test_a_user_who_says_two_things_at_once_has_said_one(script, dataset):
    for n in range(5):
        statuses, start = [], threading.Barrier(2)
        messages = [{"role": "user", "content": f"Where to, {n}?"}]

        def post(choice, n=n, messages=messages, statuses=statuses, start=start):
            start.wait()
            statuses.append(script.post(PATH, build(f"{n} {choice}", messages=messages, choice=choice)).status_code)

        run_at_once(lambda post=post: post(0), lambda post=post: post(1))
        assert sorted(statuses) == [201, 422]
    assert Judgment.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_an_undo_that_begins_while_feedback_is_stored_does_not_take_it_away(make_dataset, script, monkeypatch):
    """The undo waits for the transaction that has looked at its import."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    dataset = make_dataset(build_rows(1))
    run = dataset.imports.get()
    looked, outcome = threading.Event(), []
    really = api_feedback.store_feedback.__globals__["store_statements"]

    def store_slowly(vote):
        looked.set()
        time.sleep(0.5)
        really(vote)

    monkeypatch.setitem(store_feedback.__globals__, "store_statements", store_slowly)

    def post():
        said = {"messages": [{"role": "user", "content": "Prompt 0?"}], "responses": ["Answer 0 to 0.", "x"]}
        outcome.append(script.post(PATH, build(choice=0, sources=["m0", ""], **said)).status_code)

    def undo():
        looked.wait()
        try:
            undo_import(run)
        except CannotUndo as why:
            outcome.append(why.reason)

    run_at_once(post, undo)
    assert outcome == [201, "used"]
    assert Judgment.objects.votes().count() == 1


def test_the_document_describes_what_is_sent():
    operation = build_document()["paths"]["/api/v1/datasets/{slug}/feedback/"]["post"]
    one, several = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert set(one["properties"]) == set(api_feedback.FIELDS)
    assert several["maxItems"] == api_feedback.MOST_AT_ONCE
    assert {"200", "201", "207", "409", "413", "422", "429", "503"} <= set(map(str, operation["responses"]))


def test_the_docs_name_every_field_and_reason():
    from optimize import reasons

    for name in (*api_feedback.FIELDS, *set(reasons.FEEDBACK) - {"too_many_requests"}, "other_verdict", "same_answer"):
        assert f"`{name}`" in SECTION, name


def read_example(language):
    (source,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return source


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["python", "js"])
def test_the_examples_of_the_docs_work(admin, live_server, tmp_path, language):
    Dataset.objects.create(slug="support")
    program = {"python": sys.executable, "js": shutil.which("node")}[language]
    if program is None:
        pytest.skip("there is no Node here")
    _token, secret = create_token(admin, "shop", feeds=True)
    file = tmp_path / ("example.py" if language == "python" else "example.mjs")
    source = read_example(language).replace("http://127.0.0.1:8000", live_server.url).replace("chosen_…", secret)
    file.write_text(source, encoding="utf-8")
    for _again in range(2):
        done = subprocess.run([program, file], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert Feedback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_script_needs_no_csrf_token(admin, dataset):
    headers = {"Authorization": f"Bearer {create_token(admin, 'shop', feeds=True)[1]}"}
    answer = Client(enforce_csrf_checks=True).post(
        f"/api/v1/datasets/{PATH}", build(choice=0), "application/json", headers=headers
    )
    assert answer.status_code == 201
