"""The comparison page as CONTRACT.md defines it, read as by a browser without JavaScript."""

import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.urls import reverse
from django.utils import timezone

from annotate.queue.lease import lease_next
from datasets.models import Choice, Comparison, Dataset, Judgment, Prompt, Response
from datasets.text.rendered import render
from tests.conftest import build_rows

HTMX = {"HX-Request": "true"}
VOID = {"meta", "link", "input", "br", "hr"}
PAGE = "/annotate/demo/"


class Element:
    """An HTML element."""

    def __init__(self, tag, attributes=()):
        self.tag, self.attributes, self.children = tag, dict(attributes), []

    def __getitem__(self, name):
        return self.attributes[name]

    def find_all(self, tag=None, **attributes):
        """All descendants with this tag and these attributes; data_x means data-x, True any value."""
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Element):
                if tag in (None, child.tag) and all(child.has(*attribute) for attribute in wanted.items()):
                    yield child
                yield from child.find_all(tag, **attributes)

    def has(self, name, value):
        return name in self.attributes and value in (True, self.attributes[name])

    def find(self, tag=None, **attributes):
        """The only such descendant."""
        (found,) = self.find_all(tag, **attributes)
        return found

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def __eq__(self, other):
        return vars(self) == vars(other) if isinstance(other, Element) else NotImplemented

    def __repr__(self):
        return f"<{self.tag} {self.attributes}: {self.children}>"


