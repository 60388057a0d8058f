"""The report of a dataset: the output of `analyze --json`, as CONTRACT.md defines it."""

import json

import pytest

from analyze.columns import DatasetColumns
from analyze.languages import detect_language
from analyze.latest_report import get_status
from analyze.report import make_report
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold
from datasets.models import Dataset, Judgment
from tests.conftest import build_rows, create_person

TRAVEL = [
    ("夏威夷", "马尔代夫"),
    ("马尔代夫", "巴哈马"),
    ("巴厘岛", "夏威夷"),
    ("马尔代夫", "夏威夷"),
    ("巴厘岛", "马尔代夫"),
]
RATE = {"value", "interval", "n"}


@pytest.fixture
def travel(make_dataset):
    """The primer's five choices."""
    rows = [
        {"prompt": "我想去一个有海滩的地方度假。", "chosen": chosen, "rejected": rejected, "annotator": f"用户{n}"}
        for n, (chosen, rejected) in enumerate(TRAVEL, 1)
    ]
    return make_dataset(rows, "travel")


def run_analysis(run_command, slug, *options):
    status, found, _ = run_command("analyze", slug, "--json", *options)
    assert status == 0
    return found


def test_the_primers_table_comes_out_digit_for_digit(travel, run_command):
    found = run_analysis(run_command, "travel")
    counts = {line["response"]: (line["chosen"], line["rejected"], line["tied"]) for line in found["counts"]}
    assert counts == {"夏威夷": (1, 2, 0), "马尔代夫": (2, 2, 0), "巴厘岛": (2, 0, 0), "巴哈马": (0, 1, 0)}
    assert {line["prompt"] for line in found["counts"]} == {"我想去一个有海滩的地方度假。"}
    assert (found["judgments"], found["choices"], found["ties"]) == (5, 5, 0)
    assert (found["agreement"]["judged_twice"], found["agreement"]["percent"]) == (1, 0.0)


def test_what_cannot_be_computed_is_null_and_says_why(travel, run_command):
    found = run_analysis(run_command, "travel")
    assert found["strengths"] is None
    assert "different models" in found["strengths_reason"]
    assert found["predictor"]["accuracy"] is None
    assert "too few" in found["predictor"]["accuracy_reason"]


def test_an_empty_dataset_has_a_report_too(make_dataset, run_command):
    make_dataset(build_rows(2))
    found = run_analysis(run_command, "demo")
    assert (found["judgments"], found["counts"], found["annotators"]) == (0, [], [])
    assert found["agreement"]["percent"] is None
    assert found["agreement"]["percent_reason"]
    why = found["bias"]["longer_won_reason"]
    assert found["bias"]["longer_won"] == {"value": None, "value_reason": why, "interval": [0.0, 1.0], "n": 0}


def find_bare_nulls(value):
    """Nulls without a reason beside them, at any depth, and lists that contain only nulls."""
    if isinstance(value, list):
        return [name for one in value for name in find_bare_nulls(one)]
    if not isinstance(value, dict):
        return []
    bare = [name for name, one in value.items() if one is None and not value.get(f"{name}_reason")]
    bare += [name for name, one in value.items() if one == [None, None]]
    return bare + [name for one in value.values() for name in find_bare_nulls(one)]


@pytest.mark.parametrize("slug", ["travel", "empty"])
def test_every_null_has_its_reason_beside_it(travel, make_dataset, run_command, slug):
    make_dataset(build_rows(2), slug="empty")
    found = run_analysis(run_command, slug)
    assert "null" in json.dumps(found)
    assert find_bare_nulls(found) == []


def test_a_single_pair_judged_twice_says_little(travel, run_command):
    said = run_analysis(run_command, "travel")["agreement"]
    low, high = said["percent_interval"]
    assert (said["judged_twice"], said["percent"], low) == (1, 0, 0)
    assert high > 0.5
    assert said["alpha_interval"] is None


