"""Following the work: statistics, the list of judgments, a person's record, the pages.

The formulas are in datasets/judgments/statistics.py."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from analyze.report import compute_numbers as compute_report
from annotate.judging.record import record, undo
from annotate.questions import pair
from annotate.queue.lease import lease_next
from datasets.judgments import listing, statistics, wording
from datasets.judgments.listing import JudgmentFilter, Person
from datasets.judgments.progress import count_by_source, count_progress, count_verdicts
from datasets.judgments.statistics import Share
from datasets.models import Choice, Comparison, Dataset, Import, Judgment
from tests.conftest import build_rows, create_person
from tests.test_annotate import parse_page

ISLANDS = [
    ("夏威夷", "马尔代夫", "用户1"),
    ("马尔代夫", "巴哈马", "用户2"),
    ("巴厘岛", "夏威夷", "用户3"),
    ("马尔代夫", "夏威夷", "用户4"),
    ("巴厘岛", "马尔代夫", "用户5"),
]


@pytest.fixture
def travel(make_dataset):
    """The primer's five choices of five people."""
    prompt = "我想去一个有海滩的地方度假。"
    rows = [{"prompt": prompt, "chosen": c, "rejected": r, "annotator": name} for c, r, name in ISLANDS]
    return make_dataset(rows, slug="travel")


def get_noon(days_ago=0):
    return listing.get_day_start(timezone.localdate() - timedelta(days=days_ago)) + timedelta(hours=12)


def create_judgment(who, comparison, said, at=None, seconds=20.0, turned=False, **more):
    """A judgment by a user or an imported name: `first` or `second` answer, tie, both_bad or skip."""
    order = sorted(comparison.response_ids, reverse=turned)
    sides = {"first": ("left", "right")[turned], "second": ("right", "left")[turned]}
    verdict = "" if said == "skip" else sides.get(said, said)
    who = {"imported_by": who} if isinstance(who, str) else {"annotator": who}
    state = Judgment.State.SKIPPED if said == "skip" else Judgment.State.SAVED
    judgment = Judgment.objects.create(
        **{"comparison": comparison, "dataset": comparison.dataset, "state": state, "order": order, "verdict": verdict}
        | {"decided_at": at or timezone.now(), "seconds": seconds}
        | who
        | more
    )
    for chosen, rejected, strength, _gap in pair.choices(order, verdict, {}) if verdict else []:
        Choice.objects.create(judgment=judgment, chosen_id=chosen, rejected_id=rejected, strength=strength)
    return judgment


def estimate_pace(dataset):
    recent = statistics.list_latest_totals(dataset, statistics.count_by_day(dataset))
    return statistics.estimate_pace(statistics.count_missing(dataset), recent)


def count_agreement(dataset):
    """The pairs of votes that agree, of all pairs of votes on the same two answers."""
    agreement = compute_report(dataset)["agreement"]
    return Share(round((agreement["percent"] or 0) * agreement["couples"]), agreement["couples"])


def list_comparisons(dataset):
    return list(Comparison.objects.filter(dataset=dataset).order_by("pk"))


# The primer's example


def test_of_the_five_choices_of_the_primer_one_pair_was_judged_twice_and_split(travel):
    assert count_agreement(travel) == Share(0, 1)
    assert (count_progress(travel).done, count_progress(travel).total) == (4, 4)
    assert statistics.compute_verdict_shares(count_verdicts(travel)) == {
        "choice": Share(5, 5),
        "tie": Share(0, 5),
        "both_bad": Share(0, 5),
        "skip": Share(0, 5),
    }
    assert statistics.count_by_day(travel).dates == []
    assert estimate_pace(travel) == statistics.Pace(0, None, None, None)


def test_each_person_of_the_primer_has_their_numbers(travel):
    people = listing.list_people(travel)
    numbers = statistics.compute_numbers(travel, people)
    assert [str(row.person) for row in numbers] == [name for *_, name in ISLANDS]
    for row in numbers:
        assert (row.judgments, row.ties, row.both_bad, row.skips, row.left, row.seconds) == (1, 0, 0, 0, None, None)


@pytest.mark.parametrize(("chosen", "rejected", "name"), ISLANDS)
def test_the_record_of_a_person_is_the_primers(travel, client, admin, chosen, rejected, name):
    client.force_login(admin)
    page = parse_page(client.get("/datasets/travel/judgments/pairs/", {"person": f"imported:{name}"}))
    assert page.find("h1").text.split() == [name, "imported"]
    assert page.find("ol")["class"] == "record"
    words = page.find("ol").find("div", **{"class": "pair"}).text.split()
    assert words == ["✓", "chosen", chosen, "vs", "✗", "rejected", rejected]


def test_the_record_of_everybody_names_them(travel, client, admin):
    client.force_login(admin)
    items = [
        item.text.split()
        for item in parse_page(client.get("/datasets/travel/judgments/pairs/")).find("ol").find_all("li")
    ]
    assert [item[0] for item in items] == ["用户5", "用户4", "用户3", "用户2", "用户1"]


# Numbers


AGREEMENTS = [
    (["first"], (0, 0)),
    (["first", "first"], (1, 1)),
    (["first", "second"], (0, 1)),
    (["tie", "tie"], (1, 1)),
    (["first", "tie"], (0, 1)),
    (["first", "first", "second"], (1, 3)),
    (["first", "first", "tie", "tie"], (2, 6)),
    (["first", "both_bad"], (0, 1)),
    (["both_bad", "both_bad"], (1, 1)),
    (["first", "skip"], (0, 0)),
]


@pytest.mark.parametrize(("said", "share"), AGREEMENTS, ids=lambda value: "-".join(map(str, value)))
def test_agreement_counts_pairs_of_votes_whatever_the_sides(pairs, said, share):
    first, other, *_ = list_comparisons(pairs)
    for i, words in enumerate(said):
        who = f"name {i}" if i == 1 else create_person(f"person{i}")
        create_judgment(who, first, words, turned=i % 2 == 1)
    create_judgment("name 1", other, "first")  # the only judgment there
    assert count_agreement(pairs) == Share(*share)


