"""The question settings: each setting, the preview of unsaved ones, and their effects."""

import sys

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotate import questions
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from annotate.wording import CHIPS
from datasets.models import Comparison, Dataset, Judgment, Response
from datasets.text.fingerprints import hash_text
from tests.conftest import build_rows
from tests.test_annotate import parse_page

PAGE, PREVIEW = "/datasets/demo/task/", "/datasets/demo/task/preview/"
TICKS = [
    "with_stars",
    "allow_tie",
    "allow_both_bad",
    "allow_skip",
    "allow_flag",
    "allow_repair",
    "repair_round",
    "ask_repairs",
]
HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def owner(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def fours(make_dataset):
    """Three prompts with four answers each: six pairs per prompt."""
    return make_dataset(build_rows(3, answers=4))


def build_form(**changes):
    """The fields of the form for a dataset of pairs, with these changes; False: an unticked box."""
    boxes = {"allow_tie": "on", "allow_both_bad": "on", "allow_skip": "on"}
    data = {"question": "pair", "most_shown": "4", "reasons": "off", "kept_ready": "4", "criteria": "", "chips": ""}
    return {name: value for name, value in (data | boxes | changes).items() if value is not False}


def save_settings(owner, **changes):
    answer = owner.post(PAGE, build_form(**changes))
    assert answer.status_code == 302, answer.content.decode()
    return Dataset.objects.get(slug="demo")


def read_refusal(owner, **changes):
    """The page's message about invalid settings."""
    before = Dataset.objects.values().get()
    answer = owner.post(PAGE, build_form(**changes))
    assert answer.status_code == 422
    assert Dataset.objects.values().get() == before
    return " ".join(
        error.text for error in parse_page(answer).find("form", action=PAGE).find_all("ul", **{"class": "errorlist"})
    )


def preview(owner, **changes):
    """The preview of the comparison page with these settings."""
    answer = owner.post(PREVIEW, build_form(**changes), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return parse_page(answer).find(inert=True)


def read_verdicts(screen):
    return [button["value"] for button in screen.find_all("button", name="verdict")]


# --- saving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TICKS)
def test_a_box_is_saved_ticked_and_without_its_tick(owner, pairs, name):
    assert getattr(save_settings(owner, **{name: "on"}), name) is True
    assert getattr(save_settings(owner, **{name: False}), name) is False


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("pair", "6", (2, 2)),
        ("pair", "", (2, 2)),
        ("scale", "4", (2, 2)),
        ("rank", "6", (2, 6)),
        ("best_worst", "3", (3, 3)),
        ("stars", "1", (1, 1)),
    ],
)
def test_a_question_says_how_many_answers_it_takes(owner, pairs, name, most, shown):
    dataset = save_settings(owner, question=name, most_shown=most)
    assert (dataset.question, dataset.fewest_shown, dataset.most_shown) == (name, *shown)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"question": "riddle"}, "riddle"),
        ({"question": False}, "required"),
        ({"question": "rank", "most_shown": "1"}, "shows 2 to 6 answers"),
        ({"question": "rank", "most_shown": ""}, "shows 2 to 6 answers"),
        ({"question": "best_worst", "most_shown": "2"}, "shows 3 to 6 answers"),
        ({"question": "stars", "most_shown": "7"}, "7 is not one of"),
        ({"reasons": "always"}, "always"),
        ({"kept_ready": "20"}, "19"),
        ({"kept_ready": "-1"}, "0"),
        ({"kept_ready": "many"}, "whole number"),
        ({"criteria": "kind: a\nKind: b"}, "the same name: Kind"),
        ({"criteria": ": nobody"}, "needs a name"),
        ({"criteria": "n" * 81}, "At most 80 characters"),
        ({"criteria": "\n".join(f"c{n}" for n in range(31))}, "At most 30"),
        ({"criteria": "a\x00b"}, "Null"),
        ({"chips": "fine\n" + "n" * 81}, "At most 80 characters"),
        ({"chips": "\n".join(f"c{n}" for n in range(31))}, "At most 30"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_saved(owner, pairs, changes, told):
    assert told in read_refusal(owner, **changes)


def test_the_other_settings_are_saved(owner, pairs):
    dataset = save_settings(owner, reasons="required", kept_ready="0")
    assert (dataset.reasons, dataset.kept_ready) == ("required", 0)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", []),
        ("helpful: does: what\r\n\r\n  honest  \r\n", [("helpful", "does: what"), ("honest", "")]),
        ("有用：切题、完整", [("有用", "切题、完整")]),
        ("n" * 80, [("n" * 80, "")]),
    ],
)
def test_criteria_are_a_name_and_what_to_look_for_in_each_line(owner, pairs, typed, kept):
    criteria = save_settings(owner, criteria=typed).criteria
    assert [(criterion["name"], criterion["guideline"]) for criterion in criteria] == kept
    shown = parse_page(owner.get(PAGE)).find("textarea", name="criteria").text.strip()
    assert save_settings(owner, criteria=shown).criteria == criteria, "the form gives back what it shows"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", []),
        ("\n".join(CHIPS), []),
        ("  Safer \r\nmore  correct\r\nSafer", ["Safer", "more  correct"]),
        ("\n".join(list(CHIPS)[1:]), list(CHIPS)[1:]),
    ],
)
def test_reasons_are_kept_as_typed_and_the_list_of_the_start_as_none(owner, pairs, typed, kept):
    assert save_settings(owner, reasons="optional", chips=typed).chips == kept
    shown = parse_page(owner.get(PAGE)).find("textarea", name="chips").text.split("\n")[1:]
    assert shown == (kept or list(CHIPS))