class PageParser(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.open = [Element("page")]
        self.feed(html)
        self.close()
        assert len(self.open) == 1, f"never closed: {self.open[-1]}"

    def handle_starttag(self, tag, attributes):
        element = Element(tag, attributes)
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parse_page(response):
    html = response if isinstance(response, str) else response.content.decode()
    return PageParser(html).open[0]


def read_fields(form):
    """The fields that a browser sends from a form, without the pressed button."""
    return {field["name"]: field["value"] for field in form.find_all("input")}


class Browser:
    """A person on the comparison page."""

    def __init__(self, client, person, page=PAGE):
        client.force_login(person)
        self.client, self.address = client, page

    def look(self, **headers):
        self.answer = self.client.get(self.address, headers=headers)
        self.page = parse_page(self.answer)
        return self

    @property
    def form(self):
        return self.page.find("form", data_comparison=True)

    @property
    def judgment(self):
        return Judgment.objects.get(pk=read_fields(self.form)["judgment"])

    @property
    def status_texts(self):
        """The page's messages about a reopened comparison."""
        return [element.text for element in self.page.find_all("p", role="status")]

    @property
    def undo_forms(self):
        """The undo forms on the page: one or none."""
        pressed = [button for button in self.page.find_all("button", form="undo") if not button.has("hidden", True)]
        return list(self.page.find_all("form", action=f"{self.address}undo/")) if pressed else []

    def read_messages(self):
        """The page's messages, including errors."""
        boxes = [*self.page.find_all("div", role="status"), *self.page.find_all("div", role="alert")]
        told = self.page.find_all("div", hx_swap_oob="innerHTML:#told")
        return [item.text for box in boxes for item in box.find_all("li")] + [one.text for one in told]

    def read_answers(self):
        return {side: self.page.find(data_response=side).text.strip() for side in ("left", "right")}

    def read_verdicts(self):
        return [button["value"] for button in self.form.find_all("button", name="verdict")]

    def give(self, verdict, sent=None, **headers):
        return self.send(self.form["action"], (sent or read_fields(self.form)) | {"verdict": verdict}, **headers)

    def undo(self, sent=None, **headers):
        (form,) = self.undo_forms
        return self.send(form["action"], sent or read_fields(form), **headers)

    def send(self, address, sent, **headers):
        """Posts a form; what the server answers becomes the page."""
        self.answer = self.client.post(address, sent, follow=True, headers=headers)
        self.page = parse_page(self.answer)
        return self


@pytest.fixture
def at_work(client, alice, pairs):
    """Alice on the page of the first of twelve comparisons."""
    return Browser(client, alice).look()


def list_saved():
    return list(Judgment.objects.filter(state="saved").order_by("pk").values_list("pk", "verdict", "revision"))


def list_everything():
    """Everything that an act could change."""
    fields = ("pk", "state", "verdict", "revision", "order", "decided_at", "surplus")
    choices = Choice.objects.order_by("pk").values_list("judgment", "chosen", "rejected", "strength")
    slots = Comparison.objects.order_by("pk").values_list("pk", "open_slots")
    return [list(Judgment.objects.order_by("pk").values_list(*fields)), list(choices), list(slots)]


# --- the page --------------------------------------------------------------------------------------------------------


def test_there_is_one_form_with_both_answers_and_nothing_else_in_them(at_work):
    assert len(list(at_work.page.find_all(data_comparison=True))) == 1
    assert [element["data-response"] for element in at_work.page.find_all(data_response=True)] == ["left", "right"]
    texts = {pk: render(text) for pk, text in Response.objects.values_list("pk", "text")}
    for side, pk in zip(("left", "right"), at_work.judgment.order, strict=True):
        assert at_work.page.find(data_response=side).children == parse_page(texts[pk]).children


def test_the_prompt_stands_on_the_page(at_work):
    prompt = Prompt.objects.get(comparisons__judgments=at_work.judgment)
    assert at_work.page.find("section", aria_label="Prompt").find("div", **{"class": "text"}).text.strip() == str(
        prompt
    )


@pytest.mark.parametrize(
    ("settings_of", "offered"),
    [
        ({}, {"left", "right", "tie", "both_bad", "skip"}),
        ({"allow_tie": False}, {"left", "right", "both_bad", "skip"}),
        ({"allow_both_bad": False}, {"left", "right", "tie", "skip"}),
        ({"allow_tie": False, "allow_both_bad": False}, {"left", "right", "skip"}),
    ],
)
def test_the_buttons_are_those_that_the_settings_allow(client, alice, make_dataset, settings_of, offered):
    make_dataset(build_rows(1), **settings_of)
    buttons = Browser(client, alice).look().read_verdicts()
    assert (set(buttons), len(buttons)) == (offered, len(offered))


def test_no_button_sends_the_form_elsewhere(at_work):
    assert not list(at_work.page.find_all(formaction=True))
    assert (at_work.form["method"], at_work.form["action"]) == ("post", PAGE)
    assert all(field["type"] == "hidden" for field in at_work.form.find_all("input"))


def test_looking_again_shows_the_same_comparison_with_the_same_sides(at_work):
    first = read_fields(at_work.form) | at_work.read_answers()
    again = read_fields(at_work.look().form) | at_work.read_answers()
    token = "csrfmiddlewaretoken"
    assert {**first, token: ""} == {**again, token: ""}
    assert Judgment.objects.count() == 1


def test_the_page_is_never_kept_by_a_cache(at_work):
    assert "no-store" in at_work.answer["Cache-Control"]
    assert "HX-Request" in at_work.answer["Vary"]


def test_text_that_pretends_to_be_html_is_shown_as_text(client, alice, make_dataset):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))"
    make_dataset([{"prompt": hostile, "system": hostile, "responses": [hostile, "<b>bold</b>"]}])
    page = Browser(client, alice).look()
    assert {page.read_answers()["left"], page.read_answers()["right"]} == {hostile, "<b>bold</b>"}
    assert not list(page.page.find_all(onerror=True))
    assert not list(page.page.find_all("img"))
    assert all(script.has("src", True) for script in page.page.find_all("script"))
    assert not [link for link in page.page.find_all("a") if link["href"].startswith("javascript")]


def test_judging_is_blind(client, alice, bob, make_dataset):
    """No source, id or other verdict in page, headers or fragment, before and after a verdict."""
    dataset = Dataset.objects.create(slug="demo", overlap=3)
    for n in range(2):
        prompt = Prompt.objects.create(pk=770_101 + n, dataset=dataset, instruction="Why?", fingerprint=n)
        for pk in (880_101 + 10 * n, 880_102 + 10 * n):
            Response.objects.create(pk=pk, prompt=prompt, text=f"Because {pk % 2}.", text_hash=pk, source="model-zebra")
        key = Comparison.build_key([880_101 + 10 * n, 880_102 + 10 * n])
        Comparison.objects.create(pk=990_101 + n, dataset=dataset, prompt=prompt, key=key, wanted=3, open_slots=3)
    Browser(client, bob).look().give("both_bad").give("both_bad")
    answers = [Browser(client, alice).look().answer]
    answers.append(client.post(f"{PAGE}ahead/", headers=HTMX))
    answers.append(Browser(client, alice).look().give("left").answer)
    for answer in answers:
        seen = answer.content.decode() + str(answer.headers) + str(client.cookies)
        assert 'data-response="left"' in seen
        seen = re.sub(r"[A-Za-z0-9]{32,}", "", seen)  # random tokens, which may contain anything
        assert not re.findall(r"(?<!\d)(?:77|88|99)01\d\d(?!\d)|zebra|bob", seen)
    assert set(read_fields(parse_page(answers[0]).find("form", data_comparison=True))) == {
        "csrfmiddlewaretoken",
        "judgment",
        "revision",
    }