def test_votes_of_strengths_agree_and_those_of_nobody_are_each_a_vote(pairs, alice):
    comparison = list_comparisons(pairs)[0]
    create_judgment(alice, comparison, "first").choices.update(strength=3)
    create_judgment("", comparison, "first")
    create_judgment("", comparison, "second")
    assert count_agreement(pairs) == Share(1, 3)
    nobody = listing.list_people(pairs)[-1]
    assert (str(nobody), nobody.token) == ("(anonymous)", "nobody:")
    (numbers,) = statistics.compute_numbers(pairs, [nobody])
    assert numbers.judgments == 2


@pytest.mark.parametrize(
    ("seconds", "median"),
    [
        ([], None),
        ([None], None),
        ([10], 10),
        ([30, 10], 20),
        ([9, 1, 5], 5),
        ([100, 1, 3, 2], 2.5),
        ([4, None, 8, 6], 6),
    ],
)
def test_the_median_is_the_mean_of_the_middle_two(pairs, alice, bob, seconds, median):
    for comparison, n in zip(list_comparisons(pairs), seconds, strict=False):
        create_judgment(alice, comparison, "first", seconds=n)
        create_judgment(bob, comparison, "first", seconds=1000)
    assert statistics.compute_medians(pairs, [Person("account", "alice", alice.pk)]).get((alice.pk, "")) == median


def test_a_persons_numbers_tell_votes_ties_skips_and_sides(pairs, alice, bob):
    said = [("first", False), ("first", True), ("second", True), ("tie", False), ("both_bad", False), ("skip", False)]
    for comparison, (words, turned) in zip(list_comparisons(pairs), said, strict=False):
        create_judgment(alice, comparison, words, turned=turned)
    create_judgment(bob, list_comparisons(pairs)[0], "second")
    (row,) = statistics.compute_numbers(pairs, [Person("account", "alice", alice.pk)])
    assert (row.judgments, row.ties, row.both_bad, row.skips) == (5, 1, 1, 1)
    assert (row.left, row.median) == (Share(2, 3), "20 s")
    shares = statistics.compute_verdict_shares(count_verdicts(pairs))
    assert (shares["choice"], shares["skip"]) == (Share(4, 6), Share(1, 7))


def test_still_wanted_is_what_is_missing_also_when_in_hand(pairs, alice, bob):
    assert statistics.count_missing(pairs) == 12
    judgment = lease_next(alice, pairs)
    lease_next(bob, pairs)
    assert statistics.count_missing(pairs) == 12
    record(judgment, 0, "left")
    assert statistics.count_missing(pairs) == 11
    undo(Judgment.objects.get(pk=judgment.pk), 1)
    assert statistics.count_missing(pairs) == 11
    one, another = [Comparison.objects.filter(pk=c.pk) for c in list_comparisons(pairs) if c.open_slots == 1][:2]
    one.update(held="by an admin")
    assert statistics.count_missing(pairs) == 10
    another.update(wanted=3, open_slots=3)
    assert statistics.count_missing(pairs) == 12
    another.update(wanted=1, open_slots=-1)  # late ones are surplus
    assert statistics.count_missing(pairs) == 9


def test_what_a_lease_would_bring_too_much_is_not_wanted(pairs, alice):
    comparison = lease_next(alice, pairs).comparison
    Comparison.objects.filter(pk=comparison.pk).update(open_slots=-2)  # wanted 1, votes 2, leases 1
    assert statistics.count_missing(pairs) == 11


PACES = [
    # {days ago: votes}, missing, per day, days needed
    ({}, 60, None, None),
    ({0: 4}, 60, 4, 15),
    ({0: 4, 1: 3}, 60, 3.5, 18),
    ({0: 1, 9: 2, 29: 3}, 10, 2, 5),
    ({1: 7, 100: 1}, 8, 4, 2),
    ({90: 2}, 3, 2, 2),
    ({**dict.fromkeys(range(1, 8), 2), 8: 50}, 5, 2, 3),
    ({0: 4}, 0, 4, 0),
]


@pytest.mark.parametrize(("votes", "missing", "per_day", "needed"), PACES)
def test_the_pace_is_the_mean_of_the_last_seven_days_with_judgments(
    pairs, alice, monkeypatch, votes, missing, per_day, needed
):
    rows = [
        Judgment(comparison=list_comparisons(pairs)[0], dataset=pairs, state="saved", order=[1, 2], verdict="left")
        for _ in range(sum(votes.values()))
    ]
    times = [get_noon(days) for days, n in votes.items() for _ in range(n)]
    for i, (row, at) in enumerate(zip(rows, times, strict=True)):
        row.decided_at, row.annotator = at, create_person(f"p{i}")
    Judgment.objects.bulk_create(rows)
    monkeypatch.setattr(statistics, "count_missing", lambda dataset: missing)
    pace = estimate_pace(pairs)
    assert (pace.missing, pace.per_day, pace.days) == (missing, per_day, needed)
    assert pace.finish == (None if needed is None else timezone.localdate() + timedelta(days=needed))


def test_a_finish_beyond_all_calendars_has_no_date(pairs, alice, monkeypatch):
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    monkeypatch.setattr(statistics, "count_missing", lambda dataset: 10**9)
    assert estimate_pace(pairs).finish is None


