"""The extensions of htmx in static/, each on a page of its own, with a server of which a test says what it answers."""

from pathlib import Path

import django_htmx
import pytest

from tests.browsing import press, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.once]

STATIC = Path(__file__).parent.parent / "static"
HTMX = Path(django_htmx.__file__).parent / "static/django_htmx/htmx-2.min.js"
WORDS = {
    "waiting": "on its way",
    "offline": "no server",
    "open": "open",
    "lost": "lost",
    "give-back": "/back/",
    "draft": "/draft/",
}
GROUP = """<fieldset data-group><legend>{name}</legend>
  <input type="radio" name="{name}" value="left"><input type="radio" name="{name}" value="right"></fieldset>"""
PAGE = """<!doctype html><meta charset="utf-8">
<meta name="htmx-config" content='{{"includeIndicatorStyles": false, "allowEval": false, "defaultSettleDelay": 0}}'>
<script src="/static/htmx.js" defer></script>{scripts}
<body hx-ext="{extensions}">
<header><div id="numbers">0</div></header><output id="told"></output>
<div id="work" {words} data-kept="{kept}">{form}</div><div id="ready" hidden data-ahead="/ahead/"></div>
<form id="undo" hx-post="/undo/" hx-target="#work" hx-swap="innerHTML" hx-sync="this:queue all" hidden>
  <input name="csrfmiddlewaretoken" value="t"><input name="judgment" value=""><input name="revision" value="">
</form>
<div id="unsent" data-person="7" hidden><b data-count></b><i data-said="waiting"></i><i data-said="full"></i>
  <i data-said="signed-out"></i></div>"""


HOLD = object()


def build_form(judgment, revision=0, more=""):
    return f"""<form data-comparison method="post" action="/judge/" hx-post="/judge/" hx-target="#work">
      <button hidden></button><input type="hidden" name="csrfmiddlewaretoken" value="stale">
      <input type="hidden" name="judgment" value="{judgment}"><input type="hidden" name="revision" value="{revision}">
      <main id="main" tabindex="-1">{more}</main>
      <button name="verdict" value="left" data-keys="Digit1">A</button>
      <button name="verdict" value="skip" data-keys="KeyS">S</button>
      <button form="undo" data-keys="KeyU">U</button></form>"""


def build_ahead(judgment):
    form = build_form(judgment)
    return f'<div hx-swap-oob="beforeend:#ready"><template data-lease="{judgment} x">{form}</template></div>'


class Server:
    """What the page's requests are answered with: a list for each path, its last answer for all that follow."""

    def __init__(self):
        self.answers, self.posts, self.held, self.page = {}, [], [], ""

    def answer(self, path, *answers):
        """Each answer is HTML, (status, HTML, headers), None for a lost connection, or HOLD to answer later."""
        self.answers[path] = [(200, one, {}) if isinstance(one, str) else one for one in answers]

    def handle(self, route):
        path = route.request.url.removeprefix("http://localhost")
        if path == "/static/htmx.js":
            return route.fulfill(path=HTMX, content_type="text/javascript")
        if path.startswith("/static/"):
            return route.fulfill(path=STATIC / path.removeprefix("/static/"), content_type="text/javascript")
        if route.request.method == "GET":
            return route.fulfill(body=self.page, content_type="text/html")
        self.posts.append((path, route.request.post_data or ""))
        answers = self.answers.get(path, [(200, "", {"HX-Reswap": "none"})])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is HOLD:
            return self.held.append(route)
        if answer is None:
            return route.abort()
        status, body, headers = answer
        return route.fulfill(status=status, body=body, headers=headers, content_type="text/html")

    def list_verdicts(self):
        """[(judgment, verdict)] as posted."""
        fields = [dict(pair.split("=") for pair in body.split("&")) for path, body in self.posts if path == "/judge/"]
        return [(each["judgment"], each["verdict"]) for each in fields]


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def opened(browser, server):
    """opened(extensions, form, kept=0): the page with these extensions."""
    context = browser.new_context(base_url="http://localhost")
    context.route("**/*", server.handle)

    def open_page(extensions, form=None, kept=0):
        names = ["keys", "post", "comparison", *extensions.split(", ")]
        server.page = PAGE.format(
            extensions=extensions,
            scripts="".join(f'<script type="module" src="/static/{name}.js"></script>' for name in names),
            words=" ".join(f'data-{name}="{words}"' for name, words in WORDS.items()),
            form=build_form(1) if form is None else form,
            kept=kept,
        )
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/judge/")
        return page

    yield open_page
    context.close()