def test_the_list_of_the_start_is_none_in_chinese_too(owner, pairs):
    owner.cookies["django_language"] = "zh-hans"
    shown = parse_page(owner.get(PAGE)).find("textarea", name="chips").text
    assert save_settings(owner, chips=shown).chips == []


# --- effects ----------------------------------------------------------------------------------------------------------


def list_sizes():
    return sorted(len(comparison.response_ids) for comparison in Comparison.objects.all())


def test_another_question_asks_anew_and_leaves_what_was_judged_or_is_in_hand(owner, fours, alice, bob):
    judged, held = lease_next(alice, fours), lease_next(bob, fours)
    assert record(judged, 0, "left")
    save_settings(owner, question="rank", most_shown="4")
    kept = Comparison.objects.filter(pk__in=[judged.comparison_id, held.comparison_id])
    assert kept.count() == 2
    untouched = 3 - len({comparison.prompt_id for comparison in kept})
    assert list_sizes().count(2) == 2
    assert list_sizes().count(4) >= untouched
    assert record(Judgment.objects.get(pk=held.pk), 0, "rank", {"rank": [1, 2]})
    assert Judgment.objects.votes().count() == 2
    save_settings(owner, question="pair")
    assert list_sizes() == [2] * 18


def test_more_answers_at_once_ask_anew(owner, fours):
    save_settings(owner, question="rank", most_shown="3")
    few = list_sizes()
    save_settings(owner, question="rank", most_shown="4")
    assert (set(few), list_sizes()) == ({3}, [4, 4, 4])


def test_what_changes_no_comparison_leaves_each_as_it_is(owner, fours):
    before = list(Comparison.objects.values_list("pk", flat=True))
    save_settings(owner, question="scale", criteria="helpful", reasons="required", allow_tie=False)
    assert list(Comparison.objects.values_list("pk", flat=True)) == before


def test_improved_answers_are_compared_once_that_is_wanted_and_never_by_their_writer(owner, pairs, alice, bob):
    prompt = pairs.prompts.earliest("pk")
    better = Response.objects.create(
        prompt=prompt, text="Better.", text_hash=hash_text("Better."), source=Response.REPAIR, demonstration=True
    )
    better.writers.add(alice)
    save_settings(owner, ask_repairs="on")
    with_it = [comparison for comparison in prompt.comparisons.all() if better.pk in comparison.response_ids]
    assert len(with_it) == 2
    assert all(alice in comparison.barred.all() for comparison in with_it)
    save_settings(owner, ask_repairs=False)
    assert not Comparison.objects.filter(pk__in=[comparison.pk for comparison in with_it]).exists()
    assert not Response.objects.get(pk=better.pk).candidate
    assert Comparison.objects.count() == 12


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_stands_and_saves_it_again(owner, fours):
    dataset = save_settings(
        owner, question="best_worst", most_shown="5", allow_skip=False, with_stars="on", criteria="a: b"
    )
    form = parse_page(owner.get(PAGE)).find("form", method="post", action=PAGE)
    assert [radio["value"] for radio in form.find_all("input", checked=True, type="radio")] == [
        "best_worst",
        "5",
        "off",
        "rendered",
        "fold",
    ]
    ticked = {box["name"] for box in form.find_all("input", checked=True, type="checkbox")}
    assert ticked == {"with_stars", "allow_tie", "allow_both_bad"}
    shown = {radio["name"]: radio["value"] for radio in form.find_all("input", checked=True, type="radio")}
    shown |= dict.fromkeys(ticked, "on") | {"kept_ready": form.find(name="kept_ready")["value"]}
    shown |= {area["name"]: area.text for area in form.find_all("textarea")}
    before = Dataset.objects.values().get(pk=dataset.pk)
    assert owner.post(PAGE, shown).status_code == 302
    assert Dataset.objects.values().get(pk=dataset.pk) == before


