"""How answers are shown on each page: rendered or raw, reasoning shown, folded or hidden; and rendered again where an
earlier version did it."""

import hashlib
import json
import re
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse

from annotate import practice
from annotate.comparison_context import build_comparison_context
from annotate.judging.forms import Submission
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from annotate.task_setup import copy_task, save_task
from datasets.comparisons.gold import create_gold
from datasets.models import Change, Dataset, Judgment, Prompt, Response
from datasets.text import markdown, rendered, shown
from datasets.text.fingerprints import hash_text
from datasets.text.rendered import fill_prompt, get_html, list_rendered_responses
from tests.conftest import build_rows, create_person
from tests.test_annotate import parse_page, read_fields

pytestmark = pytest.mark.django_db

STRESS = [json.loads(line) for line in Path(__file__).with_name("stress.jsonl").read_text().splitlines()]
THOUGHT = "<think>\nHmm *so*.\n</think>\n\nAn **answer**."
# Of this HTML of the stress rows. A change of the renderer changes it: raise markdown.VERSION then, and put it here.
RENDERINGS = {1: "7880fdbedcc49f31"}


def render_stress():
    texts = [text for row in STRESS for text in row["responses"]]
    return hashlib.sha256("".join(markdown.render(text)[0] for text in texts).encode()).hexdigest()[:16]


@pytest.fixture
def stress(make_dataset):
    return make_dataset(STRESS)


def make_pair(make_dataset, *texts, **settings):
    """A dataset of one comparison of these two answers."""
    return make_dataset([{"prompt": "Why?", "responses": list(texts)}], **settings)


def look(client, person, path="/annotate/demo/"):
    client.force_login(person)
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


# --- the same text ----------------------------------------------------------------------------------------------------


def test_the_same_text_is_byte_for_byte_the_same_on_both_sides_and_raw_as_written(stress):
    for response in list(Response.objects.all()):
        twin = Response.objects.create(
            prompt=response.prompt, text=response.text, text_hash=response.text_hash, source="twin"
        )
        comparison = response.prompt.comparisons.first()
        judgment = Judgment(pk=0, comparison=comparison, dataset=stress, order=[response.pk, twin.pk])
        for differing in (False, True):
            left, right = build_comparison_context(judgment, differing=differing)["answers"]
            assert (left.html, left.raw) == (right.html, right.raw)
            assert "<mark>" not in left.html + left.raw
            assert unescape(re.fullmatch(r'<pre dir="auto">\n(.*)</pre>', left.raw, re.DOTALL)[1]) == response.text


