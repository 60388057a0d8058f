"""The pages in a real browser: mouse, keys, phone, no JavaScript, Chinese, dark, axe, hostile texts, files."""

import json
import re
import threading
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.test import Client
from django.utils.translation import gettext, override, trans_real
from playwright.sync_api import expect

from annotate.judging import record, undo
from annotate.queue import next_judgment
from datasets import imports
from datasets.models import Dataset, Import, Judgment
from tests.conftest import wide

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WATCH = "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PAGE = "/annotate/demo/"


@pytest.fixture
def browser_context_args(browser_context_args, live_server):
    return {**browser_context_args, "base_url": live_server.url, "reduced_motion": "reduce"}


@pytest.fixture
def troubles():
    """What the browser complained of: errors of scripts, of loading, of the content policy."""
    return []


@pytest.fixture
def until_served(live_server):
    """until_served(): wait until the server has answered all it was asked, so that the next test finds it at rest."""
    under_way, guard = [0], threading.Lock()

    def count(by):
        with guard:
            under_way[0] += by

    def started(**_):
        count(+1)

    def finished(**_):
        count(-1)

    def wait():
        quiet = 0
        for _ in range(200):
            quiet = quiet + 1 if under_way[0] <= 0 else 0
            if quiet == 3:
                return
            time.sleep(0.025)

    request_started.connect(started)
    request_finished.connect(finished)
    yield wait
    request_started.disconnect(started)
    request_finished.disconnect(finished)


@pytest.fixture
def context(context, troubles, until_served):
    """The browser of one test, which fails on any complaint that the test does not take out of `troubles`."""
    context.add_init_script(WATCH)
    context.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    context.on("dialog", lambda dialog: troubles.append(dialog.message) if dialog.type != "beforeunload" else None)
    yield context
    for page in context.pages:
        page.close()
    until_served()
    assert not troubles


@pytest.fixture
def enter(context, live_server):
    """enter(person, path): the page as that person sees it, signed in without the form."""

    def enter(person, path=PAGE):
        client = Client()
        client.force_login(person)
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.pages[0] if context.pages else context.new_page()
        page.goto(path)
        return page

    return enter


@pytest.fixture
def at_work(enter, alice, pairs):
    """Alice before the first of twelve comparisons."""
    return enter(alice)


def arrive(page):
    """Wait until the comparison page is there, its script with it."""
    page.wait_for_url(re.compile(f"^[^?]*{PAGE}$"))


def judged(page, n):
    """Wait until the page says that so many are judged; so many are."""
    expect(page.locator("header").first).to_contain_text(re.compile(rf"(?<!\d){n} judged by you"))
    for _ in range(100):
        if (saved := Judgment.objects.filter(state="saved").count()) == n:
            break
        page.wait_for_timeout(50)
    assert saved == n
    expect(page.locator("[data-response], [data-all-done], .cards").first).to_be_visible()


def sent(page):
    """Wait until all that was judged has arrived."""
    until(page, "() => !outbox.items.length")


def until(page, condition):
    """Wait until this holds of the page's script, which the content policy keeps Playwright's own waiting from."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def verdicts():
    return list(Judgment.objects.filter(state="saved").order_by("decided_at").values_list("verdict", flat=True))


def button(page, name):
    return page.get_by_role("button", name=name)


def answers(page):
    return [page.locator(f"[data-response={side}]").inner_text() for side in ("left", "right")]


def changed(page, shown):
    """Wait until these answers have gone."""
    expect(page.locator("[data-response=left]")).not_to_have_text(shown[0])


def all_done(page):
    expect(page.locator("[data-all-done]")).to_be_visible()


# --- judging ---------------------------------------------------------------------------------------------------------


def test_judging_by_mouse(at_work):
    names = ["A is better", "B is better", "Tie", "Both bad"]
    for n, name in enumerate(names, 1):
        button(at_work, name).click()
        judged(at_work, n)
    shown = answers(at_work)
    button(at_work, "Skip").click()
    changed(at_work, shown)
    button(at_work, "Undo").click()
    expect(at_work.locator("[data-response=left]")).to_have_text(shown[0])
    button(at_work, "B is better").click()
    judged(at_work, 5)
    assert verdicts() == ["left", "right", "tie", "both_bad", "right"]


def test_fifty_comparisons_by_keys_alone_from_the_sign_in_on(context, alice, make_dataset):
    make_dataset(wide(50))
    page = context.new_page()
    posts = posts_of(page)
    page.goto(PAGE)
    focus(page, "#id_username")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    arrive(page)
    del posts[:]
    keys = {"Digit1": "left", "ArrowRight": "right", "Digit0": "tie", "KeyB": "both_bad", "ArrowLeft": "left"}
    keys |= {"Digit2": "right", "Numpad1": "left", "Numpad2": "right", "Numpad0": "tie"}
    pressed = []
    for n in range(1, 51):
        key = list(keys)[n % len(keys)]
        page.keyboard.press(key)
        judged(page, n)
        pressed.append(keys[key])
    assert verdicts() == pressed
    assert len(posts) == 50
    all_done(page)


def focus(page, selector):
    """Press Tab until this has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def test_from_the_start_page_tab_and_enter_lead_to_a_verdict(enter, alice, pairs):
    page = enter(alice, "/")
    focus(page, f"a[href='{PAGE}']")
    page.keyboard.press("Enter")
    arrive(page)
    focus(page, "button[value=tie]")
    page.keyboard.press("Enter")
    judged(page, 1)
    assert verdicts() == ["tie"]


