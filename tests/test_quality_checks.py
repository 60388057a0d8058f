"""Known answers and repeats mixed in: indistinguishable, harmless to the queue, in no export."""

import random
import re
import time
from collections import Counter
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.judging import record as record_module
from annotate.judging.record import record, undo
from annotate.queue import quality_checks
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold, delete_gold
from datasets.models import Choice, Comparison, Judgment
from tests.conftest import build_rows, create_person
from tests.test_annotate import HTMX, Browser, parse_page, read_fields
from tests.test_concurrent_acts import run_at_once
from tests.test_queue import expire_lease, has_right_counters

GOLD, REPEAT, VOTE = Judgment.Purpose.GOLD, Judgment.Purpose.REPEAT, Judgment.Purpose.VOTE


@pytest.fixture
def mixed(make_dataset, admin):
    """mixed(n, gold, **settings): a dataset of n comparisons; the first `gold` have known answers."""

    def make(n, gold=0, **settings):
        dataset = make_dataset(build_rows(n), **settings)
        for _ in range(gold):
            judgment = lease_next(admin, dataset)
            record(judgment, 0, "left")
            judgment.refresh_from_db()
            create_gold(judgment, by=admin)
        return dataset

    return make


@pytest.fixture(autouse=True)
def _drawn_alike(monkeypatch):
    """A fixed random seed for each run."""
    monkeypatch.setattr(quality_checks.random, "random", random.Random(3).random)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(quality_checks, "REPEAT_AFTER", 3)


def judge_all(user, dataset, verdict="left", most=200):
    """The judgments that a person gives until nothing is left."""
    given = []
    while len(given) < most and (judgment := lease_next(user, dataset)):
        record(judgment, judgment.revision, verdict)
        given.append(Judgment.objects.get(pk=judgment.pk))
    return given


def test_without_a_share_nothing_is_mixed_in(mixed, alice):
    dataset = mixed(8, gold=3)
    assert {judgment.purpose for judgment in judge_all(alice, dataset)} == {VOTE}
    assert Judgment.objects.filter(annotator=alice).count() == 5


def test_each_known_answer_comes_once_to_a_person_as_often_as_the_share_says(mixed, alice, bob):
    dataset = mixed(40, gold=8, gold_share=20, overlap=2)
    for someone in (alice, bob):
        given = judge_all(someone, dataset)
        known = [judgment for judgment in given if judgment.purpose == GOLD]
        assert 3 <= len(known) <= 8
        assert len({judgment.comparison_id for judgment in known}) == len(known)
        assert len(given) - len(known) == 32
    assert has_right_counters(dataset)


def test_a_repeat_is_an_older_vote_of_ones_own_with_the_sides_swapped(mixed, alice, soon):
    dataset = mixed(12, repeat_share=50)
    given = judge_all(alice, dataset)
    repeats = [judgment for judgment in given if judgment.purpose == REPEAT]
    assert repeats
    for repeat in repeats:
        vote = next(one for one in given if one.comparison_id == repeat.comparison_id and one.purpose == VOTE)
        assert repeat.order == vote.order[::-1]
        between = [one for one in given if vote.decided_at < one.decided_at < repeat.decided_at]
        assert sum(one.purpose == VOTE for one in between) >= 3
    assert len({repeat.comparison_id for repeat in repeats}) == len(repeats)
    assert has_right_counters(dataset)


def test_nothing_known_comes_once_nothing_else_is_left(mixed, alice):
    dataset = mixed(3, gold=2, gold_share=50)
    judge_all(alice, dataset)
    assert lease_next(alice, dataset) is None


@pytest.mark.parametrize("mode", ["every", "majority"])
def test_no_export_takes_them(mixed, alice, soon, run_command, tmp_path, mode):
    dataset = mixed(12, gold=3, gold_share=30, repeat_share=30)
    judge_all(alice, dataset)
    assert Judgment.objects.exclude(purpose=VOTE).exists()
    out = tmp_path / "out.jsonl"
    _, summary, _ = run_command("export_dataset", "demo", "--format", "dpo", "--mode", mode, "--output", str(out))
    votes = Choice.objects.filter(judgment__purpose=VOTE).count()
    assert (votes, summary["rows"] + sum(summary["left_out"].values())) == (12, 12), "nine by alice, three by the admin"
    _, summary, _ = run_command("export_dataset", "demo", "--format", "judgments-csv", "--output", str(out))
    assert summary["rows"] == 12


