"""Setting a dataset up: drafts, the checklist, the trial, tasks from templates, and the bar on all its pages."""

import re
from urllib.parse import unquote

import pytest
from django.urls import get_resolver, reverse
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.models import User
from annotate.navigation import INNER, TABS, find_tab
from annotate.queue.lease import lease_next
from datasets.audit.dataset_state import set_state
from datasets.models import Change, Comparison, Dataset, Judgment
from optimize.models import ChatSettings
from tests.conftest import build_rows
from tests.test_access import iter_patterns
from tests.test_annotate import parse_page

pytestmark = [pytest.mark.django_db, pytest.mark.once]  # tests/test_every_page.py asks for these pages on PostgreSQL
# Their addresses name more than the dataset.
NEED_MORE = {"import", "prompt", "prompt-edit", "judgment", "gold-one", "bundle", "report-part"}
NEED_MORE |= {"question-preview", "data-bulk"}
DATASET_PAGES = [name for tab in TABS for name in (tab.page, *tab.others) if name not in NEED_MORE]


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def draft(make_dataset):
    return make_dataset(build_rows(12), state="draft")


def read_bar(response):
    """[(words of a tab, its address, whether it is the current one)] of the dataset's bar."""
    bar = parse_page(response).find("nav", aria_label="Dataset")
    return [(read_words(a), a["href"], a.has("aria-current", "page")) for a in bar.find_all("a")]


def read_words(element):
    return " ".join(element.text.split())


def has_class(element, name):
    return name in element.attributes.get("class", "").split()


# --- the bar ----------------------------------------------------------------------------------------------------------


def test_every_page_of_a_dataset_has_the_same_bar_with_one_tab_marked_and_one_primary_button_at_most(
    boss, pairs, alice, subtests
):
    record(lease_next(alice, pairs), 0, "left")
    words = ["Overview", "Data 12", "Task", "Annotators 1", "Judgments 1", "Review 0", "Quality", "Export", "Optimize"]
    for name in DATASET_PAGES:
        with subtests.test(name):
            response = boss.get(reverse(name, args=["demo"]))
            assert response.status_code == 200
            bar = read_bar(response)
            assert [tab for tab, _url, _now in bar] == [*words, "Settings"]
            assert [url for _tab, url, _now in bar] == [reverse(tab.page, args=["demo"]) for tab in TABS]
            marked = [tab.page for tab, (_words, _url, now) in zip(TABS, bar, strict=True) if now]
            assert marked == [find_tab(name).page]
            elements = [one for tag in ("a", "button") for one in parse_page(response).find_all(tag)]
            assert name == "try" or sum(has_class(element, "main") for element in elements) <= 1


def test_every_page_below_datasets_belongs_to_a_tab():
    """A page added without a tab would have no bar."""
    aside = {"dataset-state", "task-set-up", "dataset-invite", "pause", "set-aside", "gold-make", "bundles", "export"}
    aside |= {"review-chosen", "gold-new", "qualification-reset"}
    files = {"judgments-file", "log-file", "report-file", "bundle-file", "bundle-push"}
    of_datasets = [one for one in iter_patterns(get_resolver()) if "slug" in one.pattern.converters]
    pages = {one.name for one in of_datasets if one.callback.access.__name__ == "dataset_admin_required"}
    assert {name for name in pages if find_tab(name) is None} == aside | files


def test_every_inner_page_is_a_page_of_its_tab():
    for key, inner in INNER.items():
        (tab,) = (tab for tab in TABS if tab.key == key)
        assert {name for one in inner for name in (one.page, *one.others)} == {tab.page, *tab.others}


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "Annotate"),
        ("/datasets/", "Datasets"),
        ("/datasets/upload/", "Datasets"),
        ("/datasets/demo/settings/", "Datasets"),
        ("/models/", "Models"),
        ("/team/", "Team"),
        ("/team/timesheet/", "Team"),
        ("/help/", "Help"),
        ("/help/trust/", "Help"),
    ],
)
def test_the_top_bar_marks_the_section(boss, pairs, path, section):
    nav = parse_page(boss.get(path)).find("nav", aria_label="Main")
    assert list(map(read_words, nav.find_all("a"))) == ["Annotate", "Datasets", "Models", "Team", "Help"]
    assert list(map(read_words, nav.find_all("a", aria_current="page"))) == [section]


