"""Undo, and forms older than a change of settings: no entry is lost."""

import pytest

from datasets.models import Dataset
from tests.conftest import build_rows
from tests.test_annotate import parse_page
from tests.test_judging_page import CLEAR, CRITERIA, FOUR, Judge, list_ratings, list_statements


@pytest.fixture
def at_work(client, alice, make_dataset):
    """at_work(answers=2, **settings): alice on the page of such a dataset."""

    def begin(answers=2, **settings):
        make_dataset(build_rows(3, answers), **settings)
        return Judge(client, alice).look()

    return begin


def test_undo_shows_what_was_filled_in_and_the_same_form_saves_the_same(at_work):
    page = at_work(3, criteria=CRITERIA[:1], with_stars=True, reasons="optional", **FOUR)
    said = {f"{mark}rank_{n}": str(n) for mark in ("", f"{CLEAR}_") for n in (1, 2, 3)}
    said |= {f"stars_{n}": str(6 - n) for n in (1, 2, 3)}
    shown, judgment = page.read_answers(), page.judgment
    page.press("rank", **said, reasons=["safer"], reason="why <b>not</b>")
    before = list_statements(judgment, shown), list_ratings(judgment, shown)
    page.undo()
    assert page.read_answers() == shown
    assert page.read_chosen() == said | {"reasons": "safer"}
    assert ("reason", "why <b>not</b>") in page.list_entries()
    page.press("rank")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.revision) == ("saved", 2)
    assert (list_statements(judgment, shown), list_ratings(judgment, shown)) == before


@pytest.mark.parametrize("change", [{"question": "scale"}, {"with_stars": True}, {"criteria": CRITERIA}])
def test_a_form_from_before_the_question_was_changed_is_refused_and_nothing_is_lost(at_work, change):
    page = at_work()
    held = page.judgment
    Dataset.objects.update(**change)
    page.press("left")
    assert page.answer.status_code == 422
    assert page.judgment == held
    said = {field["name"]: field["value"] for field in page.form.find_all("input", type="radio")}
    page.press(next(value for value in page.read_verdicts() if value.startswith("left")), **said)
    held.refresh_from_db()
    assert held.state == "saved"


def test_what_was_said_under_other_settings_can_be_looked_at_and_judged_again(at_work):
    page = at_work(3, **FOUR, criteria=CRITERIA[:1])
    said = {f"{mark}rank_{n}": n for mark in ("", f"{CLEAR}_") for n in (1, 2, 3)}
    judgment = page.judgment
    page.press("rank", **said)
    Dataset.objects.update(question="pair", fewest_shown=2, most_shown=2, criteria=[])
    listed = parse_page(page.client.get(f"{page.address}history/{judgment.pk}/"))
    assert "clear" in listed.find("dl").text
    page.undo()
    assert "rate" in page.read_verdicts(), "three answers cannot be asked as a pair"
    page.press("rate", stars_1=1, stars_2=2, stars_3=3)
    judgment.refresh_from_db()
    assert (judgment.state, judgment.verdict, judgment.choices.exclude(rank_gap=None).count()) == ("saved", "rate", 0)


# --- history ----------------------------------------------------------------------------------------------------------


def read_history(page, **filters):
    """The prompts and verdicts that the history lists."""
    listed = parse_page(page.client.get(f"{page.address}history/", filters))
    rows = [[cell.text.strip() for cell in row.find_all("td")] for row in listed.find_all("tr")]
    return [tuple(row[:2]) for row in rows[1:]]


def test_the_history_is_searched_and_filtered(client, alice, make_dataset):
    prompts = ("Un Été?", "how many moons", "Which MOON is it?")
    make_dataset([{"prompt": prompt, "responses": ["a", "b"]} for prompt in prompts], allow_skip=True)
    page, judged = Judge(client, alice).look(), {}
    for verdict in ("left", "skip", "tie"):
        judged[page.judgment.comparison.prompt.instruction] = verdict
        page.press(verdict)
    words = {"left": "A is better", "skip": "Skipped", "tie": "Tie"}
    rows = {(prompt, words[verdict]) for prompt, verdict in judged.items()}
    assert set(read_history(page)) == rows
    assert set(read_history(page, q="moon")) == {row for row in rows if "moon" in row[0].lower()}
    assert set(read_history(page, q="été")) == {row for row in rows if "Été" in row[0]}
    assert read_history(page, q="moon sun") == []
    assert {row[1] for row in read_history(page, verdict="choice")} == {"A is better"}
    assert {row[1] for row in read_history(page, verdict="skip")} == {"Skipped"}
    assert read_history(page, since="2999-01-01") == []
    assert len(read_history(page, until="2999-01-01")) == 3
    assert read_history(page, verdict="nonsense", q="moon") == []
    assert "No judgment matches." in page.client.get(f"{page.address}history/", {"q": "sun"}).content.decode()


def test_older_pages_of_the_history_keep_the_filters(client, alice, make_dataset):
    make_dataset(build_rows(33))
    page = Judge(client, alice).look()
    for _ in range(32):
        page.press("tie")
    listed = parse_page(page.client.get(f"{page.address}history/", {"verdict": "tie"}))
    (older,) = [link["href"] for link in listed.find_all("a") if "before=" in link["href"]]
    assert "verdict=tie" in older
    rest = parse_page(page.client.get(f"{page.address}history/{older}"))
    assert len(list(rest.find_all("tr"))) == 1 + 2
