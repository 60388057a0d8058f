"""The pages of the report: the numbers of `analyze --json`, their age, and annotators' own figures."""

import csv
import io
import json

import numpy as np
import pytest
from django.utils import translation
from playwright.sync_api import expect

from analyze import advice, charts, summary, wording
from analyze.latest_report import find_latest_report, get_status
from analyze.maths.agreement import ALPHA_BANDS, PERCENT_BANDS
from analyze.maths.careless import HABITS
from analyze.maths.people import assess_people
from analyze.models import Report
from analyze.report import LONGEST_TEXT, compute_numbers, make_report, shorten_texts
from analyze.reports import load_parts
from analyze.reports.annotators import format_moment
from analyze.tables import build_tables, flatten_row
from analyze.templatetags.report import signed, signeds
from annotate.queue.lease import lease_next
from bench.simulate import DRIFTS, HONEST, LEFT, LUNCH, PACE
from bench.simulate import draw_crowd as simulated
from datasets.jobs import worker
from datasets.models import Judgment
from tests.crowds import create_judged_dataset
from tests.test_annotate import parse_page
from tests.test_judgment_pages import create_judgment, list_comparisons, read_text, travel  # noqa: F401

PARTS = ("counts", "strengths", "agreement", "annotators", "bias", "predictor", "suspicious")
SOME = [HONEST, HONEST, HONEST, LEFT]


@pytest.fixture
def crowd(make_dataset):
    """160 judgments by four people, of whom the last always chooses the left answer."""
    return create_judged_dataset(make_dataset, SOME, judgments=40, gold=0.25, repeats=0.25)


@pytest.fixture
def look(client, admin):
    """look(path): an admin's page under the dataset's report."""
    client.force_login(admin)
    return lambda path="", slug="crowd", **headers: client.get(f"/datasets/{slug}/{path}", headers=headers)


def read_main(response):
    assert response.status_code == 200
    return read_text(parse_page(response).find("main"))


def strip_reasons(said):
    """A report without the reasons that the command gives beside nulls."""
    if isinstance(said, list):
        return [strip_reasons(one) for one in said]
    if not isinstance(said, dict):
        return said
    return {name: strip_reasons(one) for name, one in said.items() if not name.endswith("_reason")}


def parse_csv(response):
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


# The numbers


def test_the_pages_and_files_say_what_the_command_says(look, crowd, run_command):
    _status, said, _err = run_command("analyze", "crowd", "--json")
    said = strip_reasons(said)
    for name, part in load_parts().items():
        page = look(f"quality/{name}/")
        assert page.status_code == 200
        for table, rows in build_tables(name, part, said).items():
            cells = parse_csv(look(f"quality/{name}/{table}.csv"))
            wanted = [
                {key: "" if cell is None else str(cell) for key, cell in flatten_row(row).items()} for row in rows
            ]
            assert [{key: row[key] for key in want} for row, want in zip(cells, wanted, strict=True)] == wanted
            assert not rows or f'href="/datasets/crowd/quality/{name}/{table}.csv"' in page.content.decode()
    strengths, people = read_main(look("quality/strengths/")), read_main(look("annotators/"))
    for line in said["strengths"]:
        assert f"{line['source']} {signed(line['strength'])} {signeds(line['interval'])}" in strengths
    for line in said["annotators"]:
        low, high = line["agreement"]["interval"]
        rate = f"{100 * line['agreement']['value']:.0f} % {100 * low:.0f}–{100 * high:.0f} % n {line['agreement']['n']}"
        assert rate in people
    glance = read_main(look("quality/"))
    assert f"{100 * said['agreement']['percent']:.0f} %" in glance
    assert f"n {said['agreement']['judged_twice']}" in glance
    assert "Computed" in glance
    assert f"from {Judgment.objects.count()} judgments" in glance