def test_days_have_no_gaps_and_leave_out_skips_and_imported_votes(pairs, alice, bob):
    for comparison, days_ago in zip(list_comparisons(pairs), (0, 0, 2, 20, 50), strict=False):
        create_judgment(alice, comparison, "first", at=get_noon(days_ago))
    create_judgment(bob, list_comparisons(pairs)[0], "tie", at=get_noon(2))
    create_judgment(bob, list_comparisons(pairs)[1], "skip", at=get_noon(1))
    create_judgment("a name", list_comparisons(pairs)[0], "first", at=get_noon(1))
    days = statistics.count_by_day(pairs)
    assert days.dates == [timezone.localdate() - timedelta(days=ago) for ago in range(20, -1, -1)]
    assert days.totals == [1, *[0] * 17, 2, 0, 2]
    assert days.people == {alice.pk: [1, *[0] * 17, 1, 0, 2], bob.pk: [0, *[0] * 17, 1, 0, 0]}
    busiest = [(str(who), n) for who, n in statistics.list_busiest(pairs)]
    assert (busiest[0], sorted(busiest[1:])) == (("alice", 5), [("a name", 1), ("bob", 1)])


def test_days_long_ago_end_with_the_last_one(pairs, alice):
    create_judgment(alice, list_comparisons(pairs)[0], "first", at=get_noon(100))
    days = statistics.count_by_day(pairs)
    assert (days.dates[-1], days.totals) == (timezone.localdate() - timedelta(days=100), [0, 0, 0, 0, 0, 0, 1])


def test_a_day_is_one_of_the_time_zone(pairs, alice):
    evening = datetime.combine(datetime.now(UTC).date() - timedelta(days=3), time(20), UTC)
    create_judgment(alice, list_comparisons(pairs)[0], "first", at=evening)
    seen = {}
    for zone in ("UTC", "Asia/Shanghai"):
        with timezone.override(ZoneInfo(zone)):
            days = statistics.count_by_day(pairs)
            (seen[zone],) = (day for day, n in zip(days.dates, days.totals, strict=True) if n)
            form = JudgmentFilter(pairs, {"since": str(seen[zone]), "until": str(seen[zone])})
            assert form.is_valid()
            assert form.apply(listing.list_votes_and_skips(pairs)).count() == 1
    assert seen["Asia/Shanghai"] - seen["UTC"] == timedelta(days=1)


def test_what_an_unfinished_import_brought_counts_nowhere(travel, client, admin, alice):
    create_judgment(alice, list_comparisons(travel)[0], "first")
    me = Person("account", "alice", alice.pk)
    assert count_agreement(travel).whole == 3
    Import.objects.update(state=Import.State.STORING)
    assert listing.list_people(travel) == [me]
    assert statistics.list_busiest(travel) == [(me, 1)]
    assert statistics.compute_numbers(travel, [Person("imported", "用户1")])[0].judgments == 0
    Judgment.objects.filter(annotator=alice).delete()  # nobody judges what is invisible
    client.force_login(admin)
    for path in ("judgments/", "annotators/", "judgments/pairs/", ""):
        assert "用户" not in client.get(f"/datasets/travel/{path}").content.decode()
    assert client.get(f"/datasets/travel/judgments/{Judgment.objects.earliest('pk').pk}/").status_code == 404


# The list


@pytest.fixture
def judged(pairs, alice, bob):
    """{name: judgment} with one of each kind, one per day, the first today."""
    made = [
        ("left", alice, "first", {}),
        ("right", alice, "first", {"turned": True}),
        ("tie", bob, "tie", {}),
        ("both_bad", bob, "both_bad", {}),
        ("skip", alice, "skip", {}),
        ("late", bob, "second", {"surplus": True}),
        ("reopened", alice, "second", {"state": Judgment.State.REOPENED}),
        ("imported", "用户1", "first", {}),
        ("nobody", "", "first", {}),
    ]
    return {
        name: create_judgment(who, comparison, said, at=get_noon(days_ago), **more)
        for days_ago, ((name, who, said, more), comparison) in enumerate(
            zip(made, list_comparisons(pairs), strict=False)
        )
    }


FILTERED = [
    ({}, "left right tie both_bad skip late reopened imported nobody"),
    ({"person": "account:alice"}, "left right skip reopened"),
    ({"person": "imported:用户1"}, "imported"),
    ({"person": "nobody:"}, "nobody"),
    ({"verdict": "choice"}, "left right late reopened imported nobody"),
    ({"verdict": "tie"}, "tie"),
    ({"verdict": "both_bad"}, "both_bad"),
    ({"verdict": "skip"}, "skip"),
    ({"verdict": "late"}, "late"),
    ({"verdict": "reopened"}, "reopened"),
    ({"verdict": "fast"}, ""),
    ({"verdict": "rank"}, ""),
    ({"side": "left"}, "left"),
    ({"side": "right"}, "right late reopened"),
    ({"side": "right", "person": "account:alice"}, "right reopened"),
    ({"side": "left", "verdict": "tie"}, ""),
    ({"since": 2}, "left right tie"),
    ({"until": 7}, "imported nobody"),
    ({"since": 3, "until": 2}, "tie both_bad"),
    ({"since": 3, "until": 2, "person": "account:bob", "verdict": "tie"}, "tie"),
]


def test_the_list_is_filtered_and_newest_first(client, admin, judged):
    client.force_login(admin)
    wrong = {}
    for query, expected in FILTERED:
        days = {name: str(timezone.localdate() - timedelta(days=n)) for name, n in query.items() if isinstance(n, int)}
        links = read_hrefs(parse_page(client.get("/datasets/demo/judgments/", query | days)))
        if links != [reverse("judgment", args=["demo", judged[name].pk]) for name in expected.split()]:
            wrong[str(query)] = links
    assert wrong == {}


def read_cells(row):
    return [" ".join(cell.text.split()) for cell in row.find_all("td")][1:-1]


