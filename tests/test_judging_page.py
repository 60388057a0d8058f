"""Every question on its page, filled in and posted as by a browser without JavaScript."""

import itertools

import pytest

from annotate.judging.question_spec import build_prefix
from datasets.models import Judgment, Response
from tests.conftest import build_rows
from tests.test_annotate import HTMX, Browser

CLEAR, KIND = build_prefix("clear"), build_prefix("kind")
CRITERIA = [{"name": "clear", "guideline": "Short."}, {"name": "kind", "guideline": ""}]
FOUR = {"question": "rank", "fewest_shown": 2, "most_shown": 4}


def normalise_text(text):
    """The text of a text area as a browser normalises and sends it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines.removeprefix("\n").replace("\n", "\r\n")


class Judge(Browser):
    """A person who fills in the form."""

    @property
    def judgment(self):
        return Judgment.objects.get(pk=self.form.find("input", name="judgment")["value"])

    def list_entries(self):
        """[(name, value)] that a browser would send from the current form, without the button."""
        found = []
        for field in self.form.find_all():
            if field.tag == "textarea":
                found.append((field["name"], normalise_text(field.text)))
            elif field.tag == "input" and (field["type"] in ("hidden", "text") or field.has("checked", True)):
                found.append((field["name"], field.attributes.get("value", "")))
        return found

    def press(self, verdict, headers=None, **said):
        """Fills in fields (None: no option), then presses the button."""
        sent = [(name, value) for name, value in self.list_entries() if name not in said]
        for name, values in said.items():
            sent += [(name, value) for value in (values if isinstance(values, list) else [values]) if value is not None]
        data = {}
        for name, value in [*sent, ("verdict", verdict)]:
            data.setdefault(name, []).append(value)
        return self.send(self.form["action"], data, **(headers or {}))

    def list_sides(self):
        return [element["data-response"] for element in self.page.find_all(data_response=True)]

    def read_answers(self):
        """{side: text of its answer}"""
        return {side: self.page.find(data_response=side).text.strip() for side in self.list_sides()}

    def read_chosen(self):
        """{name: value} of the checked radio buttons and checkboxes."""
        return {field["name"]: field["value"] for field in self.form.find_all("input") if field.has("checked", True)}


@pytest.fixture
def at_work(client, alice, make_dataset):
    """at_work(answers=2, n=3, **settings): alice on the page of such a dataset."""

    def begin(answers=2, n=3, **settings):
        settings.setdefault("question", "pair")
        make_dataset(build_rows(n, answers), **settings)
        return Judge(client, alice).look()

    return begin


def list_statements(judgment, shown):
    """The choices of a judgment, by the sides of the texts: {(criterion, chosen, rejected, strength, gap)}."""
    side = {text: side for side, text in shown.items()}
    choices = judgment.choices.values_list("criterion", "chosen__text", "rejected__text", "strength", "rank_gap")
    return {(criterion, side[a], side[b], *rest) for criterion, a, b, *rest in choices}


def list_ratings(judgment, shown):
    side = {text: side for side, text in shown.items()}
    ratings = judgment.ratings.values_list("criterion", "response__text", "stars")
    return {(criterion, side[text], stars) for criterion, text, stars in ratings}


def build_tie(judgment, shown, criterion=""):
    """A tie as it is stored, in the order of ids."""
    side = {text: side for side, text in shown.items()}
    first, second = Response.objects.filter(text__in=side).order_by("pk").values_list("text", flat=True)
    return {(criterion, side[first], side[second], 0, None)}


SCALE, STARS = {"question": "scale"}, {"question": "stars", "fewest_shown": 1, "most_shown": 2}
BEST = {"question": "best_worst", "fewest_shown": 3, "most_shown": 4}
# (settings, answers, verdict, entries, choices without a criterion, ratings)
SAVED = [
    ({}, 2, "left", {}, {("left", "right", 1, None)}, set()),
    ({}, 2, "right", {}, {("right", "left", 1, None)}, set()),
    (SCALE, 2, "left3", {}, {("left", "right", 3, None)}, set()),
    (SCALE, 2, "left1", {}, {("left", "right", 1, None)}, set()),
    (SCALE, 2, "right2", {}, {("right", "left", 2, None)}, set()),
    (SCALE, 2, "both_bad", {}, set(), set()),
    (
        FOUR, 3, "rank", {"rank_1": 3, "rank_2": 1, "rank_3": 2},
        {("2", "1", 1, 2), ("2", "3", 1, 1), ("3", "1", 1, 1)}, set(),
    ),
    (FOUR, 2, "rank", {"rank_1": 2, "rank_2": 1}, {("right", "left", 1, 1)}, set()),
    (
        BEST, 4, "rank", {"rank_1": 2, "rank_2": 1, "rank_3": 3, "rank_4": 2},
        {("2", "1", 1, 1), ("2", "4", 1, 1), ("2", "3", 1, 2), ("1", "3", 1, 1), ("4", "3", 1, 1)}, set(),
    ),
    (
        STARS, 2, "rate", {"stars_left": 1, "stars_right": 5},
        {("right", "left", 3, None)}, {("", "left", 1), ("", "right", 5)},
    ),
    (
        {"with_stars": True}, 2, "left", {"stars_left": 4, "stars_right": 2},
        {("left", "right", 1, None)}, {("", "left", 4), ("", "right", 2)},
    ),
    (
        FOUR | {"with_stars": True}, 3, "rank",
        {"rank_1": 1, "rank_2": 2, "rank_3": 3, "stars_1": 5, "stars_2": 4, "stars_3": 3},
        {("1", "2", 1, 1), ("1", "3", 1, 2), ("2", "3", 1, 1)}, {("", "1", 5), ("", "2", 4), ("", "3", 3)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(("asking", "answers", "verdict", "said", "choices", "ratings"), SAVED)
def test_what_is_filled_in_is_saved_by_text(at_work, asking, answers, verdict, said, choices, ratings, headers):
    page = at_work(answers, **asking)
    shown, judgment = page.read_answers(), page.judgment
    page.press(verdict, headers, want="1", **said)
    assert page.answer.status_code == 200
    judgment.refresh_from_db()
    assert (judgment.state, judgment.verdict) == ("saved", verdict)
    assert list_statements(judgment, shown) == {("", *choice) for choice in choices}
    assert list_ratings(judgment, shown) == ratings


@pytest.mark.parametrize(("asking", "verdict"), [({}, "tie"), (SCALE, "tie")])
def test_a_tie_is_saved_in_the_order_of_ids(at_work, asking, verdict):
    page = at_work(**asking)
    shown, judgment = page.read_answers(), page.judgment
    page.press(verdict)
    assert list_statements(judgment, shown) == build_tie(judgment, shown)


# (settings, answers, the sides, the names of the radio groups, the buttons)
CONTRACT = [
    ({}, 2, ["left", "right"], set(), ["left", "tie", "right", "both_bad", "skip"]),
    (
        SCALE | {"allow_flag": True}, 2, ["left", "right"], {"flag"},
        ["left3", "left2", "left1", "tie", "right1", "right2", "right3", "both_bad", "skip", "flag"],
    ),
    (SCALE | {"allow_tie": False, "allow_both_bad": False, "allow_skip": False}, 2, ["left", "right"], set(),
     ["left3", "left2", "left1", "right1", "right2", "right3"]),
    (FOUR, 4, ["1", "2", "3", "4"], {"rank_1", "rank_2", "rank_3", "rank_4"}, ["rank", "skip"]),
    (BEST, 3, ["1", "2", "3"], {"rank_1", "rank_2", "rank_3"}, ["rank", "skip"]),
    (STARS, 2, ["left", "right"], {"stars_left", "stars_right"}, ["rate", "skip"]),
    (STARS | {"most_shown": 3}, 3, ["1", "2", "3"], {"stars_1", "stars_2", "stars_3"}, ["rate", "skip"]),
    ({"with_stars": True}, 2, ["left", "right"], {"stars_left", "stars_right"},
     ["left", "tie", "right", "both_bad", "skip"]),
    ({"criteria": CRITERIA}, 2, ["left", "right"], {f"{CLEAR}_verdict", f"{KIND}_verdict"},
     ["left", "tie", "right", "both_bad", "skip"]),
    (FOUR | {"criteria": CRITERIA[:1]}, 3, ["1", "2", "3"],
     {"rank_1", "rank_2", "rank_3", f"{CLEAR}_rank_1", f"{CLEAR}_rank_2", f"{CLEAR}_rank_3"}, ["rank", "skip"]),
]  # fmt: skip


@pytest.mark.parametrize(("asking", "answers", "sides", "radios", "buttons"), CONTRACT)
def test_the_page_has_the_fields_of_the_contract(at_work, asking, answers, sides, radios, buttons):
    page = at_work(answers, **asking)
    everywhere = page.page
    assert len(list(everywhere.find_all(data_comparison=True))) == 1
    assert page.list_sides() == sides
    assert {field["name"] for field in everywhere.find_all("input", type="radio")} == radios
    assert {field["name"] for field in page.form.find_all("input", type="radio")} == radios
    assert sorted(page.read_verdicts()) == sorted(buttons)
    assert len(list(everywhere.find_all("button", name="verdict"))) == len(buttons)
    assert all(button["type"] == "submit" for button in page.form.find_all("button", name="verdict"))
    assert not list(everywhere.find_all(formaction=True))


def test_a_single_answer_is_rated_alone_and_stands_on_the_left(at_work):
    page = at_work(2, question="stars", fewest_shown=1, most_shown=1)
    judgment = page.judgment
    assert page.list_sides() == ["left"]
    page.press("rate", stars_left=4)
    assert list(judgment.ratings.values_list("response", "stars")) == [(judgment.order[0], 4)]
    assert not judgment.choices.exists()


FILLED = {f"{CLEAR}_verdict": "left", "stars_left": "5", "reasons": ["safer", "clearer"], "reason": 'so "it" is'}


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_is_missing_is_told_and_what_was_filled_in_still_is(at_work, headers):
    page = at_work(with_stars=True, criteria=CRITERIA, reasons="optional", allow_repair=True)
    held = page.judgment
    page.press("left", headers, **FILLED, repair_left="My own\nline", repair_new="Quite new")
    assert page.answer.status_code == 422
    assert not Judgment.objects.filter(state="saved").exists()
    assert page.judgment == held
    assert page.read_messages() == ["Please answer this first."]
    sent = page.list_entries()
    for name in (f"{CLEAR}_verdict", "stars_left", "reason"):
        assert (name, FILLED[name]) in sent
    assert {value for name, value in sent if name == "reasons"} == set(FILLED["reasons"])
    assert ("repair_left", "My own\r\nline") in sent
    assert ("repair_new", "Quite new") in sent
    page.press("left", headers, **{f"{KIND}_verdict": "tie", "stars_right": 1})
    held.refresh_from_db()
    assert (held.state, held.said["reason"]) == ("saved", FILLED["reason"])


@pytest.mark.parametrize(
    ("asking", "verdict", "said"),
    [
        (FOUR, "rank", {"rank_1": 1, "rank_2": 2}),
        (FOUR, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": 4}),
        (FOUR, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": "x"}),
        (FOUR | {"allow_tie": False}, "rank", {"rank_1": 1, "rank_2": 1, "rank_3": 2}),
        (BEST, "rank", {}),
        (BEST, "rank", {"rank_1": 1, "rank_2": 1, "rank_3": 3}),
        (STARS | {"most_shown": 3}, "rate", {"stars_1": 5, "stars_2": 3}),
        (STARS | {"most_shown": 3}, "rate", {"stars_1": 5, "stars_2": 3, "stars_3": 6}),
        (FOUR | {"reasons": "required"}, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": 3}),
        (FOUR | {"reasons": "required"}, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": 3, "reason": "  "}),
        (FOUR | {"reasons": "optional"}, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": 3, "reasons": ["invented"]}),
        (FOUR | {"reasons": "optional"}, "rank", {"rank_1": 1, "rank_2": 2, "rank_3": 3, "reason": "x" * 10_001}),
    ],
)
def test_what_is_incomplete_or_contradicts_itself_is_refused(at_work, asking, verdict, said):
    page = at_work(3, **asking)
    page.press(verdict, **said)
    assert page.answer.status_code == 422
    assert page.read_messages()
    assert Judgment.objects.get().state == "leased"


@pytest.mark.parametrize("said", [{"reasons": ["safer"]}, {"reason": "It is shorter."}])
def test_one_reason_is_enough_where_one_is_required(at_work, said):
    page = at_work(reasons="required")
    judgment = page.judgment
    assert page.press("left", **said).answer.status_code == 200
    judgment.refresh_from_db()
    assert (judgment.verdict, {name: judgment.said[name] for name in said}) == ("left", said)


@pytest.mark.parametrize("asking", [FOUR, {"with_stars": True, "reasons": "required", "criteria": CRITERIA}])
def test_a_skip_needs_nothing_filled_in(at_work, asking):
    page = at_work(**asking)
    page.press("skip")
    assert Judgment.objects.order_by("pk").first().state == "skipped"


def test_each_criterion_is_saved_by_its_own_verdict(at_work):
    page = at_work(criteria=CRITERIA)
    shown, judgment = page.read_answers(), page.judgment
    page.press("left", **{f"{CLEAR}_verdict": "right", f"{KIND}_verdict": "both_bad"})
    assert list_statements(judgment, shown) == {("", "left", "right", 1, None), ("clear", "right", "left", 1, None)}


def test_criteria_of_stars_are_rated_and_compared(at_work):
    page = at_work(criteria=CRITERIA[:1], **STARS)
    shown, judgment = page.read_answers(), page.judgment
    page.press("rate", **{"stars_left": 3, "stars_right": 3, f"{CLEAR}_stars_left": 2, f"{CLEAR}_stars_right": 4})
    assert list_statements(judgment, shown) == build_tie(judgment, shown) | {("clear", "right", "left", 2, None)}
    assert ("clear", "right", 4) in list_ratings(judgment, shown)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_stars_against_the_choice_are_told_once_and_never_bar_it(at_work, headers):
    page = at_work(with_stars=True)
    sent = page.press("left", headers, stars_left=1, stars_right=5)
    told = "".join(sent.read_messages())
    assert told.startswith("Saved. The chosen answer has fewer stars")
    assert Judgment.objects.filter(verdict="left").count() == 1
    page.look()
    assert not page.read_messages()


@pytest.mark.parametrize(
    ("verdict", "stars"), [("left", (3, 3)), ("left", (5, 1)), ("tie", (1, 5)), ("both_bad", (5, 1))]
)
def test_stars_that_agree_are_not_told(at_work, verdict, stars):
    assert not at_work(with_stars=True).press(verdict, stars_left=stars[0], stars_right=stars[1]).read_messages()


def test_the_sides_of_several_answers_are_drawn_anew(client, alice, make_dataset):
    make_dataset(build_rows(30, 3), **FOUR)
    page, orders = Judge(client, alice).look(), set()
    for _ in range(30):
        orders.add(tuple(sorted(page.judgment.order).index(pk) for pk in page.judgment.order))
        page.press("rank", rank_1=1, rank_2=2, rank_3=3)
    assert len(orders) > 3  # of six; fewer by chance once in 10^6


def test_the_same_texts_win_whatever_the_order(at_work):
    page = at_work(3, n=8, **FOUR)
    for places in itertools.islice(itertools.permutations((1, 2, 3)), 6):
        shown, judgment = page.read_answers(), page.judgment
        page.press("rank", **{f"rank_{n}": place for n, place in enumerate(places, 1)})
        best = shown[str(places.index(1) + 1)]
        won = judgment.choices.filter(rank_gap=2).get()
        assert won.chosen.text == best
