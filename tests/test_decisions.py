"""Reviews: what goes to a reviewer, who gets it, and the records of a review."""

import itertools
import random
import threading
import time
from collections import defaultdict

import pytest
from django.db import IntegrityError

from annotate.judging import decisions as reviews
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save, undo
from annotate.models import User
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.comparisons import flags, tasks
from datasets.comparisons import review as comparison_review
from datasets.comparisons.gold import create_gold, delete_gold
from datasets.comparisons.review import TIE, is_undecided
from datasets.forms import SettingsForm
from datasets.models import Choice, Comparison, Dataset, Job, Judgment
from tests.conftest import build_rows, create_person
from tests.test_concurrent_acts import run_at_once
from tests.test_fast_path import has_right_judged_counts
from tests.test_queue import expire_lease

A, B, C = 1, 2, 3
LEFT, RIGHT, TIED, NOTHING = {frozenset((A, B)): A}, {frozenset((A, B)): B}, {frozenset((A, B)): TIE}, {}


@pytest.fixture
def rita(db):
    return create_person("rita", User.Role.REVIEWER)


@pytest.fixture
def rob(db):
    return create_person("rob", User.Role.REVIEWER)


@pytest.mark.parametrize(
    ("votes", "split", "differ"),
    [
        ([LEFT], False, False),
        ([LEFT, LEFT], False, False),
        ([LEFT, RIGHT], True, True),
        ([LEFT, TIED], True, True),
        ([LEFT, NOTHING], True, True),
        ([TIED, TIED], False, False),
        ([NOTHING, NOTHING], False, False),
        ([TIED, NOTHING], True, True),
        ([LEFT, LEFT, RIGHT], False, True),
        ([LEFT, RIGHT, TIED], True, True),
        ([LEFT, LEFT, RIGHT, TIED], True, True),
        ([LEFT, LEFT, LEFT, RIGHT, RIGHT], False, True),
    ],
)
def test_what_votes_leave_undecided(votes, split, differ):
    assert is_undecided(Dataset.Review.SPLIT, [A, B], votes) == split
    assert is_undecided(Dataset.Review.DIFFER, [A, B], votes) == differ


def test_of_an_order_one_pair_is_enough():
    order = {frozenset((A, B)): A, frozenset((A, C)): A, frozenset((B, C)): B}
    other = order | {frozenset((B, C)): C}
    assert is_undecided(Dataset.Review.SPLIT, [A, B, C], [order, other])
    assert not is_undecided(Dataset.Review.SPLIT, [A, B, C], [order, order])


def vote(user, dataset, verdict, said=None, flag=""):
    """Judges the next comparison, whatever its sides: `left` means the answer with the lower id."""
    judgment = lease_next(user, dataset)
    if verdict in ("left", "right") and judgment.order != sorted(judgment.order):
        verdict = {"left": "right", "right": "left"}[verdict]
    assert record(judgment, judgment.revision, verdict, said, flag=flag)
    return judgment


@pytest.fixture
def split(make_dataset, alice, bob):
    """A dataset with one comparison on which alice and bob disagree."""
    dataset = make_dataset(build_rows(1), overlap=2, review="split", allow_flag=True)
    vote(alice, dataset, "left", {"reason": "it is right"})
    vote(bob, dataset, "right")
    return dataset


def flag_as_another(dataset, user):
    """Another person gets the split comparison and flags it."""
    Comparison.objects.filter(dataset=dataset).update(open_slots=1)
    vote(user, dataset, "flag", {"note": "GPT"}, "leak")


def list_reviews(dataset):
    return list(Comparison.objects.filter(dataset=dataset).order_by("pk").values_list("review", flat=True))


def give_impression(judgment, verdict="left"):
    return reviews.save_impression(judgment, judgment.revision, Submission(verdict))


def give_decision(judgment, verdict="left"):
    return reviews.decide(judgment, judgment.revision, Submission(verdict))