def test_who_needs_a_look_comes_first_and_the_others_have_no_mark(look, crowd):
    rows = [read_text(row) for row in parse_page(look("annotators/")).find("tbody").find_all("tr")]
    assert rows[0].startswith("crowd-3 picks the left answer regardless of content")
    assert not any("regardless of content" in row for row in rows[1:])
    assert [row.split()[0] for row in rows[1:]] != []
    assert "crowd-3 picks the left answer" in read_main(look("quality/"))
    assert len(list(parse_page(look("annotators/")).find_all("svg", **{"class": "spark"}))) == 4


def test_the_primers_choices_have_their_counts_and_what_is_not_known_says_why(look, travel):  # noqa: F811
    counts = read_main(look("quality/counts/", "travel"))
    for row in ("马尔代夫 – 2 2 0", "夏威夷 – 1 2 0", "巴厘岛 – 2 0 0", "巴哈马 – 0 1 0"):
        assert row in counts
    glance = read_main(look("quality/", "travel"))
    assert "No answers of different models have been compared." in glance
    assert "Too few preferences" in glance
    assert "Too few judgments to compare" in glance
    assert "No issues found." in glance
    with translation.override("zh-hans"):  # viewing the page does not change it
        chinese = read_main(look("quality/strengths/", "travel", accept_language="zh-hans"))
        assert translation.gettext("No answers of different models have been compared.") in chinese
    assert "No two" not in chinese


def test_where_nothing_was_judged_every_page_says_so(look, pairs):
    for path in ("quality/", "annotators/", *(f"quality/{name}/" for name in load_parts())):
        assert look(path, "demo").status_code == 200
    assert "No judgments here yet." in read_main(look("annotators/", "demo"))
    assert look("quality/predictor/curve.csv", "demo").status_code == 404
    assert look("quality/none/", "demo").status_code == 404


def test_no_cell_of_a_file_is_a_formula(look, make_dataset, alice):
    rows = [{"prompt": "Why?", "responses": [{"model": "=1+1", "text": "a"}, {"model": "+b", "text": "@c"}]}]
    create_judgment(alice, list_comparisons(make_dataset(rows, "crowd"))[0], "first")
    look("quality/")
    assert {row["source"] for row in parse_csv(look("quality/strengths/strengths.csv"))} == {"'=1+1", "'+b"}


def test_every_part_has_a_page_and_every_chart_a_name_and_a_table(look, crowd):
    assert set(PARTS) <= set(load_parts())
    for path in ("quality/", *(f"quality/{name}/" for name in load_parts())):
        page = parse_page(look(path))
        drawn = list(page.find_all("svg", **{"class": "plot"}))
        assert all(svg["aria-label"] and svg["role"] == "img" for svg in drawn)
        assert len(list(page.find_all("table"))) >= len(drawn)


def test_a_page_takes_a_bounded_number_of_queries(look, crowd, django_assert_max_num_queries):
    look("quality/")
    for path, most in (("quality/", 19), ("quality/annotators/", 17), ("annotators/", 29)):
        with django_assert_max_num_queries(most):
            assert look(path).status_code == 200


# Its age


def test_a_large_report_is_computed_in_the_background_and_the_old_numbers_stay_meanwhile(
    look, pairs, alice, bob, monkeypatch
):
    monkeypatch.setattr("analyze.report.JUDGMENTS_AT_ONCE", 0)
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    first = look("quality/", "demo")
    assert "Computing the first report" in read_main(first)
    task = worker.Job.objects.get(kind="analysis")
    assert {a["href"] for a in parse_page(first).find_all("a")} >= {f"/datasets/upload/tasks/{task.pk}/"}
    assert look("quality/", "demo", hx_request="true").status_code == 204
    look("annotators/", "demo")
    assert worker.Job.objects.count() == 1

    perform_task(task)
    waited = look("quality/", "demo", hx_request="true")
    assert b"<html" not in waited.content
    assert "from 1 judgment" in read_text(parse_page(waited))
    assert "hx-get" not in waited.content.decode()
    assert look("", "upload/tasks/" + str(task.pk)).headers["Location"] == "/datasets/demo/quality/"

    create_judgment(bob, list_comparisons(pairs)[0], "first")
    polled = look("quality/", "demo", hx_request="true")
    assert "1 newer judgment" in read_text(parse_page(polled))
    assert worker.Job.objects.count() == 1, "a page that waits asks for nothing"
    page = look("quality/", "demo")
    assert "from 1 judgment. 1 newer judgment. Recomputing" in read_main(page)
    assert 'hx-get="/datasets/demo/quality/"' in page.content.decode()
    perform_task(worker.Job.objects.latest("pk"))
    assert "from 2 judgments." in read_main(look("quality/", "demo"))
    assert worker.Job.objects.count() == 2