def test_keys_with_modifiers_do_nothing(at_work):
    for modifier in ("Control", "Alt", "Meta", "Shift"):
        for key in ("Digit1", "ArrowRight", "KeyB", "KeyS"):
            at_work.keyboard.press(f"{modifier}+{key}")
    at_work.keyboard.press("Digit2")
    judged(at_work, 1)
    assert verdicts() == ["right"]
    assert not Judgment.objects.filter(state="skipped").exists()


def test_keys_go_by_their_place_under_an_input_method_and_another_layout(at_work):
    for n, (key, code) in enumerate([("Process", "Digit1"), ("é", "Digit2"), ("à", "Digit0"), ("ㄖ", "KeyB")], 1):
        press = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
        at_work.evaluate(press, [key, code])
        judged(at_work, n)
    assert verdicts() == ["left", "right", "tie", "both_bad"]


def test_a_key_held_down_judges_once(at_work):
    at_work.keyboard.down("Digit1")
    judged(at_work, 1)
    for _ in range(5):
        at_work.keyboard.down("Digit1")
    at_work.keyboard.up("Digit1")
    at_work.keyboard.press("Digit2")
    judged(at_work, 2)
    assert verdicts() == ["left", "right"]


def test_enter_held_down_on_a_button_judges_once(at_work):
    button(at_work, "B is better").focus()
    for _ in range(5):
        at_work.keyboard.down("Enter")
    judged(at_work, 1)
    for _ in range(5):
        at_work.keyboard.down("Enter")
    at_work.keyboard.up("Enter")
    at_work.keyboard.press("Digit1")
    judged(at_work, 2)
    assert verdicts() == ["right", "left"]


def posts_of(page):
    """The verdicts that the page sends, as they go."""
    posts = []
    is_verdict = lambda request: request.method == "POST" and request.url.endswith(PAGE)  # noqa: E731
    page.on("request", lambda request: posts.append(request.url) if is_verdict(request) else None)
    return posts


def test_keys_faster_than_the_server_save_one_judgment_each_or_none(at_work):
    posts = posts_of(at_work)
    for _ in range(8):
        at_work.keyboard.press("Digit1")
    sent(at_work)
    judged(at_work, len(posts))
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}


def test_a_key_pressed_the_moment_the_next_comparison_appears_counts_and_loads_no_page(at_work):
    ready(at_work)
    at_work.evaluate("""() => {
        window.samePage = true;
        const press = () => document.body.dispatchEvent(new KeyboardEvent("keydown", {code: "Digit2", bubbles: true}));
        new MutationObserver((_, seen) => { seen.disconnect(); press(); }).observe(work, {childList: true});
    }""")
    at_work.keyboard.press("Digit1")
    judged(at_work, 2)
    assert sorted(verdicts()) == ["left", "right"], "both travel at once"
    assert at_work.evaluate("window.samePage")


@pytest.mark.parametrize("slow", [False, True])
def test_a_double_click_judges_once(at_work, slow):
    place = button(at_work, "A is better").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    if slow:  # the second click comes when the next comparison is there already
        at_work.mouse.click(x, y)
        judged(at_work, 1)
        at_work.mouse.move(x, y)
        at_work.mouse.down(click_count=2)
        at_work.mouse.up(click_count=2)
    else:
        at_work.mouse.dblclick(x, y)
        judged(at_work, 1)
    at_work.keyboard.press("Digit2")
    judged(at_work, 2)
    assert verdicts() == ["left", "right"]