def begin_decision(user, dataset):
    """A reviewer's open decision, after their first impression."""
    assert give_impression(reviews.lease_next_review(user, dataset))
    return reviews.lease_next_review(user, dataset)


def test_a_reviewer_judges_first_then_decides_and_the_votes_stay(split, rita):
    votes = list(Judgment.objects.filter(purpose="vote").order_by("pk").values())
    first = reviews.lease_next_review(rita, split)
    assert (first.purpose, list_reviews(split)) == ("review", ["wanted"])
    assert give_impression(first)
    second = reviews.lease_next_review(rita, split)
    assert (second.purpose, second.order) == ("decision", first.order)
    assert give_decision(second, "right")
    assert list_reviews(split) == ["decided"]
    assert reviews.lease_next_review(rita, split) is None
    assert list(Judgment.objects.filter(purpose="vote").order_by("pk").values()) == votes
    assert {c.chosen_id for c in Choice.objects.filter(judgment=second)} == {second.order[1]}
    assert has_right_vote_counters(split)


def has_right_vote_counters(dataset):
    counted = {c.pk: c.wanted for c in Comparison.objects.filter(dataset=dataset)}
    hold = ["leased", "saved", "reopened"]
    for pk in Judgment.objects.filter(dataset=dataset, purpose="vote", state__in=hold).values_list(
        "comparison", flat=True
    ):
        counted[pk] -= 1
    return counted == dict(Comparison.objects.filter(dataset=dataset).values_list("pk", "open_slots"))


def test_the_same_form_twice_is_one_act(split, rita):
    first = reviews.lease_next_review(rita, split)
    assert [give_impression(first), give_impression(first)] == [True, False]
    second = reviews.lease_next_review(rita, split)
    assert [give_decision(second), give_decision(second, "right")] == [True, False]
    assert Judgment.objects.get(pk=second.pk).verdict == "left"


def test_nobody_reviews_what_they_judged_or_flagged_or_have_in_hand(make_dataset, rita, alice, bob, charlie):
    dataset = make_dataset(build_rows(3), overlap=2, review="differ", allow_flag=True)
    vote(rita, dataset, "left")
    vote(rita, dataset, "flag", flag="leak")
    held = lease_next(rita, dataset)
    for user in (alice, bob, charlie):
        for verdict in ("right", "flag"):
            if lease_next(user, dataset):
                vote(user, dataset, verdict, flag="leak" if verdict == "flag" else "")
    assert Comparison.objects.filter(review="wanted").count() > 1
    assert reviews.lease_next_review(rita, dataset) is None
    assert held.state == "leased"


def test_two_reviewers_never_have_the_same_one_and_what_is_left_comes_back(split, rita, rob):
    held = reviews.lease_next_review(rita, split)
    assert reviews.lease_next_review(rob, split) is None
    expire_lease(held)
    assert reviews.lease_next_review(rob, split).comparison_id == held.comparison_id
    assert reviews.lease_next_review(rita, split) is None


def test_between_impression_and_decision_nobody_else_gets_it(split, rita, rob):
    mine = begin_decision(rita, split)
    assert reviews.lease_next_review(rob, split) is None
    expire_lease(mine)
    assert give_decision(begin_decision(rob, split), "right")
    assert not give_decision(mine), "rob has decided"
    assert [d.annotator for d in Judgment.objects.decisions()] == [rob]


def test_a_late_decision_waits_for_nobody_and_takes_nothing_from_who_has_it_now(split, rita, rob):
    mine = begin_decision(rita, split)
    expire_lease(mine)
    theirs = begin_decision(rob, split)
    assert not give_decision(mine)
    assert give_decision(theirs)


def test_the_database_itself_keeps_a_second_reviewer_and_a_second_decision_out(split, rita, rob):
    mine = begin_decision(rita, split)
    same = {"comparison": mine.comparison, "dataset": split, "annotator": rob, "order": mine.order}
    with pytest.raises(IntegrityError):
        Judgment.objects.create(**same, purpose="review")