def test_a_row_tells_who_what_how_and_how_long(client, admin, judged):
    Judgment.objects.filter(pk=judged["left"].pk).update(seconds=3725)
    Judgment.objects.filter(pk=judged["right"].pk).update(seconds=61.2)
    client.force_login(admin)
    page = parse_page(client.get("/datasets/demo/judgments/"))
    assert [read_cells(row) for row in page.find("tbody").find_all("tr")] == [
        ["alice", "Preference", "left", "1 h 2 min"],
        ["alice", "Preference", "right", "1 min 1 s"],
        ["bob", "Tie", "–", "20 s"],
        ["bob", "Both bad", "–", "20 s"],
        ["alice", "Skip", "–", "–"],
        ["bob", "Preference surplus", "right", "20 s"],
        ["alice", "Preference reopened", "right", "20 s"],
        ["用户1 imported", "Preference", "–", "20 s"],
        ["(anonymous) imported", "Preference", "–", "20 s"],
    ]


def test_what_is_in_hand_or_ran_out_is_no_judgment(client, admin, alice, pairs):
    Judgment.objects.filter(pk=lease_next(alice, pairs).pk).update(state="expired")
    lease_next(alice, pairs)
    assert not listing.list_votes_and_skips(pairs).exists()


ADDRESSES = [
    ("judgments/?person=account:nobody", 422),
    ("judgments/?person=charlie", 422),
    ("judgments/?person=imported:", 422),
    ("judgments/?person=imported:%00", 422),
    ("judgments/?verdict=left", 422),
    ("judgments/?side=up", 422),
    ("judgments/?since=yesterday", 422),
    ("judgments/?since=0001-01-01", 422),
    ("judgments/?until=9999-12-31", 422),
    ("judgments/?until=2999-12-31", 200),
    ("judgments/?person=imported:not-there", 200),
    ("judgments/?before=x", 400),
    ("judgments/?before=1-", 400),
    (f"judgments/?before={10**30}-1", 400),
    (f"judgments/?before=1-{10**30}", 400),
    ("judgments/?before=1-1", 200),
    (f"judgments/{10**30}/", 404),
    ("judgments/987654/", 404),
    ("annotators/?after=x", 400),
    ("annotators/?after=imported:x", 200),
    ("judgments/pairs/?person=account:nobody", 400),
    ("judgments/pairs/?person=imported:a%26b/..%3F", 200),
    ("judgments/pairs/?before=x", 400),
    ("?x=y", 200),
]


def test_nonsense_in_an_address_is_told(client, admin, pairs):
    client.force_login(admin)
    got = [(path, client.get(f"/datasets/demo/{path}").status_code) for path, _ in ADDRESSES]
    assert got == ADDRESSES


# Keyset pagination


@pytest.fixture
def pages(make_dataset, alice, bob):
    """320 votes by three people: more than a request itself computes the report of, several pages of each person, and
    groups with the same timestamp that no page ends with."""
    dataset = make_dataset(build_rows(160), slug="many", overlap=2)
    found = list_comparisons(dataset)
    at = timezone.now()
    rows = [
        Judgment(
            comparison=comparison,
            dataset=dataset,
            annotator=who,
            imported_by="" if who else "用户1",
            state="saved",
            order=comparison.response_ids,
            verdict="left",
            decided_at=at - timedelta(minutes=i // 7),
            seconds=i,
        )
        for i, comparison in enumerate(found)
        for who in ((alice, bob), (alice, None))[i % 2]
    ]
    Judgment.objects.bulk_create(rows)
    Choice.objects.bulk_create(Choice(judgment=row, chosen_id=row.order[0], rejected_id=row.order[1]) for row in rows)
    return dataset


def read_hrefs(page):
    return [link["href"] for cell in page.find_all("td", **{"class": "what"}) for link in cell.find_all("a")]


def test_the_pages_of_a_list_hold_each_judgment_once(client, admin, pages, django_assert_max_num_queries):
    client.force_login(admin)
    address, seen = "/datasets/many/judgments/?person=account%3Aalice", []
    while address:
        with django_assert_max_num_queries(15):
            page = parse_page(client.get(address))
        seen += read_hrefs(page)
        more = [link["href"] for link in page.find_all("a", **{"class": "button"}) if link.text == "More"]
        address = f"/datasets/many/judgments/{more[0]}" if more else None
    mine = Judgment.objects.filter(annotator__username="alice").order_by("-decided_at", "-pk")
    assert seen == [reverse("judgment", args=["many", pk]) for pk in mine.values_list("pk", flat=True)]
    assert len(seen) == 160


def test_a_judgment_that_comes_meanwhile_moves_no_page(client, admin, pages):
    client.force_login(admin)
    page = parse_page(client.get("/datasets/many/judgments/"))
    more = next(link["href"] for link in page.find_all("a") if link.text == "More")
    before = read_hrefs(parse_page(client.get(f"/datasets/many/judgments/{more}")))
    create_judgment("somebody", list_comparisons(pages)[0], "first")
    assert read_hrefs(parse_page(client.get(f"/datasets/many/judgments/{more}"))) == before


@pytest.mark.once  # the number of queries does not depend on the database
@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("judgments/", 14),
        ("judgments/?person=imported:用户1&verdict=choice&side=left", 14),
        ("annotators/", 33),
        ("judgments/pairs/", 17),
        ("judgments/pairs/?person=account:alice", 22),
        ("judgments/?mark=outlier", 16),
        ("", 44),
    ],
)
def test_each_page_takes_a_bounded_number_of_queries(client, admin, pages, django_assert_max_num_queries, path, most):
    client.force_login(admin)
    with django_assert_max_num_queries(most):
        assert client.get(f"/datasets/many/{path}").status_code == 200


def test_the_page_of_a_judgment_takes_a_bounded_number_of_queries(
    client, admin, pairs, alice, django_assert_max_num_queries
):
    client.force_login(admin)
    judgment = create_judgment(alice, list_comparisons(pairs)[0], "first")
    for i in range(30):
        create_judgment(f"name {i}", list_comparisons(pairs)[0], "second")
    address = reverse("judgment", args=["demo", judgment.pk])
    client.get(address)  # texts are rendered on first display
    with django_assert_max_num_queries(16):
        assert client.get(address).content.decode().count("imported</span>") == 30