def read_judgment(page):
    return page.evaluate("document.querySelector('#work [name=judgment]')?.value")


def count_unsent(page):
    return page.evaluate("JSON.parse(localStorage.getItem('chosen-outbox-7') || '[]').length")


def await_posts(page, server, n):
    for _ in range(200):
        if len(server.posts) >= n:
            return
        page.wait_for_timeout(25)
    raise AssertionError(server.posts)


def go_on_at_once(page):
    """Ends the pause before the next try."""
    page.evaluate("dispatchEvent(new Event('online'))")


# --- outbox -----------------------------------------------------------------------------------------------------------


def test_the_outbox_posts_a_verdict_once_with_the_token_of_the_cookie(opened, server):
    page = opened("outbox")
    page.evaluate("document.cookie = 'csrftoken=fresh'")
    with page.expect_request("**/judge/") as sent:
        press(page, "Digit1")
    wait_for(page, "() => !localStorage.length")
    assert server.list_verdicts() == [("1", "left")]
    headers = sent.value.headers
    assert (headers["x-csrftoken"], headers["hx-request"]) == ("fresh", "true")
    assert "csrfmiddlewaretoken" not in sent.value.post_data
    assert sent.value.post_data.endswith("ready=0"), "nothing keeps comparisons ready here"


@pytest.mark.parametrize("trouble", [None, (500, "", {}), (503, "", {}), (429, "", {}), (403, "", {})])
def test_the_outbox_keeps_what_did_not_arrive_and_tries_again(opened, server, trouble):
    server.answer("/judge/", trouble, "")
    page = opened("outbox")
    press(page, "Digit1")
    wait_for(page, "() => !document.getElementById('unsent').hidden")
    assert (count_unsent(page), page.locator("[data-count]").inner_text()) == (1, "1")
    go_on_at_once(page)
    wait_for(page, "() => document.getElementById('unsent').hidden && !localStorage.length")
    assert server.list_verdicts() == [("1", "left")] * 2


def test_the_outbox_sends_after_a_reload_what_waited(opened, server):
    server.answer("/judge/", None, None, "")
    page = opened("outbox")
    press(page, "Digit1")
    wait_for(page, "() => !document.getElementById('unsent').hidden")
    page.reload()
    await_posts(page, server, 2)
    go_on_at_once(page)
    wait_for(page, "() => !localStorage.length")


def test_two_tabs_send_what_waits_once(opened, server):
    server.answer("/judge/", HOLD)
    first, second = opened("outbox"), opened("outbox")
    press(first, "Digit1")
    await_posts(first, server, 1)
    go_on_at_once(second)
    wait_for(second, "async () => (await navigator.locks.query()).pending.length == 1")
    server.held[0].fulfill(body="")
    wait_for(second, "async () => !localStorage.length && !(await navigator.locks.query()).held.length")
    assert len(server.posts) == 1


def test_who_is_signed_out_is_told_and_nothing_is_lost(opened, server):
    server.answer("/judge/", (200, "", {"HX-Redirect": "/accounts/login/"}), "")
    page = opened("outbox")
    press(page, "Digit1")
    wait_for(page, "() => !document.querySelector('[data-said=signed-out]').hidden")
    assert (count_unsent(page), page.url) == (1, "http://localhost/judge/")
    go_on_at_once(page)
    wait_for(page, "() => !localStorage.length && document.getElementById('unsent').hidden")


def test_a_full_outbox_takes_no_more(opened, server):
    server.answer("/judge/", None)
    page = opened("outbox")
    page.evaluate("""() => localStorage.setItem("chosen-outbox-7", JSON.stringify(
        Array.from({length: 20}, (_, n) => ({key: `${n + 50}:0`, url: "/judge/", body: []}))))""")
    press(page, "Digit1")
    assert count_unsent(page) == 20
    assert page.locator("[data-said=full]").get_attribute("hidden") is None


# --- ready ------------------------------------------------------------------------------------------------------------

READY = "outbox, ready"


def test_what_is_kept_ready_is_shown_before_the_server_has_answered(opened, server):
    server.answer("/ahead/", build_ahead(2), build_ahead(3), (200, "", {"HX-Reswap": "none"}))
    server.answer("/judge/", None)
    page = opened(READY, kept=2)
    wait_for(page, "() => document.querySelectorAll('#ready template').length == 2")
    assert page.locator("form[data-comparison]").count() == 1, "what is ready is no part of the page"
    for judgment in ("1", "2", "3"):
        assert read_judgment(page) == judgment
        press(page, "Digit1")
    assert page.locator("main").inner_text() == "on its way"
    assert count_unsent(page) == 3


