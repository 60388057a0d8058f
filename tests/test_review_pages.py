"""/annotate/SLUG/review/: a reviewer's pages, without JavaScript."""

import re

import pytest

from annotate.judging.decisions import lease_next_review
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.models import Comparison, Dataset, Judgment
from tests.conftest import build_rows
from tests.test_access import strip_tokens
from tests.test_decisions import begin_decision, flag_as_another, give_decision, rita, rob, split  # noqa: F401
from tests.test_queue import expire_lease

PATH = "/annotate/demo/review/"


@pytest.fixture
def reviewer(client, split, rita):  # noqa: F811
    client.force_login(rita)
    return client


def read_fields(page, form="data-comparison"):
    """The hidden fields of a page's form, as a browser sends them."""
    inside = re.search(rf"<form[^>]*{form}.*?</form>", page, re.DOTALL).group()
    return dict(re.findall(r'<input type="hidden" name="(judgment|revision)" value="(\d+)"', inside))


def fetch_page(client, path=PATH):
    return client.get(path).content.decode()


def post(client, verdict, **said):
    return client.post(
        PATH, {**read_fields(fetch_page(client)), "verdict": verdict, **said}, follow=True
    ).content.decode()


def test_first_the_comparison_as_annotators_see_it_blind(reviewer, split):  # noqa: F811
    page = strip_tokens(fetch_page(reviewer))
    assert page.count("<form data-comparison") == 1
    assert f'action="{PATH}"' in page
    for tell_tale in ("alice", "bob", "it is right", "Annotator 1", "m0", "m1", "put_back"):
        assert tell_tale not in page


def test_then_the_votes_by_number_and_the_own_impression_then_the_decision(reviewer, split, alice):  # noqa: F811
    page = post(reviewer, "left")
    assert "Annotator 1" in page
    assert "Annotator 2" in page
    assert "it is right" in page
    assert "Your first impression" in page
    assert "alice" not in page
    assert "Nothing to review right now" in post(reviewer, "tie")
    assert Comparison.objects.get().review == "decided"
    assert Judgment.objects.decisions().get().verdict == "tie"


def test_a_second_click_answers_the_same_way_and_changes_nothing(reviewer, split):  # noqa: F811
    post(reviewer, "left")
    form = {**read_fields(fetch_page(reviewer)), "verdict": "left"}
    answers = [reviewer.post(PATH, form), reviewer.post(PATH, form | {"verdict": "right"})]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, PATH)}
    assert Judgment.objects.decisions().get().verdict == "left"


def test_undo_brings_the_decision_back_and_keep_closes_it(reviewer, split):  # noqa: F811
    post(reviewer, "left")
    page = post(reviewer, "right")
    reviewer.post(f"{PATH}undo/", read_fields(page, 'id="undo"'))
    assert "Your previous answer" in fetch_page(reviewer)
    assert "Nothing to review right now" in post(reviewer, "keep")
    assert Judgment.objects.decisions().get().verdict == "right"


def test_a_flagged_one_is_put_back_on_the_page(reviewer, split, charlie):  # noqa: F811
    flag_as_another(split, charlie)
    assert "GPT" not in fetch_page(reviewer)
    page = post(reviewer, "skip")
    assert "GPT" in page
    assert 'name="verdict" value="left"' not in page
    form = read_fields(page, 'id="flagged"') | {"decision": "put_back"}
    answer = reviewer.post(f"{PATH}flagged/", form, follow=True).content.decode()
    assert Comparison.objects.get().held == ""
    assert 'name="verdict" value="left"' in answer, "the votes are split: that decision comes next"
    assert reviewer.post(f"{PATH}flagged/", form).status_code == 302
    assert reviewer.post(f"{PATH}flagged/", form | {"decision": "leave_out_prompt"}).status_code == 400


def test_what_somebody_else_has_decided_is_said(reviewer, split, rita, rob):  # noqa: F811
    post(reviewer, "left")
    form = {**read_fields(fetch_page(reviewer)), "verdict": "left"}
    expire_lease(Judgment.objects.get(purpose="decision"))
    give_decision(begin_decision(rob, split), "right")
    assert "nothing has changed" in reviewer.post(PATH, form, follow=True).content.decode()
    assert Judgment.objects.decisions().get().verdict == "right"


def test_a_refused_form_stands_as_it_was_filled_in(reviewer, split):  # noqa: F811
    Dataset.objects.update(reasons="required")
    answer = reviewer.post(PATH, {**read_fields(fetch_page(reviewer)), "verdict": "left"})
    assert answer.status_code == 422
    assert "Give a reason" in answer.content.decode()
    assert not Judgment.objects.filter(purpose="review", state="saved")


def test_reviews_are_no_annotators_work_and_the_other_way_round(reviewer, split, rita, make_dataset):  # noqa: F811
    mine = lease_next_review(rita, split)
    form = {"judgment": mine.pk, "revision": 0, "verdict": "left"}
    assert reviewer.post("/annotate/demo/", form).status_code == 404
    assert reviewer.post("/annotate/demo/undo/", form).status_code == 404
    other = make_dataset(build_rows(1), "other")
    work = lease_next(rita, other)
    assert reviewer.post("/annotate/other/review/", {"judgment": work.pk, "revision": 0}).status_code == 404


def test_the_home_page_says_what_waits_to_those_who_may(reviewer, split, client, alice, make_dataset):  # noqa: F811
    assert "Review (1)" in re.sub(r"<[^>]*>", "", fetch_page(reviewer, "/"))
    record(lease_next_review(split.annotators.model.objects.get(username="rita"), split), 0, "left")
    client.force_login(alice)
    assert "Review" not in fetch_page(client, "/")


def test_an_admin_sees_the_decision_beside_the_votes(reviewer, split, admin, client):  # noqa: F811
    post(reviewer, "left")
    post(reviewer, "tie")
    client.force_login(admin)
    vote_of_alice = Judgment.objects.filter(purpose="vote").earliest("pk")
    page = fetch_page(client, f"/datasets/demo/judgments/{vote_of_alice.pk}/")
    assert "Decided by a reviewer" in page
    assert "reviewer&#x27;s decision" in page or "decision of a reviewer" in page
    assert "Decided" not in fetch_page(client, "/datasets/demo/judgments/")