@pytest.mark.parametrize("has_report", [True, False])
def test_the_list_of_annotators_goes_on_from_page_to_page(client, admin, pairs, alice, monkeypatch, has_report):
    monkeypatch.setattr("analyze.report.JUDGMENTS_AT_ONCE", 100 if has_report else 0)
    monkeypatch.setattr("analyze.views.people.PEOPLE_A_PAGE", 3)
    names = ["B/b", "a&b", "c d", "用户", "0"]
    for name in names:
        create_judgment(name, list_comparisons(pairs)[0], "first")
    create_judgment("", list_comparisons(pairs)[0], "first")
    create_judgment(alice, list_comparisons(pairs)[0], "first")
    client.force_login(admin)
    address, seen = "/datasets/demo/annotators/", []
    while address:
        page = parse_page(client.get(address))
        seen += [cell.find("a").text for cell in page.find_all("td", **{"class": "name"})]
        more = [link["href"] for link in page.find_all("a", **{"class": "button"}) if link.text == "More"]
        address = f"/datasets/demo/annotators/{more[0]}" if more else None
    assert sorted(seen[:-1]) == sorted([*names, "alice"])
    assert seen[-1] == "(anonymous)"


def test_each_name_leads_to_its_record_whatever_it_holds(client, admin, pairs):
    names = ["a&b=c", "x/../y", "100 %", "<b>", "account:alice", "用户 1"]
    for name in names:
        create_judgment(name, list_comparisons(pairs)[0], "first")
    client.force_login(admin)
    links = [
        cell.find("a")["href"]
        for cell in parse_page(client.get("/datasets/demo/annotators/")).find_all("td", **{"class": "name"})
    ]
    headings = [" ".join(parse_page(client.get(link)).find("h1").text.split()) for link in links]
    assert sorted(headings) == sorted(f"{name} imported" for name in names)


# The pages


def test_a_judgment_shows_the_answers_as_that_person_saw_them(client, admin, pairs, alice, bob):
    comparison = list_comparisons(pairs)[0]
    judgment = create_judgment(alice, comparison, "first", turned=True, leased_at=get_noon())
    create_judgment(bob, comparison, "second")
    create_judgment("用户1", comparison, "tie")
    create_judgment(create_person("dora"), comparison, "skip")
    client.force_login(admin)
    page = parse_page(client.get(reverse("judgment", args=["demo", judgment.pk])))
    assert read_text(page.find("h1")) == f"Judgment {judgment.pk} · B is better"
    assert "Side picked: right" in read_text(page.find("main"))
    answers = [" ".join(article.text.split()) for article in page.find_all("article")]
    assert answers == [
        "A · left · m1 ✗ rejected Answer 1 to 0. Answer 1 to 0.",
        "B · right · m0 ✓ chosen Answer 0 to 0. Answer 0 to 0.",
    ]
    others = [
        [" ".join(cell.text.split()) for cell in row.find_all("td")][:4] for row in page.find("tbody").find_all("tr")
    ]
    assert others == [
        ["bob", "Preference", "A", "20 s"],
        ["用户1 imported", "Tie", "–", "20 s"],
        ["dora", "Skip", "–", "–"],
    ]


def test_an_imported_judgment_has_no_sides(client, admin, travel):
    client.force_login(admin)
    page = parse_page(client.get(reverse("judgment", args=["travel", Judgment.objects.order_by("pk").first().pk])))
    text = " ".join(page.find("main").text.split())
    assert "A is better Annotator: 用户1 imported" in text
    assert "travel.jsonl:1" in text
    assert "An imported file does not say on which side each answer was shown." in text
    assert " left " not in text


def test_a_judgment_is_found_in_its_own_dataset_only(client, admin, travel, pairs):
    client.force_login(admin)
    assert client.get(f"/datasets/demo/judgments/{Judgment.objects.first().pk}/").status_code == 404


@pytest.mark.parametrize(
    ("said", "marks"),
    [
        ("first", ["✓ chosen Answer 0 to 0.", "✗ rejected Answer 1 to 0."]),
        ("second", ["✓ chosen Answer 1 to 0.", "✗ rejected Answer 0 to 0."]),
        ("tie", ["= tie Answer 0 to 0.", "= tie Answer 1 to 0."]),
        ("both_bad", ["✗ bad Answer 0 to 0.", "✗ bad Answer 1 to 0."]),
    ],
)
def test_the_record_marks_each_answer_the_chosen_one_first(client, admin, pairs, alice, said, marks):
    create_judgment(alice, list_comparisons(pairs)[0], said)
    create_judgment(alice, list_comparisons(pairs)[1], "skip")
    client.force_login(admin)
    page = parse_page(client.get("/datasets/demo/judgments/pairs/?person=account:alice"))
    assert [" ".join(box.text.split()) for box in page.find_all("div", **{"class": "said"})] == marks


# Judgments of every kind


@pytest.fixture
def said(make_dataset, alice, client, admin):
    """said(verdict, said={}, answers=2, person=alice, **settings): the recorded judgment; the answers were shown in
    the order 0, 1, 2 …"""
    client.force_login(admin)

    def say_so(verdict, said=None, answers=2, who=alice, dataset=None, flag="", **settings):
        settings |= {"question": settings.get("question", "pair"), "overlap": 3}
        rows = (
            build_rows(1, answers) if answers > 1 else [{"prompt": "P?", "response": "Answer 0 to 0.", "model": "m0"}]
        )
        dataset = dataset or make_dataset(rows, most_shown=answers, **settings)
        judgment = lease_next(who, dataset)
        judgment.order, judgment.leased_at = sorted(judgment.order), timezone.now() - timedelta(hours=1)
        judgment.save()
        assert record(judgment, 0, verdict, said or {}, 60.0, flag)
        return Judgment.objects.get(pk=judgment.pk)

    return say_so


