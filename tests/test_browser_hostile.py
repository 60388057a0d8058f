"""Texts that try to become a script, a form or a frame stay texts on every page."""

import pytest
from playwright.sync_api import expect

from datasets.models import Dataset
from tests.browsing import await_judged
from tests.every_page import create_bad_upload

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


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


@pytest.mark.own_browser
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
        assert is_harmless(page)
        page.keyboard.press("Digit1")
        await_judged(page, n)
    refused = create_bad_upload(bad=[{"prompt": text, "responses": [text, ""], "x": text} for text in HOSTILE])
    paths = ["/", "/annotate/demo/guideline/", "/datasets/", f"/datasets/upload/{refused.pk}/"]
    paths += [f"/datasets/upload/{create_bad_upload('new', bad=rows[n:]).pk}/" for n in range(0, len(rows), 2)]
    paths += [f"/datasets/demo/{page}" for page in ("", "settings/", "data/", "judgments/", "judgments/pairs/")]
    paths += [f"/datasets/demo/prompts/{prompt.pk}/" for prompt in dataset.prompts.all()]
    paths += [f"/datasets/demo/prompts/{prompt.pk}/edit/" for prompt in dataset.prompts.all()[:3]]
    paths += [f"/datasets/demo/judgments/{judgment.pk}/" for judgment in dataset.judgments.all()[:3]]
    paths += [f"/datasets/demo/export/?format={name}&mode=every" for name in ("dpo", "messages")]
    for path in paths:
        page = enter(admin, path)
        expect(page.locator("main")).to_be_visible()
        assert is_harmless(page), path
    assert not elsewhere


def is_harmless(page):
    """Whether no text became a script, a frame, an image, a form or a link that runs code."""
    return page.evaluate("""() => {
        const never = "iframe, img, object, embed, style, [onerror], [onload], form[action*=evil]";
        const nor = "form, button, script, svg, [hx-get], [style], [id]";
        return window.hacked === undefined
            && !document.querySelector(never)
            && [...document.querySelectorAll("[data-response], .text")].every((text) => !text.querySelector(nor))
            && [...document.links].every((link) => ["http:", "https:", "mailto:"].includes(link.protocol))
            && [...document.scripts].every((script) => script.src.startsWith(location.origin));
    }""")