def test_nothing_on_the_page_depends_on_what_others_said_of_this_comparison(client, alice, bob, make_dataset):
    make_dataset(build_rows(1), overlap=3)
    before = Browser(client, alice).look()
    html = strip_progress(before.answer)
    Browser(client, bob).look().give("tie")
    assert strip_progress(Browser(client, alice).look().answer) == html


def strip_progress(answer):
    """The page without the progress of the whole dataset, which here is that of one comparison."""
    return re.sub(r'progress value="\d+"|\d+ of 3', "", strip_tokens(answer))


def strip_tokens(answer):
    html = answer if isinstance(answer, str) else answer.content.decode()
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|data-(lease|at)="[^"]+"', "", html)


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["left", "right", "tie", "both_bad", "skip"])
def test_a_verdict_is_kept_and_leads_to_the_next_comparison(at_work, verdict):
    judged = at_work.judgment
    at_work.give(verdict)
    judged.refresh_from_db()
    assert judged.state == ("skipped" if verdict == "skip" else "saved")
    assert judged.verdict == ("" if verdict == "skip" else verdict)
    assert judged.choices.count() == (verdict in ("left", "right", "tie"))
    assert at_work.answer.redirect_chain == [(PAGE, 302)]
    assert at_work.judgment.comparison_id != judged.comparison_id


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("verdict", ["left", "right", "tie", "both_bad", "skip"])
def test_the_same_form_again_changes_nothing_and_is_answered_the_same_way(at_work, verdict, headers):
    sent, address = read_fields(at_work.form) | {"ready": "1", "verdict": verdict}, at_work.form["action"]
    first = at_work.send(address, sent, **headers).answer
    stands = list_everything()
    again = at_work.send(address, sent, **headers).answer
    assert list_everything() == stands
    assert (again.status_code, again.redirect_chain) == (first.status_code, first.redirect_chain)
    if not headers:
        assert strip_tokens(again) == strip_tokens(first)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("left", "right", "A is better"),
        ("right", "skip", "B is better"),
        ("both_bad", "tie", "Both bad"),
        ("tie", "left", "Tie"),
        ("skip", "left", "Skipped"),
    ],
)
def test_another_verdict_on_an_old_form_changes_nothing_and_the_page_says_what_stands(at_work, first, second, told):
    sent = read_fields(at_work.form)
    at_work.give(first, sent)
    stands = list_everything()
    assert at_work.give(second, sent).read_messages() == [f"Already saved: {told}."]
    assert list_everything() == stands


@pytest.mark.parametrize("htmx", [{}, HTMX])
@pytest.mark.parametrize("verdict", ["nonsense", "", "left3", "keep me"])
def test_a_verdict_that_is_not_asked_for_is_refused(at_work, verdict, htmx):
    stands, shown = list_everything(), at_work.read_answers()
    at_work.give(verdict, **htmx)
    assert at_work.answer.status_code == 422
    assert list_everything() == stands
    assert at_work.read_answers() == shown


@pytest.mark.parametrize("field", ["judgment", "revision"])
@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "9" * 5000])
def test_a_damaged_form_is_refused(at_work, field, value):
    stands = list_everything()
    at_work.give("left", read_fields(at_work.form) | {field: value})
    assert at_work.answer.status_code == 422
    assert list_everything() == stands


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}undo/"])
def test_the_judgment_of_another_person_is_not_there(at_work, bob, pairs, address):
    theirs = lease_next(bob, pairs)
    stands = list_everything()
    for pk in (theirs.pk, 10**9, 10**30):
        sent = {"judgment": pk, "revision": 0, "verdict": "left"}
        assert at_work.client.post(address, sent).status_code == 404
    assert list_everything() == stands


def test_a_judgment_of_another_dataset_is_not_there(at_work, alice, make_dataset):
    elsewhere = lease_next(alice, make_dataset(build_rows(1), slug="other"))
    sent = {"judgment": elsewhere.pk, "revision": 0, "verdict": "left"}
    assert at_work.client.post(PAGE, sent).status_code == 404