def fetch_page(client, judgment):
    return parse_page(client.get(reverse("judgment", args=[judgment.dataset.slug, judgment.pk])))


def read_text(element):
    return " ".join(element.text.split())


def fetch_list(client, dataset, query=""):
    page = parse_page(client.get(f"/datasets/{dataset.slug}/judgments/{query}"))
    return [read_cells(row)[1:3] for body in page.find_all("tbody") for row in body.find_all("tr")]


WORDS = [
    # question, answers, verdict, said; text in the list, page title, marks on the page
    ("scale", 2, "left3", {}, ["A is much better", "left"], "A is much better", ["✓ chosen", "✗ rejected"]),
    ("scale", 2, "right1", {}, ["B is slightly better", "right"], "B is slightly better", ["✗ rejected", "✓ chosen"]),
    ("scale", 2, "tie", {}, ["Tie", "–"], "Tie", ["= tie", "= tie"]),
    (
        *("rank", 3, "rank", {"rank": [2, 1, 2]}, ["Ranked B > A = C", "–"], "Ranked: B > A = C"),
        ["✗ rejected · rank 2", "✓ chosen · rank 1", "✗ rejected · rank 2"],
    ),
    (
        *("rank", 4, "rank", {"rank": [4, 1, 3, 3]}, ["Ranked B > C = D > A", "–"], "Ranked: B > C = D > A"),
        ["✗ rejected · rank 3", "✓ chosen · rank 1", "– – · rank 2", "– – · rank 2"],
    ),
    (
        *("best_worst", 3, "rank", {"rank": [3, 2, 1]}, ["Ranked C > B > A", "–"], "Ranked: C > B > A"),
        ["✗ rejected · rank 3", "– – · rank 2", "✓ chosen · rank 1"],
    ),
    ("rank", 2, "rank", {"rank": [1, 1]}, ["Ranked A = B", "–"], "Ranked: A = B", ["= tie · rank 1"] * 2),
    (
        *("stars", 2, "rate", {"stars": [5, 3]}, ["Rated A 5 ★ · B 3 ★", "–"], "Rated: A 5 ★ · B 3 ★"),
        ["✓ chosen · 5 ★", "✗ rejected · 3 ★"],
    ),
    (
        *("pair", 2, "left", {"stars": [2, 2]}, ["Preference A 2 ★ · B 2 ★", "left"], "A is better: A 2 ★ · B 2 ★"),
        ["✓ chosen · 2 ★", "✗ rejected · 2 ★"],
    ),
]


@pytest.mark.parametrize(("question", "answers", "verdict", "words", "row", "title", "marks"), WORDS)
def test_each_kind_of_verdict_is_told(client, said, question, answers, verdict, words, row, title, marks):
    stars = question == "pair"
    judgment = said(verdict, words, answers, question=question, with_stars=stars)
    assert fetch_list(client, judgment.dataset) == [row]
    page = fetch_page(client, judgment)
    assert read_text(page.find("h1")) == f"Judgment {judgment.pk} · {title}"
    assert [read_text(next(box.find_all("p"))) for box in page.find_all("article")] == marks
    found = read_text(parse_page(client.get("/datasets/demo/judgments/pairs/")).find("ol"))
    assert sum(found.count(mark) for mark in set(marks)) >= len(marks)


def test_a_single_answer_has_its_stars(client, said):
    judgment = said("rate", {"stars": [4]}, 1, question="stars", fewest_shown=1)
    page = fetch_page(client, judgment)
    assert read_text(page.find("article")) == "A · m0 4 ★ Answer 0 to 0. Answer 0 to 0."  # rendered, and raw
    assert fetch_list(client, judgment.dataset, "?verdict=rate") == [["Rated A 4 ★", "–"]]
    assert read_text(
        parse_page(client.get("/datasets/demo/judgments/pairs/")).find("div", **{"class": "said"})
    ).startswith("4 ★")


def test_a_scale_tells_its_strength_and_a_plain_choice_has_none(client, said, make_dataset):
    assert "Strength: 2 of 3" in read_text(fetch_page(client, said("right2", question="scale")).find("main"))
    assert "Strength" not in read_text(fetch_page(client, said("right", slug="other")).find("main"))


def test_others_on_the_same_comparison_speak_of_the_answers_of_this_page(client, said, bob):
    mine = said("left3", question="scale")
    theirs = said("left2", who=bob, dataset=mine.dataset)
    Judgment.objects.filter(pk=theirs.pk).update(order=theirs.order[::-1])
    Choice.objects.filter(judgment=theirs).update(chosen=theirs.order[1], rejected=theirs.order[0])
    row = fetch_page(client, mine).find("tbody").find("tr")
    assert [read_text(cell) for cell in row.find_all("td")][:3] == ["bob", "B is better", "B"]


def test_others_orders_are_told_in_the_letters_of_this_page(client, said, bob):
    mine = said("rank", {"rank": [1, 2, 3]}, 3, question="rank")
    theirs = said("rank", {"rank": [1, 2, 2]}, who=bob, dataset=mine.dataset)
    Judgment.objects.filter(pk=theirs.pk).update(order=theirs.order[::-1])
    row = fetch_page(client, mine).find("tbody").find("tr")
    assert [read_text(cell) for cell in row.find_all("td")][:3] == ["bob", "Ranked", "C > A = B"]


def test_criteria_reasons_and_notes_stand_on_the_page(client, said):
    criteria = [{"name": "truth", "guideline": ""}, {"name": "style", "guideline": ""}]
    by = {"old": {"rank": [2, 1]}, "truth": {"verdict": ["right2"]}, "style": {"verdict": ["tie"], "stars": [3, 3]}}
    words = {"criteria": by, "reasons": ["more correct", "clearer"], "reason": "It is\n<b>true</b>."}
    page = fetch_page(client, said("left1", words, question="scale", criteria=criteria))
    rows = [read_text(row) for row in page.find("dl", **{"class": "besides"}).find_all("div")]
    told = [
        "truthB is better",
        "styleTie · A 3 ★ · B 3 ★",
        "oldB > A",
        "Rationalemore correct clearer It is <b>true</b>.",
    ]
    assert [row.replace(" ", "") for row in rows] == [row.replace(" ", "") for row in told]