def test_u_undoes_and_k_keeps(at_work):
    shown = answers(at_work)
    at_work.keyboard.press("Digit2")
    judged(at_work, 1)
    at_work.keyboard.press("KeyU")
    expect(at_work.get_by_text("You judged this one: B is better.")).to_be_visible()
    assert answers(at_work) == shown
    at_work.keyboard.press("KeyK")
    expect(at_work.get_by_text("You judged this one")).to_have_count(0)
    judged(at_work, 1)
    at_work.keyboard.press("KeyU")
    expect(at_work.get_by_text("You judged this one: B is better.")).to_be_visible()
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_text("You judged this one")).to_have_count(0)
    judged(at_work, 1)
    assert verdicts() == ["left"]


def test_the_question_mark_opens_the_keys_and_escape_closes_them(at_work):
    keys = at_work.get_by_role("dialog", name="Keys")
    at_work.keyboard.press("?")
    expect(keys).to_be_visible()
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    button(at_work, "Keys").click()
    expect(keys).to_be_visible()
    button(at_work, "Close").click()
    expect(keys).to_be_hidden()
    at_work.keyboard.press("Digit2")
    judged(at_work, 1)
    at_work.keyboard.press("?")
    expect(keys).to_be_visible()
    assert verdicts() == ["right"]


def test_back_and_forward_after_a_verdict_save_nothing_twice(enter, alice, pairs):
    page = enter(alice, "/")
    page.get_by_role("link", name="Annotate").click()
    arrive(page)
    page.keyboard.press("Digit1")
    judged(page, 1)
    shown = answers(page)
    page.go_back()
    page.go_forward()
    judged(page, 1)
    assert answers(page) == shown
    page.keyboard.press("Digit2")
    judged(page, 2)
    assert verdicts() == ["left", "right"]


def test_two_tabs_show_the_same_comparison_and_save_one_judgment(at_work, context):
    other = context.new_page()
    other.goto(PAGE)
    assert answers(other) == answers(at_work)
    ready(at_work), ready(other)
    at_work.keyboard.press("Digit1")
    judged(at_work, 1)
    other.keyboard.press("Digit2")
    expect(other.get_by_text("That one was saved before: A is better.")).to_be_visible()
    judged(other, 1)
    assert answers(other) == answers(at_work)
    assert verdicts() == ["left"]


def excused(troubles, *words):
    """Take out of the browser's complaints those that the test has caused."""
    troubles[:] = [trouble for trouble in troubles if not any(word in trouble for word in words)]


def ready(page, n=4):
    """Wait until so many comparisons are kept ready."""
    until(page, f"() => ready_ones.length === {n}")


def test_without_a_network_judging_goes_on_and_what_was_judged_is_sent_once_it_is_back(at_work, context, troubles):
    ready(at_work)
    context.set_offline(True)
    for n, key in enumerate(["Digit1", "Digit2", "Digit0"], 1):
        shown = answers(at_work)
        at_work.keyboard.press(key)
        changed(at_work, shown)
        expect(at_work.get_by_role("alert").locator("[data-said=waiting] b")).to_have_text(str(n))
    assert verdicts() == []
    context.set_offline(False)
    judged(at_work, 3)
    expect(at_work.get_by_role("alert")).to_be_hidden()
    assert sorted(verdicts()) == ["left", "right", "tie"]
    excused(troubles, "INTERNET_DISCONNECTED")


def test_what_waits_survives_a_reload_and_is_sent_exactly_once(at_work, context, troubles, alice):
    ready(at_work)
    at_work.route(
        "**/annotate/demo/", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    shown = answers(at_work)
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Digit2")
    expect(at_work.get_by_role("alert")).to_be_visible()
    at_work.unroute("**/annotate/demo/")
    at_work.on("dialog", lambda dialog: dialog.accept())
    at_work.reload()
    judged(at_work, 2)
    assert shown not in (answers(at_work), answers(at_work)[::-1])
    assert sorted(verdicts()) == ["left", "right"]
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}
    excused(troubles, "ERR_FAILED")


def test_a_page_with_unsent_judgments_warns_before_it_is_closed(at_work, context, troubles):
    ready(at_work)
    context.set_offline(True)
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_be_visible()
    warned = []
    at_work.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    with at_work.expect_event("close"):
        at_work.close(run_before_unload=True)
    assert warned == ["beforeunload"]
    excused(troubles, "INTERNET_DISCONNECTED")


def test_no_more_than_twenty_wait(enter, context, alice, make_dataset, troubles):
    make_dataset(wide(30), kept_ready=19)
    page = enter(alice)
    ready(page, 19)
    context.set_offline(True)
    for n in range(1, 21):
        page.keyboard.press("Digit1")
        expect(page.get_by_role("alert").locator("b").first).to_have_text(str(n))
    expect(page.get_by_role("alert")).to_contain_text("No more can wait")
    page.keyboard.press("Digit2")
    context.set_offline(False)
    judged(page, 20)
    assert verdicts() == ["left"] * 20
    excused(troubles, "INTERNET_DISCONNECTED")


