"""The overview of a dataset: figures, what needs attention, the most chosen answers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analyze.attention import compute_gold_accuracy
from analyze.report import compute_numbers
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from api.tokens import create_token
from datasets.models import Comparison, Dataset, Judgment
from tests.conftest import build_rows, create_person
from tests.test_annotate import parse_page
from tests.test_judgment_pages import read_figures

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    return client


def judge_all(person, dataset, verdict="left", seconds=60.0):
    """A person judges everything open to them, each in these seconds."""
    n = 0
    while judgment := lease_next(person, dataset):
        record(judgment, judgment.revision, verdict)
        n += 1
    Judgment.objects.filter(annotator=person).update(seconds=seconds)
    return n


def read_attention(boss):
    section = parse_page(boss.get("/datasets/demo/")).find("section", aria_labelledby="attention")
    return [" ".join(item.text.split()) for item in section.find_all("li")]


def test_the_figures_tell_progress_hours_and_costs(boss, make_dataset, alice, bob):
    dataset = make_dataset(build_rows(30), overlap=2, hourly_rate=12.0)
    assert judge_all(alice, dataset) == 30
    finish = timezone.localdate() + timedelta(days=1)
    assert read_figures(parse_page(boss.get("/datasets/demo/"))) == [
        "30 of 60 judgments",
        "30 per day (average of 7 working days)",
        f"{finish} estimated completion (1 day)",
        "0.5 h spent, ≈ 0.5 h remaining · median 1 min 0 s",
        "6.00 cost, ≈ 6.00 remaining",
        "– agreement: no overlap yet",
    ]


def test_the_hourly_rate_is_a_setting(boss, pairs):
    assert boss.post("/datasets/demo/settings/", {"name": "Demo", "hourly_rate": "12.5"}).status_code == 302
    assert Dataset.objects.get().hourly_rate == 12.5
    assert boss.post("/datasets/demo/settings/", {"name": "Demo", "hourly_rate": "-1"}).status_code == 422


def test_agreement_is_the_same_on_the_pages_by_command_and_in_the_api(
    boss, make_dataset, alice, bob, admin, run_command
):
    dataset = make_dataset(build_rows(20), overlap=2)
    judge_all(alice, dataset)
    for n, comparison in enumerate(Comparison.objects.order_by("pk")):
        judgment = lease_next(bob, dataset)
        theirs = Judgment.objects.get(comparison=judgment.comparison_id, annotator=alice)
        same_side = judgment.order == theirs.order
        agree = n % 4 != 0
        record(judgment, 0, "both_bad" if n == 1 else "left" if same_side == agree else "right", seconds=9.0)
        assert comparison
    numbers = compute_numbers(dataset)["agreement"]
    assert (numbers["percent"], numbers["judged_twice"], numbers["couples"]) == (0.7, 20, 20)
    (day,) = numbers["by_day"]
    assert (day["value"], day["n"], day["place"]) == (0.7, 20, 14)
    for path in ("", "quality/", "quality/agreement/"):
        assert "70 %" in boss.get(f"/datasets/demo/{path}").content.decode(), path
    _status, said, _err = run_command("analyze", "demo", "--json")
    bearer = {"Authorization": f"Bearer {create_token(admin, 'test', reads=True)[1]}"}
    answer = boss.get("/api/v1/datasets/demo/", headers=bearer).json()["agreement"]
    names = {"percent", "percent_interval", "alpha", "alpha_interval", "judged_twice"}
    assert set(answer) == names | {"percent_reason", "alpha_reason", "made_at", "newer"}
    for name in names:
        assert answer[name] == pytest.approx(said["agreement"][name]), name
        assert answer[name] == pytest.approx(numbers[name]), name
    assert (answer["percent_reason"], answer["newer"]) == (None, 0)


def test_choices_never_include_ties(boss, pairs, alice):
    for verdict in ("left", "tie", "tie"):
        record(lease_next(alice, pairs), 0, verdict)
    numbers = compute_numbers(pairs)
    assert (numbers["judgments"], numbers["choices"], numbers["ties"]) == (3, 1, 2)
    page = " ".join(parse_page(boss.get("/datasets/demo/quality/counts/")).find("main").text.split())
    assert "Preferences: 1 Ties: 2" in page


def test_who_is_too_fast_is_named_and_can_be_paused_there(boss, make_dataset, alice, bob):
    words = "word " * 200
    rows = [{"prompt": f"{words}{n}", "responses": [{"text": "yes"}, {"text": "no"}]} for n in range(20)]
    dataset = make_dataset(rows, overlap=2)
    judge_all(alice, dataset, seconds=0.5)
    judge_all(bob, dataset, seconds=500.0)
    (notice,) = (words for words in read_attention(boss) if words.startswith("alice"))
    assert "100 % of judgments too fast" in notice
    form = {"person": alice.pk, "act": "pause", "back": "dataset"}
    assert boss.post("/datasets/demo/annotators/pause/", form)["Location"] == "/datasets/demo/"
    assert any("alice" in words and "Resume" in words for words in read_attention(boss))


def test_nineteen_fast_judgments_are_no_habit(boss, make_dataset, alice):
    words = "word " * 200
    rows = [{"prompt": f"{words}{n}", "responses": [{"text": "yes"}, {"text": "no"}]} for n in range(19)]
    judge_all(alice, make_dataset(rows), seconds=0.5)
    assert read_attention(boss) == []
    assert "No issues found." in boss.get("/datasets/demo/").content.decode()


def test_what_waits_stands_there_with_its_action(boss, make_dataset, alice, bob):
    dataset = make_dataset(build_rows(4), overlap=2, allow_flag=True, review="split")
    record(lease_next(alice, dataset), 0, "flag", flag="broken")
    for person in (alice, bob):
        judgment = lease_next(person, dataset)
        while judgment:
            first = judgment.order == sorted(judgment.order)
            record(judgment, 0, "left" if first == (person == alice) else "right")
            judgment = lease_next(person, dataset)
    page = parse_page(boss.get("/datasets/demo/")).find("section", aria_labelledby="attention")
    links = {link["href"].partition("?")[2]: " ".join(link.text.split()) for link in page.find_all("a")}
    assert links["kind=flagged"] == "Review Flagged: 1"
    assert links["kind=split"] == "Review Split votes: 3"
    assert links["kind=contradiction"] == "Review Contradictions: 3"


def test_gold_accuracy_is_that_of_all_attempts():
    lines = [{"gold": {"value": value, "n": n}} for value, n in ((0.75, 4), (0.5, 2), (None, 0))]
    assert compute_gold_accuracy({"annotators": lines}) == (4, 6)
    assert compute_gold_accuracy({}) == (0, 0)


def test_the_most_chosen_answers_come_first(boss, make_dataset):
    dataset = make_dataset(build_rows(1), overlap=3)
    comparison = Comparison.objects.get()
    first = comparison.response_ids[0]
    for name in ("ann", "ben", "cem"):
        judgment = lease_next(create_person(name), dataset)
        record(judgment, 0, "left" if judgment.order[0] == first else "right")
    table = parse_page(boss.get("/datasets/demo/")).find("section", aria_labelledby="most-chosen")
    rows = [[" ".join(cell.text.split()) for cell in row.find_all("td")] for row in table.find_all("tr")][1:]
    assert rows == [["Answer 0 to 0.", "Prompt 0?", "3", "0", "0"], ["Answer 1 to 0.", "Prompt 0?", "0", "3", "0"]]