def test_reasons_of_ours_are_shown_in_the_readers_language_and_those_of_an_admin_as_they_are():
    judgment = Judgment(said={"reasons": ["Tie", ""]})
    with translation.override("zh-hans"):
        assert wording.format_reasons(judgment, []) == ["平局"]
        assert wording.format_reasons(judgment, ["Tie"]) == ["Tie", ""]


def test_a_flag_is_told_with_its_reason_and_note(client, said):
    judgment = said("flag", {"note": "As GPT I …"}, allow_flag=True, flag="leak")
    page = fetch_page(client, judgment)
    assert read_text(page.find("h1")) == f"Judgment {judgment.pk} · Flagged: Reveals the model"
    assert "As GPT I …" in read_text(page.find("dl"))
    assert fetch_list(client, judgment.dataset) == [["Flagged Reveals the model", "–"]]


def test_a_better_answer_stands_with_who_wrote_it(client, said, bob):
    mine = said("left", {"repairs": {"left": "**Best.**"}}, allow_repair=True)
    said("right", {"repairs": {"new": "**Best.**"}}, who=bob, dataset=mine.dataset)
    page = fetch_page(client, mine)
    answers = [read_text(box) for box in page.find_all("article")]
    assert answers[0].startswith("A · left · m0 ✓ chosen")
    assert answers[2] == "repair · written by alice, bob Best. **Best.**"
    row = parse_page(client.get("/datasets/demo/judgments/pairs/?person=account:alice")).find("ol")
    assert [read_text(box) for box in row.find_all("div", **{"class": "said"})] == [
        "✎ rewritten, better **Best.**",
        "✓ chosen Answer 0 to 0.",
        "✗ rejected Answer 1 to 0.",
    ]


def test_a_round_of_repair_is_told(client, said, bob, make_dataset):
    bad = said("both_bad", repair_round=True)
    judgment = said("repair", {"repairs": {"new": "Good."}}, who=bob, dataset=close_but_for_repairs(bad))
    page = fetch_page(client, judgment)
    assert read_text(page.find("h1")) == f"Judgment {judgment.pk} · Rewritten"
    marks = [read_text(box) for box in page.find_all("article")]
    assert marks == [
        "A · left · m0 ✗ bad Answer 0 to 0. Answer 0 to 0.",
        "B · right · m1 ✗ bad Answer 1 to 0. Answer 1 to 0.",
        "repair · written by bob Good. Good.",
    ]
    assert fetch_list(client, judgment.dataset, "?verdict=repair") == [["Rewritten", "–"]]


def close_but_for_repairs(judgment):
    Comparison.objects.filter(pk=judgment.comparison_id).update(open_slots=0)
    return judgment.dataset


FAST = [
    # seconds, words, more; too fast
    (4.9, 100, {}, True),
    (5.0, 100, {}, False),
    (0.0, 1, {}, True),
    (0.0, 0, {}, False),
    (None, 100, {}, False),
    (4.9, 100, {"annotator": None, "imported_by": "ann"}, False),
    (4.9, 100, {"state": "skipped", "verdict": ""}, False),
    (4.9, 100, {"state": "reopened"}, True),
    (4.9, 100, {"revision": 1}, True),
    (4.9, 100, {"revision": 2}, False),  # a corrected verdict: the text was read before
]


@pytest.mark.parametrize(("seconds", "words", "more", "fast"), FAST)
def test_too_fast_is_faster_than_anybody_reads(client, admin, pairs, alice, seconds, words, more, fast):
    judgment = create_judgment(alice, list_comparisons(pairs)[0], "first", seconds=seconds)
    create_judgment(alice, list_comparisons(pairs)[1], "first", seconds=100)
    Judgment.objects.filter(pk=judgment.pk).update(**more)
    Comparison.objects.filter(pk=judgment.comparison_id).update(words=words)
    client.force_login(admin)
    assert listing.annotate_speed(Judgment.objects.filter(pk=judgment.pk)).get().too_fast in (
        (True,) if fast else (False, None)
    )
    assert len(fetch_list(client, pairs, "?mark=fast")) == fast
    tags = [read_text(tag) for tag in fetch_page(client, judgment).find("p", **{"class": "tags"}).find_all("span")]
    assert ("too fast" in tags) == fast
    (row,) = statistics.compute_numbers(pairs, [Person("account", "alice", alice.pk)])
    assert row.fast.part == fast


def test_the_share_of_the_too_fast_is_among_ones_votes(client, admin, pairs, alice):
    for n, comparison in enumerate(list_comparisons(pairs)[:4]):
        create_judgment(alice, comparison, "skip" if n == 3 else "first", seconds=0.01 if n else 100)
    create_judgment("ann", list_comparisons(pairs)[0], "first", seconds=0.01)
    client.force_login(admin)
    rows = [
        [read_text(cell) for cell in row.find_all("td")][9]
        for row in parse_page(client.get("/datasets/demo/annotators/")).find("tbody").find_all("tr")
    ]
    assert sorted(rows) == ["67 % 2 of 3", "–"]
    assert "Too fast: 67 %" in read_text(
        parse_page(client.get("/datasets/demo/judgments/pairs/?person=account:alice")).find("main")
    )


