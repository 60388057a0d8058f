"""The inbox of a dataset: why a comparison is in it, who decides it, gold questions made from it."""

import csv
import io

import pytest
from django.utils import timezone

from analyze import inbox
from analyze.models import Report
from analyze.report import compute_basis
from annotate.judging import decisions
from annotate.judging.decisions import CannotReview, lease_chosen_review, lease_next_review, save_impression
from annotate.judging.forms import Submission
from annotate.judging.record import record
from annotate.navigation import count_to_review
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import CannotMakeGold, create_gold, create_gold_from_answer, delete_gold
from datasets.judgments.outcomes import count_by_verdict, count_by_winner, list_outcomes
from datasets.models import Change, Comparison, Dataset, Gold, Judgment
from tests.conftest import build_rows
from tests.test_annotate import parse_page
from tests.test_decisions import begin_decision, rita, rob, vote  # noqa: F401
from tests.test_queue import expire_lease

PAGE = "/datasets/demo/review/"
CHOSEN = "/annotate/demo/review/chosen/"
NOTHING = {"within": [], "across": [], "opposites": [], "stars": []}


@pytest.fixture
def dataset(make_dataset):
    return make_dataset(build_rows(4), overlap=2, review="split", allow_flag=True)


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    return client


def store_report(dataset, outliers=(), **contradictions):
    """A report that suggests these judgments: [(judgment, probability)], and {list of contradictions: [judgments]}."""
    lines = {name: [{"judgments": [one.pk for one in ids]}] for name, ids in contradictions.items()}
    suspicious = [{"judgment": one.pk, "probability": probability} for one, probability in outliers]
    numbers = {"suspicious": suspicious, "contradictions": NOTHING | lines}
    Report.objects.create(
        dataset=dataset, computed_from=compute_basis(dataset), numbers=numbers, made_at=timezone.now(), seconds=1
    )


def read_items(client, query=""):
    page = parse_page(client.get(PAGE + query))
    return [" ".join(article.text.split()) for article in page.find_all("article")]


def read_counts(client):
    nav = parse_page(client.get(PAGE)).find("nav", aria_label="Reason")
    return {" ".join(a.text.split()[:-1]): int(a.text.split()[-1]) for a in nav.find_all("a")}


def vote_alike(dataset, *people):
    """All judge the next comparison alike. Returns the judgments."""
    return [vote(who, dataset, "left") for who in people]


# --- why a comparison is there ----------------------------------------------------------------------------------------


def test_each_comparison_is_there_once_with_all_its_reasons(boss, dataset, alice, bob):
    split = [vote(alice, dataset, "left"), vote(bob, dataset, "right")]
    clear = vote_alike(dataset, alice, bob)
    flagged = lease_next(alice, dataset)
    record(flagged, 0, "flag", {"note": "as GPT"}, flag="leak")
    store_report(dataset, [(clear[0], 0.12), (split[0], 0.18)], opposites=split)
    flag_item, split_item, clear_item = read_items(boss)
    assert flag_item.startswith("Flagged Reveals the model alice")
    assert "as GPT" in flag_item
    assert split_item.startswith("Split votes Contradiction Opposite votes on one pair: Judgment")
    assert "gives this choice a probability of 18 %" in split_item
    assert "Votes: A 1 B 1" in split_item, split_item[150:420]
    assert clear_item.startswith("Outlier A model trained on the other prompts gives this choice a probability of 12 %")
    assert "Votes: A 2" in clear_item
    counts = {"All": 3, "Flagged": 1, "Split votes": 1, "Sent to review": 0, "Contradictions": 1, "Outliers": 2}
    assert read_counts(boss) == counts
    assert count_to_review(dataset) == 2, "suggestions do not count in the tab"
    for label, kind in (("Flagged", "flagged"), ("Split votes", "split"), ("Outliers", "outlier"),
                        ("Contradictions", "contradiction"), ("Sent to review", "asked")):  # fmt: skip
        assert len(read_items(boss, f"?kind={kind}")) == counts[label]