@pytest.mark.parametrize(
    ("change", "verdict"), [({"allow_tie": False}, "tie"), ({"allow_both_bad": False}, "both_bad")]
)
def test_a_verdict_switched_off_while_the_form_is_open_is_refused_in_words(at_work, change, verdict):
    Dataset.objects.update(**change)
    held, stands = at_work.judgment.pk, list_everything()
    at_work.give(verdict)
    assert at_work.answer.status_code == 422
    assert at_work.read_messages() == ["This verdict is no longer available."]
    assert (at_work.judgment.pk, verdict in at_work.read_verdicts()) == (held, False)
    assert list_everything() == stands


def test_settings_saved_while_the_form_is_open_lose_nothing(at_work, admin, client):
    """Other pairs and a larger overlap: existing leases stay."""
    held = at_work.judgment
    client.force_login(admin)
    address = reverse("queue", args=["demo"])
    stood = {name: value for name, value in client.get(address).context["form"].initial.items() if value is not None}
    assert client.post(address, stood | {"pairs": "first", "overlap": 3, "lease_minutes": 5}).status_code == 302
    client.force_login(held.annotator)
    at_work.give("right")
    assert list_saved() == [(held.pk, "right", 1)]
    assert Comparison.objects.get(pk=held.comparison_id).open_slots == 2


def test_a_late_verdict_is_kept(at_work, bob, pairs):
    late = at_work.judgment
    Judgment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert lease_next(bob, pairs).comparison_id == late.comparison_id
    at_work.give("left")
    assert list_saved() == [(late.pk, "left", 1)]
    assert not at_work.read_messages()


def test_the_winner_is_the_response_that_was_shown_never_the_side(client, alice, make_dataset):
    make_dataset(build_rows(40))
    page, orders, winners = Browser(client, alice).look(), Counter(), Counter()
    for turn in range(40):
        verdict, loser = [("left", "right"), ("right", "left")][turn % 2]
        shown, judgment = page.read_answers(), page.judgment
        orders[judgment.order == sorted(judgment.order)] += 1
        page.give(verdict)
        choice = judgment.choices.get()
        assert (choice.chosen.text, choice.rejected.text) == (shown[verdict], shown[loser])
        assert choice.chosen_id == judgment.order[verdict == "right"]
        winners[choice.chosen.source] += 1
    assert min(orders[True], orders[False], winners["m0"], winners["m1"]) > 3  # fails by chance once in 10^6


def test_a_tie_and_both_bad_say_nothing_of_the_sides(at_work):
    for verdict, strengths in (("tie", [0]), ("both_bad", [])):
        judgment = at_work.judgment
        at_work.give(verdict)
        assert [choice.strength for choice in judgment.choices.all()] == strengths
    tie = Choice.objects.get()
    assert tie.chosen_id < tie.rejected_id


# --- skip, undo, keep ------------------------------------------------------------------------------------------------


def test_a_skipped_comparison_does_not_come_back_but_goes_to_another_person(client, alice, bob, make_dataset):
    make_dataset(build_rows(1))
    skipped = Browser(client, alice).look().read_answers()
    assert list(Browser(client, alice).look().give("skip").page.find_all(data_all_done=True))
    assert set(Browser(client, bob).look().read_answers().values()) == set(skipped.values())


def test_undo_brings_the_last_one_back_with_its_sides_and_says_what_stands(at_work):
    shown, judged = at_work.read_answers(), at_work.judgment
    at_work.give("right").undo()
    assert at_work.judgment == judged
    assert at_work.read_answers() == shown
    assert at_work.status_texts == ["Your previous answer: B is better. Change it, or keep it."]
    assert "keep" in at_work.read_verdicts()
    judged.refresh_from_db()
    assert (judged.verdict, judged.choices.count()) == ("right", 1), "it stands until it is replaced"


def test_another_verdict_after_undo_replaces_the_one_that_stood(at_work):
    judged = at_work.judgment
    at_work.give("right").undo().give("left")
    judged.refresh_from_db()
    assert (judged.state, judged.verdict) == ("saved", "left")
    assert judged.choices.get().chosen_id == judged.order[0]


def test_keep_leaves_the_verdict_as_it_stood(at_work):
    judged = at_work.judgment
    following = at_work.give("right").judgment
    at_work.undo().give("keep")
    judged.refresh_from_db()
    assert (judged.state, judged.verdict, judged.choices.get().chosen_id) == ("saved", "right", judged.order[1])
    assert at_work.judgment == following


