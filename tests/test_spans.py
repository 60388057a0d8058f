"""Highlights: what a form may say, where it is kept, and who sees it."""

import json
import re

import pytest
from django.http import QueryDict

from analyze.report import compute_numbers
from annotate.judging.forms import VerdictForm
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from annotate.task_setup import copy_task
from datasets.exports.export import Export
from datasets.models import Change, Dataset, Judgment, Response
from datasets.text.shown import HIDE, list_shown_places, show_raw
from tests.conftest import build_rows
from tests.test_annotate import PAGE, Browser, parse_page
from tests.test_decisions import rita, rob  # noqa: F401
from tests.test_export import parse_rows
from tests.test_review_pages import PATH as REVIEW
from tests.test_review_pages import read_fields

pytestmark = pytest.mark.django_db

TEXTS = ("**一** 😀 b", "one\r\ntwo\rthree")


def build_texts(*texts, n=1):
    return [
        {"prompt": f"P{i}?", "responses": [{"model": f"m{j}", "text": text} for j, text in enumerate(texts)]}
        for i in range(n)
    ]


@pytest.fixture
def marked(make_dataset):
    """One comparison of two answers whose characters are easily miscounted."""
    return make_dataset(build_texts(*TEXTS), spans=True)


def build_mark(answer="left", start=0, end=1, of=None, label="wrong", note=""):
    return {"answer": answer, "start": start, "end": end, "of": of, "label": label, "note": note}


def mark(judgment, text, **said):
    """A mark on this piece of the answer that has it, as its page counts characters."""
    for side, pk in zip(("left", "right"), judgment.order, strict=True):
        shown = re.sub("\r\n?", "\n", Response.objects.get(pk=pk).text)
        if text in shown:
            start = shown.index(text)
            return build_mark(side, start, start + len(text), len(shown), **said)
    raise AssertionError(text)


def post(client, judgment, *marks, verdict="left", path=PAGE):
    spans = [one if isinstance(one, str) else json.dumps(one) for one in marks]
    sent = {"judgment": judgment.pk, "revision": judgment.revision, "verdict": verdict, "span": spans}
    return client.post(path, sent)


def quote(span):
    return Response.objects.get(pk=span["response"]).text[span["start"] : span["end"]]


@pytest.fixture
def work(client, alice, marked):
    client.force_login(alice)
    return lease_next(alice, marked)


def test_highlights_are_kept_in_characters_of_the_stored_text(client, work):
    marks = [mark(work, "😀 b", label="good", note="fun"), mark(work, "e\ntwo\nth"), mark(work, "一")]
    assert post(client, work, *marks).status_code == 302
    spans = Judgment.objects.get(state="saved").said["spans"]
    assert sorted(map(quote, spans)) == ["e\r\ntwo\rth", "一", "😀 b"]
    assert [(span["label"], span["note"]) for span in spans if quote(span) == "😀 b"] == [("good", "fun")]
    assert [span["response"] for span in spans] == sorted((s["response"] for s in spans), key=work.order.index)


@pytest.mark.parametrize("verdict", ["skip", "left"])
def test_a_highlight_never_hinders_a_skip_and_goes_with_a_verdict_only(client, work, verdict):
    assert post(client, work, mark(work, "b"), verdict=verdict).status_code == 302
    assert ("spans" in Judgment.objects.get().said) == (verdict == "left")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_swap_of_sides_changes_no_answer(client, work, swapped):
    if swapped:
        work.order.reverse()
        work.save()
    assert post(client, work, mark(work, "😀")).status_code == 302
    (span,) = Judgment.objects.get().said["spans"]
    assert (quote(span), Response.objects.get(pk=span["response"]).text) == ("😀", TEXTS[0])