def test_what_is_decided_or_left_out_is_suggested_no_more(boss, dataset, alice, bob):
    for review, held in (("decided", ""), ("", "withdrawn"), ("", "gold")):
        one, _other = vote_alike(dataset, alice, bob)
        Comparison.objects.filter(pk=one.comparison_id).update(review=review, held=held)
    store_report(dataset, [(judgment, 0.1) for judgment in Judgment.objects.filter(state="saved")])
    assert read_items(boss) == []


def test_the_pages_hold_each_item_once_in_order(dataset, alice, bob):
    waits = [vote(alice, dataset, "left"), vote(bob, dataset, "right")][0].comparison_id
    clear = [vote_alike(dataset, alice, bob)[0] for _ in range(3)]
    store_report(dataset, [(clear[1], 0.05), (clear[2], 0.1), (clear[0], 0.15)])
    expected = [waits, *(judgment.comparison_id for judgment in (clear[1], clear[2], clear[0]))]
    for size in (1, 2, 3, 4):
        seen, after = [], ""
        while after is not None:
            items, after = inbox.Inbox(dataset).list_page("", after, size)
            assert len(items) <= size
            seen += [item.held.comparison.pk for item in items]
        assert seen == expected, size
    ranked, _more = inbox.Inbox(dataset).list_page("outlier", "", 10)
    assert [item.held.comparison.pk for item in ranked] == expected[1:]


def test_votes_are_counted_in_the_letters_of_the_page(dataset, alice, bob, charlie):
    Dataset.objects.update(question="scale")
    comparison = Comparison.objects.earliest("pk")
    order = comparison.response_ids
    for who, verdict, shown in ((alice, "left3", order), (bob, "right3", order[::-1]), (charlie, "tie", order)):
        judgment = Judgment.objects.create(
            comparison=comparison, dataset=dataset, annotator=who, order=shown, state="leased"
        )
        Judgment.objects.filter(pk=judgment.pk).update(leased_at="2026-01-01T00:00Z")
        judgment.refresh_from_db()
        assert record(judgment, 0, verdict)
    votes = list(Judgment.objects.votes().order_by("pk"))
    assert [(str(one.label), one.n) for one in count_by_verdict(votes, order)] == [("A is much better", 2), ("Tie", 1)]
    turned = count_by_verdict(votes, order[::-1])
    assert [(str(one.label), one.n) for one in turned] == [("Tie", 1), ("B is much better", 2)]
    brief = count_by_winner(votes, list_outcomes(votes), order)
    assert [(str(one.label), one.n) for one in brief] == [("A", 2), ("Tie", 1)]


# --- acts -------------------------------------------------------------------------------------------------------------


def test_a_split_one_is_excluded_and_returned(boss, dataset, alice, bob):
    vote(alice, dataset, "left")
    pk = vote(bob, dataset, "right").comparison_id
    boss.post(PAGE, {"comparison": pk, "held": "", "decision": "leave_out"})
    assert list(Comparison.objects.filter(pk=pk).values_list("held", "review")) == [("withdrawn", "")]
    boss.post(PAGE, {"comparison": pk, "held": "withdrawn", "decision": "put_back"})
    assert list(Comparison.objects.filter(pk=pk).values_list("held", "review")) == [("", "wanted")]
    assert boss.post(PAGE, {"comparison": pk, "held": "", "decision": "put_back"}).status_code == 400