def test_the_answer_to_a_verdict_brings_the_next_one(opened, server):
    server.answer("/judge/", (200, build_ahead(2), {"HX-Reswap": "none"}))
    page = opened(READY)
    press(page, "Digit1")
    wait_for(page, "() => document.querySelector('#work [name=judgment]')?.value == '2'")
    assert server.posts[0][1].endswith("ready=1")


def test_one_that_is_there_or_was_judged_is_not_taken_twice(opened, server):
    server.answer("/ahead/", build_ahead(2), build_ahead(2), build_ahead(1), (200, "", {"HX-Reswap": "none"}))
    server.answer("/judge/", (200, build_ahead(1), {"HX-Reswap": "none"}))
    page = opened(READY, kept=5)
    await_posts(page, server, 2)
    assert "have=1&have=2" in server.posts[1][1]
    wait_for(page, "() => document.querySelectorAll('#ready template').length == 1")
    press(page, "Digit1")
    wait_for(page, "() => !localStorage.length")
    assert (read_judgment(page), page.locator("#ready template").count()) == ("2", 0)


def test_a_page_to_which_nothing_comes_asks_no_more(opened, server):
    server.answer("/ahead/", (200, "", {"HX-Reswap": "none"}))
    page = opened(READY, kept=5)
    await_posts(page, server, 1)
    page.wait_for_timeout(300)
    assert len(server.posts) == 1


def test_a_refused_form_comes_back_and_the_one_on_show_waits(opened, server):
    server.answer("/ahead/", build_ahead(2), (200, "", {"HX-Reswap": "none"}))
    server.answer("/judge/", (422, build_form(1, more="refused"), {}), (200, "", {"HX-Reswap": "none"}))
    page = opened(READY, kept=1)
    wait_for(page, "() => document.querySelectorAll('#ready template').length == 1")
    press(page, "Digit1")
    wait_for(page, "() => document.querySelector('#work main').innerText == 'refused'")
    press(page, "Digit1")
    assert read_judgment(page) == "2"


def test_all_done_replaces_no_comparison(opened, server):
    server.answer("/ahead/", '<main data-all-done id="main">done</main>')
    page = opened(READY, kept=1)
    await_posts(page, server, 1)
    page.wait_for_timeout(100)
    assert read_judgment(page) == "1"
    press(page, "Digit1")
    wait_for(page, "() => document.querySelector('[data-all-done]')")


# --- undo -------------------------------------------------------------------------------------------------------------

UNDO = "undo, outbox, ready"


def test_undo_takes_back_what_has_not_left_and_asks_no_server(opened, server):
    server.answer("/ahead/", build_ahead(2), (200, "", {"HX-Reswap": "none"}))
    server.answer("/judge/", None)
    page = opened(UNDO, build_form(1, more="<textarea></textarea>"), kept=1)
    wait_for(page, "() => document.querySelectorAll('#ready template').length == 1")
    page.locator("textarea").fill("typed")
    page.locator("main").focus()
    press(page, "Digit1")
    wait_for(page, "() => !document.getElementById('unsent').hidden")
    press(page, "KeyU")
    assert (read_judgment(page), count_unsent(page), page.locator("textarea").input_value()) == ("1", 0, "typed")
    assert not [path for path, _ in server.posts if path == "/undo/"]


def test_undo_of_what_was_sent_reopens_it_and_keeps_the_one_on_show(opened, server):
    server.answer("/judge/", (200, build_ahead(2), {"HX-Reswap": "none"}))
    server.answer("/undo/", build_form(1, revision=1))
    page = opened(UNDO)
    press(page, "Digit1")
    wait_for(page, "() => document.querySelector('#work [name=judgment]')?.value == '2' && !localStorage.length")
    press(page, "KeyU")
    wait_for(page, "() => document.querySelector('#work [name=judgment]')?.value == '1'")
    assert server.posts[-1] == ("/undo/", "judgment=1&revision=1")
    press(page, "Digit1")
    assert read_judgment(page) == "2"