def test_undo_takes_back_what_has_not_left_yet(at_work, context, troubles):
    ready(at_work)
    context.set_offline(True)
    first = answers(at_work)
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_be_visible()
    at_work.keyboard.press("KeyU")
    assert answers(at_work) == first
    expect(at_work.get_by_role("alert")).to_be_hidden()
    at_work.keyboard.press("Digit2")
    context.set_offline(False)
    judged(at_work, 1)
    assert verdicts() == ["right"]
    excused(troubles, "INTERNET_DISCONNECTED")


def test_the_next_comparison_is_there_while_the_judgment_travels(at_work):
    ready(at_work)
    held = []
    at_work.route("**/annotate/demo/", lambda route: held.append(route))
    shown = answers(at_work)
    at_work.keyboard.press("Digit1")
    assert answers(at_work) != shown, "at once, without an answer"
    until(at_work, "() => outbox.sending.size === 1")
    assert verdicts() == []
    held[0].continue_()
    judged(at_work, 1)


def test_an_error_of_the_server_loses_nothing(at_work, monkeypatch, troubles):
    ready(at_work)
    with monkeypatch.context() as patched:
        patched.setattr("annotate.views.after", None)
        at_work.keyboard.press("Digit1")
        expect(at_work.get_by_role("alert")).to_be_visible()
    judged(at_work, 1)
    expect(at_work.get_by_role("alert")).to_be_hidden()
    assert verdicts() == ["left"]
    excused(troubles, "500")


def test_who_was_signed_out_signs_in_and_what_was_judged_is_saved(at_work, context):
    ready(at_work)
    context.clear_cookies(name="sessionid")
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Digit2")
    expect(at_work.get_by_role("alert")).to_contain_text("You have been signed out.")
    assert verdicts() == []
    at_work.on("dialog", lambda dialog: dialog.accept())
    at_work.get_by_role("alert").get_by_role("link", name="Sign in").click()
    at_work.get_by_label("Name").fill("alice")
    at_work.get_by_label("Password").fill("demo")
    button(at_work, "Sign in").click()
    arrive(at_work)
    judged(at_work, 2)
    assert sorted(verdicts()) == ["left", "right"]


def test_what_one_person_judged_is_never_sent_as_another(at_work, context, enter, bob):
    ready(at_work)
    context.clear_cookies(name="sessionid")
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_contain_text("You have been signed out.")
    at_work.on("dialog", lambda dialog: dialog.accept())
    page = enter(bob)
    ready(page)
    assert Judgment.objects.filter(state="saved").count() == 0
    page.keyboard.press("Digit2")
    judged(page, 1)
    assert Judgment.objects.get(state="saved").annotator == bob


# --- without JavaScript ----------------------------------------------------------------------------------------------


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_one_judges_skips_and_undoes(at_work):
    shown = answers(at_work)
    button(at_work, "A is better").click()
    judged(at_work, 1)
    button(at_work, "Skip").click()
    button(at_work, "Undo").click()
    button(at_work, "Tie").click()
    judged(at_work, 2)
    button(at_work, "Undo").click()
    expect(at_work.get_by_text("You judged this one: Tie.")).to_be_visible()
    button(at_work, "Undo").click()
    assert answers(at_work) == shown
    button(at_work, "B is better").click()
    button(at_work, "Keep").click()
    judged(at_work, 2)
    assert verdicts() == ["tie", "right"]
    expect(button(at_work, "Keys")).to_be_hidden()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_back_after_a_verdict_saves_nothing_twice(at_work):
    button(at_work, "A is better").click()
    judged(at_work, 1)
    at_work.go_back()
    if at_work.url.endswith(PAGE):
        button(at_work, "B is better").click()
        expect(at_work.locator("[data-response=left]")).to_be_visible()
    first = Judgment.objects.earliest("pk")
    assert (first.verdict, first.revision) == ("left", 1)
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}


# --- phone -----------------------------------------------------------------------------------------------------------


