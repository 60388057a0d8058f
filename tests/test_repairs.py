"""Repairs: better answers that people write, kept byte for byte and chosen over what they replace."""

import json

import pytest

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.comparisons.generate import regenerate_comparisons
from datasets.models import Choice, Comparison, Dataset, Judgment, Response
from datasets.text.fingerprints import hash_text
from tests.conftest import build_rows
from tests.test_judging_page import HTMX, Judge

ODD = ["Zwei\r\nZeilen \r\n", "a\rb", "\n\nfirst lines empty", "  blanks  ", "日本語\u3000🙂 \u00a0<b>&amp;"]


@pytest.fixture
def repairs(db):
    """The texts that people wrote, in order."""
    return lambda: list(Response.objects.filter(source="repair").order_by("pk").values_list("text", flat=True))


@pytest.fixture
def at_work(client, alice, make_dataset):
    """at_work(rows=…, **settings): alice on the page of a dataset whose answers may be improved."""

    def begin(rows=None, **settings):
        make_dataset(rows or build_rows(1), **{"allow_repair": True} | settings)
        return Judge(client, alice).look()

    return begin


def list_wins(judgment):
    """{(chosen, rejected)} of texts."""
    return set(judgment.choices.values_list("chosen__text", "rejected__text"))


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_improved_answer_is_chosen_over_the_one_it_replaces(at_work, alice, headers):
    page = at_work()
    shown, judgment = page.read_answers(), page.judgment
    page.press("left", headers, want="1", repair_right="Much\r\nbetter\r\n")
    assert list_wins(judgment) == {(shown["left"], shown["right"]), ("Much\nbetter\n", shown["right"])}
    written = Response.objects.get(source="repair")
    assert (written.demonstration, written.candidate, written.words) == (True, False, 2)
    assert list(written.writers.all()) == [alice]
    assert written.prompt.comparisons.count() == 1


def test_both_can_be_improved_and_a_new_one_is_better_than_both(at_work):
    page = at_work()
    shown, judgment = page.read_answers(), page.judgment
    page.press("both_bad", repair_left="L", repair_right="R", repair_new="N")
    assert list_wins(judgment) == {
        ("L", shown["left"]),
        ("R", shown["right"]),
        ("N", shown["left"]),
        ("N", shown["right"]),
    }


def test_the_same_text_in_two_places_is_one_answer(at_work, repairs):
    page = at_work()
    shown, judgment = page.read_answers(), page.judgment
    page.press("both_bad", repair_left="X", repair_right="X", repair_new="X")
    assert repairs() == ["X"]
    assert list_wins(judgment) == {("X", shown["left"]), ("X", shown["right"])}


@pytest.mark.parametrize("text", ODD)
def test_an_answer_that_was_not_touched_is_no_repair(at_work, repairs, text):
    page = at_work([{"prompt": "Why?", "responses": [text, "other"]}])
    judgment = page.judgment
    page.press("left")
    judgment.refresh_from_db()
    assert judgment.state == "saved"
    assert repairs() == []
    assert "repairs" not in judgment.said
    assert not page.undo().form.find("details", data_repair="left").has("open", True)


@pytest.mark.parametrize("text", [*(text.replace("\r\n", "\n").replace("\r", "\n") for text in ODD[1:]), "x" * 100_000])
def test_a_better_answer_is_kept_to_the_byte(at_work, repairs, text):
    page = at_work()
    page.press("left", repair_new=text.replace("\n", "\r\n"))
    assert repairs() == [text]


@pytest.mark.parametrize("text", ["", " \r\n\t"])
def test_an_emptied_field_is_no_repair(at_work, repairs, text):
    page = at_work()
    judgment = page.judgment
    page.press("left", repair_left=text, repair_new=text)
    judgment.refresh_from_db()
    assert (judgment.state, repairs(), "repairs" in judgment.said) == ("saved", [], False)


def test_where_it_is_not_allowed_nothing_is_written(at_work, repairs):
    page = at_work(allow_repair=False)
    assert not list(page.page.find_all("textarea"))
    page.press("left", repair_left="sneaked in", repair_new="this too")
    assert (repairs(), Choice.objects.count()) == ([], 1)


def test_undo_shows_what_was_written_and_judging_again_keeps_it_once(at_work, repairs):
    page = at_work()
    judgment = page.judgment
    page.press("left", repair_right="Better\r\nthan that")
    before = list_wins(judgment)
    page.undo()
    assert ("repair_right", "Better\r\nthan that") in page.list_entries()
    page.press("left")
    assert (list_wins(judgment), repairs()) == (before, ["Better\nthan that"])


@pytest.mark.parametrize(("again", "left"), [({"repair_right": "Best"}, ["Best"]), ({"repair_right": ""}, [])])
def test_judged_again_with_another_text_the_old_one_is_gone(at_work, repairs, again, left):
    page = at_work(ask_repairs=True)
    page.press("left", repair_right="Better").undo().press("left", **again)
    assert repairs() == left
    assert Comparison.objects.count() == 1 + 2 * len(left)


@pytest.mark.parametrize("verdict", ["skip", "flag"])
def test_a_withdrawn_verdict_takes_its_repair_along(at_work, repairs, verdict):
    page = at_work(allow_flag=True)
    page.press("left", repair_new="Better").undo().press(verdict, flag="broken")
    assert (repairs(), Choice.objects.count()) == ([], 0)


def test_an_answer_that_was_edited_since_is_not_taken_for_a_repair(at_work, repairs):
    page = at_work()
    judgment = page.judgment
    page.press("left")
    Response.objects.filter(pk=judgment.order[0]).update(text="edited", text_hash=hash_text("edited"))
    page.undo().press("left")
    assert repairs() == []