def test_numbers_count_what_was_chosen_in_all_only(said, bob):
    criteria = [{"name": "truth", "guideline": ""}]
    mine = said("left", {"criteria": {"truth": {"verdict": ["left"]}}}, criteria=criteria)
    said("right", {"criteria": {"truth": {"verdict": ["left"]}}}, who=bob, dataset=mine.dataset)
    assert count_agreement(mine.dataset) == Share(0, 1)
    numbers = statistics.compute_numbers(mine.dataset, listing.list_people(mine.dataset))
    assert [row.left for row in numbers] == [Share(1, 1), Share(0, 1)]
    assert [(row["chosen"], row["rejected"]) for row in count_by_source(mine.dataset)] == [(1, 1), (1, 1)]


def test_orders_agree_pair_by_pair_and_choose_no_side(said, bob):
    mine = said("rank", {"rank": [1, 2, 3]}, 3, question="rank")
    said("rank", {"rank": [1, 3, 2]}, who=bob, dataset=mine.dataset)
    assert count_agreement(mine.dataset) == Share(2, 3)
    numbers = statistics.compute_numbers(mine.dataset, listing.list_people(mine.dataset))
    assert [(row.left, row.judgments) for row in numbers] == [(Share(0, 0), 1)] * 2


def test_the_scale_has_sides(said, bob):
    mine = said("left3", question="scale")
    said("right1", who=bob, dataset=mine.dataset)
    numbers = statistics.compute_numbers(mine.dataset, listing.list_people(mine.dataset))
    assert [row.left for row in numbers] == [Share(1, 1), Share(0, 1)]
    assert count_verdicts(mine.dataset) == {"choice": 2, "tie": 0, "both_bad": 0, "skip": 0}


def test_kinds_are_counted_where_there_are_any(client, said, bob):
    mine = said("rank", {"rank": [1, 2, 3]}, 3, question="rank", allow_flag=True)
    said("flag", who=bob, dataset=mine.dataset, flag="unsafe")
    shares = statistics.compute_verdict_shares(count_verdicts(mine.dataset))
    assert list(shares) == ["choice", "tie", "both_bad", "rank", "skip", "flag"]
    assert (shares["rank"], shares["flag"], shares["choice"]) == (Share(1, 1), Share(1, 2), Share(0, 1))
    (row,) = statistics.compute_numbers(mine.dataset, [Person("account", "bob", bob.pk)])
    assert (row.judgments, row.skips, row.flags) == (0, 0, 1)
    assert "Ranked1" in parse_page(client.get("/datasets/demo/")).find("main").text.replace("\n", "").replace(" ", "")


def read_figures(page):
    """The figures at the top of the overview, in words."""
    boxes = [box for tag in ("a", "div") for box in page.find_all(tag, **{"class": "number"})]
    section = page.find("section", aria_label="Numbers")
    return [" ".join(box.text.split()) for box in section.children if box in boxes]


def test_the_follow_page_draws_what_the_table_says(client, admin, judged):
    client.force_login(admin)
    answer = client.get("/datasets/demo/")
    assert "style=" not in answer.content.decode()
    page = parse_page(answer)
    bars = page.find("svg", **{"class": "bars"})
    titles = [bar.text for bar in bars.find_all("rect") if not bar.text.endswith(": 0")]
    rows = [
        tuple(cell.text for cell in row.find_all() if cell.tag in ("th", "td"))
        for row in page.find("details").find("tbody").find_all("tr")
    ]
    assert titles == [f"{day}: {n}" for day, n in reversed(rows)]
    assert len(rows) == 6
    finish = timezone.localdate() + timedelta(days=12)
    assert read_figures(page) == [
        "8 of 20 judgments",
        "1 per day (average of 7 working days)",
        f"{finish} estimated completion (12 days)",
        "0.0 h spent",
        "– agreement: no overlap yet",
    ]


def test_the_follow_page_of_the_primers_example(client, admin, travel):
    client.force_login(admin)
    page = parse_page(client.get("/datasets/travel/"))
    assert read_figures(page) == [
        "5 of 5 judgments",
        "– per day: not enough data",
        "✓ complete",
        "0.0 h spent",
        "0 % agreement (n = 1 pair of answers) · typical: 69 % to 79 %",
    ]
    assert "4 done" in " ".join(page.find("ul", **{"class": "legend"}).text.split())


def test_an_empty_dataset_has_its_pages_too(client, admin):
    Dataset.objects.create(slug="empty")
    client.force_login(admin)
    for path in ("", "judgments/", "annotators/", "judgments/pairs/"):
        assert client.get(f"/datasets/empty/{path}").status_code == 200


def test_the_page_of_a_dataset_leads_there(client, admin, pairs):
    client.force_login(admin)
    links = {link["href"] for link in parse_page(client.get("/datasets/demo/")).find_all("a")}
    assert {"/datasets/demo/", "/datasets/demo/judgments/"} <= links


@pytest.mark.parametrize("path", ["", "judgments/", "annotators/", "judgments/pairs/", "judgments/{pk}/"])
def test_only_admins_see_them(client, admin, alice, pairs, path):
    address = "/datasets/demo/" + path.format(pk=lease_next(alice, pairs).pk)
    assert client.get(address)["Location"].startswith(reverse("login"))
    client.force_login(alice)
    assert client.get(address).status_code == 403
    client.force_login(admin)
    assert client.get(address).status_code == 200
    assert client.post(address).status_code == (302 if path == "annotators/" else 405)


def test_hostile_texts_stay_texts(client, admin, make_dataset, alice):
    script = "<script>alert(1)</script>"
    dataset = make_dataset([{"prompt": script, "responses": [{"text": script}, {"text": "<b>x</b>"}]}])
    judgment = create_judgment(alice, list_comparisons(dataset)[0], "first")
    create_judgment('"><script>alert(2)</script>', list_comparisons(dataset)[0], "first")
    client.force_login(admin)
    for path in ("", "judgments/", "annotators/", "judgments/pairs/", f"judgments/{judgment.pk}/"):
        assert "<script>alert" not in client.get(f"/datasets/demo/{path}").content.decode()