@pytest.mark.browser_context_args(**PHONE)
def test_on_a_phone_the_verdicts_are_in_reach_of_a_thumb(enter, alice, make_dataset):
    long = (
        "A rather long answer.\n\n" * 40
        + "| a | b | c | d |\n|---|---|---|---|\n|"
        + " long cell |" * 4
        + "\n\nThe end."
    )
    unbroken = "x" * 400 + f"\n\n```\n{'y' * 400}\n```\n\n`{'z' * 200}` https://example.org/{'w' * 200}\n\nThe end."
    make_dataset([{"prompt": "Why " + "so" * 100, "responses": [long, unbroken]}])
    page = enter(alice)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator("button[name=verdict]").all():
        place = control.bounding_box()
        assert place["height"] >= 44, control.inner_text()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 360
        assert place["y"] + place["height"] <= 740
    expect(page.locator("[data-response=right]")).to_be_hidden()
    button(page, "Answer B").tap()
    expect(page.locator("[data-response=left]")).to_be_hidden()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("[data-response]").nth(1).bounding_box()
    top = min(control.bounding_box()["y"] for control in page.locator("button[name=verdict]").all())
    assert last["y"] + last["height"] <= top, "the bar covers the end of the last answer"
    button(page, "B is better").tap()
    all_done(page)
    assert verdicts() == ["right"]


# --- every page ------------------------------------------------------------------------------------------------------

DEMO = [json.loads(line) for line in (settings.BASE_DIR / "datasets/demo/models.jsonl").open(encoding="utf-8")]


def two_with(mark):
    """The first demo row with two answers that hold this, with these two."""
    for row in DEMO:
        found = [response for response in row["responses"] if mark in response["text"]]
        if len(found) > 1:
            return row | {"responses": found[:2]}
    raise AssertionError(f"no two answers with {mark}")


def checked(
    slug="demo", bad=({"prompt": "Why?", "responses": ["Because.", ""]}, {"prompt": "", "responses": ["a", "b"]})
):
    """An upload with refused rows, awaiting the decision."""
    path = Path(settings.DATA_DIR) / "bad.jsonl"
    rows = [*wide(1), *bad]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with path.open("rb") as file:
        return imports.check([(path.name, file)], slug)


@pytest.fixture
def every_page(make_dataset, alice, bob, admin):
    """{name: (who, path, status)} of pages in every state."""
    for slug, mark in (("code", "```"), ("formulas", "\\("), ("table", "|---")):
        make_dataset([two_with(mark)], slug)
    make_dataset([row for row in DEMO if "system" in row and "messages" in row][:1], "turns")
    reopened = next_judgment(alice, make_dataset(wide(1), "again"))
    record(reopened, 0, "left")
    undo(reopened, 1)
    record(next_judgment(alice, make_dataset(wide(1), "finished")), 0, "left")
    next_judgment(bob, make_dataset(wide(1), "elsewhere"))
    for slug, state in (("empty", "open"), ("paused", "paused"), ("closed", "closed"), ("archived", "archived")):
        Dataset.objects.create(slug=slug, state=state)
    Dataset.objects.filter(slug="code").update(guideline="# Look for\n\n1. truth\n2. `code` that runs")
    judged = [
        {"prompt": f"Why {n}?", "chosen": "Because.", "rejected": "No idea.", "annotator": "eve"} for n in range(3)
    ]
    make_dataset(judged)
    dataset = make_dataset(wide(21, answers=3))
    record(next_judgment(alice, dataset), 0, "tie")
    vote = Judgment.objects.filter(annotator=alice, dataset=dataset).get().pk
    prompt, run = dataset.prompts.earliest("pk").pk, Import.objects.latest("pk").pk
    return {
        "sign in": (None, "/accounts/login/", 200),
        "home": (alice, "/", 200),
        "home of an admin": (admin, "/", 200),
        "code": (alice, "/annotate/code/", 200),
        "formulas": (alice, "/annotate/formulas/", 200),
        "table": (alice, "/annotate/table/", 200),
        "turns": (alice, "/annotate/turns/", 200),
        "guideline": (alice, "/annotate/code/guideline/", 200),
        "reopened": (alice, "/annotate/again/", 200),
        "all done": (alice, "/annotate/finished/", 200),
        "in other hands": (alice, "/annotate/elsewhere/", 200),
        "nothing yet": (alice, "/annotate/empty/", 200),
        "paused": (alice, "/annotate/paused/", 200),
        "closed": (alice, "/annotate/closed/", 200),
        "archived datasets": (admin, "/datasets/?archived", 200),
        "datasets": (admin, "/datasets/", 200),
        "dataset": (admin, "/datasets/demo/", 200),
        "empty dataset": (admin, "/datasets/empty/", 200),
        "prompt": (admin, f"/datasets/demo/prompts/{prompt}/", 200),
        "write a prompt": (admin, "/datasets/demo/prompts/new/", 200),
        "edit a prompt": (admin, f"/datasets/demo/prompts/{prompt}/edit/", 200),
        "delete": (admin, "/datasets/demo/delete/", 200),
        "upload": (admin, "/datasets/upload/", 200),
        "refused rows": (admin, f"/datasets/upload/{checked().pk}/", 200),
        "checked": (admin, f"/datasets/upload/{checked(bad=[]).pk}/", 200),
        "import": (admin, f"/datasets/upload/{run}/", 200),
        "follow": (admin, "/datasets/demo/follow/", 200),
        "judgments": (admin, "/datasets/demo/judgments/", 200),
        "judgment": (admin, f"/datasets/demo/judgments/{vote}/", 200),
        "people of a dataset": (admin, "/datasets/demo/people/", 200),
        "record": (admin, "/datasets/demo/people/record/", 200),
        "people": (admin, "/people/", 200),
        "invite": (admin, "/people/new/", 200),
        "person": (admin, f"/people/{alice.pk}/", 200),
        "link": (admin, f"/people/{alice.pk}/link/", 200),
        "profile": (alice, "/profile/", 200),
        "invitation gone": (None, "/accounts/invite/nobody/none/", 410),
        "settings": (admin, "/datasets/demo/settings/", 200),
        "export": (admin, "/datasets/demo/export/", 200),
        "export preview": (admin, "/datasets/demo/export/?format=dpo&mode=majority", 200),
        "wrong filter": (admin, "/datasets/demo/export/?format=dpo&min-agreement=7", 200),
        "for admins only": (alice, "/datasets/", 403),
        "not there": (alice, "/nowhere/", 404),
        "cannot be read": (admin, "/datasets/demo/?after=x", 400),
    }