@pytest.fixture
def judged(make_dataset, admin):
    """Forty prompts with a better answer by `m0` and one by `m1`; three people, one of whom judges at random."""
    dataset = make_dataset(build_rows(40), overlap=3, gold_share=20, repeat_share=20)
    for _ in range(6):
        known = lease_next(admin, dataset)
        record(known, 0, pick_better(known))
        known.refresh_from_db()
        create_gold(known, by=admin)
    for name in ("ann", "ben", "coin"):
        someone, turn = create_person(name), 0
        while judgment := lease_next(someone, dataset):
            turn += 1
            right = pick_better(judgment) if name != "coin" else ("left", "right")[turn % 2]
            bad = turn == 9 and judgment.purpose == "vote"  # of few known answers, one wrong would be many
            record(judgment, judgment.revision, "both_bad" if bad else right)
    return dataset


def pick_better(judgment):
    sources = dict(judgment.comparison.prompt.responses.values_list("pk", "source"))
    return "left" if sources[judgment.order[0]] == "m0" else "right"


def check_the_contracts_names_are_all_there(found):
    assert {"dataset", "judgments", "choices", "ties", "both_bad", "skips", "made_at"} <= found.keys()
    assert {"prompt", "response", "source", "chosen", "rejected", "tied"} == found["counts"][0].keys()
    assert {"source", "strength", "interval", "rank_interval", "judgments"} <= found["strengths"][0].keys()
    assert {"percent", "percent_interval", "alpha", "alpha_interval", "judged_twice"} <= found["agreement"].keys()
    for line in found["annotators"]:
        assert isinstance(line["reliability"], float)
        assert isinstance(line["careless_probability"], float)
        for name in ("agreement", "gold", "self_consistency", "left_share", "seconds_per_100_words"):
            assert line[name].keys() - {"value_reason"} == RATE
    for rate in ("longer_won", "left_won"):
        assert found["bias"][rate].keys() - {"value_reason"} == RATE
    names = {"accuracy", "baseline_longer", "baseline_source", "held_out_choices"}
    assert names <= found["predictor"].keys()
    assert all({"judgment", "chosen", "rejected", "probability"} == line.keys() for line in found["suspicious"])


def check_the_numbers_are_those_of_the_judgments(found):
    votes = Judgment.objects.votes()
    assert found["judgments"] == votes.count()
    assert found["both_bad"] == votes.filter(verdict="both_bad").count()
    assert found["choices"] == votes.count() - found["both_bad"]
    assert [line["source"] for line in found["strengths"]] == ["m0", "m1"]
    people = {line["annotator"]: line for line in found["annotators"]}
    for name in ("ann", "ben", "coin"):
        theirs = Judgment.objects.filter(annotator__username=name)
        gold, repeats = (theirs.filter(purpose=purpose).count() for purpose in ("gold", "repeat"))
        assert (people[name]["gold"]["n"], people[name]["self_consistency"]["n"]) == (gold, repeats)
    assert found["annotators"][0]["annotator"] == "coin"
    assert people["ann"]["gold"]["value"] >= 0.8
    left = Judgment.objects.filter(annotator__username="coin", purpose__in=["vote", "gold"], verdict="left").count()
    all_sides = Judgment.objects.filter(
        annotator__username="coin", purpose__in=["vote", "gold"], verdict__in=["left", "right"]
    )
    assert people["coin"]["left_share"]["value"] == pytest.approx(left / all_sides.count())


def check_repeats_and_known_answers_are_no_choices(data):
    assert len(data.choices) == Judgment.objects.votes().exclude(verdict="both_bad").count()
    assert data.votes.again.sum() == Judgment.objects.filter(purpose="repeat").count()


def check_the_coins_choices_count_for_less(plain, weighted):
    assert (plain["weighted"], weighted["weighted"]) == (False, True)
    assert weighted["strengths"][0]["strength"] > plain["strengths"][0]["strength"]


def check_all_lists_everything(data, found):
    choices = data.choices
    answers = {*choices.chosen.tolist(), *choices.rejected.tolist()}
    assert len(found["counts"]) == len(answers) > 70