def test_keep_says_nothing_of_a_comparison_that_was_not_judged(at_work):
    stands = list_everything()
    assert "keep" not in at_work.read_verdicts()
    at_work.give("keep")
    assert list_everything() == stands


def test_a_skip_after_undo_withdraws_the_verdict(at_work):
    judged = at_work.judgment
    at_work.give("left").undo().give("skip")
    judged.refresh_from_db()
    assert (judged.state, judged.verdict, judged.choices.count()) == ("skipped", "", 0)
    assert judged.comparison.open_slots == 1


def test_undo_goes_ten_back_and_not_eleven(at_work):
    judged = []
    for _ in range(11):
        judged.append(at_work.judgment)
        at_work.give("left")
    for back in range(1, 11):
        at_work.undo()
        assert at_work.judgment == judged[-back]
    assert not at_work.undo_forms
    first = judged[0]
    first.refresh_from_db()
    assert first.state == "saved"


def test_what_was_reopened_is_judged_again_from_the_oldest_on(at_work):
    judged = []
    for _ in range(3):
        judged.append(at_work.judgment)
        at_work.give("left")
    at_work.undo().undo().undo()
    for judgment in judged:
        assert at_work.judgment == judgment
        at_work.give("right")
    assert [verdict for _, verdict, _ in list_saved()] == ["right"] * 3


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_double_click_on_undo_undoes_once(at_work, headers):
    last = at_work.give("left").judgment
    (form,) = at_work.give("right").undo_forms
    first = at_work.undo(read_fields(form), **headers).answer
    stands = list_everything()
    again = at_work.send(form["action"], read_fields(form), **headers).answer
    assert list_everything() == stands
    if not headers:
        assert strip_tokens(again) == strip_tokens(first)
    assert [judgment.pk for judgment in Judgment.objects.filter(state="reopened")] == [last.pk]


def test_an_old_undo_form_does_not_reopen_what_was_judged_again(at_work):
    (form,) = at_work.give("left").undo_forms
    old = read_fields(form)
    at_work.undo().give("right")
    stands = list_everything()
    at_work.send(f"{PAGE}undo/", old)
    assert list_everything() == stands


def test_there_is_nothing_to_undo_at_first(at_work):
    assert not at_work.undo_forms


def test_undo_of_a_skip_brings_it_back_with_its_sides(at_work):
    shown, skipped = at_work.read_answers(), at_work.judgment
    at_work.give("skip").undo()
    assert (at_work.judgment, at_work.read_answers(), at_work.status_texts) == (skipped, shown, [])
    at_work.give("left")
    skipped.refresh_from_db()
    assert (skipped.state, skipped.choices.get().chosen_id) == ("saved", skipped.order[0])


def test_undo_of_a_skip_that_somebody_else_has_now_says_so(client, alice, bob, make_dataset):
    make_dataset(build_rows(1))
    skipped = Browser(client, alice).look().give("skip")
    (form,) = skipped.undo_forms
    Browser(client, bob).look()
    again = Browser(client, alice)
    assert again.send(form["action"], read_fields(form)).read_messages() == [
        "The skipped item is now assigned to another annotator."
    ]
    assert Judgment.objects.get(annotator=alice).state == "skipped"


def test_a_skip_that_somebody_else_has_now_does_not_bar_the_way_to_what_was_before_it(client, alice, bob, make_dataset):
    make_dataset(build_rows(2))
    judged = Browser(client, alice).look().judgment
    Browser(client, alice).look().give("left").give("skip")
    Browser(client, bob).look()
    assert Browser(client, alice).look().undo().judgment == judged


def test_undo_works_from_the_page_that_has_nothing_left(client, alice, make_dataset):
    make_dataset(build_rows(1))
    page = Browser(client, alice).look().give("tie")
    assert list(page.page.find_all(data_all_done=True))
    assert page.undo().status_texts == ["Your previous answer: Tie. Change it, or keep it."]


# --- all done, progress ----------------------------------------------------------------------------------------------


def count_ends_and_forms(page):
    return [
        len(list(page.page.find_all(data_all_done=True))),
        len(list(page.page.find_all("form", data_comparison=True))),
    ]