def write(person, dataset, text, verdict="left"):
    """The judgment in which a person writes a new answer."""
    judgment = lease_next(person, dataset)
    assert record(judgment, judgment.revision, verdict, {"repairs": {"new": text}})
    return judgment


def test_the_same_text_by_two_people_is_one_answer_until_both_take_it_back(make_dataset, alice, bob, repairs):
    dataset = make_dataset(build_rows(1), overlap=2, allow_repair=True)
    first, second = write(alice, dataset, "Same"), write(bob, dataset, "Same")
    response = Response.objects.get(source="repair")
    assert set(response.writers.all()) == {alice, bob}
    for judgment, left in ((first, [bob]), (second, None)):
        assert undo(judgment, 1)
        assert record(judgment, 1, "left")
        assert repairs() == (["Same"] if left else [])
        if left:
            assert list(response.writers.all()) == left


def test_who_wrote_it_twice_stays_its_writer_when_one_is_taken_back(make_dataset, alice, repairs):
    dataset = make_dataset(build_rows(1, answers=3), allow_repair=True)
    first, _second = write(alice, dataset, "Same"), write(alice, dataset, "Same")
    assert undo(first, 1)
    assert record(first, 1, "left")
    assert list(Response.objects.get(source="repair").writers.all()) == [alice]


def list_given(person, dataset):
    """The texts of every comparison that a person is given."""
    found = []
    while judgment := lease_next(person, dataset):
        texts = Response.objects.filter(pk__in=judgment.order).values_list("text", flat=True)
        found.append(set(texts))
        record(judgment, judgment.revision, "skip")
    return found


@pytest.mark.parametrize("anew", [False, True])
def test_a_writer_is_never_given_what_they_wrote_the_second_writer_neither(make_dataset, alice, bob, charlie, anew):
    dataset = make_dataset(build_rows(1), overlap=3, allow_repair=True, ask_repairs=True)
    write(alice, dataset, "Same")
    judgment = Judgment.objects.create(
        comparison=Comparison.objects.order_by("pk").first(), dataset=dataset, annotator=bob,
        order=Comparison.objects.order_by("pk").first().response_ids, leased_at=dataset.created_at,
    )  # fmt: skip
    record(judgment, 0, "right", {"repairs": {"left": "Same"}})
    if anew:
        regenerate_comparisons(dataset)
    assert [texts for texts in list_given(alice, dataset) + list_given(bob, dataset) if "Same" in texts] == []
    assert len([texts for texts in list_given(charlie, dataset) if "Same" in texts]) == 2


def test_repairs_are_asked_once_that_is_wanted_but_not_of_those_who_wrote_them(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1), allow_repair=True)
    write(alice, dataset, "Mine")
    Dataset.objects.update(ask_repairs=True)
    Response.objects.filter(source="repair").update(candidate=True)
    regenerate_comparisons(Dataset.objects.get())
    dataset = Dataset.objects.get()
    assert list_given(alice, dataset) == []
    assert len(list_given(bob, dataset)) == 2


def test_a_repair_that_others_have_judged_stays_when_its_writer_takes_it_back(make_dataset, alice, bob, repairs):
    dataset = make_dataset(build_rows(1), allow_repair=True, ask_repairs=True)
    mine = write(alice, dataset, "Mine")
    record(lease_next(bob, dataset), 0, "left")
    undo(mine, 1)
    record(mine, 1, "left")
    assert repairs() == ["Mine"]
    assert Choice.objects.filter(judgment__annotator=bob).count() == 1


@pytest.mark.parametrize("question", ["rank", "best_worst", "stars"])
def test_answers_of_every_question_can_be_improved(at_work, question):
    most = {"rank": "rank_1", "best_worst": "rank_1", "stars": "stars_1"}[question]
    fewest = {"rank": 2, "best_worst": 3, "stars": 1}[question]
    page = at_work(build_rows(1, 3), question=question, fewest_shown=fewest, most_shown=3)
    shown, judgment = page.read_answers(), page.judgment
    values = {most[:-1] + str(n): n for n in (1, 2, 3)}
    page.press("rate" if question == "stars" else "rank", **values, repair_2="Second, better")
    assert ("Second, better", shown["2"]) in list_wins(judgment)
    written = judgment.choices.get(chosen__source="repair")
    assert (written.strength, written.rank_gap, written.criterion) == (1, None, "")


@pytest.mark.parametrize(("dialect", "column"), [("alpaca", "output"), ("dpo-text", "chosen")])
def test_exports_have_what_people_wrote(at_work, run_command, tmp_path, dialect, column):
    page = at_work()
    page.press("both_bad", repair_new="Written by\r\na person")
    path = tmp_path / "out.jsonl"
    status, summary, _ = run_command("export_dataset", "demo", "--format", dialect, "--output", str(path))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (status, summary["rows"]) == (0, len(rows))
    assert {row[column] for row in rows} == {"Written by\na person"}


def test_sft_has_a_repair_that_nothing_else_speaks_for(make_dataset, alice, run_command, tmp_path):
    dataset = make_dataset(build_rows(1), repair_round=True, allow_repair=True)
    write(alice, dataset, "Alone", "both_bad")
    path = tmp_path / "out.jsonl"
    run_command("export_dataset", "demo", "--format", "alpaca", "--output", str(path))
    assert [json.loads(line)["output"] for line in path.read_text(encoding="utf-8").splitlines()] == ["Alone"]