def test_an_admin_takes_a_known_answer_back_and_the_comparison_is_judged(mixed, alice):
    dataset = mixed(2, gold=1, overlap=2)
    gold = dataset.gold.get()
    assert len(judge_all(alice, dataset)) == 1
    delete_gold(gold)
    assert [judgment.comparison_id for judgment in judge_all(alice, dataset)] == [gold.comparison_id]


@pytest.fixture
def next_is(monkeypatch):
    """next_is(purpose): sets the purpose that is drawn next."""

    def choose(purpose):
        percent = {GOLD: 0.0, REPEAT: 0.3, VOTE: 0.9}[purpose]
        monkeypatch.setattr(quality_checks.random, "random", lambda: percent)

    return choose


@pytest.fixture
def sides_vary(mixed, admin, soon):
    return mixed(24, gold=4, gold_share=25, repeat_share=25, allow_flag=True)


@pytest.mark.parametrize("act", ["skip", "flag", "left"])
@pytest.mark.parametrize("purpose", [GOLD, REPEAT])
def test_it_is_undone_like_any_other(sides_vary, alice, next_is, purpose, act):
    next_is(VOTE)
    for _ in range(6):
        record(lease_next(alice, sides_vary), 0, "left")
    next_is(purpose)
    judgment = lease_next(alice, sides_vary)
    assert judgment.purpose == purpose
    held = Comparison.objects.get(pk=judgment.comparison_id).held
    record(judgment, 0, act, flag="unsafe" if act == "flag" else "")
    judgment.refresh_from_db()
    assert undo(judgment, judgment.revision)
    again = lease_next(alice, sides_vary)
    assert (again.pk, again.order) == (judgment.pk, judgment.order)
    assert Comparison.objects.get(pk=judgment.comparison_id).held == held
    assert has_right_counters(sides_vary)


@pytest.mark.parametrize("purpose", [GOLD, REPEAT])
def test_a_lease_that_runs_out_is_mine_again_and_a_late_verdict_is_kept(sides_vary, alice, bob, next_is, purpose):
    next_is(VOTE)
    for _ in range(6):
        record(lease_next(alice, sides_vary), 0, "left")
    next_is(purpose)
    judgment = lease_next(alice, sides_vary)
    expire_lease(judgment)
    next_is(VOTE)
    lease_next(bob, sides_vary)
    assert record(judgment, 0, "right")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.surplus) == ("saved", False)
    assert has_right_counters(sides_vary)


# --- indistinguishable ------------------------------------------------------------------------------------------------


def mask_drawn(text):
    """A page or a response without texts, numbers and tokens."""
    text = re.sub(r"csrfmiddlewaretoken[^>]*>|csrftoken=\w+|Prompt \d+|Answer \d to \d+\.", "", text)
    return re.sub(r"\d+", "#", text)


def capture_response(browser, purpose, next_is, headers):
    """Status, headers and body of the page, or of the script's response, with a comparison of this purpose."""
    next_is(purpose)
    if headers:
        sent = read_fields(browser.form) | {"verdict": "left", "ready": "1"}
        answer = browser.client.post(browser.address, sent, headers=headers)
        judgment = Judgment.objects.get(pk=re.search(r'name="judgment" value="(\d+)', answer.content.decode())[1])
    else:
        browser.give("left")
        answer = browser.look().answer
        judgment = browser.judgment
    assert judgment.purpose == purpose
    headers = {name: sorted(re.split("[;,] ", value)) for name, value in answer.headers.items()}
    for name in ("Content-Length", "Expires", "X-Request-ID"):  # a length, a timestamp, a random number per response
        headers.pop(name, None)
    sent = mask_drawn(answer.content.decode())
    return {"status": answer.status_code, "headers": headers, "sent": sent.splitlines()}


def test_no_byte_tells_it_from_an_ordinary_one(sides_vary, client, alice, next_is):
    next_is(VOTE)
    browser = Browser(client, alice).look()
    for _ in range(10):  # as many as the list of the last ones shows
        browser.give("left")
    differ = {}
    for name, headers in (("page", {}), ("script", HTMX)):
        ordinary = capture_response(browser.look(), VOTE, next_is, headers)
        for purpose in (GOLD, REPEAT):
            known = capture_response(browser.look(), purpose, next_is, headers)
            if known != ordinary:
                differ[name, purpose] = (known, ordinary)
    assert differ == {}