@pytest.mark.parametrize("review", ["off", "split"])
def test_an_admin_decides_what_they_choose_also_where_nobody_asked(boss, dataset, alice, bob, admin, review):
    Dataset.objects.update(review=review)
    dataset.refresh_from_db()
    vote_alike(dataset, alice, bob)
    pk = vote_alike(dataset, alice, bob)[0].comparison_id
    assert boss.post(CHOSEN, {"comparison": pk})["Location"] == "/annotate/demo/review/"
    assert Comparison.objects.get(pk=pk).review == "asked"
    assert list(Change.objects.filter(kind="flag").values_list("what", "after")) == [(str(pk), "asked")]
    page = boss.get("/annotate/demo/review/").content.decode()
    assert "Step 1 of 2" in page
    mine = Judgment.objects.get(annotator=admin)
    assert (mine.comparison_id, mine.purpose) == (pk, "review")
    boss.post("/annotate/demo/review/", {"judgment": mine.pk, "revision": 0, "verdict": "tie"})
    page = boss.get("/annotate/demo/review/").content.decode()
    assert "Step 2 of 2" in page
    decision = Judgment.objects.get(annotator=admin, purpose="decision")
    boss.post("/annotate/demo/review/", {"judgment": decision.pk, "revision": 0, "verdict": "tie"})
    assert Comparison.objects.get(pk=pk).review == "decided"
    assert Judgment.objects.decisions().get().verdict == "tie"
    assert "Nothing to review" in boss.get("/annotate/demo/review/").content.decode()
    assert "decided already" in boss.post(CHOSEN, {"comparison": pk}, follow=True).content.decode()


def test_who_has_voted_is_barred_and_nothing_changes(boss, dataset, admin, alice):
    pk = vote(admin, dataset, "left").comparison_id
    vote(alice, dataset, "left")
    answer = boss.post(CHOSEN, {"comparison": pk}, follow=True)
    assert "You judged or flagged this comparison yourself" in answer.content.decode()
    assert Comparison.objects.get(pk=pk).review == ""
    assert not Judgment.objects.filter(purpose="review").exists()
    assert not Change.objects.filter(kind="flag").exists()


def test_the_chosen_one_comes_before_what_was_in_hand(dataset, rita, alice, bob):  # noqa: F811
    for _ in range(2):
        vote(alice, dataset, "left")
        vote(bob, dataset, "right")
    first = lease_next_review(rita, dataset)
    other = Comparison.objects.filter(review="wanted").exclude(pk=first.comparison_id).get()
    chosen = lease_chosen_review(rita, dataset, other.pk)
    assert chosen.comparison_id == other.pk
    assert lease_next_review(rita, dataset) == chosen == lease_chosen_review(rita, dataset, other.pk)
    first.refresh_from_db()
    assert first.state == "expired"
    assert save_impression(first, 0, Submission("left")), "a page that is still open saves"


def test_what_another_reviewer_holds_is_not_given(dataset, rita, rob, alice, bob):  # noqa: F811
    vote(alice, dataset, "left")
    pk = vote(bob, dataset, "right").comparison_id
    mine = lease_chosen_review(rita, dataset, pk)
    with pytest.raises(CannotReview, match="taken"):
        lease_chosen_review(rob, dataset, pk)
    expire_lease(mine)
    assert lease_chosen_review(rob, dataset, pk).annotator == rob


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"held": "withdrawn"}, "settled"), ({"held": "gold"}, "settled"), ({"task": "repair"}, "settled")],
)
def test_what_nobody_can_decide_is_not_given(dataset, rita, changes, reason):  # noqa: F811
    pk = Comparison.objects.earliest("pk").pk
    Comparison.objects.filter(pk=pk).update(**changes)
    with pytest.raises(CannotReview, match=reason):
        lease_chosen_review(rita, dataset, pk)
    assert not Judgment.objects.exists()


def test_a_paused_dataset_gives_none_and_another_dataset_nothing(boss, dataset, make_dataset):
    other = Comparison.objects.get(dataset=make_dataset(build_rows(1), "other"))
    assert boss.post(CHOSEN, {"comparison": other.pk}).status_code == 404
    assert boss.post(CHOSEN, {"comparison": "x"}).status_code == 400
    Dataset.objects.update(state="paused")
    pk = Comparison.objects.filter(dataset=dataset).earliest("pk").pk
    assert "paused or archived" in boss.post(CHOSEN, {"comparison": pk}, follow=True).content.decode()


