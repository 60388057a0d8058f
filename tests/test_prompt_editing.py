"""Prompts and answers by hand: written, rendered while typing, editable until somebody has judged them."""

import json

import pytest
from django.urls import reverse

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.exports.export import Export
from datasets.formats import rows
from datasets.models import Comparison, Prompt, Response
from datasets.prompts.editing import CannotSave, EditedAnswer, save_prompt
from tests.conftest import build_rows

PARTS = rows.Prompt("Which is larger, 9.11 or 9.9?")


@pytest.fixture
def owner(client, admin):
    client.force_login(admin)
    return client


def build_form(instruction="Say hello.", answers=(("Hello.", "m1"), ("Hi.", "m2")), turns=(), **more):
    """The fields that the form of a prompt posts."""
    data = {"system": "", "instruction": instruction, "input": "", **more}
    for prefix, items in (("turns", turns), ("answers", answers)):
        data |= {f"{prefix}-TOTAL_FORMS": len(items), f"{prefix}-INITIAL_FORMS": 0}
    for number, (user, assistant) in enumerate(turns):
        data |= {f"turns-{number}-user": user, f"turns-{number}-assistant": assistant}
    for number, (text, source) in enumerate(answers):
        data |= {f"answers-{number}-text": text, f"answers-{number}-source": source}
    return data


def test_a_prompt_written_by_hand_is_stored_and_asked(owner, pairs):
    before = Comparison.objects.count()
    answer = owner.post(reverse("prompt-new", args=["demo"]), build_form(turns=[("Hey.", "Yes?")], system="Be brief."))
    prompt = Prompt.objects.latest("pk")
    assert answer["Location"] == reverse("prompt", args=["demo", prompt.pk])
    assert (prompt.system, prompt.turns) == ("Be brief.", [["user", "Hey."], ["assistant", "Yes?"]])
    assert sorted(prompt.responses.values_list("text", "source")) == [("Hello.", "m1"), ("Hi.", "m2")]
    assert Comparison.objects.count() == before + 1


def test_line_ends_of_a_browser_are_not_the_texts(owner, pairs):
    owner.post(reverse("prompt-new", args=["demo"]), build_form("One\r\ntwo"))
    assert Prompt.objects.latest("pk").instruction == "One\ntwo"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (build_form("  "), "The prompt is empty."),
        (build_form("Prompt 1?"), "This dataset already has the same prompt."),
        (build_form(answers=[("a", "m"), ("a", "m")]), "twice"),
        (build_form(turns=[("Hey.", "")]), "A previous turn needs both"),
        (build_form("NUL \x00"), "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_saved_is_told_and_nothing_is_lost(owner, pairs, data, said):
    before = Prompt.objects.count()
    answer = owner.post(reverse("prompt-new", args=["demo"]), data)
    assert answer.status_code == 422 or b"needs both" in answer.content
    assert said in answer.content.decode()
    assert Prompt.objects.count() == before
    assert data["answers-0-text"] in answer.content.decode()


def test_an_edited_answer_is_rendered_anew_and_its_comparison_asked_anew(pairs):
    prompt = Prompt.objects.first()
    first, second = prompt.responses.order_by("pk")
    Response.objects.update(html="<p>old</p>")
    save_prompt(pairs, PARTS, [EditedAnswer("Better.", "m0", pk=first.pk)], prompt)
    first.refresh_from_db()
    assert (first.text, first.html) == ("Better.", None)
    assert [c.response_ids for c in prompt.comparisons.all()] == [[first.pk, second.pk]]


def test_an_answer_emptied_is_taken_away_with_its_comparisons(pairs):
    prompt = Prompt.objects.first()
    first = prompt.responses.first()
    save_prompt(pairs, PARTS, [EditedAnswer("", pk=first.pk)], prompt)
    assert prompt.responses.count() == 1
    assert not prompt.comparisons.exists()


@pytest.mark.parametrize("judged", [True, False], ids=["judged", "in hand"])
def test_what_was_judged_or_is_in_hand_cannot_be_changed(make_dataset, alice, judged):
    dataset = make_dataset(build_rows(1, answers=3))
    judgment = lease_next(alice, dataset)
    if judged:
        record(judgment, 0, "left")
    prompt = Prompt.objects.get()
    same = rows.Prompt(prompt.instruction)
    with pytest.raises(CannotSave, match="prompt_judged"):
        save_prompt(dataset, PARTS, [], prompt)
    with pytest.raises(CannotSave, match="answer_judged"):
        save_prompt(dataset, same, [EditedAnswer("Changed.", "m0", pk=judgment.order[0])], prompt)
    other = prompt.responses.exclude(pk__in=judgment.order).get()
    save_prompt(dataset, same, [EditedAnswer("Changed.", "m9", pk=other.pk), EditedAnswer("A fourth.", "m4")], prompt)
    assert prompt.responses.count() == 4
    judgment.refresh_from_db()
    assert judgment.comparison_id


def test_a_demonstration_by_hand_is_exported_and_asks_nothing(pairs):
    save_prompt(pairs, PARTS, [EditedAnswer("9.9", demonstration=True), EditedAnswer("9.11", demonstration=True)])
    assert not Comparison.objects.filter(prompt__instruction=PARTS.instruction).exists()
    written = b"".join(Export(pairs, "alpaca").iter_pieces()).splitlines()
    assert [json.loads(line)["output"] for line in written] == ["9.9", "9.11"]


def test_what_is_typed_is_rendered_safely(owner):
    answer = owner.post(reverse("rendered"), {"name": "answers-0-text", "answers-0-text": "**b** <script>x</script>"})
    assert answer.content.decode() == '<p dir="auto"><strong>b</strong> &lt;script&gt;x&lt;/script&gt;</p>\n'


def test_prompts_without_answers_wait_for_them(make_dataset):
    dataset = make_dataset([{"prompt": "Open?"}, {"instruction": "Sum up.", "input": "Long.", "id": 7}])
    assert Prompt.objects.count() == 2
    assert not Comparison.objects.exists()
    make_dataset([{"prompt": "Open?", "responses": ["a", "b"]}])
    assert dataset.prompts.count() == 2
    assert Comparison.objects.count() == 1