def test_after_lunch_the_decision_is_still_mine(split, rita):
    mine = begin_decision(rita, split)
    expire_lease(mine)
    assert give_decision(mine)
    assert list_reviews(split) == ["decided"]


def test_a_decision_can_be_undone_and_stands_until_then(split, rita, rob):
    mine = begin_decision(rita, split)
    give_decision(mine)
    mine = reviews.find_last_decision(rita, split)
    assert reviews.undo_decision(mine, mine.revision)
    again = reviews.lease_next_review(rita, split)
    assert (again.pk, again.state, list_reviews(split)) == (mine.pk, "reopened", ["decided"])
    assert reviews.lease_next_review(rob, split) is None
    assert give_decision(again, "skip")
    assert list_reviews(split) == ["wanted"]
    assert not Choice.objects.filter(judgment=mine)
    assert reviews.lease_next_review(rita, split) is None, "left open: not for her, for a day"
    assert reviews.lease_next_review(rob, split)


def test_who_saw_the_votes_never_votes(split, rita):
    give_impression(reviews.lease_next_review(rita, split), "skip")
    give_decision(reviews.lease_next_review(rita, split), "skip")
    Judgment.objects.filter(annotator=rita).update(decided_at="2001-01-01T00:00Z")
    Comparison.objects.update(open_slots=1, wanted=3)
    assert lease_next(rita, split) is None


def test_a_review_in_hand_is_not_the_annotators_next(make_dataset, split, rita):
    make_dataset(build_rows(2))
    reviews.lease_next_review(rita, split)
    assert lease_next(rita, split) is None or lease_next(rita, split).purpose == "vote"


@pytest.mark.parametrize(
    ("what", "held", "review", "then"),
    [(flags.PUT_BACK, "", "wanted", "decision"), (flags.LEAVE_OUT, "withdrawn", "", None)],
)
def test_what_is_flagged_is_put_back_or_left_out(split, rita, charlie, what, held, review, then):
    flag_as_another(split, charlie)
    assert list_reviews(split) == ["wanted"]
    mine = begin_decision(rita, split)
    assert not give_decision(mine), "no verdict while it is flagged"
    assert reviews.decide_flagged(mine, mine.revision, what)
    assert not reviews.decide_flagged(mine, mine.revision, what)
    comparison = Comparison.objects.get()
    assert (comparison.held, comparison.review) == (held, review)
    following = reviews.lease_next_review(rita, split)
    assert (following and following.purpose) == then


def test_what_an_admin_decides_of_a_flag_ends_the_review(make_dataset, rita, alice):
    dataset = make_dataset(build_rows(1), review="split", allow_flag=True)
    flagged = vote(alice, dataset, "flag", flag="leak")
    mine = reviews.lease_next_review(rita, dataset)
    assert list_reviews(dataset) == ["wanted"]
    flags.decide(flagged.comparison_id, flags.FLAGGED, flags.PUT_BACK)
    assert list_reviews(dataset) == [""]
    assert reviews.lease_next_review(rita, dataset) is None
    assert give_impression(mine), "it is kept"
    assert reviews.lease_next_review(rita, dataset) is None


def test_what_becomes_a_known_answer_waits_no_more(split, rita, admin):
    judgment = Judgment.objects.earliest("pk")
    made = create_gold(judgment)
    assert (list_reviews(split), reviews.lease_next_review(rita, split)) == ([""], None)
    delete_gold(made)
    assert list_reviews(split) == ["wanted"]


def test_without_an_impression_one_decides_all_the_same(split, rita):
    assert give_impression(reviews.lease_next_review(rita, split), "skip")
    assert give_decision(reviews.lease_next_review(rita, split))
    assert list_reviews(split) == ["decided"]