def test_every_question_has_a_card_and_a_new_file_has_one_by_itself(owner, pairs, monkeypatch, tmp_path):
    (tmp_path / "odd_one.py").write_text(
        "FEWEST, MOST = 2, 5\ndef verdicts(settings): return ['rate']\ndef fields(sides): return []\n"
    )
    monkeypatch.setattr(questions, "__path__", [*questions.__path__, str(tmp_path)])
    questions.load_questions.cache_clear()
    try:
        labels = parse_page(owner.get(PAGE)).find_all("label", **{"class": "choice"})
        cards = [" ".join(label.text.split()) for label in labels]
        dataset = save_settings(owner, question="odd_one", most_shown="5")
    finally:
        questions.load_questions.cache_clear()
        sys.modules.pop("annotate.questions.odd_one", None)
    assert [card.split("answers ·")[0].split("answer ·")[0] for card in cards[:2]] == [
        "Which answer is better?2 ",
        "Which answer is better, and how much?2 ",
    ]
    assert (len(cards), cards[-1]) == (6, "Odd one2 to 5 answers")
    assert (dataset.fewest_shown, dataset.most_shown) == (2, 5)


def test_a_ready_criterion_is_added_without_a_script_and_once(owner, pairs):
    for there, then in [
        ("", "honest: is accurate and admits uncertainty"),
        ("kind", "kind\nhonest: is accurate and admits uncertainty"),
        ("Honest: mine", "Honest: mine"),
    ]:
        page = parse_page(owner.post(PREVIEW, build_form(criteria=there, add="honest")))
        assert page.find("textarea", name="criteria").text.strip() == then
    assert Dataset.objects.get().criteria == []


def test_an_unknown_criterion_to_add_adds_nothing(owner, pairs):
    assert not parse_page(owner.post(PREVIEW, build_form(add="x"))).find("textarea", name="criteria").text.strip()


# --- the preview ------------------------------------------------------------------------------------------------------


def test_the_preview_shows_what_is_not_saved_and_saves_nothing(owner, fours):
    before, asked = Dataset.objects.values().get(), sorted(Comparison.objects.values_list("pk", flat=True))
    screen = preview(owner, question="rank", criteria="kind", allow_skip=False, reasons="required", chips="because")
    assert read_verdicts(screen) == ["rank"]
    assert len(list(screen.find_all("article"))) == 4
    assert len(list(screen.find_all("input", name="rank_1"))) == 4
    assert [" ".join(legend.text.split()) for legend in screen.find_all("legend")].count("kind: Answer A") == 1
    assert [chip["value"] for chip in screen.find_all("input", name="reasons")] == ["because"]
    screen = preview(owner, question="scale", allow_tie=False, allow_flag="on")
    steps = ["left3", "left2", "left1", "right1", "right2", "right3"]
    assert read_verdicts(screen) == ["flag", *steps, "both_bad", "skip"]
    assert Dataset.objects.values().get() == before
    assert sorted(Comparison.objects.values_list("pk", flat=True)) == asked
    assert not Judgment.objects.exists()


def test_without_a_script_the_preview_is_the_whole_page_as_it_was_filled_in(owner, fours):
    page = parse_page(
        owner.post(PREVIEW, build_form(question="stars", most_shown="3", criteria="kind", kept_ready="7"))
    )
    form = page.find("form", action=PAGE)
    assert form.find(name="kept_ready")["value"] == "7"
    assert form.find("textarea", name="criteria").text.strip() == "kind"
    assert len(list(page.find(inert=True).find_all("article"))) == 3
    assert form.find("noscript").find("button")["formaction"].startswith(PREVIEW)
    assert Dataset.objects.get().question == "pair"