def test_while_an_undo_is_under_way_no_verdict_leaves(opened, server):
    server.answer("/judge/", (200, build_ahead(2), {"HX-Reswap": "none"}))
    page = opened(UNDO)
    press(page, "Digit1")
    wait_for(page, "() => document.querySelector('#work [name=judgment]')?.value == '2' && !localStorage.length")
    server.answer("/undo/", HOLD)
    press(page, "KeyU", "Digit1")
    assert (read_judgment(page), count_unsent(page)) == ("2", 0)
    await_posts(page, server, 2)
    server.held[0].fulfill(headers={"HX-Reswap": "none"}, body="")
    wait_for(page, "() => { document.querySelector('[data-keys=Digit1]')?.click(); return !!localStorage.length }")


# --- clock ------------------------------------------------------------------------------------------------------------


def test_the_clock_sends_the_time_at_work_in_seconds(opened, server):
    page = opened("clock", "")
    page.clock.install()
    page.goto("/judge/")
    page.clock.run_for(5_000)
    page.evaluate("(form) => htmx.swap('#work', form, {swapStyle: 'innerHTML'})", build_form(1))
    page.clock.run_for(12_000)
    press(page, "Digit1")
    await_posts(page, server, 1)
    assert 12 <= float(server.posts[0][1].partition("seconds=")[2]) < 12.5


# --- entries ----------------------------------------------------------------------------------------------------------


def test_entries_let_no_verdict_leave_before_all_is_filled_in(opened, server):
    page = opened("entries", build_form(1, more=GROUP.format(name="a") + GROUP.format(name="b")))
    page.locator("[value=left]", has_text="A").click()
    assert page.locator("#told").inner_text() == "open"
    assert page.locator(".wrong legend").inner_text() == "a"
    press(page, "Digit1", "Digit2")
    assert page.locator("[data-group] :checked").evaluate_all("(all) => all.map((one) => one.value)") == [
        "left",
        "right",
    ]
    assert not server.posts
    press(page, "Digit1")
    await_posts(page, server, 1)
    assert server.list_verdicts() == [("1", "left")]


def test_a_skip_needs_nothing_and_enter_alone_gives_no_verdict(opened, server):
    page = opened("entries", build_form(1, more='<input type="text" name="reason">'))
    page.locator("[name=reason]").press("Enter")
    page.evaluate("(group) => document.getElementById('main').insertAdjacentHTML('beforeend', group)", GROUP)
    page.locator("main").focus()
    press(page, "KeyS")
    await_posts(page, server, 1)
    assert (len(server.posts), server.list_verdicts()) == (1, [("1", "skip")])


# --- drafts -----------------------------------------------------------------------------------------------------------

FIELDS = """<input type="checkbox" name="reasons" value="clear"><input type="text" name="reason">
  <details data-repair="left"><summary>x</summary><textarea name="repair_left">as it was</textarea></details>"""
ENTRIES = """() => [...document.querySelectorAll("#work :checked")].map((one) => one.value)
    .concat([...document.querySelectorAll("#work [type=text], #work textarea")].map((one) => one.value))"""


def fill_in(page):
    page.locator("[name=reasons]").check()
    page.locator("[name=reason]").fill("why")
    page.locator("summary").click()
    page.locator("textarea").fill("better")
    wait_for(page, "() => (localStorage.getItem('chosen-drafts-7') || '').includes('better')")


def test_what_is_filled_in_is_there_after_a_reload(opened):
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    fill_in(page)
    page.reload()
    assert page.evaluate(ENTRIES) == ["clear", "why", "better"]
    assert page.locator("details").get_attribute("open") is not None
    page.locator("[name=reason]").fill("")
    wait_for(page, "() => !localStorage.getItem('chosen-drafts-7').includes('why')")
    page.reload()
    assert page.evaluate(ENTRIES) == ["clear", "", "better"]


def test_a_draft_is_of_one_judgment_and_one_revision(opened, server):
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    fill_in(page)
    for form in (build_form(2, more=FIELDS), build_form(1, revision=1, more=FIELDS)):
        page.evaluate("(form) => htmx.swap('#work', form, {swapStyle: 'innerHTML'})", form)
        assert page.evaluate(ENTRIES) == ["", "as it was"]


def test_a_draft_ends_when_its_verdict_is_safe(opened, server):
    server.answer("/judge/", None)
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    fill_in(page)
    page.locator("main").focus()
    press(page, "Digit1")
    assert page.evaluate("Object.keys(localStorage)") == ["chosen-outbox-7"]
    assert "why" in page.evaluate("localStorage['chosen-outbox-7']")