@pytest.mark.parametrize("state", ["paused", "archived"])
def test_a_paused_dataset_gives_reviewers_nothing_a_closed_one_does(split, rita, state):
    split.state = state
    assert reviews.lease_next_review(rita, split) is None
    split.state = "closed"
    assert reviews.lease_next_review(rita, split)


# --- kept up to date -----------------------------------------------------------------------------------------------


def recompute_reviews(dataset):
    """The expected reviews, recomputed in an independent loop."""
    found, said_of, decided = [], defaultdict(list), set()
    acts = Judgment.objects.filter(dataset=dataset, state__in=["saved", "reopened"])
    for pk, purpose, strength, chosen in acts.values_list(
        "comparison", "purpose", "choices__strength", "choices__chosen"
    ):
        if purpose == "vote":
            said_of[pk].append(strength and chosen)
        elif purpose == "decision":
            decided.add(pk)
    for comparison in Comparison.objects.filter(dataset=dataset).order_by("pk"):
        said = said_of[comparison.pk]
        if comparison.pk in decided:
            found.append("decided")
        elif comparison.held == "flagged":
            found.append("wanted")
        else:
            most = max((said.count(one) for one in said), default=0)
            apart = most < len(said) if dataset.review == "differ" else most * 2 <= len(said)
            full = len(said) >= comparison.wanted and len(said) > 1 and comparison.held == ""
            found.append("wanted" if full and apart else "")
    return found


@pytest.mark.parametrize("review", ["split", "differ"])
def test_after_any_acts_it_is_as_a_recount_says(make_dataset, rita, admin, review):
    dataset = make_dataset(build_rows(12), overlap=3, review=review, allow_flag=True)
    people, chance = [create_person(f"p{i}") for i in range(5)], random.Random(review)
    for _ in range(150):
        user, act = chance.choice(people), chance.choice(["vote"] * 6 + ["undo", "flag", "review", "flags"])
        if act == "vote" and (judgment := lease_next(user, dataset)):
            judgment = find_judgment(user, dataset, judgment.pk)
            verdict = chance.choice(["left", "left", "right", "tie", "both_bad", "skip"])
            save(
                judgment, judgment.revision, Submission(verdict), build_spec(dataset, 2), leasing=chance.random() < 0.7
            )
        elif act == "flag" and (judgment := lease_next(user, dataset)):
            record(judgment, judgment.revision, "flag", flag="leak")
        elif act == "undo":
            mine = Judgment.objects.filter(annotator=user, purpose="vote", state__in=["saved", "skipped"])
            if judgment := mine.order_by("-decided_at").first():
                undo(judgment, judgment.revision)
        elif act == "review" and (judgment := reviews.lease_next_review(rita, dataset)):
            give = reviews.save_impression if judgment.purpose == "review" else reviews.decide
            give(judgment, judgment.revision, Submission(chance.choice(["left", "skip"])))
        elif act == "flags" and (flagged := Comparison.objects.filter(held="flagged").first()):
            flags.decide(flagged.pk, flags.FLAGGED, chance.choice([flags.PUT_BACK, flags.LEAVE_OUT]))
        assert list_reviews(dataset) == recompute_reviews(dataset)
    while judgment := reviews.lease_next_review(rita, dataset):
        if judgment.purpose == "review":
            assert give_impression(judgment)
        elif not give_decision(judgment):
            assert reviews.decide_flagged(judgment, judgment.revision, flags.PUT_BACK)
    assert list_reviews(dataset) == recompute_reviews(dataset)
    assert "decided" in list_reviews(dataset)


def build_judged_row(verdict, name):
    chosen, rejected = ("x", "y") if verdict == "left" else ("y", "x")
    return {"prompt": "Why?", "chosen": chosen, "rejected": rejected, "annotator": name}


def test_imported_votes_go_to_reviewers_too(make_dataset, rita):
    dataset = make_dataset(
        [build_judged_row("left", "ann"), build_judged_row("right", "eve")], overlap=2, review="split"
    )
    assert list_reviews(dataset) == ["wanted"]
    assert reviews.lease_next_review(rita, dataset)