WRONG = [
    {"start": 8}, {"start": -1}, {"end": 99}, {"start": 1, "end": 1}, {"of": 10}, {"of": 11}, {"start": True},
    {"start": "0"}, {"start": 0.0}, {"end": None}, {"answer": "1"}, {"answer": None}, {"label": "odd"},
    {"label": ["good"]}, {"note": "x" * 2001}, {"note": "\0"}, {"note": "\ud800"}, {"note": None}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("wrong", [*WRONG, "", "x", "[]", "{}", "[" * 9000, '{"start": 1e999}', "9" * 5000, "null"])
def test_anything_else_is_refused_and_nothing_is_saved(client, work, wrong):
    right = mark(work, "一")
    answer = post(client, work, wrong if isinstance(wrong, str) else json.dumps(right | wrong), right)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert Judgment.objects.get().state == "leased"
    kept = parse_page(answer).find_all("input", name="span")
    assert [json.loads(field["value"]) for field in kept if json.loads(field["value"]) == right] == [right]


def test_a_judgment_has_at_most_fifty(client, work):
    assert post(client, work, *[mark(work, "一")] * 51).status_code == 422
    assert post(client, work, *[mark(work, "一", note="x" * 2000)] * 50).status_code == 302


def test_where_they_are_off_they_are_ignored_and_nothing_of_them_is_on_the_page(client, work):
    Dataset.objects.update(spans=False)
    assert "data-marking" not in client.get(PAGE).content.decode()
    assert post(client, work, "{").status_code == 302
    assert "spans" not in Judgment.objects.get().said


def test_own_labels_replace_the_default_ones(client, work):
    Dataset.objects.update(span_labels=["幻觉", "omission"])
    assert post(client, work, mark(work, "一")).status_code == 422
    assert post(client, work, mark(work, "一", label="幻觉")).status_code == 302


def test_the_page_of_a_leased_comparison_says_no_id_of_an_answer(client, alice, work):
    post(client, work, mark(work, "一"))
    undo(Judgment.objects.get(), 1)
    fields = [json.loads(one["value"]) for one in Browser(client, alice).look().page.find_all("input", name="span")]
    assert fields == [mark(work, "一")]


def test_undo_brings_them_back_as_they_were_on_the_page(client, alice, work):
    marks = [mark(work, "two\nthree", note="<b>"), mark(work, "😀")]
    post(client, work, *marks)
    undo(Judgment.objects.get(), 1)
    page = Browser(client, alice).look().page
    fields = [json.loads(one["value"]) for one in page.find_all("input", name="span")]
    assert sorted(fields, key=str) == sorted(marks, key=str)
    assert {one.text for one in page.find_all("q")} - {""} == {"two\nthree", "😀"}
    reopened = Judgment.objects.get()
    assert post(client, reopened, fields[0], verdict="right").status_code == 302
    assert len(Judgment.objects.get().said["spans"]) == 1


def test_a_draft_has_them_on_any_device(client, alice, work):
    value = json.dumps(mark(work, "b"))
    sent = {"judgment": work.pk, "revision": 0, "at": 1, "span": [value, "damaged"]}
    assert client.post(f"{PAGE}draft/", sent).status_code == 204
    page = Browser(client, alice).look().page
    assert [one["value"] for one in page.find_all("input", name="span")] == [value]


THOUGHTS = "Hi.\n<think>hm\r\nhm</think>\r\nOne\r\ntwo"


def test_places_skip_reasoning_that_is_hidden(client, alice, make_dataset):
    dataset = make_dataset(build_texts(THOUGHTS, "x"), spans=True, show_reasoning=HIDE)
    client.force_login(alice)
    judgment = lease_next(alice, dataset)
    side = ("left", "right")[judgment.order.index(Response.objects.get(text=THOUGHTS).pk)]
    shown = "Hi.\nOne\ntwo"
    at = shown.index("One\nt")
    assert post(client, judgment, build_mark(side, at, at + 5, len(shown))).status_code == 302
    assert quote(Judgment.objects.get().said["spans"][0]) == "One\r\nt"
    undo(Judgment.objects.get(), 1)
    page = Browser(client, alice).look().page
    assert [json.loads(one["value"])["start"] for one in page.find_all("input", name="span")] == [at]


@pytest.mark.parametrize("reasoning", ["show", HIDE])
@pytest.mark.parametrize("text", [THOUGHTS, "a\r\n\rb\n", "", "<think>a</think>", "no </think> b", "x\n<think>\ny"])
def test_the_places_are_those_of_the_raw_view(text, reasoning):
    raw = show_raw(text, None, reasoning).removeprefix('<pre dir="auto">\n').removesuffix("</pre>")
    shown = re.sub("\r\n?", "\n", raw.replace("&lt;", "<").replace("&gt;", ">"))
    places = list_shown_places(text, reasoning)
    assert "".join(text[place] for place in places).replace("\r", "\n") == shown


def test_three_answers_are_named_by_their_place(client, alice, make_dataset):
    dataset = make_dataset(build_texts("a", "bb", "ccc"), spans=True, question="rank", fewest_shown=2, most_shown=3)
    client.force_login(alice)
    judgment = lease_next(alice, dataset)
    side = judgment.order.index(Response.objects.get(text="ccc").pk) + 1
    ranks = {f"rank_{n}": n for n in (1, 2, 3)}
    span = json.dumps(build_mark(str(side), 1, 3, 3))
    sent = {"judgment": judgment.pk, "revision": 0, "verdict": "rank", "span": span} | ranks
    assert client.post(PAGE, sent | {"span": span.replace('"of": 3', '"of": 2')}).status_code == 422
    assert client.post(PAGE, sent).status_code == 302
    (kept,) = Judgment.objects.get().said["spans"]
    assert (quote(kept), kept["response"]) == ("cc", judgment.order[side - 1])


def test_a_trial_checks_them_as_the_queue_does(client, admin, marked):
    client.force_login(admin)
    path = "/datasets/demo/try/"
    fields = {"judgment": "1", "revision": "0", "verdict": "left"}
    assert client.post(path, fields | {"span": "{"}).status_code == 422
    assert client.post(path, fields).status_code == 302


# --- what is made of them --------------------------------------------------------------------------------------------


def save_marked(client, judgment, *marks, verdict="left"):
    assert post(client, judgment, *marks, verdict=verdict).status_code == 302
    return Judgment.objects.get(pk=judgment.pk)


def test_the_table_of_judgments_has_them_with_the_text_and_the_answer(client, work, marked):
    judgment = save_marked(client, work, mark(work, "one\ntwo", note="“n”"))
    (row,) = parse_rows("judgments-csv", b"".join(Export(marked, "judgments-csv").iter_pieces()))
    (span,) = json.loads(row["spans"])
    responses = json.loads(row["responses"])
    assert responses[span["place"] - 1][span["start"] : span["end"]] == span["text"] == "one\r\ntwo"
    assert judgment.order[span["place"] - 1] == span["response"]
    assert str(span["response"]) in row["comparison"].split("-")
    assert (span["label"], span["note"]) == ("wrong", "“n”")


def test_an_annotator_and_an_admin_see_those_of_a_judgment(client, work, admin):
    judgment = save_marked(client, work, mark(work, "一", note="why <b>"))
    pages = [client.get(f"/annotate/demo/history/{judgment.pk}/").content.decode()]
    client.force_login(admin)
    pages.append(client.get(f"/datasets/demo/judgments/{judgment.pk}/").content.decode())
    for page in pages:
        assert '<q dir="auto">一</q>' in page
        assert "why &lt;b&gt;" in page


def test_a_reviewer_sees_those_of_the_votes_only_after_the_own_impression(client, alice, bob, rita, make_dataset):  # noqa: F811
    dataset = make_dataset(build_texts("first words", "other things"), spans=True, overlap=2, review="differ")
    for person, verdict, words in ((alice, "left", "first"), (bob, "right", "things")):
        client.force_login(person)
        judgment = lease_next(person, dataset)
        order = verdict if judgment.order[0] == min(judgment.order) else {"left": "right", "right": "left"}[verdict]
        save_marked(client, judgment, mark(judgment, words, note=f"of {words}"), verdict=order)
    client.force_login(rita)
    page = client.get(REVIEW).content.decode()
    assert "data-marking" in page
    assert "of first" not in page
    assert "<q" not in page.partition("<template")[0]
    own = Judgment.objects.get(purpose="review")
    sent = read_fields(page) | {"verdict": "left", "span": json.dumps(mark(own, "other", label="unsafe"))}
    page = client.post(REVIEW, sent, follow=True).content.decode()
    assert "of first" in page
    assert "of things" in page
    fields = [json.loads(one["value"]) for one in parse_page(page).find_all("input", name="span")]
    assert [field["label"] for field in fields] == ["unsafe"], "the own impression is filled in"


def test_the_report_counts_those_of_votes_by_label_and_source(client, alice, make_dataset, admin):
    dataset = make_dataset(build_texts("first words", "other things", n=2), spans=True)
    client.force_login(alice)
    for words in (["first", "words", "other"], ["first"]):
        judgment = lease_next(alice, dataset)
        save_marked(client, judgment, *[mark(judgment, word) for word in words])
    lines = compute_numbers(dataset)["highlights"]
    assert [tuple(line.values()) for line in lines] == [("wrong", "m0", 3, 2), ("wrong", "m1", 1, 1)]
    for page in ("/annotate/demo/", "/annotate/demo/history/", "/annotate/demo/me/"):
        assert "by label" not in client.get(page).content.decode()
    assert client.get("/datasets/demo/quality/counts/").status_code in (302, 403, 404)


# --- the settings ----------------------------------------------------------------------------------------------------


def test_the_settings_are_logged_copied_and_set_by_command(make_dataset, run_command, admin):
    make_dataset(build_rows(1))
    status, summary, _ = run_command("set_dataset", "demo", "--spans", "yes", "--span-labels", "幻觉\nomission")
    assert (status, summary["spans"], summary["span_labels"]) == (0, True, ["幻觉", "omission"])
    assert {"spans", "span_labels"} <= set(Change.objects.values_list("what", flat=True))
    other = make_dataset(build_rows(1), slug="other")
    copy_task(Dataset.objects.get(slug="demo"), other, admin)
    other.refresh_from_db()
    assert (other.spans, other.span_labels) == (True, ["幻觉", "omission"])
    assert run_command("set_dataset", "demo", "--span-labels", "good\nwrong\nunsafe")[1]["span_labels"] == []


def test_the_preview_of_the_question_shows_them(client, admin, make_dataset):
    make_dataset(build_rows(1))
    client.force_login(admin)
    page = client.get("/datasets/demo/task/").content.decode()
    assert 'name="spans"' in page
    sent = {"question": "pair", "most_shown": "2", "reasons": "off", "kept_ready": "4", "chips": "", "criteria": ""}
    page = client.post("/datasets/demo/task/preview/", sent | {"spans": "on", "span_labels": "odd"}).content.decode()
    assert 'data-label="odd"' in page


def test_a_form_without_highlights_reads_no_answers(make_dataset, alice, django_assert_num_queries):
    dataset = make_dataset(build_rows(1), spans=True)
    judgment = lease_next(alice, dataset)
    data = QueryDict(f"judgment={judgment.pk}&revision=0&verdict=left")
    with django_assert_num_queries(0):
        assert VerdictForm(dataset, build_spec(dataset, 2), data, judgment.order).is_valid()
    record(judgment, 0, "left")
