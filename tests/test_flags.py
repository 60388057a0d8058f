"""Flags: an admin sees them and decides, even if another decides concurrently."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.comparisons import flags
from datasets.comparisons.flags import LEAVE_OUT, LEAVE_OUT_PROMPT, PUT_BACK, HeldCounts, decide
from datasets.models import Change, Comparison, Judgment
from tests.conftest import build_rows
from tests.test_annotate import parse_page

PAGE = "/datasets/demo/review/"
FLAGGED, WITHDRAWN = Comparison.FLAGGED, Comparison.WITHDRAWN


@pytest.fixture
def dataset(make_dataset):
    """Three prompts of three answers: nine comparisons."""
    return make_dataset(build_rows(3, answers=3), allow_flag=True)


def flag(who, dataset, why="leak", note="It says “as GPT”."):
    """The judgment by which a person flags their next comparison."""
    judgment = lease_next(who, dataset)
    assert record(judgment, 0, "flag", {"note": note} if note else {}, flag=why)
    return Judgment.objects.select_related("comparison").get(pk=judgment.pk)


def get_held(comparison):
    return Comparison.objects.values_list("held", flat=True).get(pk=comparison)


def press(client, comparison, decision, seen=FLAGGED, **more):
    return client.post(PAGE, {"comparison": comparison, "held": seen, "decision": decision}, **more)


def read_main(page):
    return read_words(page.find("main"))


def read_words(element):
    return " ".join(element.text.split())


def test_the_page_shows_who_flagged_what_and_why(client, admin, alice, dataset):
    judgment = flag(alice, dataset)
    client.force_login(admin)
    page = parse_page(client.get(PAGE))
    article = page.find("article")
    text = " ".join(article.text.split())
    assert text.startswith("Flagged Reveals the model alice")
    assert "It says “as GPT”." in text
    assert judgment.comparison.prompt.instruction in text
    answers = [
        (read_words(box.find("h2")), box.find("div", **{"class": "text"}).text.strip())
        for box in article.find_all("div", **{"class": "answer"})
    ]
    shown = judgment.comparison.prompt.responses.filter(pk__in=judgment.order).order_by("pk")
    named = zip("AB", shown.values_list("source", "text"), strict=True)
    assert answers == [(f"{letter} · {source}", text) for letter, (source, text) in named]
    buttons = [button["value"] for button in article.find_all("button") if button.attributes.get("name") == "decision"]
    assert buttons == [PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT]


def test_put_back_it_is_asked_again_and_left_out_nobody_is(client, admin, alice, bob, dataset):
    back, out = flag(alice, dataset).comparison_id, flag(alice, dataset, "unsafe").comparison_id
    client.force_login(admin)
    assert press(client, back, PUT_BACK)["Location"] == PAGE
    assert "Excluded; it is no longer handed out" in read_main(parse_page(press(client, out, LEAVE_OUT, follow=True)))
    assert (get_held(back), get_held(out)) == ("", WITHDRAWN)
    given = []
    while judgment := lease_next(bob, dataset):
        given.append(judgment.comparison_id)
        record(judgment, 0, "left")
    assert back in given
    assert out not in given
    page = parse_page(client.get(PAGE))
    assert not list(page.find_all("article"))
    assert "Unsafe alice" in " ".join(page.find("tbody").text.split())
    press(client, out, PUT_BACK, seen=WITHDRAWN)
    assert lease_next(bob, dataset).comparison_id == out
    assert flags.count_held(dataset) == HeldCounts(0, 0)


def test_a_whole_prompt_is_left_out_but_for_what_is_held_otherwise(admin, client, alice, dataset):
    judgment = flag(alice, dataset)
    mine = Comparison.objects.filter(prompt=judgment.comparison.prompt)
    other = mine.exclude(pk=judgment.comparison_id).first()
    mine.filter(pk=other.pk).update(held="importing")
    client.force_login(admin)
    press(client, judgment.comparison_id, LEAVE_OUT_PROMPT)
    assert sorted(mine.values_list("held", flat=True)) == ["importing", WITHDRAWN, WITHDRAWN]
    assert set(Comparison.objects.exclude(pk__in=mine).values_list("held", flat=True)) == {""}
    assert "with its prompt" in read_main(parse_page(client.get(PAGE)))


@pytest.mark.parametrize("first", [PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT])
@pytest.mark.parametrize("second", [PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT])
def test_the_first_decision_stands(alice, dataset, first, second):
    comparison = flag(alice, dataset).comparison_id
    assert decide(comparison, FLAGGED, first)
    after = dict(Comparison.objects.values_list("pk", "held"))
    assert not decide(comparison, FLAGGED, second)
    assert dict(Comparison.objects.values_list("pk", "held")) == after


@pytest.mark.parametrize("why", ["importing", "undoing", "gold", ""])
@pytest.mark.parametrize("decision", [PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT])
def test_what_is_held_otherwise_is_never_touched(dataset, why, decision):
    Comparison.objects.update(held=why)
    for seen in flags.DECISIONS.keys() - {why}:
        if decision in flags.DECISIONS[seen]:
            assert not decide(Comparison.objects.first().pk, seen, decision)
    assert set(Comparison.objects.values_list("held", flat=True)) == {why}


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_at_once_one_decides(make_dataset, alice):
    dataset = make_dataset(build_rows(6, answers=3), allow_flag=True)
    for _ in range(6):
        comparison = flag(alice, dataset).comparison_id
        start, done = threading.Barrier(3), []

        def act(decision, comparison=comparison, start=start, done=done):
            start.wait()
            try:
                done.append((decision, decide(comparison, FLAGGED, decision)))
            finally:
                connection.close()

        threads = [threading.Thread(target=act, args=(d,)) for d in (PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ((decision, _),) = [one for one in done if one[1]]
        assert len(done) == 3
        assert get_held(comparison) == ("" if decision == PUT_BACK else WITHDRAWN)


def test_one_who_decides_late_is_told(client, admin, alice, dataset):
    comparison = flag(alice, dataset).comparison_id
    client.force_login(admin)
    press(client, comparison, LEAVE_OUT)
    page = parse_page(press(client, comparison, PUT_BACK, follow=True))
    assert "This was decided already; nothing has changed." in read_main(page)
    assert get_held(comparison) == WITHDRAWN


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 400),
        ({"decision": "burn"}, 400),
        ({"held": "importing"}, 400),
        ({"held": WITHDRAWN, "decision": LEAVE_OUT}, 400),
        ({"comparison": "x"}, 400),
        ({"comparison": 10**30}, 400),
        ({"comparison": 987654}, 404),
        ({"decision": PUT_BACK}, 302),
    ],
)
def test_nonsense_is_refused(client, admin, alice, dataset, said, status):
    comparison = flag(alice, dataset).comparison_id
    client.force_login(admin)
    whole = {"comparison": comparison, "held": FLAGGED, "decision": PUT_BACK}
    assert client.post(PAGE, said and whole | said).status_code == status
    assert get_held(comparison) == ("" if status == 302 else FLAGGED)


def test_a_comparison_is_decided_in_its_own_dataset_only(client, admin, alice, dataset, make_dataset):
    other = make_dataset(build_rows(1), slug="other", allow_flag=True)
    comparison = flag(alice, other).comparison_id
    client.force_login(admin)
    assert press(client, comparison, PUT_BACK).status_code == 404
    assert "other" not in {held.comparison.dataset.slug for held in flags.list_held(dataset, FLAGGED, 0, 10)}


def test_the_tab_counts_what_waits(client, admin, alice, dataset):
    def read_tab():
        return next(a.text for a in parse_page(client.get("/datasets/demo/")).find_all("a", href=PAGE)).split()

    client.force_login(admin)
    assert read_tab() == ["Review", "0"]
    comparison = flag(alice, dataset).comparison_id
    assert read_tab() == ["Review", "1"]
    decide(comparison, FLAGGED, LEAVE_OUT)
    assert read_tab() == ["Review", "0"]


def test_the_pages_hold_each_flagged_comparison_once(client, admin, alice, dataset, monkeypatch):
    monkeypatch.setattr("analyze.views.review.PAGE_SIZE", 2)
    monkeypatch.setattr("analyze.views.review.LEFT_OUT_A_PAGE", 2)
    flagged = [flag(alice, dataset).comparison_id for _ in range(9)]
    client.force_login(admin)
    assert walk_pages(client, "article", "after") == flagged[::-1], "the latest first"
    for comparison in flagged[:5]:
        decide(comparison, FLAGGED, LEAVE_OUT)
    assert walk_pages(client, "tr", "left_out") == sorted(flagged[:5])


def walk_pages(client, tag, key):
    """The comparisons on all pages, following the `More` links."""
    address, seen = PAGE, []
    while address:
        page = parse_page(client.get(address))
        forms = [form for element in page.find_all(tag) for form in element.find_all("form")]
        deciding = [
            form
            for form in forms
            if any(button.attributes.get("name") == "decision" for button in form.find_all("button"))
        ]
        seen += [int(form.find("input", name="comparison")["value"]) for form in deciding]
        links = [link["href"] for link in page.find_all("a") if link.text.strip() == "More"]
        more = [link for link in links if f"?{key}=" in link]
        address = PAGE + more[0] if more else None
    return seen


def test_the_page_takes_a_bounded_number_of_queries(client, admin, alice, dataset, django_assert_max_num_queries):
    for _ in range(9):
        flag(alice, dataset)
    client.force_login(admin)
    client.get(PAGE)  # texts are rendered on first display
    with django_assert_max_num_queries(23):
        client.get(PAGE)


@pytest.mark.parametrize(
    "path", ["?after=x", "?after=waiting.x", "?after=suggested.x", "?kind=x", f"?left_out={10**30}"]
)
def test_nonsense_in_the_address_is_told(client, admin, dataset, path):
    client.force_login(admin)
    assert client.get(PAGE + path).status_code == 400


def test_a_better_answer_that_is_asked_for_can_be_flagged_too(client, admin, alice, bob, make_dataset):
    dataset = make_dataset(build_rows(1), allow_flag=True, repair_round=True)
    record(lease_next(alice, dataset), 0, "both_bad")
    judgment = flag(bob, dataset, "unclear", note="")
    assert judgment.comparison.task == "repair"
    client.force_login(admin)
    assert "Annotators were asked for a better answer. Unclear prompt bob" in read_main(parse_page(client.get(PAGE)))
    press(client, judgment.comparison_id, LEAVE_OUT)
    assert get_held(judgment.comparison_id) == WITHDRAWN


def test_an_undone_flag_is_gone_and_one_that_was_decided_stays(alice, dataset):
    gone, decided = flag(alice, dataset), flag(alice, dataset)
    decide(decided.comparison_id, FLAGGED, LEAVE_OUT)
    assert undo(gone, gone.revision)
    assert not undo(decided, decided.revision)
    assert flags.count_held(dataset) == HeldCounts(0, 1)


def test_what_was_judged_before_stays_and_is_exported(alice, bob, make_dataset, run_command, tmp_path):
    dataset = make_dataset(build_rows(1), allow_flag=True, overlap=2)
    record(lease_next(bob, dataset), 0, "left")
    decide(flag(alice, dataset).comparison_id, FLAGGED, LEAVE_OUT)
    path = str(tmp_path / "out.jsonl")
    assert run_command("export_dataset", "demo", "--format", "dpo", "--output", path)[1]["rows"] == 1


def test_hostile_notes_stay_texts(client, admin, alice, dataset):
    judgment = flag(alice, dataset, note="<script>alert(1)</script>")
    client.force_login(admin)
    for path in ("flags/", f"judgments/{judgment.pk}/"):
        assert "<script>alert" not in client.get(f"/datasets/demo/{path}").content.decode()


def test_a_flag_is_no_skip(client, admin, alice, dataset):
    flag(alice, dataset)
    record(lease_next(alice, dataset), 0, "skip")
    Judgment.objects.update(decided_at=timezone.now() - timedelta(minutes=1))
    client.force_login(admin)
    page = parse_page(client.get("/datasets/demo/judgments/?verdict=flag"))
    assert "Flagged Reveals the model" in " ".join(page.find("tbody").text.split())
    assert len(list(parse_page(client.get("/datasets/demo/judgments/?verdict=skip")).find("tbody").find_all("tr"))) == 1
    follow = " ".join(parse_page(client.get("/datasets/demo/")).find("main").text.split())
    assert "Skip 1 50 % Flagged 1 50 %" in follow


@pytest.mark.parametrize("review", ["off", "split"])
def test_what_contradicts_itself_is_set_aside_for_a_decision(client, admin, alice, bob, make_dataset, review):
    dataset = make_dataset(build_rows(2), "split", overlap=2, review=review)
    first = lease_next(alice, dataset)
    record(first, 0, "left")
    client.force_login(admin)
    answer = client.post("/datasets/split/review/set-aside/", {"judgment": [first.pk, "x", 10**30]}, follow=True)
    assert "1 comparison awaits a decision." in answer.content.decode()
    comparison = Comparison.objects.get(pk=first.comparison_id)
    assert (comparison.held, comparison.review) == ("flagged", "wanted" if review == "split" else "")
    assert Change.objects.get(kind="flag").by == admin
    assert lease_next(bob, dataset).comparison_id != comparison.pk
    assert Judgment.objects.votes().count() == 1, "what was judged stays"