def test_nothing_of_the_preview_stands_in_the_form_or_can_be_pressed(owner, fours):
    page = parse_page(owner.get(PAGE))
    assert not list(page.find("form", action=PAGE).find_all("form"))
    assert page.find(inert=True).find("form", data_comparison=True).find(name="judgment")["value"] == "0"
    assert len(list(page.find_all("form", data_comparison=True))) == 1


@pytest.mark.parametrize("as_fragment", [True, False])
def test_the_preview_says_what_cannot_be(owner, pairs, as_fragment):
    headers = {"HX-Request": "true"} if as_fragment else {}
    answer = owner.post(PREVIEW, build_form(kept_ready="20", question="best_worst", most_shown="2"), headers=headers)
    assert answer.status_code == (200 if as_fragment else 422)
    alert = parse_page(answer).find(role="alert").text
    assert "Prefetched items per annotator" in alert
    assert "shows 3 to 6 answers at once" in alert
    assert "data-comparison" not in answer.content.decode()


def test_where_nothing_can_be_shown_the_preview_says_why(owner, pairs):
    said = owner.post(PREVIEW, build_form(question="best_worst", most_shown="3"), headers={"HX-Request": "true"})
    assert "has 3 different answers to show" in said.content.decode()
    Dataset.objects.create(slug="empty")
    assert "Import answers to see" in owner.get(reverse("question", args=["empty"])).content.decode()


def test_the_preview_shows_a_prompt_with_as_many_answers_as_may_be_shown(owner, make_dataset):
    make_dataset([*build_rows(2), {"prompt": "More?", "responses": ["a", "b", "c", "d"]}])
    assert len(list(preview(owner, question="rank", most_shown="4").find_all("article"))) == 4


def test_a_dataset_of_judged_pairs_alone_shows_one_of_them(owner, make_dataset):
    make_dataset([{"prompt": "P?", "chosen": "Good.", "rejected": "Bad."}])
    assert {"Good.", "Bad."} <= {text.text.strip() for text in preview(owner).find_all("div", **{"class": "text"})}


def test_names_from_people_are_text_in_form_and_preview(owner, fours):
    changes = {"criteria": f"{HOSTILE}: {HOSTILE}", "chips": HOSTILE, "reasons": "optional"}
    save_settings(owner, **changes)
    pages = [
        owner.get(PAGE),
        owner.post(PREVIEW, build_form(**changes)),
        owner.post(PREVIEW, build_form(criteria=HOSTILE * 4)),
    ]
    for answer in pages:
        html = answer.content.decode()
        assert HOSTILE.removeprefix('">') not in html
        assert "&lt;img src=x" in html


def test_an_unknown_question_of_old_is_shown_and_can_be_left(owner, pairs):
    Dataset.objects.update(question="gone")
    assert read_verdicts(parse_page(owner.get(PAGE)).find(inert=True))[:2] == ["left", "tie"]
    assert save_settings(owner, question="scale").question == "scale"


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_preview_follows_what_one_chooses(live_server, page, owner, make_dataset):
    make_dataset(build_rows(3, answers=4))
    troubles = []
    page.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    session = owner.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(live_server.url + PAGE)
    screen, at_once = page.locator("#preview"), page.get_by_role("group", name="Answers per screen (max.)")
    expect(screen.locator("article")).to_have_count(2)
    both_bad = page.get_by_label("allow “Both bad”")
    expect(at_once).to_be_hidden()
    expect(both_bad).to_be_visible()
    page.get_by_label("Rank the answers").check()
    expect(screen.locator("article")).to_have_count(4)
    expect(both_bad).to_be_hidden()
    at_once.get_by_label("3").check()
    expect(screen.locator("article")).to_have_count(3)
    expect(screen.get_by_text("honest")).to_have_count(0)
    for _ in range(2):
        page.get_by_role("button", name="honest").click()
    expect(screen.locator("legend", has_text="honest")).to_have_count(3)
    assert page.locator("[name=criteria]").input_value().count("honest") == 1
    page.locator("[name=criteria]").fill("brief")
    expect(screen.locator("legend", has_text="brief")).to_have_count(3)
    page.get_by_label("Rank the answers").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    dataset = Dataset.objects.get()
    assert (dataset.question, dataset.most_shown, dataset.criteria[0]["name"]) == ("rank", 3, "brief")
    assert not troubles