def test_what_was_asked_for_waits_until_it_is_decided(dataset, rita, rob, alice, bob):  # noqa: F811
    pk = vote_alike(dataset, alice, bob)[0].comparison_id
    decision_of = lease_chosen_review(rita, dataset, pk)
    record(decision_of, 0, "skip")
    assert Comparison.objects.get(pk=pk).review == "asked"
    open_one = decisions.lease_chosen_review(rita, dataset, pk)
    assert open_one.purpose == "decision"
    record(open_one, 0, "skip")
    assert Comparison.objects.get(pk=pk).review == "asked"
    assert lease_next_review(rita, dataset) is None
    assert lease_next_review(rob, dataset).comparison_id == pk


# --- the reviewer's page ----------------------------------------------------------------------------------------------


def test_the_votes_are_counted_and_the_impression_filled_in(client, rita, make_dataset, alice, bob):  # noqa: F811
    criteria = [{"name": "facts"}]
    dataset = make_dataset(build_rows(1), overlap=2, review="split", criteria=criteria, reasons="optional")
    said = {"criteria": {"facts": {"verdict": ["left"]}}, "reasons": ["clearer"], "reason": "so it is"}
    vote(alice, dataset, "left", said)
    vote(bob, dataset, "right", said)
    client.force_login(rita)
    impression = lease_next_review(rita, dataset)
    assert save_impression(impression, 0, Submission("left", said))
    page = parse_page(client.get("/annotate/demo/review/"))
    fell = [" ".join(item.text.split()) for item in page.find("ul", **{"class": "fell"}).find_all("li")]
    assert fell == ["A is better 1", "B is better 1"]
    checked = {one["value"] for one in page.find_all("input") if one.attributes.get("type") == "radio"
               and "checked" in one.attributes}  # fmt: skip
    assert checked == {"left"}
    assert page.find("input", name="reason")["value"] == "so it is"
    (default,) = [button for button in page.find_all("button") if "awaiting" in button.attributes.get("class", "")]
    assert default["value"] == "left"
    assert "your first impression" in default.text
    assert not Judgment.objects.decisions().exists()


# --- gold -------------------------------------------------------------------------------------------------------------


def test_a_gold_question_keeps_the_letters_that_were_seen(boss, dataset, admin):
    judgment = lease_next(admin, dataset)
    judgment.order = sorted(judgment.order, reverse=True)
    judgment.save()
    record(judgment, 0, "right")
    made = boss.post(f"/datasets/demo/judgments/{judgment.pk}/gold/")
    page = parse_page(boss.get(made["Location"]))
    assert " ".join(page.find("h1").text.split()) == "Gold question: B > A"
    shown = [
        " ".join(f"{article.find('h2').text} {article.find('div', **{'class': 'text'}).text}".split())
        for article in page.find_all("article")
    ]
    best = judgment.comparison.prompt.responses.get(pk=judgment.order[1])
    assert shown[0].startswith("A ")
    assert shown[1] == f"B · best {best.text}"


def test_a_reviewers_decision_can_become_gold(boss, dataset, rita, alice, bob):  # noqa: F811
    vote(alice, dataset, "left")
    judgment = vote(bob, dataset, "right")
    decision = begin_decision(rita, dataset)
    decisions.decide(decision, 0, Submission("left"))
    page = boss.get(f"/datasets/demo/judgments/{judgment.pk}/").content.decode()
    assert f'action="/datasets/demo/judgments/{decision.pk}/gold/"' in page
    assert boss.post(f"/datasets/demo/judgments/{judgment.pk}/gold/").status_code == 404
    assert boss.post(f"/datasets/demo/judgments/{decision.pk}/gold/").status_code == 302
    gold = Gold.objects.get()
    assert gold.choices == [decision.order]
    assert gold.order == decision.order