def test_the_setting_changes_what_waits_at_once_or_as_a_task(make_dataset, alice, bob, charlie, monkeypatch):
    dataset = make_dataset(build_rows(1), overlap=3)
    for user, verdict in ((alice, "left"), (bob, "left"), (charlie, "right")):
        vote(user, dataset, verdict)
    assert list_reviews(dataset) == [""]
    for review, expected in (("differ", ["wanted"]), ("split", [""]), ("differ", ["wanted"]), ("off", [""])):
        change(dataset, review=review)
        assert list_reviews(dataset) == expected
    monkeypatch.setattr(tasks, "COMPARISONS_AT_ONCE", 0)
    change(dataset, review="differ")
    job = Job.objects.get(kind="review")
    assert (list_reviews(dataset), job.state) == ([""], "waiting")
    tasks.run_review_refresh(job, lambda done, total: None)
    assert list_reviews(dataset) == ["wanted"]
    change(dataset, review="differ", overlap=4)
    tasks.run_review_refresh(Job.objects.latest("pk"), lambda done, total: None)
    assert list_reviews(dataset) == [""]


def change(dataset, **said):
    stands = SettingsForm(instance=dataset)
    data = {name: "" if stands[name].value() is None else stands[name].value() for name in stands.fields}
    form = SettingsForm(data | said, instance=dataset)
    assert form.is_valid(), form.errors
    form.save()


def test_judging_pays_nothing_where_nothing_is_reviewed(
    make_dataset, alice, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr(comparison_review, "refresh", None)
    dataset = make_dataset(build_rows(3), overlap=2)
    for leasing in (True, False):
        judgment = find_judgment(alice, dataset, lease_next(alice, dataset).pk)
        assert save(judgment, judgment.revision, Submission("left"), build_spec(dataset, 2), leasing=leasing).changed


# --- concurrency -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_many_annotators_and_reviewers_at_once_overlap_exact_and_each_decided_once(make_dataset):
    dataset = make_dataset(build_rows(24), overlap=3, review="differ", allow_flag=True)
    people = [create_person(f"p{i}") for i in range(8)]
    reviewers = [create_person(f"r{i}", User.Role.REVIEWER) for i in range(5)]
    verdicts = itertools.cycle(["left", "right", "left", "tie", "both_bad"])
    done = {user: threading.Event() for user in people}

    def judge(user):
        try:
            while judgment := lease_next(user, dataset):
                judgment = find_judgment(user, dataset, judgment.pk)
                act = Submission(next(verdicts))
                assert save(judgment, judgment.revision, act, build_spec(dataset, 2), leasing=True).changed
        finally:
            done[user].set()

    def review(user):
        while True:
            last = all(one.is_set() for one in done.values())
            while judgment := reviews.lease_next_review(user, dataset):
                give = reviews.save_impression if judgment.purpose == "review" else reviews.decide
                assert give(judgment, judgment.revision, Submission("left"))
                assert not give(judgment, judgment.revision, Submission("right"))
            if last:
                return
            time.sleep(0.02)

    judges = [lambda user=user: judge(user) for user in people]
    run_at_once(*judges, *(lambda user=user: review(user) for user in reviewers))
    votes = Judgment.objects.filter(dataset=dataset, purpose="vote", state="saved")
    assert votes.count() == 24 * 3
    assert not votes.filter(surplus=True).exists()
    assert list_reviews(dataset) == recompute_reviews(dataset)
    decided = Comparison.objects.filter(review="decided").count()
    assert 0 < decided == Judgment.objects.decisions().count() == list_reviews(dataset).count("decided")
    assert "wanted" not in list_reviews(dataset)
    assert Judgment.objects.filter(purpose="review", state="saved").count() >= decided
    assert has_right_vote_counters(dataset)
    assert has_right_judged_counts(dataset)