def check_the_best_of_several_answers_is_what_people_would_choose(run_command, tmp_path):
    out = tmp_path / "best.jsonl"
    status, summary, _ = run_command("best_of", "demo", "--output", str(out))
    assert (status, summary) == (0, {"dataset": "demo", "rows": 40})
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["of"] for line in found} == {2}
    assert sum(line["source"] == "m0" for line in found) >= 36
    assert all(0.5 <= line["chance"] <= 1 for line in found)
    assert run_command("best_of", "demo", "--output", str(tmp_path / "no" / "where"))[0] == 2


def check_a_report_is_old_once_there_is_more_to_say(dataset):
    make_report(dataset)
    assert not get_status(dataset).is_old
    Judgment.objects.votes().filter(annotator__username="ann").first().delete()
    assert get_status(dataset).is_old


def test_the_report_is_that_of_the_judgments(judged, run_command, tmp_path):
    found, data = run_analysis(run_command, "demo"), DatasetColumns(judged)
    check_the_contracts_names_are_all_there(found)
    check_the_numbers_are_those_of_the_judgments(found)
    assert (found["asking"]["open"], found["asking"]["judgments"], found["asking"]["undecided"]) == (0, 0, [])
    check_repeats_and_known_answers_are_no_choices(data)
    check_the_coins_choices_count_for_less(found, run_analysis(run_command, "demo", "--weighted"))
    check_all_lists_everything(data, run_analysis(run_command, "demo", "--all"))
    check_the_best_of_several_answers_is_what_people_would_choose(run_command, tmp_path)
    check_a_report_is_old_once_there_is_more_to_say(judged)


CIRCLE = [("a", "b"), ("b", "c"), ("c", "a")]


def test_circles_opposite_votes_and_stars_that_say_otherwise_are_listed(make_dataset, run_command, alice):
    said = [("eve", *pair) for pair in CIRCLE] + [("dan", "b", "a")]
    rows = [{"prompt": "Which?", "chosen": won, "rejected": lost, "annotator": name} for name, won, lost in said]
    dataset = make_dataset(rows)
    make_dataset([{"prompt": "Who?", "responses": ["long", "short"]}], with_stars=True)
    Dataset.objects.update(with_stars=True)
    dataset.refresh_from_db()
    judgment = lease_next(alice, dataset)
    while judgment and judgment.comparison.prompt.instruction != "Who?":
        record(judgment, 0, "skip")
        judgment = lease_next(alice, dataset)
    record(judgment, 0, "left", {"stars": [2, 5]})
    found = run_analysis(run_command, "demo")["contradictions"]
    assert found["counts"] == {"within": 1, "across": 0, "opposites": 1, "stars": 1}
    assert (found["within"][0]["annotator"], sorted(found["within"][0]["answers"])) == ("eve", ["a", "b", "c"])
    assert len(found["within"][0]["judgments"]) == 3
    opposite = found["opposites"][0]
    assert {opposite["one"]: opposite["for_one"], opposite["other"]: opposite["for_other"]} == {"a": 1, "b": 1}
    starred = found["stars"][0]
    assert (starred["judgment"], starred["stars_chosen"], starred["stars_rejected"]) == (judgment.pk, 2, 5)


def test_an_unknown_dataset_ends_with_2(db, run_command):
    assert run_command("analyze", "nothing", "--json")[0] == 2


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is a prime?", "latin"),
        ("什么是质数？", "zh"),
        ("用 Python 写一个函数", "zh"),
        ("素数とは何ですか", "ja"),
        ("소수란 무엇인가요?", "ko"),
        ("Что такое простое число?", "ru"),
        ("1 + 1 = ?", "other"),
    ],
)
def test_a_language_is_told_by_its_letters(text, language):
    assert detect_language(text) == language


def test_where_there_is_too_little_to_learn_from_the_best_is_not_told(travel, run_command, tmp_path):
    out = tmp_path / "best.jsonl"
    assert run_command("best_of", "travel")[0] == 2
    out.write_text("kept")
    assert run_command("best_of", "travel", "--output", str(out))[0] == 2
    assert out.read_text() == "kept"
