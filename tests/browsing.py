"""Browser fixtures, which conftest.py gives to every test, and helpers to drive pages."""

import contextlib
import json
import re
import threading
import time

import pytest
from django.core.signals import request_finished, request_started
from django.test import Client
from playwright.sync_api import Error, expect

from datasets.models import Judgment

WATCH = "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PAGE = "/annotate/demo/"


@pytest.fixture
def browser_context_args(browser_context_args, live_server):
    return {**browser_context_args, "base_url": live_server.url, "reduced_motion": "reduce"}


@pytest.fixture
def troubles():
    """The browser's complaints: script errors, failed loads, violations of the content policy."""
    return []


@pytest.fixture
def until_served(live_server):
    """until_served(): waits until the server has answered every request, so that the next test finds it idle."""
    under_way, guard = [0], threading.Lock()

    def count(by):
        with guard:
            under_way[0] += by

    def count_start(**_):
        count(+1)

    def count_finish(**_):
        count(-1)

    def wait():
        quiet = 0
        for _ in range(200):
            quiet = quiet + 1 if under_way[0] <= 0 else 0
            if quiet == 3:
                return
            time.sleep(0.025)

    request_started.connect(count_start)
    request_finished.connect(count_finish)
    yield wait
    request_started.disconnect(count_start)
    request_finished.disconnect(count_finish)


def watch(context, troubles):
    """Records the complaints of this browser. Returns a function that ends this."""
    listeners = {
        "console": lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None,
        "weberror": lambda error: troubles.append(str(error.error)),
        "dialog": lambda dialog: troubles.append(dialog.message) if dialog.type != "beforeunload" else None,
    }
    for event, listener in listeners.items():
        context.on(event, listener)

    def stop():
        for event, listener in listeners.items():
            context.remove_listener(event, listener)

    return stop


def create_context(browser, options):
    context = browser.new_context(**options)
    context.add_init_script(WATCH)
    return context


@pytest.fixture(scope="session")
def kept_contexts():
    """{options: (browser context, its empty page)}: a new context would load and compile all scripts again."""
    return {}


@pytest.fixture
def context(browser, browser_context_args, kept_contexts, live_server, request, troubles, until_served):
    """The browser of one test; fails on any complaint that the test does not remove from `troubles`.

    Tests with the same options share it: it keeps its cache of files, nothing else. A test that adds scripts, listeners
    or a clock to it has the mark `own_browser`.
    """
    options = browser_context_args | next(
        (mark.kwargs for mark in request.node.iter_markers("browser_context_args")), {}
    )
    key = None if request.node.get_closest_marker("own_browser") else json.dumps(options, sort_keys=True)
    if key not in kept_contexts:
        context = create_context(browser, options)
        empty = context.new_page()  # also keeps the browser's process alive
        empty.goto("/static/icon.svg")
        kept_contexts[key] = context, empty
    context, empty = kept_contexts[key]
    stop = watch(context, troubles)
    yield context
    for page in context.pages:
        if page != empty:
            page.close()
    until_served()
    stop()
    if key is None:
        kept_contexts.pop(key)[0].close()
    else:
        forget(context, empty)
    assert not troubles


def forget(context, empty):
    """Removes everything that a test left in a browser context."""
    context.set_offline(False)
    context.unroute_all()
    context.clear_permissions()
    context.clear_cookies()
    empty.evaluate("localStorage.clear()")


def sign_in(context, person, url):
    """Signs in without the form."""
    client = Client()
    client.force_login(person)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])


@pytest.fixture
def enter(context, live_server):
    """enter(person, path): the page as that person sees it."""

    def enter(person, path=PAGE):
        sign_in(context, person, live_server.url)
        page = context.pages[1] if len(context.pages) > 1 else context.new_page()  # the first one is empty
        page.goto(path)
        return page

    return enter