def test_the_count_and_the_history_know_no_difference(sides_vary, client, alice, next_is):
    next_is(VOTE)
    browser, said = Browser(client, alice).look(), []
    for purpose, following in pairwise((VOTE, VOTE, VOTE, VOTE, VOTE, GOLD, REPEAT, VOTE)):
        assert browser.judgment.purpose == purpose
        next_is(following)
        browser.give("left")
        said.append(re.search(r"You: (\d+)", browser.look().answer.content.decode())[1])
    assert said == ["1", "2", "3", "4", "5", "6", "7"]
    page = client.get("/annotate/demo/history/").content.decode()
    assert page.count("/annotate/demo/history/") >= 7
    assert "known" not in page.lower()


def capture_queries(purpose, next_is, browser):
    """The queries for a verdict that is followed by a comparison of this purpose."""
    next_is(purpose)
    sent = read_fields(browser.form) | {"verdict": "left", "ready": "1"}
    with CaptureQueriesContext(connection) as asked:
        answer = browser.client.post(browser.address, sent, headers=HTMX)
    queries = asked.captured_queries  # the next request empties the log
    assert Judgment.objects.latest("pk").purpose == purpose
    browser.page = browser.look().page
    assert "data-comparison" in answer.content.decode()
    return [re.sub(r"'[^']*'|\d+|NULL", "#", query["sql"])[:200] for query in queries]


def test_the_database_is_asked_the_same_whatever_comes(sides_vary, client, alice, next_is, monkeypatch):
    monkeypatch.setattr(record_module, "has_overdue_leases", lambda _: False)  # else asked every few seconds
    next_is(VOTE)
    browser = Browser(client, alice).look()
    for _ in range(8):
        capture_queries(VOTE, next_is, browser)
    asked = {}
    for purpose in (VOTE, GOLD, REPEAT):
        kinds = [sql.split(" WHERE")[0][:60] for sql in capture_queries(purpose, next_is, browser)]
        asked[purpose] = [kind for kind in kinds if "datasets_comparison" in kind or "datasets_judgment" in kind]
    assert asked[VOTE]
    assert asked[GOLD] == asked[VOTE]
    assert asked[REPEAT] == asked[VOTE]


def test_no_clock_tells_it_from_an_ordinary_one(mixed, client, alice, next_is):
    """An ordinary response and one with a known answer each take longer about equally often."""
    mixed(56, gold=20, gold_share=25)
    next_is(VOTE)
    browser, took = Browser(client, alice).look(), {VOTE: [], GOLD: []}
    order = [VOTE, GOLD] * 20
    random.Random(1).shuffle(order)
    for purpose in [VOTE] * 4 + order:
        next_is(purpose)
        sent = read_fields(browser.form) | {"verdict": "left", "ready": "1"}
        started = time.perf_counter()
        answer = browser.client.post(browser.address, sent, headers=HTMX)
        took[purpose].append(time.perf_counter() - started)
        browser.page = parse_page(answer)
        assert browser.judgment.purpose == purpose
    pairs = [(gold > vote) for gold in took[GOLD] for vote in took[VOTE][4:]]
    assert 0.23 < sum(pairs) / len(pairs) < 0.77, "0.5 +- 0.27 is three deviations of the rank sum of 20 and 20"


# --- concurrency ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_overlap_stays_exact_with_all_of_it(mixed, monkeypatch):
    monkeypatch.setattr(quality_checks, "REPEAT_AFTER", 2)
    dataset = mixed(24, gold=4, gold_share=20, repeat_share=20, overlap=3)
    people, saved = [create_person(f"p{i}") for i in range(50)], Counter()

    def work(user):
        while judgment := lease_next(user, dataset):
            assert record(judgment, judgment.revision, ("left", "right", "tie")[judgment.pk % 3])
            assert not record(judgment, judgment.revision, "left")
            saved[judgment.purpose] += 1

    run_at_once(*(lambda user=user: work(user) for user in people))
    for user in people:
        work(user)
    votes = Judgment.objects.filter(purpose=VOTE, state="saved", comparison__held="")
    assert votes.count() == saved[VOTE] == 20 * 3
    assert set(Counter(votes.values_list("comparison", flat=True)).values()) == {3}
    assert saved[GOLD] == Judgment.objects.filter(purpose=GOLD).count() > 0
    assert max(Counter(Judgment.objects.values_list("comparison", "annotator", "purpose")).values()) == 1
    assert has_right_counters(dataset)