def test_all_done_says_so(client, alice, make_dataset):
    make_dataset(build_rows(2))
    page = Browser(client, alice).look()
    assert count_ends_and_forms(page) == [0, 1]
    assert count_ends_and_forms(page.give("left").give("left")) == [1, 0]
    assert page.page.find("h1").text == "All done"


def test_all_done_also_stands_while_the_rest_is_in_other_hands(client, alice, bob, make_dataset):
    lease_next(bob, make_dataset(build_rows(1)))
    page = Browser(client, alice).look()
    assert count_ends_and_forms(page) == [1, 0]
    assert page.page.find("h1").text == "No items available right now"


def test_all_done_also_stands_where_there_is_nothing_to_compare(client, alice, db):
    Dataset.objects.create(slug="demo")
    page = Browser(client, alice).look()
    assert count_ends_and_forms(page) == [1, 0]
    assert page.page.find("h1").text == "No comparisons yet"


def test_progress_counts_mine_and_that_of_the_dataset(client, alice, bob, pairs):
    Browser(client, bob).look().give("left").give("left").give("skip")
    page = Browser(client, alice).look().give("left").give("skip").undo().give("tie").undo()
    head = page.page.find("header").text
    assert "You: 2 today" in head
    assert "4 of 12" in head
    bar = page.page.find("progress")
    assert (bar["value"], bar["max"]) == ("4", "12")
    home = " ".join(client.get("/").content.decode().split())
    assert "You: 2 · 2 today" in home
    assert "4 of 12" in home


def test_progress_of_a_larger_overlap_counts_each_judgment(client, alice, bob, make_dataset):
    make_dataset(build_rows(2), overlap=2)
    assert "2 of 4" in Browser(client, alice).look().give("left").give("left").page.find("header").text
    assert "3 of 4" in Browser(client, bob).look().give("left").page.find("header").text


# --- fragments for htmx ----------------------------------------------------------------------------------------------


def read_ahead(answer):
    """The form that a response keeps ready in a template; None if it has none."""
    found = [form for box in parse_page(answer).find_all("template") for form in box.find_all("form")]
    return found[0] if found else None


def find_lease(answer):
    return parse_page(answer).find("template")["data-lease"]


def test_the_form_is_posted_by_htmx_to_where_a_browser_posts_it(at_work):
    assert (at_work.form["hx-post"], at_work.form["hx-target"]) == (PAGE, "#work")
    extensions = at_work.page.find("body")["hx-ext"].split(", ")
    assert {"ready", "outbox", "clock", "entries"} <= set(extensions)


def test_a_verdict_by_htmx_is_answered_with_the_next_comparison_alone(at_work):
    before = at_work.judgment
    page = at_work.give("left", **HTMX)
    assert page.answer.status_code == 200
    assert "<html" not in page.answer.content.decode()
    assert page.judgment.comparison_id != before.comparison_id
    assert set(page.read_verdicts()) == {"left", "right", "tie", "both_bad", "skip"}
    assert "You: 1" in page.page.find(hx_swap_oob="innerHTML:#numbers").text
    assert page.give("right", **HTMX).judgment.pk
    assert [verdict for _, verdict, _ in list_saved()] == ["left", "right"]


def test_a_verdict_by_htmx_that_is_the_last_is_answered_with_all_done(client, alice, make_dataset):
    make_dataset(build_rows(1))
    page = Browser(client, alice).look().give("left", **HTMX)
    assert page.page.find(data_all_done=True).find("h1").text == "All done"


def test_a_browser_that_keeps_none_ready_gets_none(at_work):
    answer = at_work.give("left", read_fields(at_work.form) | {"ready": "0"}, **HTMX).answer
    assert (read_ahead(answer), answer["HX-Reswap"]) == (None, "none")
    assert Judgment.objects.count() == 1


@pytest.mark.parametrize("ready", ["", "2", "x", "\0"])
def test_a_damaged_wish_for_more_loses_no_verdict(at_work, ready):
    held = at_work.judgment.pk
    at_work.give("left", read_fields(at_work.form) | {"ready": ready}, **HTMX)
    assert list_saved() == [(held, "left", 1)]