def test_an_annotator_sees_no_tabs_and_two_sections(client, pairs, alice):
    client.force_login(alice)
    page = parse_page(client.get("/"))
    assert list(map(read_words, page.find("nav", aria_label="Main").find_all("a"))) == ["Annotate", "Help"]
    assert not list(page.find_all("nav", aria_label="Dataset"))


@pytest.mark.once  # the documentation does not depend on the database
def test_help_shows_the_documentation_with_links_between_its_pages(boss):
    index = boss.get("/help/").content.decode()
    assert 'href="/help/annotating/"' in index
    for name in re.findall(r'href="/help/(\w+)/"', index):
        page = boss.get(f"/help/{name}/").content.decode()
        links = [link["href"] for link in parse_page(page).find("article").find_all("a")]
        assert all(link.startswith(("/help/", "#", "http")) for link in links), name
        assert all(boss.get(link).status_code == 200 for link in links if link.startswith("/help/"))
        anchors = {heading["id"] for tag in ("h2", "h3", "h4") for heading in parse_page(page).find_all(tag, id=True)}
        assert {unquote(link[1:]) for link in links if link.startswith("#")} <= anchors, name
    assert "<table" in boss.get("/help/formats/").content.decode()
    assert boss.get("/help/nothing/").status_code == 404


# --- drafts -----------------------------------------------------------------------------------------------------------


def test_a_draft_is_nowhere_for_annotators_and_hands_out_nothing_until_it_is_opened(boss, draft, alice, admin):
    ChatSettings.objects.create(dataset=draft, names=["bot"])
    Dataset.objects.update(has_chat=True)
    annotator = type(boss)()
    annotator.force_login(alice)
    pages = ["/annotate/demo/", "/annotate/demo/guideline/", "/annotate/demo/history/", "/chat/demo/"]
    assert [annotator.get(page).status_code for page in pages] == [404] * 4
    assert "demo" not in annotator.get("/").content.decode()
    assert lease_next(alice, draft) is None
    assert lease_next(admin, draft) is None
    assert "data-all-done" in boss.get("/annotate/demo/").content.decode()
    assert "demo" not in re.findall(r"<h2>(.*?)</h2>", boss.get("/").content.decode())
    assert boss.post("/datasets/demo/state/", {"state": "open"})["Location"] == "/datasets/demo/"
    assert annotator.get("/annotate/demo/").status_code == 200
    assert lease_next(alice, Dataset.objects.get())
    assert Change.objects.filter(kind="setting", what="state", before="draft", after="open", by=admin).exists()


def test_a_dataset_never_becomes_a_draft_again(boss, pairs):
    for state in ("draft", "nonsense", ""):
        boss.post("/datasets/demo/state/", {"state": state})
        assert Dataset.objects.get().state == "open"
    assert not Change.objects.filter(what="state").exists()


def test_the_same_state_again_leaves_no_line(pairs, admin):
    assert not set_state(pairs, Dataset.State.OPEN, admin)
    assert set_state(pairs, Dataset.State.CLOSED, admin)
    assert Change.objects.filter(what="state").count() == 1


def test_commands_make_open_datasets_and_drafts_if_asked(run_command, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "responses": ["b", "c"]}\n')
    for slug, options, state in (("now", [], "open"), ("later", ["--draft"], "draft")):
        assert run_command("import_dataset", slug, str(path), *options)[0] == 0
        assert Dataset.objects.get(slug=slug).state == state
    assert run_command("import_dataset", "now", str(path), "--draft")[0] == 0
    assert Dataset.objects.get(slug="now").state == "open", "an existing dataset stays as it is"


# --- the checklist ----------------------------------------------------------------------------------------------------


def read_steps(boss):
    """({name of a step: whether it is done}, the words of the primary button)."""
    page = parse_page(boss.get("/datasets/demo/"))
    steps = {li.find("b").text: has_class(li, "done") for li in page.find("ol", aria_label="Checklist").find_all("li")}
    buttons = [element for tag in ("a", "button") for element in page.find_all(tag)]
    (main,) = (read_words(element) for element in buttons if has_class(element, "main"))
    return steps, main