@pytest.fixture
def walk(every_page, enter, context, troubles):
    """walk(): (name, page) of each page in turn, in a window of this width."""

    def walk(width=1280):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        for name, (person, path, status) in every_page.items():
            with page.expect_response(lambda response: response.request.is_navigation_request()) as answer:
                enter(person, path) if person else page.goto(path)
            assert (name, answer.value.status) == (name, status)
            if status != 200:  # the browser says so in the console too
                troubles[:] = [trouble for trouble in troubles if f"status of {status}" not in trouble]
            assert (name, troubles) == (name, [])
            yield name, page

    return walk


@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_on_any_page_light_or_dark(walk, width):
    found = {}
    for name, page in walk(width):
        if name == "code":
            page.keyboard.press("?")
            look(page, "keys", found)
            page.keyboard.press("Escape")
            page.keyboard.press("KeyG")
            look(page, "guideline beside the answers", found)
            page.keyboard.press("KeyG")
        look(page, name, found)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[f"{name}: scrolls sideways"] = page.evaluate("document.documentElement.scrollWidth")
    assert found == {}


EVERYTHING = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}


def look(page, name, found):
    """What axe finds on the page in light, and what of it changes with the colours in dark."""
    page.evaluate(Axe().axe_script)
    for scheme, rules in (("light", EVERYTHING), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)
        for violation in page.evaluate("(rules) => axe.run(rules)", rules)["violations"]:
            places = [node["html"][:120] for node in violation["nodes"]]
            found[f"{name}, {scheme}: {violation['id']}"] = places


def test_dark_is_dark_and_light_is_light(enter, alice, pairs):
    page = enter(alice)
    brightness = """() => ["backgroundColor", "color"].map((what) => {
        const parts = getComputedStyle(document.body)[what].match(/[\\d.]+/g).slice(0, 3);
        return parts.reduce((sum, part) => sum + Number(part), 0) / 765;
    })"""
    for scheme, is_dark in (("light", False), ("dark", True)):
        page.emulate_media(color_scheme=scheme)
        paper, ink = page.evaluate(brightness)
        assert (paper < 0.2, ink > 0.8) == (is_dark, is_dark)
        assert abs(paper - ink) > 0.7