def perform_task(task):
    claimed = worker.claim()
    assert claimed == task
    worker.perform(claimed, worker.Progress(claimed))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_open_page_takes_up_the_new_numbers_by_itself(enter, admin, pairs, alice, monkeypatch, troubles):
    monkeypatch.setattr("analyze.report.JUDGMENTS_AT_ONCE", 0)
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    page = enter(admin, "/datasets/demo/quality/")
    expect(page.locator("main")).to_contain_text("Computing the first report")
    perform_task(worker.Job.objects.get(kind="analysis"))
    expect(page.locator("main")).to_contain_text("from 1 judgment.", timeout=10_000)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.get_by_role("link", name="Agreement").first).to_be_visible()
    assert not troubles
    assert worker.Job.objects.count() == 1


def test_a_report_that_cannot_be_computed_says_so_beside_the_old_numbers(look, pairs, alice, monkeypatch):
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    assert "from 1 judgment" in read_main(look("quality/", "demo"))
    create_judgment(alice, list_comparisons(pairs)[1], "first")
    monkeypatch.setitem(worker.KINDS, "analysis", lambda job, progress: 1 / 0)
    page = read_main(look("quality/", "demo"))
    assert "from 1 judgment. 1 newer judgment." in page
    assert "The report failed." in page


def test_what_is_not_older_than_the_judgments_is_not_computed_again(pairs, admin, alice):
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    made = [get_status(pairs, admin).report.made_at for _ in range(2)]
    assert made[0] == made[1]
    lease_next(alice, pairs)
    assert get_status(pairs).report.made_at == made[0], "what is in hand says nothing"


def test_a_kept_report_does_not_grow_with_the_length_of_texts(make_dataset, alice):
    rows = [{"prompt": "p" * 9000, "responses": [{"model": "a", "text": "x" * 9000}, {"model": "b", "text": "y"}]}]
    dataset = make_dataset(rows)
    create_judgment(alice, list_comparisons(dataset)[0], "first")
    assert len(json.dumps(make_report(dataset).numbers)) < 4 * LONGEST_TEXT + 6000
    assert max(len(line["response"]) for line in compute_numbers(dataset)["counts"]) == 9000
    assert shorten_texts(["x" * LONGEST_TEXT, {"a": "y" * (LONGEST_TEXT + 1)}]) == [
        "x" * LONGEST_TEXT,
        {"a": "y" * LONGEST_TEXT + "…"},
    ]


# Annotators' own figures


def build_rate(value, n, low=None, high=None):
    return {"value": value if n else None, "interval": [low or value - 0.1, high or value + 0.1], "n": n}


def build_line(name="alice", kind="account", n=40, **values):
    names = ("agreement", "gold", "self_consistency", "left_share", "longer_share", "seconds_per_100_words")
    return {"annotator": name, "kind": kind} | {key: build_rate(values.get(key, 0.5), n) for key in names}


OTHERS = [build_line(f"other-{n}", longer_share=0.7) for n in range(3)]
TOLD = [
    ([build_line(n=9)], []),
    ([build_line("bob")], []),
    ([build_line(kind="imported")], []),
    ([build_line(agreement=0.75)], ["Your agreement with others is 75 %. Typical: 69 to 79."]),
    ([build_line(agreement=0.75), *OTHERS[:2]], ["Your agreement with others is 75 %. Typical: 69 to 79."]),
    (
        [build_line(agreement=0.75), *OTHERS],
        ["Your agreement with others is 75 %. Typical: 69 to 79. Others: 50."],
    ),
    ([build_line(gold=0.81), *OTHERS], ["You were correct on about 80 % of gold questions."]),
    ([build_line(gold=0.83), *OTHERS], ["You were correct on about 85 % of gold questions."]),
    ([build_line(longer_share=0.9), *OTHERS], ["You picked the longer answer 90 % of the time. Others: 70."]),
    ([build_line(longer_share=0.9), *OTHERS[:2]], ["You picked the longer answer 90 % of the time."]),
]