def test_the_script_is_given_one_more_comparison_and_the_first_stays_in_hand(client, alice, make_dataset):
    make_dataset(build_rows(12), kept_ready=3)
    page = Browser(client, alice).look()
    held = [page.judgment.pk]
    for _ in range(3):
        ahead = read_ahead(client.post(f"{PAGE}ahead/", {"have": held}, headers=HTMX))
        held.append(int(read_fields(ahead)["judgment"]))
    assert len(set(held)) == 4
    last = client.post(f"{PAGE}ahead/", {"have": held}, headers=HTMX)
    assert (read_ahead(last), last["HX-Reswap"]) == (None, "none")
    assert page.look().judgment.pk == held[0], "a page loaded anew shows the one that was held first"
    page.give("left", read_fields(page.form) | {"ready": "1"}, **HTMX)
    assert page.page.find(id="judged").text == "You: 1 today"
    assert page.answer["HX-Reswap"] == "none"
    assert page.form == read_ahead(page.answer)
    assert page.judgment.pk not in held
    assert page.look().judgment.pk == held[1]
    assert Judgment.objects.filter(state="leased").count() == 4


def test_what_the_browser_lost_is_handed_to_it_again(client, alice, make_dataset):
    make_dataset(build_rows(12), kept_ready=2)
    first = Browser(client, alice).look().judgment.pk
    lost, again = (client.post(f"{PAGE}ahead/", {"have": [first]}, headers=HTMX) for _ in range(2))
    assert read_ahead(lost)
    assert strip_tokens(lost) == strip_tokens(again)


def test_what_was_kept_ready_is_given_back_when_the_page_is_closed(client, alice, bob, make_dataset):
    make_dataset(build_rows(2))
    shown = Browser(client, alice).look().judgment
    lease = find_lease(client.post(f"{PAGE}ahead/", {"have": [shown.pk]}, headers=HTMX))
    assert client.post(f"{PAGE}give-back/", {"lease": lease}).status_code == 204
    assert dict(Judgment.objects.values_list("pk", "state"))[shown.pk] == "leased"
    assert Browser(client, bob).look().form
    assert sorted(Comparison.objects.values_list("open_slots", flat=True)) == [0, 0]


def test_what_was_handed_out_again_since_is_not_given_back(client, alice, make_dataset):
    make_dataset(build_rows(2))
    shown = Browser(client, alice).look().judgment
    old = find_lease(client.post(f"{PAGE}ahead/", {"have": [shown.pk]}, headers=HTMX))
    client.post(f"{PAGE}ahead/", {"have": [shown.pk]}, headers=HTMX)
    client.post(f"{PAGE}give-back/", {"lease": old})
    assert set(Judgment.objects.values_list("state", flat=True)) == {"leased"}


@pytest.mark.parametrize(
    "lease", ["", "x", "1", "1 yesterday", "1 2026-01-01T00:00:00", "9" * 30 + " 2026-01-01T00:00Z"]
)
def test_a_damaged_lease_gives_nothing_back(client, alice, pairs, lease):
    Browser(client, alice).look()
    assert client.post(f"{PAGE}give-back/", {"lease": lease}).status_code == 422
    assert Judgment.objects.get().state == "leased"


def test_a_form_that_is_refused_comes_back_with_what_is_wrong(at_work):
    held = at_work.judgment
    at_work.give("nonsense", **HTMX)
    assert (at_work.answer.status_code, at_work.judgment) == (422, held)
    assert at_work.read_messages() == ["This verdict is no longer available."]


def test_when_nothing_is_left_the_script_gets_the_page_that_says_so(client, alice, make_dataset):
    make_dataset(build_rows(1))
    page = Browser(client, alice).look()
    assert read_ahead(page.give("left", read_fields(page.form) | {"ready": "1"}, **HTMX).answer) is None
    done = client.post(f"{PAGE}ahead/", headers=HTMX)
    assert parse_page(done).find(data_all_done=True).find("h1").text == "All done"


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}undo/", f"{PAGE}ahead/"])
def test_htmx_is_sent_to_sign_in_by_a_header(client, pairs, address):
    answer = client.post(address, {"verdict": "left"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (200, f"{reverse('login')}?next={address}")


@pytest.mark.parametrize(("said", "kept"), [("12.5", 12.5), ("9999", 60), ("-3", 60), ("nan", 60), ("x", 60), ("", 60)])
def test_the_time_is_what_the_browser_saw_never_more_than_since_the_hand_out(at_work, said, kept):
    judgment = at_work.judgment
    Judgment.objects.update(leased_at=timezone.now() - timedelta(seconds=60))
    at_work.give("left", read_fields(at_work.form) | {"seconds": said})
    judgment.refresh_from_db()
    assert kept <= judgment.seconds < kept + 1
