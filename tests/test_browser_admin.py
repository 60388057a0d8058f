"""An admin uploads and downloads files in a real browser."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.imports import tasks
from datasets.jobs import worker
from datasets.models import Dataset, Import, Job, Judgment, Snapshot
from tests.browsing import PHONE, find_button, focus, press
from tests.conftest import build_rows
from tests.every_page import ODD_COLUMNS, create_bad_upload, create_unsure_upload, look_at_columns

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


def test_an_admin_uploads_decides_looks_and_downloads(enter, context, admin, tmp_path):
    rows = [
        {"prompt": "去哪里？", "chosen": "马尔代夫", "rejected": "巴哈马", "annotator": "eve"},
        {"prompt": "Where to?", "chosen": "", "rejected": "Nowhere", "annotator": "eve"},
        {"prompt": "Where to?", "chosen": "Bali\r\n", "rejected": " Hawaii", "annotator": "eve"},
    ]
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    page = enter(admin, "/datasets/")
    page.get_by_role("main").get_by_role("link", name="New dataset").click()
    page.get_by_label("Short name").fill("trips")
    page.get_by_label("Files").set_input_files({"name": "trips.jsonl", "mimeType": "text/plain", "buffer": body})
    find_button(page, "Check files").click()
    refused = page.get_by_role("row").nth(1)
    for cell, words in zip((0, 1, 3, 4), ("trips.jsonl", "2", "chosen", "The answer is empty."), strict=True):
        expect(refused.get_by_role("cell").nth(cell)).to_have_text(words)
    assert not Dataset.objects.exists()
    find_button(page, "Import the valid rows").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.get_by_role("link", name="Export").click()
    page.locator("[name=format][value=dpo]").check()
    expect(page.locator(".sum")).to_contain_text("2 rows")
    with page.expect_download() as download:
        find_button(page, "Download").click()
    assert download.value.suggested_filename == "trips-dpo.jsonl"
    call_command("export_dataset", "trips", "--format", "dpo", "--output", str(tmp_path / "by_command.jsonl"))
    downloaded = Path(download.value.path()).read_bytes()
    assert downloaded == (tmp_path / "by_command.jsonl").read_bytes()
    assert downloaded.count(b"\n") == 2


def test_the_switch_for_spreadsheets_stands_beside_a_csv_format_alone(enter, admin, pairs):
    page = enter(admin, "/datasets/demo/export/")
    switch = page.get_by_label("Spreadsheet-safe")
    expect(switch).to_be_hidden()
    find_button(page, "Tables").click()
    expect(page.locator("[name=format][value=judgments-csv]")).to_be_checked()
    expect(switch).not_to_be_checked()
    switch.check()
    with page.expect_download() as download:
        find_button(page, "Download").click()
    assert "/export/judgments-csv/?for-spreadsheets=1" in download.value.url
    assert Axe().run(page).violations_count == 0


def test_the_switch_for_chats_stands_beside_formats_of_conversations_alone(enter, admin, pairs):
    Dataset.objects.update(has_chat=True)
    page = enter(admin, "/datasets/demo/export/")
    switch = page.get_by_label("One row per chat")
    expect(switch).to_be_hidden()
    page.locator("[name=format][value=messages]").check()
    switch.check()
    expect(page.locator(".sum")).to_contain_text("0 rows")
    with page.expect_download() as download:
        find_button(page, "Download").click()
    assert "/export/messages/?conversations=1" in download.value.url
    assert Axe().run(page).violations_count == 0
    page.locator("[name=format][value=dpo]").check()
    expect(switch).to_be_hidden()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_what_is_downloaded_and_bundled_has_the_filters_on_the_page(elsewhere, admin, alice, pairs, has_scripts):
    for verdict in ("left", "right", "tie"):
        record(lease_next(alice, pairs), 0, verdict)
    page = elsewhere(admin, "/datasets/demo/export/?format=dpo", java_script_enabled=has_scripts)
    page.locator("summary").click()
    for least, rows in (("", 2), ("2", 0)):
        page.get_by_label("Min. votes per pair").fill(least)
        with page.expect_download() as download:
            find_button(page, "Download").click()
        assert Path(download.value.path()).read_bytes().count(b"\n") == rows
    page.get_by_label("Min. votes per pair").fill("1")
    if not has_scripts:
        find_button(page, "Update preview").click()
    expect(page.locator(".sum")).to_contain_text("2 rows")
    expect(page.locator("summary")).to_have_text("Filters (1)")
    if not has_scripts:
        page.locator("summary").click()
    page.get_by_label("Min. votes per pair").fill("2")
    page.get_by_role("checkbox", name="alpaca", exact=True).uncheck()
    find_button(page, "Create release").click()
    page.wait_for_url(re.compile("/bundles/1/|/upload/tasks/"))
    manifest = Snapshot.objects.get().manifest
    assert manifest["settings"]["min_votes"] == 2
    assert "alpaca" not in {about.get("dialect") for about in manifest["files"].values()}


def test_the_count_says_when_it_is_out_of_date(enter, admin, alice, pairs, troubles):
    for verdict in ("left", "right", "tie"):
        record(lease_next(alice, pairs), 0, verdict)
    page = enter(admin, "/datasets/demo/export/")
    rows, counting = page.locator(".sum"), page.get_by_text("Counting…")
    expect(rows).to_contain_text("2 rows · 1 excluded")
    expect(counting).to_be_hidden()
    expect(find_button(page, "Update preview")).to_be_hidden()
    held = []
    page.route("**/export/?*", lambda route: held.append(route))
    page.locator("summary").click()
    page.get_by_label("Min. votes per pair").fill("2")
    expect(counting).to_be_visible()
    expect(page.locator("#comes-of-it")).to_have_attribute("aria-busy", "true")
    expect(find_button(page, "Download")).to_be_enabled()
    for _ in range(200):  # the browser reports its request a moment later
        if held:
            break
        page.wait_for_timeout(25)
    held[0].continue_()
    page.unroute("**/export/?*")
    expect(rows).to_contain_text("0 rows · 3 excluded")
    expect(counting).to_be_hidden()
    expect(page.locator("#of-file")).to_have_value(re.compile("--min-votes 2 "))
    expect(page.locator("#of-release")).to_have_value(re.compile("--format bundle --min-votes 2 "))
    expect(page.get_by_role("button", name="Copy")).to_have_count(2)
    page.get_by_role("checkbox", name="alpaca", exact=True).uncheck()
    expect(page.locator("#of-release")).to_have_value(re.compile("--dialects dpo,"))
    page.route("**/export/?*", lambda route: route.abort())
    page.get_by_label("Min. votes per pair").fill("1")
    expect(page.get_by_text("The preview could not be updated.")).to_be_visible()
    expect(find_button(page, "Update preview")).to_be_visible()
    troubles.clear()


def test_another_trainer_keeps_the_filters(enter, admin, alice, pairs):
    record(lease_next(alice, pairs), 0, "left")
    page = enter(admin, "/datasets/demo/export/")
    page.locator("summary").click()
    page.get_by_label("Min. votes per pair").fill("2")
    page.get_by_label("Min. votes per pair").press("Enter")
    expect(find_button(page, "TRL")).to_have_attribute("aria-pressed", "true")
    find_button(page, "ms-swift").click()
    expect(page.locator("[name=format][value=dpo-swift]")).to_be_checked()
    expect(page.locator(".sum")).to_contain_text("0 rows")
    expect(page.locator("summary")).to_have_text("Filters (1)")


def test_an_admin_who_stores_nothing_has_nothing_stored(enter, admin):
    page = enter(admin, f"/datasets/upload/{create_bad_upload('trips').pk}/")
    find_button(page, "Discard").click()
    expect(page.get_by_text("Nothing was stored.")).to_be_visible()
    assert not Dataset.objects.exists()


def test_a_file_that_cannot_be_read_is_told_in_the_form(enter, admin, troubles):
    page = enter(admin, "/datasets/upload/")
    page.get_by_label("Short name").fill("trips")
    page.get_by_label("Files").set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"[{]"})
    find_button(page, "Check files").click()
    expect(page.locator(".field.wrong")).to_contain_text("x.jsonl")
    expect(page.get_by_label("Files")).to_be_focused()
    expect(page.get_by_label("Short name")).to_have_value("trips")
    assert Axe().run(page).violations_count == 0
    assert all("422" in trouble for trouble in troubles)
    troubles.clear()


def test_errors_come_to_their_fields_and_go_again(enter, admin, troubles):
    Dataset.objects.create(slug="trips", name="Trips")
    page = enter(admin, "/datasets/upload/")
    title, slug = page.get_by_label("Title"), page.get_by_label("Short name")
    file = {"name": "x.jsonl", "mimeType": "text/plain", "buffer": json.dumps(build_rows(1)[0]).encode()}
    page.get_by_label("Files").set_input_files(file)
    slug.fill("a b")
    title.fill("A title")
    find_button(page, "Check files").click()
    expect(slug).to_be_focused()
    expect(page.locator(".field.wrong")).to_have_count(1)
    expect(page.locator(".field.wrong")).to_contain_text("Use letters, digits, - and _ only.")
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Dataset").select_option("trips")
    expect(title).to_be_hidden()
    expect(slug).to_be_hidden()
    find_button(page, "Check files").click()
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
    assert Import.objects.get().slug == "trips"
    assert all("422" in trouble for trouble in troubles)
    troubles.clear()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_the_estimate_follows_the_fields_and_they_are_kept(elsewhere, admin, has_scripts):
    run = create_bad_upload("trips", bad=build_rows(9, answers=3)[1:])
    page = elsewhere(admin, f"/datasets/upload/{run.pk}/", java_script_enabled=has_scripts)
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("25 comparisons × 1 = 25 judgments ≈ 17 min at 40 s")
    page.get_by_label("Annotators per comparison").fill("3")
    page.get_by_label("Pairing").select_option("first")
    if not has_scripts:
        find_button(page, "Update estimate").click()
    expect(estimate).to_contain_text("17 comparisons × 3 = 51 judgments ≈ 34 min at 40 s")
    page.get_by_label("Max. comparisons per prompt").fill("1")
    page.get_by_label("Max. comparisons per prompt").press("Tab" if has_scripts else "Enter")
    expect(estimate).to_contain_text("9 comparisons × 3 = 27 judgments ≈ 18 min at 40 s")
    assert not Dataset.objects.exists()
    page.get_by_label("Annotators per comparison").fill("2")
    if has_scripts:
        page.get_by_label("Annotators per comparison").press("Tab")
        expect(estimate).to_contain_text("9 comparisons × 2")
        page.wait_for_load_state("networkidle")
        assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    dataset = Dataset.objects.get()
    assert (dataset.overlap, dataset.pairs, dataset.pairs_limit) == (2, "first", 1)


def test_an_upload_shows_how_far_it_is_and_can_be_stopped(enter, admin):
    page = enter(admin, "/datasets/upload/")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.get_by_label("Short name").fill("trips")
    file = {
        "name": "x.jsonl",
        "mimeType": "text/plain",
        "buffer": b'{"prompt": "a", "responses": ["b", "c"]}\n' * 50_000,
    }
    page.get_by_label("Files").set_input_files(file)
    find_button(page, "Check files").click()
    expect(page.locator("[data-words]")).to_contain_text("/ 2.1 MB")
    find_button(page, "Stop").click()
    expect(page.get_by_role("alert")).to_have_text("Stopped. Nothing was stored.")
    expect(find_button(page, "Check files")).to_be_enabled()
    assert not Job.objects.exists()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_a_task_is_looked_at_again(enter, admin, monkeypatch):
    monkeypatch.setattr(tasks, "BYTES_AT_ONCE", 0)
    monkeypatch.setattr(worker, "IDLE", 0)
    page = enter(admin, "/datasets/upload/")
    page.get_by_label("Short name").fill("trips")
    rows = "".join(json.dumps(row) + "\n" for row in build_rows(2)).encode()
    page.get_by_label("Files").set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": rows})
    find_button(page, "Check files").click()
    expect(page.get_by_text("Queued")).to_be_visible()
    worker.work_until_idle()
    page.get_by_role("link", name="Show progress").click()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_visible()


def test_storing_twice_at_once_stores_once(enter, admin):
    votes = [{"prompt": f"Why {n}?", "chosen": "Because.", "rejected": "No idea."} for n in range(400)]
    page = enter(admin, f"/datasets/upload/{create_bad_upload('trips', bad=votes).pk}/")
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


@pytest.mark.browser_context_args(**PHONE, java_script_enabled=False)
def test_columns_are_said_on_a_phone_without_javascript(enter, admin):
    page = enter(admin, "/datasets/upload/")
    page.get_by_label("Short name").fill("odd")
    rows = "".join(json.dumps(row) + "\n" for row in ODD_COLUMNS).encode()
    page.get_by_label("Files").set_input_files({"name": "odd.jsonl", "mimeType": "text/plain", "buffer": rows})
    find_button(page, "Check files").click()
    expect(page.get_by_role("heading", name="Map columns")).to_be_visible()
    look_at_columns(page)
    expect(page.get_by_text("Answer 2 is better than answer 1.")).to_be_visible()
    expect(page.get_by_text("Answer 1 is clearly better than answer 2.")).to_be_visible()
    expect(page.get_by_text("Row 3 cannot be read with this mapping:")).to_be_visible()
    assert page.locator("html").evaluate("(page) => page.scrollWidth") <= 360
    find_button(page, "Import with this mapping").click()
    expect(page.get_by_text("Columns mapped by hand:")).to_be_visible()
    find_button(page, "Import the valid rows").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert Judgment.objects.filter(state="saved").count() == 2


def test_columns_are_said_by_keys_alone(enter, admin):
    run = create_unsure_upload(admin)
    page = enter(admin, f"/datasets/upload/{run.pk}/")
    for n, words in enumerate(("Prompt", "Answer 1", "Answer 2", "Which")):
        focus(page, f"[name=column_{n}]")
        page.keyboard.type(words)
    press(page, "Tab")
    page.keyboard.type("by sign: negative")
    focus(page, "button[value=read]")
    press(page, "Enter")
    expect(page.get_by_text("Columns mapped by hand:")).to_be_visible()
    run.refresh_from_db()
    assert (run.state, run.read_as[0]["winner"], run.read_as[0]["counts"]) == ("checked", "Urteil", "minus_first")