SHOWN = """() => {
    const texts = [document.title];
    const names = ".user, .brand, [lang=en], [name=time_zone], [name=language]";
    const theirs = `[data-response], .text, code, pre, script, ${names}`;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(theirs)) texts.push(walker.currentNode.data);
    }
    for (const name of ["aria-label", "placeholder", "title", "alt"])
        for (const element of document.querySelectorAll(`[${name}]`)) texts.push(element.getAttribute(name));
    return texts.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


@pytest.fixture
def english():
    """A pattern for each English text that Django has in Chinese, with anything in its gaps."""
    with override("zh-hans"):
        catalogue = trans_real.translation("zh-hans")._catalog
        texts = {key[0] if isinstance(key, tuple) else key for key, _ in catalogue.items()}
        translated = {text for text in texts if text and gettext(text) != text}
    gap = r"%%|%(?:\(\w+\))?[sd]|\{\w*\}"
    patterns = (
        "".join(".+" if re.fullmatch(gap, part) else re.escape(part) for part in re.split(f"({gap})", text))
        for text in translated
    )
    return re.compile("|".join(pattern for pattern in patterns if re.search(r"[A-Za-z]{2}", pattern)))


PEOPLE = ("admin", "alice", "bob")


@pytest.mark.browser_context_args(locale="zh-CN")
def test_in_chinese_no_word_of_the_pages_is_english(walk, english):
    left_over = {}
    for name, page in walk():
        assert page.locator("html").get_attribute("lang") == "zh-hans"
        shown = [text for text in page.evaluate(SHOWN) if text not in PEOPLE]
        assert any(re.search(r"[\u4e00-\u9fff]", text) for text in shown), name
        if found := [text for text in shown if english.fullmatch(text)]:
            left_over[name] = found
    assert left_over == {}


WORDS = ["A is better", "B is better", "Tie", "Both bad", "Skip", "Undo", "Keys", "Which answer is better?", "Sign out"]


def test_the_words_of_the_comparison_page_change_with_the_button_for_the_language(at_work):
    ready(at_work)
    at_work.keyboard.press("Digit1")
    judged(at_work, 1)
    shown = answers(at_work)
    everything = at_work.locator("body")
    for word in WORDS:
        expect(everything).to_contain_text(word)
    button(at_work, "中文").click()
    expect(at_work.locator("html")).to_have_attribute("lang", "zh-hans")
    with override("zh-hans"):
        chinese = {word: gettext(word) for word in WORDS}
    for word, translated in chinese.items():
        assert word != translated
        expect(everything).to_contain_text(translated)
        expect(everything).not_to_contain_text(word)
    assert answers(at_work) == shown
    at_work.keyboard.press("Digit2")
    sent(at_work)
    button(at_work, "English").click()
    judged(at_work, 2)


HOSTILE = [
    "<script>window.hacked = 1; alert(1)</script>",
    "<img src=x onerror='window.hacked = 1'><svg onload='window.hacked = 1'>",
    "[click](javascript:window.hacked=1) <javascript:window.hacked=1> [x](data:text/html,<script>alert(1)</script>)",
    "![x](/nowhere.png) <iframe src=/nowhere/></iframe> <style>body { display: none }</style>",
    r"$\text{<script>window.hacked = 1</script>}$ $$\text{<img src=x onerror=window.hacked=1>}$$",
    r"$\href{javascript:window.hacked=1}{x}$ \(\href{javascript:window.hacked=1}{y}\)",
    r"\[\unicode{<img src=x onerror=alert(1)>}\] \(\class{x}{\style{display:none}{y}}\)",
    "```html\n<script>window.hacked = 1</script>\n```\n\n`<script>window.hacked = 1</script>`",
    '```"><script>window.hacked=1</script>\ncode\n```',
    "</div></div></form><form action=https://evil.example/><button>",
    "<div data-response=left data-all-done hx-get=/nowhere/ hx-trigger=load>",
]


def test_hostile_texts_run_nothing_on_any_page(enter, context, alice, admin, make_dataset, live_server):
    rows = [
        {"prompt": text, "system": text, "responses": [{"model": text[:200], "text": text}, {"text": f"{text} too"}]}
        for text in HOSTILE
    ]
    dataset = make_dataset(rows)
    Dataset.objects.update(name=HOSTILE[0], guideline="\n\n".join(HOSTILE))
    elsewhere = []
    context.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith(live_server.url) else None)
    context.on("request", lambda r: elsewhere.append(r.url) if "nowhere" in r.url else None)
    page = enter(alice)
    for n in range(1, len(HOSTILE) + 1):
        expect(page.locator("[data-response]")).to_have_count(2)
        assert harmless(page)
        page.keyboard.press("Digit1")
        judged(page, n)
    refused = checked(bad=[{"prompt": text, "responses": [text, ""], "x": text} for text in HOSTILE])
    paths = ["/", "/annotate/demo/guideline/", "/datasets/", f"/datasets/upload/{refused.pk}/"]
    paths += [f"/datasets/upload/{checked('new', bad=rows[n:]).pk}/" for n in range(0, len(rows), 2)]
    paths += [f"/datasets/demo/{page}" for page in ("", "settings/", "follow/", "judgments/", "people/record/")]
    paths += [f"/datasets/demo/prompts/{prompt.pk}/" for prompt in dataset.prompts.all()]
    paths += [f"/datasets/demo/prompts/{prompt.pk}/edit/" for prompt in dataset.prompts.all()[:3]]
    paths += [f"/datasets/demo/judgments/{judgment.pk}/" for judgment in dataset.judgments.all()[:3]]
    paths += [f"/datasets/demo/export/?format={name}&mode=every" for name in ("dpo", "messages")]
    for path in paths:
        page = enter(admin, path)
        expect(page.locator("main")).to_be_visible()
        assert harmless(page), path
    assert not elsewhere


def harmless(page):
    """Whether nothing of the texts became a script, a frame, an image, a form or a link that runs."""
    return page.evaluate("""() => {
        const never = "iframe, img, object, embed, style, [onerror], [onload], form[action*=evil]";
        const nor = "form, button, script, svg, [hx-get], [style], [id]";
        return window.hacked === undefined
            && !document.querySelector(never)
            && [...document.querySelectorAll("[data-response], .text")].every((text) => !text.querySelector(nor))
            && [...document.links].every((link) => ["http:", "https:", "mailto:"].includes(link.protocol))
            && [...document.scripts].every((script) => script.src.startsWith(location.origin));
    }""")


# --- files -----------------------------------------------------------------------------------------------------------


def test_an_admin_uploads_decides_looks_and_downloads(enter, context, admin, tmp_path):
    rows = [
        {"prompt": "去哪里？", "chosen": "马尔代夫", "rejected": "巴哈马", "annotator": "eve"},
        {"prompt": "Where to?", "chosen": "", "rejected": "Nowhere", "annotator": "eve"},
        {"prompt": "Where to?", "chosen": "Bali\r\n", "rejected": " Hawaii", "annotator": "eve"},
    ]
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    page = enter(admin, "/datasets/")
    page.get_by_role("main").get_by_role("link", name="Upload").click()
    page.get_by_label("Dataset").fill("trips")
    page.get_by_label("Files").set_input_files({"name": "trips.jsonl", "mimeType": "text/plain", "buffer": body})
    button(page, "Check and store").click()
    refused = page.get_by_role("row").nth(1)
    for cell, words in zip((0, 1, 3, 4), ("trips.jsonl", "2", "chosen", "The answer is empty."), strict=True):
        expect(refused.get_by_role("cell").nth(cell)).to_have_text(words)
    assert not Dataset.objects.exists()
    button(page, "Store the other rows").click()
    expect(page.get_by_role("heading", name="trips", exact=True)).to_be_visible()
    expect(page.get_by_text("去哪里？")).to_be_visible()
    page.get_by_role("link", name="Export").click()
    page.get_by_label("Format").select_option("dpo")
    button(page, "Count and preview").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "trips-dpo.jsonl"
    call_command("export_dataset", "trips", "--format", "dpo", "--output", str(tmp_path / "by_command.jsonl"))
    downloaded = Path(download.value.path()).read_bytes()
    assert downloaded == (tmp_path / "by_command.jsonl").read_bytes()
    assert downloaded.count(b"\n") == 2


def test_an_admin_who_stores_nothing_has_nothing_stored(enter, admin):
    page = enter(admin, f"/datasets/upload/{checked('trips').pk}/")
    button(page, "Store nothing").click()
    expect(page.get_by_text("Nothing was stored.")).to_be_visible()
    assert not Dataset.objects.exists()


def test_a_file_that_cannot_be_read_is_told_in_the_form(enter, admin, troubles):
    page = enter(admin, "/datasets/upload/")
    page.get_by_label("Dataset").fill("trips")
    page.get_by_label("Files").set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"[{]"})
    button(page, "Check and store").click()
    expect(page.locator(".errorlist")).to_contain_text("x.jsonl")
    expect(page.get_by_label("Dataset")).to_have_value("trips")
    assert Axe().run(page).violations_count == 0
    assert all("422" in trouble for trouble in troubles)
    troubles.clear()


def test_storing_twice_at_once_stores_once(enter, admin):
    votes = [{"prompt": f"Why {n}?", "chosen": "Because.", "rejected": "No idea."} for n in range(400)]
    page = enter(admin, f"/datasets/upload/{checked('trips', bad=votes).pk}/")
    clicks = """async () => {
        const sent = new FormData(document.querySelector("form.notice"));
        sent.append("decision", "store");
        const click = () => fetch(location.href, {method: "POST", body: sent});
        const answers = await Promise.all([click(), click()]);
        return answers.map((answer) => answer.status);
    }"""
    assert page.evaluate(clicks) == [200, 200]
    run = Import.objects.get()
    assert (run.state, run.prompts, run.choices, run.duplicates) == ("done", 400, 400, 0)
    assert Judgment.objects.filter(state="saved").count() == 400
