"""Forms that no page of ours sends: each is refused without a server error, none is stored."""

import sys
from pathlib import Path

import pytest

from annotate import questions
from annotate.questions import pair
from datasets.models import Judgment, Response
from tests.conftest import build_rows
from tests.test_annotate import HTMX, PAGE
from tests.test_judging_page import Judge

HUGE = ["9" * 30, "9" * 5000, str(2**63), "-1", "1e3", "٣", "²", "\x00"]


@pytest.fixture
def at_work(client, alice, make_dataset):
    make_dataset(build_rows(2), allow_repair=True, allow_flag=True, reasons="optional", with_stars=True)
    return Judge(client, alice).look()


def build_form(page, **changes):
    return dict(page.list_entries()) | {"verdict": "left", "stars_left": "3", "stars_right": "3"} | changes


def count_stored():
    return [Judgment.objects.exclude(state="leased").count(), Response.objects.filter(source="repair").count()]


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("field", ["judgment", "revision"])
def test_numbers_that_are_none_of_ours(at_work, field, headers):
    for value in HUGE:
        at_work.client.post(PAGE, data := build_form(at_work, **{field: value}), headers=headers)
        at_work.client.post(f"{PAGE}undo/", data, headers=headers)
        assert count_stored() == [0, 0], value


@pytest.mark.parametrize("field", ["reason", "reasons", "note", "flag", "repair_left", "repair_new", "stars_left"])
@pytest.mark.parametrize("verdict", ["left", "flag"])
def test_nul_in_any_field_is_refused_in_words(at_work, field, verdict):
    page = at_work.send(PAGE, build_form(at_work, verdict=verdict, **{"flag": "leak", field: "a\x00b"}))
    assert page.answer.status_code == 422
    assert page.read_messages()
    assert count_stored() == [0, 0]


@pytest.mark.parametrize("field", ["reason", "note", "repair_left", "repair_new"])
@pytest.mark.parametrize("verdict", ["left", "flag"])
def test_half_of_a_surrogate_pair_is_refused(at_work, field, verdict):
    charset = "raw_unicode_escape"
    data = build_form(at_work, verdict=verdict, flag="leak") | {field: "\ud800"}
    lines = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}' for name, text in data.items()]
    body = "\r\n".join([*lines, "--b--\r\n"]).encode(charset, "surrogatepass")
    answer = at_work.client.post(PAGE, body, content_type=f"multipart/form-data; boundary=b; charset={charset}")
    assert answer.status_code in (400, 422)
    assert count_stored() == [0, 0]


def test_ten_megabytes_are_refused(at_work):
    assert at_work.client.post(PAGE, build_form(at_work, repair_new="x" * 10_000_000)).status_code == 400
    assert count_stored() == [0, 0]


def test_a_long_text_is_kept(at_work):
    at_work.client.post(PAGE, build_form(at_work, repair_new="x" * 1_000_000))
    assert count_stored() == [1, 1]


def test_fields_that_nobody_asked_for_leave_nothing(at_work):
    more = {"rank_1": 1, "repair_right2": "x", "repair_3": "y", "said": "{}", "order": "[]", "surplus": "1"}
    held = at_work.judgment
    at_work.client.post(PAGE, build_form(at_work, **more))
    held.refresh_from_db()
    assert held.said == {"stars": [3, 3]}
    assert count_stored() == [1, 0]


def test_thousands_of_fields_are_refused(at_work):
    answer = at_work.client.post(PAGE, build_form(at_work) | {f"x{n}": "1" for n in range(2000)})
    assert answer.status_code == 400


LEASES = ["1 2026-99-99T00:00:00Z", "1 2026-02-30T00:00:00+00:00", "1 0001-01-01T00:00:00+23:59", "1 \x00"]
LEASES += ["9999999999 9999-12-31T23:59:59-23:59", "٣ 2026-01-01T00:00:00Z"]


@pytest.mark.parametrize("lease", LEASES)
def test_a_lease_of_no_time_gives_nothing_back(at_work, lease):
    assert at_work.client.post(f"{PAGE}give-back/", {"lease": lease}).status_code in (204, 422)
    assert Judgment.objects.get().state == "leased"


@pytest.mark.parametrize("have", [HUGE, ["1"] * 500, ["x"]])
def test_having_what_nobody_has_is_no_error(at_work, have):
    assert at_work.client.post(f"{PAGE}ahead/", {"have": have}).status_code == 200


@pytest.mark.parametrize("pk", ["9" * 18, "9" * 30, "0"])
@pytest.mark.parametrize("page", ["history", "differences"])
def test_a_judgment_that_is_not_there(at_work, page, pk):
    assert at_work.client.get(f"{PAGE}{page}/{pk}/").status_code == 404


@pytest.mark.parametrize("before", ["x", "1-", "-", "9" * 40 + "-1", "1-" + "9" * 30, "\x00-1", "٣-٣", "1-2-3"])
def test_a_page_of_history_that_is_none(at_work, before):
    assert at_work.client.get(f"{PAGE}history/", {"before": before}).status_code in (200, 400)


def test_a_page_of_datasets_that_is_none(at_work):
    assert at_work.client.get("/", {"after": "a\x00"}).status_code in (200, 400)


@pytest.mark.parametrize("page", ["history", "differences"])
def test_what_another_person_judged_is_not_there(at_work, bob, client, page):
    theirs = at_work.judgment
    at_work.client.post(PAGE, build_form(at_work))
    client.force_login(bob)
    assert client.get(f"{PAGE}{page}/{theirs.pk}/").status_code == 404
    assert "Prompt" not in client.get(f"{PAGE}history/").content.decode().split("<tbody>")[-1]


def test_the_history_page_takes_as_many_queries_for_many(
    client, alice, make_dataset, django_assert_max_num_queries, django_assert_num_queries
):
    make_dataset(build_rows(30))
    page = Judge(client, alice).look()
    for verdict in ["left", "tie", "both_bad", "skip"] * 7:
        page.press(verdict)
    with django_assert_max_num_queries(8):
        assert client.get(f"{PAGE}history/").content.decode().count("<tr>") == 29


@pytest.fixture
def new_question(monkeypatch, tmp_path):
    """A new question file with its own verdict and refusal."""
    text = Path(pair.__file__).read_text(encoding="utf-8")
    text = text.replace('"left"', '"upper"').replace('return ""', 'return "odd"')
    (tmp_path / "upper_lower.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(questions, "__path__", [*questions.__path__, str(tmp_path)])
    questions.load_questions.cache_clear()
    yield
    questions.load_questions.cache_clear()
    sys.modules.pop("annotate.questions.upper_lower", None)


def test_a_question_of_ones_own_has_pages_by_itself(client, alice, make_dataset, new_question, monkeypatch):
    make_dataset(build_rows(2), question="upper_lower")
    page = Judge(client, alice).look()
    held = page.judgment
    page.press("upper")
    assert (page.answer.status_code, page.read_messages()) == (422, ["odd"])
    monkeypatch.setattr(questions.load_questions()["upper_lower"], "wrong", lambda settings, said: "")
    page.press("upper")
    held.refresh_from_db()
    assert (held.verdict, held.choices.get().chosen_id) == ("upper", held.order[0])
    assert page.send(page.address, {"judgment": held.pk, "revision": 0, "verdict": "right"}).read_messages()
    assert client.get(f"{PAGE}history/").status_code == 200
    assert client.get(f"{PAGE}history/{held.pk}/").status_code == 200
    assert page.look().undo().status_texts == ["Your previous answer: upper. Change it, or keep it."]