def test_each_step_is_done_once_its_page_is_saved_and_the_next_one_is_the_primary_button(boss, draft, alice):
    steps = ["Data", "Task", "Guidelines", "Annotators", "Try it yourself", "Open"]

    def expect_done(n, button):
        assert read_steps(boss) == ({step: i < n for i, step in enumerate(steps)}, button)

    expect_done(1, "Choose Task")
    boss.post("/datasets/demo/task/set-up/", {"template": "safety"})
    Dataset.objects.update(reasons="off", criteria=[])
    boss.post("/datasets/demo/task/guidelines/", {"guideline": ""})
    expect_done(3, "Assign Annotators")
    boss.post("/datasets/demo/annotators/", {"annotators": [alice.pk]})
    expect_done(4, "Try Try it yourself")
    finish_trial(boss)
    expect_done(5, "Open for annotation")
    boss.post("/datasets/demo/state/", {"state": "open"})
    assert "checklist" not in boss.get("/datasets/demo/").content.decode()


def test_a_template_sets_question_reasons_and_guidelines_in_the_language_of_the_page(boss, draft):
    boss.post("/datasets/demo/task/set-up/", {"template": "code"})
    english = Dataset.objects.get()
    assert (english.question, english.guideline_number) == ("scale", 1)
    boss.post("/datasets/demo/task/set-up/", {"template": "code"}, headers={"accept-language": "zh-hans"})
    chinese = Dataset.objects.get()
    assert re.search("[\u4e00-\u9fff]", chinese.guideline)
    assert not re.search("[\u4e00-\u9fff]", english.guideline)
    assert boss.post("/datasets/demo/task/set-up/", {"template": "none"}).status_code == 404


def test_a_task_is_copied_from_another_dataset(boss, draft, make_dataset):
    make_dataset(build_rows(2), slug="other", question="scale", allow_tie=False, guideline="Be fair.")
    assert 'value="other"' in boss.get("/datasets/demo/task/").content.decode()
    boss.post("/datasets/demo/task/set-up/", {"source": "other"})
    dataset = Dataset.objects.get(slug="demo")
    assert (dataset.question, dataset.allow_tie, dataset.guideline) == ("scale", False, "Be fair.")
    assert boss.post("/datasets/demo/task/set-up/", {"source": "none"}).status_code == 404


# --- the trial --------------------------------------------------------------------------------------------------------


def read_form(page):
    """The fields that a browser posts from the comparison's form."""
    form = parse_page(page).find("form", data_comparison=True)
    return form["action"], {field["name"]: field["value"] for field in form.find_all("input", type="hidden")}


def finish_trial(boss, **fields):
    address, judged = "/datasets/demo/try/", 0
    while "data-comparison" in (page := boss.get(address)).content.decode():
        action, hidden = read_form(page)
        address, judged = boss.post(action, {**hidden, "verdict": "left", **fields})["Location"], judged + 1
    return judged


def test_the_trial_shows_ten_comparisons_and_leaves_nothing_behind(boss, draft):
    before = Comparison.objects.values_list("open_slots", flat=True)
    assert finish_trial(boss) == 10
    assert not Judgment.objects.exists()
    assert set(before) == {1}
    assert "You judged 10 comparisons. Nothing was saved." in boss.get("/datasets/demo/try/?after=10").content.decode()
    assert Dataset.objects.get().setup_done == ["try"]


def test_the_trial_is_blind_and_asks_what_the_queue_asks(boss, draft):
    Dataset.objects.update(criteria=[{"name": "tone", "guideline": ""}], reasons="required", guideline="Look **well**.")
    page = boss.get("/datasets/demo/try/").content.decode()
    assert 'data-response="left"' in page
    assert "<strong>well</strong>" in page
    assert "m0" not in page
    action, hidden = read_form(boss.get("/datasets/demo/try/"))
    refused = boss.post(action, {**hidden, "verdict": "left"})
    assert refused.status_code == 422
    assert "Please answer this first." in refused.content.decode()


def test_the_pages_of_a_draft_lead_back_to_the_checklist(boss, draft):
    for name in ("data", "question", "guidelines", "annotators"):
        links = parse_page(boss.get(reverse(name, args=["demo"]))).find_all("a", href="/datasets/demo/")
        assert "Checklist" in [link.text for link in links], name
    set_state(draft, "open")
    assert "Checklist" not in boss.get("/datasets/demo/task/").content.decode()