@pytest.mark.parametrize(("lines", "wanted"), TOLD)
def test_people_are_told_of_themselves_and_of_others_their_average_only(lines, wanted):
    found = advice.build_advice(lines, "alice", (0.69, 0.79))
    assert bool(found) == bool(wanted)
    assert set(wanted) <= {one.words for one in found}


@pytest.mark.parametrize(
    ("own", "helped"),
    [
        ({"agreement": 0.4}, {"Agreement"}),
        ({"agreement": 0.65}, set()),
        ({"left_share": 0.9}, {"Sides"}),
        ({"left_share": 0.6}, set()),
        ({"longer_share": 0.95}, {"Length"}),
    ],
)
def test_help_is_given_where_it_is_sure_that_something_is_unusual(own, helped):
    mine = build_line(**{"agreement": 0.72, "longer_share": 0.7} | own)
    others = [build_line(f"other-{n}", agreement=0.7, longer_share=0.7) for n in range(3)]
    found = advice.build_advice([mine, *others], "alice", (0.69, 0.79))
    assert {one.heading for one in found if one.help} == helped


def test_ones_own_page_says_nothing_that_is_newer_than_the_report(client, crowd):
    make_report(crowd)
    mine = Judgment.objects.filter(annotator__username="crowd-3")
    client.force_login(mine.first().annotator)
    before = read_main(client.get("/annotate/crowd/me/"))
    assert "You picked the left answer" in before
    assert not {"careless", "mark", "crowd-0", "crowd-1"} & set(before.split())
    mine.filter(purpose="gold").update(purpose="vote")
    assert read_main(client.get("/annotate/crowd/me/")) == before
    assert Report.objects.count() == 1
    assert "/annotate/crowd/me/" in client.get("/annotate/crowd/history/").content.decode()


@pytest.mark.parametrize("value", [0.5, 0.73, 0.95])
@pytest.mark.parametrize("n", [10, 15, 30])
def test_one_known_answer_more_hardly_shows(value, n):
    """Shown in steps of five: one verdict, right or wrong, moves the figure by at most one step."""
    hits = round(value * n)
    now = int(advice.format_to_nearest_five(hits / n))
    for then in (hits / (n + 1), (hits + 1) / (n + 1)):
        assert abs(int(advice.format_to_nearest_five(then)) - now) <= 5 + 5 * (n < 15)


def test_without_a_report_ones_own_page_says_how_much_was_judged(client, pairs, alice):
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    client.force_login(alice)
    assert "You have judged 1 comparison here." in read_main(client.get("/annotate/demo/me/"))
    assert find_latest_report(pairs) is None


# In words


def build_agreement(percent, low, high, n=50):
    bands = [{"low": band.low, "high": band.high} for band in PERCENT_BANDS]
    return {"percent": percent, "percent_interval": [low, high], "judged_twice": n, "bands": bands}


@pytest.mark.parametrize(
    ("said", "words_of_it"),
    [
        (build_agreement(0.5, 0.4, 0.6), "Below the"),
        (build_agreement(0.75, 0.7, 0.8), "Within the typical"),
        (build_agreement(0.6, 0.5, 0.7), "Within the typical"),
        (build_agreement(0.9, 0.85, 0.95), "Above the"),
        (build_agreement(0.7, 0.5, 0.9), "Too few"),
        (build_agreement(0.0, 0.0, 0.0, n=1), "Too few"),
    ],
)
def test_agreement_is_told_beside_what_is_usual(said, words_of_it):
    assert summary.format_agreement(said).startswith(words_of_it)
    assert "69 to 79" in summary.format_agreement(said)