@pytest.fixture
def elsewhere(context, browser, browser_context_args, live_server, troubles):
    """elsewhere(person, path): the page in a second browser, beside that of `enter`."""
    others = []

    def open_elsewhere(person, path=PAGE, **options):
        others.append(create_context(browser, browser_context_args | options))
        watch(others[-1], troubles)
        sign_in(others[-1], person, live_server.url)
        page = others[-1].new_page()
        page.goto(path)
        return page

    yield open_elsewhere
    for other in others:
        other.close()


@pytest.fixture
def at_work(enter, alice, pairs):
    """Alice before the first of twelve comparisons."""
    return enter(alice)


@pytest.fixture(
    params=[
        "mouse",
        pytest.param("touch", marks=pytest.mark.browser_context_args(**PHONE)),
        pytest.param("plain", marks=pytest.mark.browser_context_args(java_script_enabled=False)),
    ]
)
def hand(request):
    """hand(locator): presses it; parametrised by mouse, finger, and mouse without JavaScript."""
    return lambda locator: locator.tap() if request.param == "touch" else locator.click()


def await_page(page):
    """Waits until the comparison page and its script are loaded."""
    page.wait_for_url(re.compile(f"^[^?]*{PAGE}$"))


def await_ready(page, n=4):
    """Waits until at least n comparisons are prefetched."""
    wait_for(page, f"() => document.querySelectorAll('#ready > template').length >= {n}")


def await_judged(page, n):
    """Waits until the page says that n are judged, and checks the database."""
    expect(page.locator("header").first).to_contain_text(re.compile(rf"You: (?<!\d){n}"))
    for _ in range(100):
        if (saved := Judgment.objects.filter(state="saved").count()) == n:
            break
        page.wait_for_timeout(50)
    assert saved == n
    expect(page.locator(":is([data-response], .raw, [data-all-done], .cards):visible").first).to_be_visible()


def await_sent(page):
    """Waits until every judgment has reached the server."""
    wait_for(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('chosen-outbox'))")


def wait_for(page, condition):
    """Waits until a JavaScript condition holds; the content policy blocks Playwright's own wait_for_function."""
    for _ in range(200):
        with contextlib.suppress(Error):  # no script runs between two pages
            if page.evaluate(condition):
                return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def list_verdicts():
    return list(Judgment.objects.filter(state="saved").order_by("decided_at").values_list("verdict", flat=True))


def get_last():
    """(verdict, details) of the judgment that was saved last."""
    return Judgment.objects.filter(state="saved").order_by("decided_at").values_list("verdict", "said").last()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def find_option(page, name, value):
    """The clickable element of one option in a group of radio buttons or checkboxes."""
    return page.locator(f"label:has([name={name}][value='{value}'])")


def find_chosen(page, name):
    """The selected value of a group of radio buttons; None if there is none."""
    found = page.locator(f"[name={name}]:checked")
    return found.get_attribute("value") if found.count() else None


def await_judgments(n, **what):
    """Waits until n judgments in the database match."""
    for _ in range(100):
        if Judgment.objects.filter(**what).count() == n:
            return
        time.sleep(0.05)
    raise AssertionError(list(Judgment.objects.values("state", "verdict", "flag")))


def find_button(page, name):
    return page.get_by_role("button", name=name)


def read_answers(page):
    return [page.locator(f"[data-response={side}]").inner_text() for side in ("left", "right")]


def await_change(page, shown):
    """Waits until these answers have disappeared."""
    expect(page.locator("[data-response=left]")).not_to_have_text(shown[0])


def expect_all_done(page):
    expect(page.locator("[data-all-done]")).to_be_visible()


def focus(page, selector):
    """Presses Tab until the element has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def watch_posts(page):
    """The verdicts that the page sends, as it sends them."""
    posts = []
    is_verdict = lambda request: request.method == "POST" and request.url.endswith(PAGE)  # noqa: E731
    page.on("request", lambda request: posts.append(request.url) if is_verdict(request) else None)
    return posts


def excuse(troubles, *words):
    """Removes the complaints that the test has caused."""
    troubles[:] = [trouble for trouble in troubles if not any(word in trouble for word in words)]