def test_an_admin_names_the_answer_on_the_prompts_page(boss, make_dataset, admin):
    dataset = make_dataset(build_rows(1, answers=3))
    prompt = dataset.prompts.get()
    address = f"/datasets/demo/prompts/{prompt.pk}/"
    page = parse_page(boss.get(address))
    options = [(one["value"], one.text) for one in page.find("select", name="comparison").find_all("option")]
    assert [text for _pk, text in options] == ["", "1 · 2", "1 · 3", "2 · 3"]
    first, second, third = prompt.responses.order_by("pk").values_list("pk", flat=True)
    wrong = {"comparison": options[1][0], "best": third}
    assert "must be one of the comparison" in boss.post("/datasets/demo/gold/new/", wrong, follow=True).content.decode()
    made = boss.post("/datasets/demo/gold/new/", wrong | {"best": second})
    gold = Gold.objects.get()
    assert made["Location"] == f"/datasets/demo/gold/{gold.pk}/"
    assert (gold.verdict, gold.choices, gold.made_by) == ("choice", [[second, first]], admin)
    assert gold.comparison.held == "gold"
    assert "Choose a comparison" in boss.post("/datasets/demo/gold/new/", {"best": "x"}, follow=True).content.decode()


def test_the_inbox_makes_gold_of_what_was_seen_only(boss, dataset, alice, admin):
    flagged = lease_next(alice, dataset)
    record(flagged, 0, "flag", flag="leak")
    pk = flagged.comparison_id
    form = {"comparison": pk, "best": "both_bad", "reason": "both leak", "inbox": "1"}
    assert "decide that first" in boss.post("/datasets/demo/gold/new/", form, follow=True).content.decode()
    assert boss.post("/datasets/demo/gold/new/", form | {"held": "flagged"})["Location"] == PAGE
    gold = Gold.objects.get()
    assert (gold.verdict, gold.reason, gold.comparison.held, gold.comparison.review) == (
        "both_bad", "both leak", "gold", "",
    )  # fmt: skip
    with pytest.raises(CannotMakeGold, match="is_gold"):
        create_gold_from_answer(pk, "", "tie")
    delete_gold(gold)
    assert Comparison.objects.get(pk=pk).held == ""


def test_the_inbox_proposes_what_most_votes_say(boss, dataset, alice, bob):
    first, _second = vote_alike(dataset, alice, bob)
    store_report(dataset, [(first, 0.1)])
    best = parse_page(boss.get(PAGE)).find("select", name="best")
    selected = [one["value"] for one in best.find_all("option") if "selected" in one.attributes]
    assert selected == [str(min(first.order))]


def test_gold_of_what_is_sure_can_be_made_from_a_judgment(dataset, admin):
    judgment = lease_next(admin, dataset)
    record(judgment, 0, "left")
    judgment.refresh_from_db()
    Comparison.objects.filter(pk=judgment.comparison_id).update(held="sure")
    assert create_gold(judgment).order == judgment.order


# --- lists of judgments -----------------------------------------------------------------------------------------------


def test_the_lists_are_filtered_by_speed_and_outliers(boss, dataset, alice, bob):
    odd, other = vote_alike(dataset, alice, bob)
    Judgment.objects.filter(pk=odd.pk).update(seconds=0)
    Judgment.objects.filter(pk=other.pk).update(seconds=999)
    store_report(dataset, [(other, 0.1)])

    def list_people(path):
        page = parse_page(boss.get(f"/datasets/demo/{path}"))
        lines = [row for body in page.find_all("tbody") for row in body.find_all("tr")]
        lines += [item for ol in page.find_all("ol") for item in ol.find_all("li")]
        return ["alice" if "alice" in line.text else "bob" for line in lines]

    for path in ("judgments/", "judgments/pairs/"):
        assert list_people(f"{path}?mark=fast") == ["alice"]
        assert list_people(f"{path}?mark=outlier") == ["bob"]
        assert list_people(path) == ["bob", "alice"]
        assert boss.get(f"/datasets/demo/{path}?mark=x").status_code == 422
    page = parse_page(boss.get("/datasets/demo/judgments/?mark=fast"))
    (link,) = [a["href"] for a in page.find_all("a") if a.text.strip() == "Save as CSV"]
    file = b"".join(boss.get(link).streaming_content).decode()
    (row,) = csv.DictReader(io.StringIO(file))
    assert (row["judgment"], row["annotator"], row["too_fast"]) == (str(odd.pk), "alice", "1")
    assert boss.get("/datasets/demo/judgments.csv?mark=x").status_code == 400