def test_a_draft_goes_to_the_server_once_in_a_while(opened, server):
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    page.clock.install()
    page.goto("/judge/")
    for letters in ("w", "wh", "why"):
        page.locator("[name=reason]").fill(letters)
        page.clock.run_for(1_000)
    assert not server.posts
    page.clock.run_for(5_000)
    await_posts(page, server, 1)
    sent = dict(pair.split("=") for pair in server.posts[0][1].split("&"))
    assert server.posts[0][0] == "/draft/"
    assert (sent.pop("at").isdecimal(), sent) == (True, {"judgment": "1", "revision": "0", "reason": "why"})
    page.clock.run_for(60_000)
    assert len(server.posts) == 1, "nothing has changed since"


def test_the_newer_of_two_drafts_is_shown(opened, server):
    """One of this browser, one that another device has left on the server."""
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    fill_in(page)
    theirs = FIELDS.replace('name="reason"', 'name="reason" value="theirs"')
    for at, reason in ((1, "why"), (2**50, "theirs")):
        form = build_form(1, more=theirs).replace("<form ", f'<form data-draft="{at}" ')
        server.page = server.page.replace(build_form(1, more=FIELDS), form)
        page.evaluate("(form) => htmx.swap('#work', form, {swapStyle: 'innerHTML'})", form)
        assert page.locator("[name=reason]").input_value() == reason


def test_drafts_take_a_bounded_room(opened):
    page = opened("drafts, outbox", build_form(1, more=FIELDS))
    page.evaluate("""() => {
        const old = (n) => [`/judge/ ${n}:9`, {at: n, pairs: [["reason", "x".repeat(n < 25 ? 40000 : 10)]]}];
        localStorage.setItem("chosen-drafts-7", JSON.stringify(Object.fromEntries(
            Array.from({length: 60}, (_, n) => old(n)))));
    }""")
    fill_in(page)
    kept = page.evaluate("Object.keys(JSON.parse(localStorage.getItem('chosen-drafts-7')))")
    assert (len(kept), "/judge/ 1:0" in kept, "/judge/ 59:9" in kept, "/judge/ 0:9" in kept) == (30, True, True, False)
    page.locator("[name=reason]").fill("x" * 499_000)
    wait_for(page, "() => Object.keys(JSON.parse(localStorage.getItem('chosen-drafts-7'))).length < 30")
    assert page.evaluate("localStorage.getItem('chosen-drafts-7').length") < 500_100


def test_undo_brings_back_the_draft_of_what_has_not_left(opened, server):
    server.answer("/ahead/", build_ahead(2), (200, "", {"HX-Reswap": "none"}))
    server.answer("/judge/", None)
    page = opened("undo, drafts, outbox, ready", build_form(1, more=FIELDS), kept=1)
    wait_for(page, "() => document.querySelectorAll('#ready template').length == 1")
    fill_in(page)
    page.locator("main").focus()
    press(page, "Digit1")
    wait_for(page, "() => !document.getElementById('unsent').hidden")
    press(page, "KeyU")
    assert "better" in page.evaluate("localStorage['chosen-drafts-7']")
    page.reload()
    assert page.evaluate(ENTRIES) == ["clear", "why", "better"]


# --- leave ------------------------------------------------------------------------------------------------------------


def test_a_form_alone_is_sent_once_and_stays_if_the_server_is_away(opened, server):
    server.answer("/judge/", None, (200, "", {"HX-Redirect": "/next"}))
    page = opened("leave", build_form(1, more='<input type="text" name="reason">'))
    page.locator("[name=reason]").fill("why")
    page.locator("main").focus()
    press(page, "Digit1")
    wait_for(page, "() => document.getElementById('told').innerText == 'no server'")
    assert page.locator("[name=reason]").input_value() == "why"
    press(page, "Digit1", "Digit1")
    page.wait_for_url("**/next")
    assert len(server.posts) == 2


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_an_older_number_does_not_replace_a_newer_one(opened):
    page = opened("numbers")
    swap = """([text, at, count, falls]) => htmx.swap(document.body,
        `<div hx-swap-oob="innerHTML:#numbers" data-at="${at}" data-count="${count}" ${falls}>${text}</div>`,
        {swapStyle: "none"})"""
    shown = []
    answers = [["two", 5, 2, ""], ["one", 4, 1, ""], ["late", 6, 1, ""], ["three", 4.5, 3, ""]]
    answers += [["skipped", 7, 1, "data-falls"], ["before the skip", 6.5, 4, ""], ["next", 8, 2, ""]]
    for answer in answers:
        page.evaluate(swap, answer)
        shown.append(page.locator("#numbers").inner_text())
    assert shown == ["two", "two", "two", "three", "skipped", "skipped", "next"]