def test_a_new_draft_offers_the_templates_until_its_task_is_chosen(boss, draft):
    is_open = lambda: has_open_templates(boss.get("/datasets/demo/task/"))  # noqa: E731
    assert is_open()
    boss.post("/datasets/demo/task/set-up/", {"template": "code"})
    assert not is_open()


def has_open_templates(response):
    (fold,) = (fold for fold in parse_page(response).find_all("details") if has_class(fold, "set-up"))
    return fold.has("open", True)


def test_the_trial_of_a_dataset_without_comparisons_says_what_to_do(boss, make_dataset):
    make_dataset([{"prompt": "Only a prompt?"}], state="draft")
    assert "Import answers first" in boss.get("/datasets/demo/try/").content.decode()
    assert Dataset.objects.get().setup_done == []


# --- an invitation from the page of a dataset -------------------------------------------------------------------------


def test_an_annotator_is_invited_from_the_checklist_and_the_link_is_shown_once_made(boss, draft, alice):
    draft.annotators.set([alice])
    answer = boss.post("/datasets/demo/annotators/invite/", {"name": "chen"})
    chen = User.objects.get(username="chen")
    assert answer["Location"] == f"/datasets/demo/?invited={chen.pk}#invite"
    page = boss.get(answer["Location"]).content.decode()
    link = re.search(r"http://testserver(/accounts/invite/[^<\s]+)", page)[1]
    assert type(boss)().get(link, follow=True).status_code == 200
    assert set(draft.annotators.all()) == {alice, chen}
    assert read_steps(boss)[0]["Annotators"]
    assert "accounts/invite" not in boss.get("/datasets/demo/?invited=x").content.decode()


def test_a_name_that_cannot_be_is_refused_and_kept(boss, pairs, alice):
    for name, words in (("Alice", "This username is taken."), ("a b", "valid username"), ("", "required")):
        page = parse_page(boss.post("/datasets/demo/annotators/invite/", {"name": name}, follow=True))
        field = page.find("input", id="id_name")
        assert field["value"] == name
        assert words in page.find(id=field["aria-describedby"]).text, name
    page = parse_page(boss.get("/datasets/demo/annotators/?name=dora"))
    assert not page.find("input", id="id_name").has("aria-invalid", True)
    assert User.objects.count() == 2


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_from_sign_in_to_a_copied_invitation_in_nine_clicks_over_four_pages(context, live_server, admin):
    admin.set_password("demo")
    admin.save()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, clicks, pages = context.new_page(), 0, []
    page.goto(f"{live_server.url}/accounts/login/")

    def click(element):
        nonlocal clicks
        element.click()
        clicks += 1

    def visit(pattern):
        page.wait_for_url(re.compile(pattern))
        pages.append(page.url)

    expect(page.locator("[name=username]")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    click(page.get_by_role("button", name="Sign in"))
    visit(f"{live_server.url}/$")
    click(page.get_by_role("link", name="Import prompts and answers"))
    visit("/upload/$")
    rows = b'{"prompt": "a", "responses": ["b", "c"]}\n'
    with page.expect_file_chooser() as chooser:
        click(page.get_by_label("Files"))
    chooser.value.set_files({"name": "Travel tips.jsonl", "mimeType": "text/plain", "buffer": rows})
    click(page.get_by_role("button", name="Check files"))
    visit(r"/upload/\d+/$")
    click(page.get_by_role("button", name="Import", exact=True))
    visit("/datasets/travel-tips/")
    click(page.get_by_label("Username"))
    page.keyboard.type("chen")
    click(page.get_by_role("button", name="Create invite link"))
    click(page.get_by_role("button", name="Copy", exact=True))
    link = page.evaluate("navigator.clipboard.readText()")
    click(page.get_by_role("button", name="Open for annotation"))
    expect(page.get_by_text("Open", exact=True)).to_be_visible()
    assert (clicks, len(pages)) == (9, 4)
    assert Dataset.objects.get().state == "open"
    invited = context.browser.new_page()
    invited.goto(link)
    expect(invited.get_by_role("heading", name="password")).to_be_visible()
    invited.close()
