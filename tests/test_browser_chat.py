"""The primer's first step in a real browser: talk with the bot, choose, go on; also by thumb and without JavaScript."""

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from annotate.models import User
from datasets.jobs import worker
from datasets.models import Choice, Dataset, Judgment, Response
from optimize import tasks  # noqa: F401  # registers the kinds of tasks
from optimize.models import Turn
from tests.browsing import press

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]
BEACH = "我想去一个有海滩的地方度假。"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setattr(worker, "IDLE", 0)
    call_command("load_demo")
    Dataset.objects.filter(slug="travel").update(allow_tie=True)
    User.objects.update(language="zh-hans")


@pytest.fixture
def page(demo, enter):
    return enter(User.objects.get(username="alice"), "/")


def await_answers(page):
    """The models answer, and the page shows the answers without a reload by hand."""
    expect(page.locator("[data-waiting]")).to_be_visible()
    worker.work_until_idle()
    await_loaded(page, "[data-comparison]")


def await_loaded(page, selector):
    """Waits for an element of the next page, then for that page's scripts: without them keys do nothing."""
    expect(page.locator(selector)).to_be_visible(timeout=5000)
    page.wait_for_load_state()


def test_the_primers_dialogue_by_keys_alone(page):
    page.get_by_role("link", name="对话 旅行 · Travel").focus()
    press(page, "Enter")
    await_loaded(page, "form[data-say]")
    expect(page.get_by_role("textbox")).to_be_focused()
    page.keyboard.insert_text(BEACH)
    before = Choice.objects.count()
    press(page, "Enter")
    await_answers(page)
    shown = page.locator("[data-response]")
    texts = shown.all_inner_texts()
    assert "你可以考虑去夏威夷或马尔代夫。" in [text.strip() for text in texts]
    assert "travel-bot" not in page.content()
    expect(page.locator("body")).to_contain_text("哪个回答更好", use_inner_text=False)
    side = [text.strip() for text in texts].index("你可以考虑去夏威夷或马尔代夫。")
    press(page, f"Digit{side + 1}")
    await_loaded(page, "form[data-say]")
    expect(page.locator(".said.assistant")).to_have_text("机器人 你可以考虑去夏威夷或马尔代夫。")
    expect(page.locator("#judged")).to_contain_text("1")
    assert Choice.objects.count() == before + 1
    page.keyboard.insert_text("什么时候去？")
    press(page, "Shift+Enter")  # a new line, not sent
    page.keyboard.insert_text("便宜吗？")
    press(page, "Enter")
    await_answers(page)
    press(page, "Digit0")
    expect(page.get_by_text("以回答 A 继续")).to_be_visible()
    assert [turn.prompt.instruction for turn in Turn.objects.select_related("prompt")] == [
        BEACH,
        "什么时候去？\n便宜吗？",
    ]
    page.wait_for_load_state()
    page.get_by_role("main").press("KeyU")  # outside of the text area
    expect(page.locator("[data-comparison]")).to_be_visible()


def test_the_whole_primer(page, enter):
    """Talk, choose, the table of counts, and the bot's new answer."""
    page.goto("/chat/travel/?new")
    page.get_by_role("textbox").fill(BEACH)
    press(page, "Enter")
    await_answers(page)
    texts = [text.strip() for text in page.locator("[data-response]").all_inner_texts()]
    press(page, f"Digit{texts.index('你可以考虑去夏威夷或马尔代夫。') + 1}")
    expect(page.locator("form[data-say]")).to_be_visible()

    page = enter(User.objects.get(username="admin"), "/datasets/travel/")
    counts = {}
    for row in page.locator("section[aria-labelledby=most-chosen] tbody tr").all():
        name, _prompt, chosen, *_ = row.locator("td").all_inner_texts()
        counts[name] = int(chosen)
    assert {name: counts[name] for name in ("夏威夷", "马尔代夫", "巴哈马", "巴厘岛")} == {
        "夏威夷": 1,
        "马尔代夫": 2,
        "巴哈马": 0,
        "巴厘岛": 2,
    }
    assert counts["你可以考虑去夏威夷或马尔代夫。"] == 1

    page.get_by_role("link", name="优化").click()
    page.get_by_role("link", name="策略").click()
    page.get_by_role("button", name="预览策略").click()
    expect(page.locator("#progress")).to_be_visible()
    worker.work_until_idle()
    expect(page.locator(".pick .answer").first).to_contain_text("你可以考虑去夏威夷或马尔代夫。", timeout=5000)
    expect(page.locator(".pick .answer").nth(1)).to_contain_text("你可以考虑去马尔代夫或巴厘岛。")


def test_enter_that_confirms_a_word_of_an_input_method_sends_nothing(page):
    page.goto("/chat/travel/?new")
    text = page.get_by_role("textbox")
    text.fill("wo xiang")
    text.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    text.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True})
    assert Turn.objects.count() == 0
    expect(text).to_have_value("wo xiang")


def test_by_mouse_thumb_and_without_javascript(page, hand):
    hand(page.get_by_role("link", name="对话 旅行 · Travel"))
    page.get_by_role("textbox").fill(BEACH)
    hand(page.get_by_role("button", name="发送"))
    expect(page.locator("[data-waiting]")).to_be_visible()
    worker.work_until_idle()
    look = page.get_by_role("link", name="查看回答")
    if look.count():  # without JavaScript
        hand(look)
    expect(page.locator("[data-comparison]")).to_be_visible(timeout=5000)
    page.reload()
    hand(page.locator("button[value=both_bad]"))
    page.locator("[data-better] textarea").fill("去海南。")
    hand(page.get_by_role("button", name="采用这个回答"))
    expect(page.locator(".said.assistant")).to_contain_text("去海南。")
    assert Judgment.objects.get(annotator__username="alice").verdict == "both_bad"
    assert Choice.objects.filter(chosen__source=Response.REPAIR).count() == 2


def test_back_and_a_second_tab_change_nothing(page, context):
    page.goto("/chat/travel/?new")
    page.get_by_role("textbox").fill(BEACH)
    press(page, "Enter")
    await_answers(page)
    other = context.new_page()
    other.goto("/chat/travel/")
    expect(other.locator("[data-comparison]")).to_be_visible()
    press(page, "Digit1")
    expect(page.locator("form[data-say]")).to_be_visible()
    press(other, "Digit2")
    expect(other.locator("form[data-say]")).to_be_visible()
    assert Judgment.objects.get(annotator__username="alice").verdict == "left"
    page.go_back()
    assert Turn.objects.count() == 1
    other.close()