def build_sources(*groups, is_whole=True):
    lines = [{"source": f"m{n}", "group": group} for n, group in enumerate(groups)]
    return {"strengths": lines, "is_whole": is_whole}


@pytest.mark.parametrize(
    ("said", "words_of_it"),
    [
        (build_sources(1, 2, 3), "m0 leads; the difference from all others is significant."),
        (build_sources(1, 1, 2), "The top 2 models do not differ significantly."),
        (build_sources(1, 1, 1), "No model differs significantly"),
        (build_sources(1, 1, is_whole=False), "Not all models were compared"),
        ({"strengths": None, "strengths_reason": "No judgments yet."}, "No judgments yet."),
    ],
)
def test_the_order_of_the_sources_is_told_as_far_as_it_is_known(said, words_of_it):
    assert summary.format_sources(said).startswith(words_of_it)


def test_whatever_a_report_may_say_has_words_in_both_languages():
    assert {band.of for band in (*PERCENT_BANDS, *ALPHA_BANDS)} == set(wording.BANDS)
    assert set(HABITS[1:]) == set(wording.HABITS)
    with translation.override("zh-hans"):
        assert all(wording.translate_text(english) != english for english in wording.BANDS)
    assert wording.translate_text(None) == wording.translate_text("") == ""


def test_who_stopped_looking_is_told_since_when():
    made = simulated(4, [HONEST] * 8 + [DRIFTS], judgments=200, spread=3.0)
    found = assess_people(made.votes)
    own = np.sort(made.votes.when[made.votes.annotator == 8])
    lunch = own[len(own) // 2]
    assert abs(found.since[8] - lunch) <= LUNCH + 20 * PACE
    line = {"reasons": ["drifts", "gold"], "since": format_moment(lunch)}
    assert wording.format_habit(line).startswith("close to random since about 1970-01-01 ")
    assert wording.format_habit(line | {"since": None}) == str(wording.HABITS["drifts"])


# Charts


@pytest.mark.parametrize(("low", "high"), [(-1.2, 1.4), (0.0, 0.03), (-40, 250), (-0.001, 0.001)])
def test_a_scale_has_a_few_round_numbers_on_it(low, high):
    scale = charts.choose_scale([{"value": low}, {"value": high}], "value", is_share=False)
    ticks = scale.choose_ticks()
    assert 0 < len(ticks) <= 6
    assert all(scale.low <= tick <= scale.high for tick in ticks)


def test_a_chart_draws_what_has_a_value_and_marks_what_is_not_told_apart():
    rows = [
        {"source": "a", "strength": 1.0, "interval": [0.5, 1.5], "group": 1, "component": 0},
        {"source": "b", "strength": 0.0, "interval": [None, None], "group": 2, "component": 0},
        {"source": "c", "strength": -0.5, "interval": [-1, 0], "group": 2, "component": 0},
        {"source": "d", "strength": None, "interval": None, "group": 3, "component": 0},
    ]
    chart = charts.build_whiskers(rows, "source", "strength", is_share=False)
    assert [mark["name"] for mark in chart["marks"]] == ["a", "b", "c"]
    assert [mark["low"] is None for mark in chart["marks"]] == [False, True, False]
    places = [float(mark["at"].rstrip("%")) for mark in chart["marks"]]
    assert places == sorted(places, reverse=True)
    (group,) = chart["groups"]
    assert chart["marks"][0]["y"] < group["y"] < chart["marks"][1]["y"] < group["y"] + group["height"]
    assert charts.build_whiskers([], "source", "strength", is_share=False)["marks"] == []


def test_a_name_is_cut_where_a_chart_has_no_more_room():
    assert charts.shorten_name("model-a") == "model-a"
    assert len(charts.shorten_name("m" * 100)) == charts.NAME_WIDTH + 1
    assert len(charts.shorten_name("模" * 100)) == charts.NAME_WIDTH // 2 + 1