def test_two_answers_are_plain_if_one_of_them_can_only_be_plain(make_dataset, monkeypatch):
    make_pair(make_dataset, "*a*", "b " * (markdown.LONGEST_RENDERED // 2 + 1))
    ids = list(Response.objects.order_by("pk").values_list("pk", flat=True))
    for _ in range(2):
        htmls = [answer.html for answer in get_html(Prompt.objects.get().pk, ids)[1]]
        assert htmls[0] == markdown.render_plain("*a*")
        assert htmls[1].startswith("<pre")
    assert list_rendered_responses(ids[:1])[0].html == '<p dir="auto"><em>a</em></p>\n'


# --- rendered by an earlier version -----------------------------------------------------------------------------------


def test_a_change_of_what_is_rendered_raises_the_version():
    assert render_stress() == RENDERINGS[markdown.VERSION]
    assert max(RENDERINGS) == markdown.VERSION


@pytest.mark.parametrize("version", [None, markdown.VERSION - 1])
def test_what_an_earlier_version_rendered_is_rendered_again_and_stored(make_dataset, client, alice, version):
    make_pair(make_dataset, "*a*", "*b*")
    Response.objects.update(html="<p>was</p>", plain="time", rendering=version)
    Prompt.objects.update(html={"instruction": "<p>was</p>", "turns": [], "system": "", "input": ""}, rendering=version)
    page = look(client, alice)
    assert "<p>was" not in page
    assert "<em>a</em>" in page
    assert set(Response.objects.values_list("rendering", "plain")) == {(markdown.VERSION, None)}
    assert set(Response.objects.values_list("html", flat=True)) == {
        f'<p dir="auto"><em>{letter}</em></p>\n' for letter in "ab"
    }
    assert Prompt.objects.get().html["instruction"] == '<p dir="auto">Why?</p>'.replace("</p>", "</p>\n")


def test_the_comparison_that_comes_with_a_saved_verdict_is_rendered_again_too(make_dataset, client, alice):
    make_dataset([{"prompt": f"{n}?", "responses": ["*a*", "*b*"]} for n in range(2)])
    form = parse_page(look(client, alice)).find("form", data_comparison=True)
    Response.objects.update(html="<p>was</p>", rendering=None)
    Prompt.objects.update(html={"instruction": "<p>was</p>"}, rendering=None)
    answer = client.post(
        "/annotate/demo/", read_fields(form) | {"verdict": "left", "want": "1"}, headers={"HX-Request": "true"}
    )
    html = answer.content.decode()
    assert "<p>was" not in html
    assert (html.count("<em>"), html.count('<pre dir="auto">\n*')) == (2, 2)


def test_lists_and_prompts_render_again_too(make_dataset):
    make_pair(make_dataset, "*a*", "*b*")
    Response.objects.update(html="<p>was</p>", rendering=None)
    Prompt.objects.update(html={"instruction": "<p>was</p>"}, rendering=None)
    assert "<em>" in list_rendered_responses([Response.objects.first().pk])[0].html
    assert "Why?" in fill_prompt(Prompt.objects.get()).html["instruction"]


@pytest.mark.parametrize("version", [markdown.VERSION, markdown.VERSION + 1])
def test_what_this_or_a_later_version_rendered_stays(make_dataset, client, alice, version):
    """While a new version is rolled out, processes of two versions do not undo each other's work."""
    make_pair(make_dataset, "*a*", "*b*")
    Response.objects.update(html="<p>new</p>", rendering=version)
    Prompt.objects.update(html={"instruction": "<p>new</p>", "turns": [], "system": "", "input": ""}, rendering=version)
    assert look(client, alice).count("<p>new</p>") == 3
    response = Response.objects.first()
    response.html = "<p>late</p>"
    rendered.store_html([response], at_once=True)
    assert set(Response.objects.values_list("html", "rendering")) == {("<p>new</p>", version)}


# --- raw --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(make_dataset, admin, alice, bob):
    """{name: (person, path)} of the pages that show two answers."""
    texts = ["*one* & <b>", "*two* & <b>"]
    rows = [
        {"prompt": f"{n}?", "responses": [{"model": "m", "text": f"{n} {text}"} for text in texts]} for n in range(6)
    ]
    dataset = make_dataset(rows, overlap=2, review="differ", practice=1, allow_flag=True)
    judgment = lease_next(admin, dataset)
    record(judgment, 0, "left")
    judgment.refresh_from_db()
    gold = create_gold(judgment, "Because.", for_practice=True, by=admin)
    for person in (alice, bob):
        drawn = practice.draw_golds(person, dataset)[0]
        practised = practice.ensure_judgment(person, drawn)
        practice.save_answer(practised, 0, Submission("left"))
    done = lease_next(alice, dataset)
    record(done, 0, "left")
    flagged = lease_next(bob, dataset)
    record(flagged, 0, "flag", {}, flag="leak")
    rita, carl = create_person("rita", "reviewer"), create_person("carl")
    return {
        "judging": (alice, "/annotate/demo/"),
        "practice": (carl, "/annotate/demo/practice/"),
        "practised": (bob, f"/annotate/demo/practice/{practised.pk}/"),
        "trial": (admin, reverse("try", args=["demo"])),
        "history": (alice, f"/annotate/demo/history/{done.pk}/"),
        "review": (rita, "/annotate/demo/review/"),
        "prompt": (admin, f"/datasets/demo/prompts/{done.comparison.prompt_id}/"),
        "judgment": (admin, f"/datasets/demo/judgments/{done.pk}/"),
        "gold": (admin, f"/datasets/demo/gold/{gold.pk}/"),
        "inbox": (admin, "/datasets/demo/review/"),
    }


def test_each_page_that_shows_answers_has_their_raw_texts_and_the_switch(pages, client):
    Dataset.objects.update(show_answers="raw")
    for name, (person, path) in pages.items():
        page = parse_page(look(client, person, path))
        switch = page.find("input", id="raw-text")
        assert (switch["type"], switch["data-keys"], switch.has("checked", True)) == ("checkbox", "KeyM", True), name
        raws = [element.text for element in page.find_all("div", **{"class": "raw"})]
        assert len(raws) >= 2, name
        assert all(re.fullmatch(r"\s*\d \*(one|two)\* & <b>", raw) for raw in raws), name
        scripts = [script["src"] for script in page.find_all("script", src=True)]
        assert [any(file in src for src in scripts) for file in ("raw", "keys")] == [True, True], name
    Dataset.objects.update(show_answers="rendered")
    person, path = pages["judging"]
    assert not parse_page(look(client, person, path)).find("input", id="raw-text").has("checked", True)


def test_the_dialog_of_keys_lists_it(pages, client):
    page = parse_page(look(client, *pages["judging"]))
    assert "m" in [key.text for key in page.find("dialog", id="keys").find_all("kbd")]


def test_the_preview_of_the_question_shows_answers_as_set(stress, client, admin):
    Dataset.objects.update(show_answers="raw")
    assert 'class="screen as-raw"' in look(client, admin, "/datasets/demo/task/")


def test_differences_are_marked_in_raw_texts_too(make_dataset, client, alice):
    make_pair(make_dataset, "**same** one", "**same** two")
    look(client, alice)
    judgment = Judgment.objects.get()
    page = client.get(f"/annotate/demo/differences/{judgment.pk}/", headers={"HX-Request": "true"}).content.decode()
    rendered_a, raw_a, rendered_b, raw_b = re.findall(r"<div data-marked>(.*?)</div>", page, re.DOTALL)
    assert sorted(re.findall(r"<mark>(\w+)</mark>", raw_a + raw_b)) == ["one", "two"]
    assert ("**same**" in raw_a, "**same**" in rendered_a + rendered_b) == (True, False)


# --- reasoning --------------------------------------------------------------------------------------------------------


def read_answer(page):
    """The HTML of the answer with reasoning."""
    return next(text for text in re.findall(r'data-response="\w+">(.*?)</div>', page, re.DOTALL) if "answer" in text)


@pytest.mark.parametrize(
    ("mode", "begins"),
    [
        ("show", '<details class="reasoning" open><summary>Reasoning (2 words)</summary>'),
        ("fold", '<details class="reasoning"><summary>Reasoning (2 words)</summary>'),
        ("hide", '<p dir="auto">An <strong>'),
    ],
)
def test_reasoning_is_shown_as_the_dataset_says(make_dataset, client, alice, mode, begins):
    make_pair(make_dataset, THOUGHT, "Another.", show_reasoning=mode)
    page = look(client, alice)
    assert read_answer(page).startswith(begins)
    assert read_answer(page).count("<strong>answer</strong>") == 1
    assert ("Hmm" in page) == (mode != "hide")
    judgment = Judgment.objects.get()
    differences = client.get(f"/annotate/demo/differences/{judgment.pk}/", headers={"Accept": "application/json"})
    assert ("Hmm" in differences.content.decode()) == (mode != "hide")
    assert Response.objects.filter(text=THOUGHT).exists()


def test_reasoning_of_earlier_turns_is_hidden_with_it(make_dataset, client, alice, admin):
    rows = [{"prompt": "So?", "history": [["Hi", THOUGHT]], "responses": ["One.", "Two."]}]
    make_dataset(rows, show_reasoning="hide")
    assert "Hmm" not in look(client, alice)
    Dataset.objects.update(show_reasoning="fold")
    assert look(client, alice).count("Reasoning (2 words)") == 1


def test_admins_see_hidden_reasoning_folded(make_dataset, client, admin):
    make_pair(make_dataset, THOUGHT, "Another.", show_reasoning="hide")
    page = look(client, admin, f"/datasets/demo/prompts/{Prompt.objects.get().pk}/")
    assert "Reasoning (2 words)" in page
    assert "&lt;think&gt;\nHmm" in page


def test_an_answer_that_is_only_reasoning_says_so_where_that_is_hidden(make_dataset, client, alice):
    make_pair(make_dataset, "<think>Hmm", "An answer.", show_reasoning="hide")
    page = look(client, alice)
    assert "Hmm" not in page
    assert "No answer outside the reasoning." in page


def test_reasoning_beside_an_answer_is_shown_with_it_and_only_there(make_dataset, client, alice, run_command, tmp_path):
    make_pair(make_dataset, "An *answer*.", "Another.")
    Response.objects.filter(text__startswith="An *").update(reasoning="Hmm </think> *so* <b>")
    page = look(client, alice)
    assert read_answer(page).startswith('<details class="reasoning"><summary>Reasoning (4 words)</summary>\n'), (
        read_answer(page)
    )
    assert '</details>\n<pre dir="auto">\nAn *answer*.</pre>' in page
    Dataset.objects.update(show_reasoning="hide")
    assert "Hmm" not in look(client, alice)
    assert set(Response.objects.values_list("text", flat=True)) == {"An *answer*.", "Another."}


@pytest.mark.parametrize("mode", ["fold", "hide"])
def test_what_is_posted_unchanged_is_no_improved_answer(make_dataset, client, alice, mode):
    make_pair(make_dataset, THOUGHT, "Another.", allow_repair=True, show_reasoning=mode)
    page = parse_page(look(client, alice))
    form = page.find("form", data_comparison=True)
    texts = {area["name"]: area.text.removeprefix("\n") for area in form.find_all("textarea")}
    assert ("<think>" in "".join(texts.values())) == (mode == "fold")
    client.post("/annotate/demo/", read_fields(form) | texts | {"verdict": "left"})
    assert Judgment.objects.get().state == "saved"
    assert not Response.objects.filter(source=Response.REPAIR).exists()


def test_the_words_are_translated_where_they_are_shown_not_where_they_are_stored(monkeypatch):
    html = markdown.render(THOUGHT + "\n\n![a](https://b.c/d.png)")[0]
    assert "Reasoning" not in html
    assert "Reasoning (2 words)" in shown.show_html(html)
    assert '🖼 a <span class="image">(image)</span></a>' in shown.show_html(html)
    monkeypatch.setattr(shown, "ngettext", lambda *_args: "思考过程（%(n)s 词） <&>")
    monkeypatch.setattr(shown, "_", lambda text: f"{text} <&>")
    assert "<summary>思考过程（2 词） &lt;&amp;&gt;</summary>" in shown.show_html(html)
    assert "(image &lt;&amp;&gt;)" in shown.show_html(html)


# --- settings ---------------------------------------------------------------------------------------------------------

FORM = {"question": "pair", "most_shown": "4", "reasons": "off", "kept_ready": "4", "criteria": "", "chips": ""}


def test_both_settings_are_saved_logged_and_kept_by_a_form_that_lacks_them(pairs, client, admin):
    client.force_login(admin)
    assert (
        client.post("/datasets/demo/task/", FORM | {"show_answers": "raw", "show_reasoning": "hide"}).status_code == 302
    )
    assert Dataset.objects.values_list("show_answers", "show_reasoning").get() == ("raw", "hide")
    logged = Change.objects.filter(what__startswith="show_").values_list("what", "before", "after")
    assert set(logged) == {("show_answers", "rendered", "raw"), ("show_reasoning", "fold", "hide")}
    assert "Show answers as: Rendered → Raw text" in look(client, admin, "/datasets/demo/log/")
    for sent in ({}, {"show_answers": "", "show_reasoning": ""}):
        assert client.post("/datasets/demo/task/", FORM | sent).status_code == 302
        assert Dataset.objects.values_list("show_answers", "show_reasoning").get() == ("raw", "hide")
    assert client.post("/datasets/demo/task/", FORM | {"show_answers": "upside"}).status_code == 422


def test_both_settings_belong_to_the_task(pairs, make_dataset):
    other = make_dataset(build_rows(1), slug="other")
    save_task(pairs, {"show_answers": "raw", "show_reasoning": "show"}, None)
    copy_task(Dataset.objects.get(pk=pairs.pk), other)
    other.refresh_from_db()
    assert (other.show_answers, other.show_reasoning) == ("raw", "show")


def test_reasoning_that_generations_kept_moves_to_their_answers(make_dataset):
    """The SQL of the migration, on tables as they were."""
    make_pair(make_dataset, "One.", "Two.")
    one, two = Response.objects.order_by("pk")
    sql = import_module("optimize.migrations.0003_reasoning_of_responses").MOVE_SQL
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (id integer, response_id bigint, reasoning text)")
        rows = [(1, one.pk, ""), (2, one.pk, "first"), (3, one.pk, "second"), (4, two.pk, ""), (5, None, "lost")]
        cursor.executemany("INSERT INTO kept VALUES (%s, %s, %s)", rows)
        cursor.execute(sql.replace("optimize_generation", "kept"))
    assert list(Response.objects.order_by("pk").values_list("reasoning", flat=True)) == ["first", None]
    assert hash_text("One.") == one.text_hash
