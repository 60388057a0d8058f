"""Every page in every state: its path, who sees it, and the steps before looking at it."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django.utils.translation import gettext, override, trans_real
from playwright.sync_api import expect

from analyze.report import make_report
from analyze.reports import load_parts
from annotate import people, practice
from annotate.judging.decisions import decide, lease_next_review, save_impression
from annotate.judging.forms import Submission
from annotate.judging.record import record, undo
from annotate.models import User
from annotate.pauses import pause
from annotate.queue.lease import lease_next
from bench.simulate import HONEST, LEFT
from datasets.audit.guidelines import save_version
from datasets.audit.log import Kind, log
from datasets.bundles.archive import Settings, make_bundle
from datasets.comparisons.gold import create_gold
from datasets.imports import check as imports_check
from datasets.imports import columns, tasks
from datasets.imports import spool as imports_spool
from datasets.models import Dataset, Import, Job, Judgment
from optimize.chat import talks
from optimize.chat.answering import answer_turn
from optimize.management.commands.load_demo import create_bot
from optimize.models import ChatSettings, Endpoint, Generation, Pick, Turn
from optimize.versions import save_version as save_model
from optimize.wanted import Wanted, create_generations
from tests.browsing import await_ready, await_sent, press
from tests.conftest import build_rows, create_person
from tests.crowds import create_judged_dataset

DEMO = [json.loads(line) for line in (settings.BASE_DIR / "datasets/demo/models.jsonl").open(encoding="utf-8")]
CRITERIA = [{"name": "facts", "guideline": "are *right*"}, {"name": "tone", "guideline": ""}]
DOUBTFUL = [{"prompt": "Who are you?", "responses": ["I am ChatGPT.", "Nobody."]}]
EVERYTHING = {"with_stars": True, "criteria": CRITERIA, "reasons": "required", "allow_repair": True, "allow_flag": True}
EVERYTHING |= {"spans": True}


def find_row_with(mark):
    """The first demo row in which two answers contain the text, reduced to these two."""
    for row in DEMO:
        found = [response for response in row["responses"] if mark in response["text"]]
        if len(found) > 1:
            return row | {"responses": found[:2]}
    raise AssertionError(f"no two answers with {mark}")


def mark_pieces(judgment):
    """Two highlights in the first answer, as `said` has them."""
    where = {"response": judgment.order[0], "start": 0}
    notes = ("not **so**", "")
    marks = [where | {"end": 4 + n, "label": ("wrong", "good")[n], "note": note} for n, note in enumerate(notes)]
    return {"spans": marks}


def highlight(page):
    """Two highlights, and the toolbar open for a third."""
    press(page, "KeyH", "Shift+ArrowRight", "Digit2", "KeyH", "ArrowDown", "Digit3", "KeyH", "ArrowRight")


def create_bad_upload(
    slug="demo", bad=({"prompt": "Why?", "responses": ["Because.", ""]}, {"prompt": "", "responses": ["a", "b"]})
):
    """An upload with refused rows that awaits a decision."""
    path = Path(settings.DATA_DIR) / "bad.jsonl"
    rows = [*build_rows(1), *bad]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with path.open("rb") as file:
        return imports_check.check([(path.name, file)], slug)


ODD_COLUMNS = [
    {"Aufgabe": "Where to?", "Links": "**Bali**, for its beaches.", "Rechts": "Nowhere.", "Urteil": 1},
    {"Aufgabe": "去哪里？", "Links": "马尔代夫", "Rechts": "哪里都不去。", "Urteil": -2},
    {"Aufgabe": "Why? " * 60, "Links": "", "Rechts": "No idea.", "Urteil": 0},
]


def create_unsure_upload(admin, rows=ODD_COLUMNS):
    """An upload with unmapped columns."""
    file = SimpleUploadedFile("odd.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    return tasks.check_kept(admin.pk, *tasks.keep_files([file]), "odd", {})


def look_at_columns(page):
    for n, role in enumerate(("prompt", "answer_1", "answer_2", "winner")):
        page.locator(f"[name=column_{n}]").select_option(role)
    page.locator("[name=counts]").select_option("minus_first")
    page.locator("button[value=look]").click()
    expect(page.locator(".previewed").first).to_be_visible()


def assign_columns(admin, run):
    """The same upload with mapped columns."""
    roles = {
        "prompt": "Aufgabe",
        "answer_1": "Links",
        "answer_2": "Rechts",
        "winner": "Urteil",
        "counts": "minus_first",
    }
    columns.save_roles(columns.read_draft(imports_spool.get_files_folder(run)), roles, admin)
    tasks.check_kept(admin.pk, run.folder, run.files, run.slug, run.dataset_settings)
    return run


def mistake_columns(page):
    page.locator("button[value=read]").click()
    expect(page.locator(".errorlist").first).to_be_visible()


def pick_demo_rows(n):
    """Demo rows with at least n answers, none of which has headings: those may begin at any level."""
    plain = [row for row in DEMO if not any("## " in response["text"] for response in row["responses"])]
    return [row for row in plain if len(row["responses"]) >= n][:3]


def invite_dora(admin, name="dora"):
    dora = people.invite(name, User.Role.ANNOTATOR, admin)
    people.issue_link(dora, admin)
    return dora


def ask_to_delete(page):
    page.locator("[name=prompt]").first.check()
    page.locator("[name=act]").select_option("delete")
    with page.expect_navigation():
        page.locator(".bulk button").click()
    expect(page.locator("button.danger")).to_be_visible()


def show_templates(page):
    page.locator("details.set-up > summary").click()


def unfold(page):
    for summary in page.locator("details > summary").all():
        summary.click()


def await_reason(page):
    press(page, "Digit3", "Digit4", "Digit1", "Digit0", "Digit1")
    expect(page.locator("[data-awaiting]")).to_be_visible()


def forbid_tie(page):
    """The admin forbids ties while somebody is filling one in."""
    Dataset.objects.filter(slug="refused").update(allow_tie=False)
    press(page, "Digit1", "Digit1", "Enter")
    expect(page.locator("main [role=alert]")).to_be_visible()


def show_differences(page):
    press(page, "KeyD")
    expect(page.locator("mark").first).to_be_visible()


def show_raw(page):
    press(page, "KeyM")
    expect(page.locator(".raw").first).to_be_visible()
    return lambda: page.evaluate("localStorage.clear()")


def look_at_one(page):
    press(page, "KeyV")
    page.locator("[data-one=true]").click()
    press(page, "Escape")
    expect(page.locator("[data-views]")).to_be_visible()
    return lambda: page.evaluate("localStorage.clear()")


def wait(page):
    held = []
    page.route("**/annotate/waits/", lambda route: held.append(route))
    press(page, "Digit1")
    expect(page.locator("main.empty")).to_be_visible()
    for _ in range(200):  # the browser reports its request a moment later
        if held:
            break
        page.wait_for_timeout(25)

    def go_on():
        held[0].continue_()
        page.unroute("**/annotate/waits/")
        await_sent(page)

    return go_on


def leave_unsent(page):
    await_ready(page, 1)
    page.context.set_offline(True)
    press(page, "Digit1")
    expect(page.locator("#unsent")).to_be_visible()

    def reconnect():
        page.context.set_offline(False)
        await_sent(page)

    return reconnect


def mistake_the_question(page):
    page.locator("[name=criteria]").fill("twice\nTwice")
    page.locator("form.asking-form button.main").click()
    expect(page.locator(".errorlist").first).to_be_visible()


def push_without_a_name(page):
    page.locator("[name=repo]").fill("data")
    page.locator("[name=token]").fill("hf_x")
    page.locator("form[action*=push] button[type=submit]").click()
    expect(page.locator(".errorlist").first).to_be_visible()


def create_refused_push(dataset):
    """A push that the Hub refused, after a successful one that the bundle's page shows."""
    said = {"bundle": 2, "repo": "org/data", "public": False, "of": "demo-2 → org/data"}
    result = {"dataset": "demo", "bundle": 2, "url": "https://huggingface.co/datasets/org/data", "private": True}
    about = {"kind": "push", "dataset": dataset, "arguments": said}
    Job.objects.create(**about, state="done", result=result | {"changed": False}, finished_at=timezone.now())
    return Job.objects.create(**about, state="failed", error="The token was refused.")


def create_every_question(make_dataset, alice, bob):
    """Datasets for each question, with every optional field and every state of its pages."""
    make_dataset(pick_demo_rows(3), "scale", question="scale", criteria=CRITERIA)
    make_dataset(pick_demo_rows(4), "rank", question="rank", most_shown=4)
    make_dataset(build_rows(3), "refused", question="rank", allow_tie=True)
    make_dataset(pick_demo_rows(4), "best", question="best_worst", fewest_shown=3, most_shown=4, criteria=CRITERIA)
    make_dataset(pick_demo_rows(3), "stars", question="stars", most_shown=3, criteria=CRITERIA)
    make_dataset(pick_demo_rows(2), "single", question="stars", fewest_shown=1, most_shown=1)
    make_dataset(pick_demo_rows(2), "all", guideline="# Look\n\nWell.", **EVERYTHING)
    make_dataset(pick_demo_rows(2), "waits", kept_ready=0)
    thoughts = ["<think>\nHmm, **wait**.\n</think>\n\nBali ![a beach](https://example.com/a.png).", "- [x] Bali"]
    make_dataset([{"prompt": "Where to?", "responses": thoughts}], "thoughts")
    unsure = make_dataset(build_rows(1), "round", repair_round=True)
    record(lease_next(bob, unsure), 0, "both_bad")
    flagged = make_dataset(pick_demo_rows(2), "flagged", allow_flag=True)
    record(lease_next(bob, flagged), 0, "flag", {"note": "It says “as GPT”."}, flag="leak")
    past = make_dataset(
        pick_demo_rows(3), "past", question="stars", most_shown=3, criteria=CRITERIA, reasons="optional"
    )
    stars = {"stars": [5, 1, 3]}
    said = stars | {"criteria": {"facts": stars, "tone": stars}, "reasons": ["clearer"], "reason": "so it is"}
    judgment = lease_next(alice, past)
    record(judgment, 0, "rate", said | mark_pieces(judgment))
    return {
        "scale": (alice, "/annotate/scale/", 200),
        "rank": (alice, "/annotate/rank/", 200, lambda page: press(page, "Digit2", "Digit1")),
        "rank without a place": (alice, "/annotate/rank/", 200, lambda page: press(page, "Digit2", "Enter")),
        "refused": (alice, "/annotate/refused/", 200, forbid_tie),
        "best and worst": (alice, "/annotate/best/", 200, lambda page: press(page, "Digit2")),
        "stars": (alice, "/annotate/stars/", 200, lambda page: press(page, "Digit4")),
        "stars of one answer": (alice, "/annotate/single/", 200, lambda page: press(page, "Digit4")),
        "all at once": (alice, "/annotate/all/", 200, unfold),
        "highlights": (alice, "/annotate/all/", 200, highlight),
        "reason awaited": (alice, "/annotate/all/", 200, await_reason),
        "history": (alice, "/annotate/past/history/", 200),
        "judged": (alice, f"/annotate/past/history/{judgment.pk}/", 200),
        "repair round": (alice, "/annotate/round/", 200),
        "view": (alice, "/annotate/code/", 200, lambda page: press(page, "KeyV")),
        "differences": (alice, "/annotate/code/", 200, show_differences),
        "raw": (alice, "/annotate/code/", 200, show_raw),
        "reasoning": (alice, "/annotate/thoughts/", 200, unfold),
        "one at a time": (alice, "/annotate/table/", 200, look_at_one),
        "waiting": (alice, "/annotate/waits/", 200, wait),
        "unsent": (alice, "/annotate/flagged/", 200, leave_unsent),
    }


def create_gold_and_practice(make_dataset, admin, alice, bob):
    """Known answers, and a practice round at its start, middle and end."""
    dataset = make_dataset(pick_demo_rows(3), "known", practice=2, practice_pass=80, guideline="Look *well*.")
    for _ in range(2):
        judgment = lease_next(admin, dataset)
        record(judgment, 0, "left")
        judgment.refresh_from_db()
        gold = create_gold(judgment, "It is **shorter**, and says as much.", for_practice=True, by=admin)
    for someone in (alice, bob):
        for one in practice.draw_golds(someone, dataset)[: 1 if someone == alice else 2]:
            practised = practice.ensure_judgment(someone, one)
            practice.save_answer(practised, 0, Submission("both_bad"))
            if someone == alice:
                told = practised.pk
    return {
        "known answers": (admin, "/datasets/known/gold/", 200),
        "known answer": (admin, f"/datasets/known/gold/{gold.pk}/", 200),
        "practice": (alice, "/annotate/known/practice/", 200),
        "practised": (alice, f"/annotate/known/practice/{told}/", 200),
        "practice over": (bob, "/annotate/known/practice/", 200),
        "qualifications": (admin, "/datasets/known/annotators/", 200),
    }


def create_reviews(make_dataset, alice, bob, admin):
    """The states of a review, on a dataset with every option on."""
    rita = create_person("rita", User.Role.REVIEWER)
    said = {"stars": [5, 1], "criteria": {"facts": {"verdict": ["left"]}, "tone": {"verdict": ["tie"]}}}
    for slug in ("unseen", "undecided", "gone-wrong", "decided"):
        dataset = make_dataset(pick_demo_rows(2)[:1], slug, overlap=2, review="differ", **EVERYTHING)
        people = (alice, bob) if slug != "gone-wrong" else (bob,)
        for user, verdict in zip(people, ("left", "tie"), strict=False):
            judgment = lease_next(user, dataset)
            more = {"reasons": ["clearer"], "reason": "so it is"} | mark_pieces(judgment)
            record(judgment, 0, verdict, said | more)
        if slug == "gone-wrong":
            record(lease_next(alice, dataset), 0, "flag", {"note": "It says “as GPT”."}, flag="leak")
        if slug != "unseen":
            save_impression(lease_next_review(rita, dataset), 0, Submission("left", said))
    decision = lease_next_review(rita, dataset)
    decide(decision, 0, Submission("left", said))
    return {
        "home of a reviewer": (rita, "/", 200),
        "review": (rita, "/annotate/unseen/review/", 200),
        "decide": (rita, "/annotate/undecided/review/", 200),
        "decide what is flagged": (rita, "/annotate/gone-wrong/review/", 200),
        "inbox": (admin, "/datasets/undecided/review/", 200),
        "inbox with suggestions": (admin, "/datasets/crowd/review/", 200),
        "nothing to review": (rita, "/annotate/decided/review/", 200),
        "decided": (admin, f"/datasets/decided/judgments/{decision.pk}/", 200),
    }


def create_reports(make_dataset, admin, alice):
    """Full reports, nearly empty ones, and one that is still being computed."""
    crowd = create_judged_dataset(make_dataset, [HONEST, HONEST, HONEST, LEFT], judgments=30, gold=0.35, repeats=0.35)
    make_report(crowd)
    Job.objects.create(kind="analysis", dataset=make_dataset(build_rows(1), "computing"))
    of_people = Judgment.objects.filter(dataset=crowd, annotator__username="crowd-3").first().annotator
    return {
        "report": (admin, "/datasets/crowd/quality/", 200, unfold),
        **{f"report: {name}": (admin, f"/datasets/crowd/quality/{name}/", 200, unfold) for name in load_parts()},
        "report: few judgments": (admin, "/datasets/demo/quality/", 200),
        "report: no strengths": (admin, "/datasets/empty/quality/strengths/", 200),
        "report being computed": (admin, "/datasets/computing/quality/", 200),
        "people who need a look": (admin, "/datasets/crowd/annotators/", 200),
        "how you judge": (of_people, "/annotate/crowd/me/", 200),
        "how you judge: nothing yet": (alice, "/annotate/demo/me/", 200),
    }


ANSWERED = {"text": "**Bali**, for its beaches.", "reasoning": "A beach.\nWhich one?", "ms": 1234, "tokens_out": 12}


def create_models(make_dataset, admin):
    """Models, a trial, and generation in every state."""
    cat = save_model("cat", "http://127.0.0.1:9/v1", "tiny", parameters={"top_k": 40}, by=admin)
    save_model("bot", "http://127.0.0.1:9/v1", "tiny/with-a-long-name-of-an-organisation", system="Be brief. " * 30)
    endpoint = Endpoint.objects.get()
    endpoint.probed = {"models": ["tiny", "large"], "stream": True, "usage": True, "seed": None, "ms": 12}
    endpoint.price_in, endpoint.price_out, endpoint.currency = 1, 2, "USD"
    endpoint.probed_at = timezone.now()
    endpoint.save()
    trial = {"version": cat.pk, "prompt": "Where to?"}
    answers = [
        ANSWERED,
        ANSWERED | {"text": "没有。", "reasoning": ""},
        {"failure": "timeout", "detail": "504 Gateway"},
    ]
    tried = Job.objects.create(kind="try", state="done", arguments=trial, result={"answers": answers})
    waiting = Job.objects.create(kind="try", state="running", arguments=trial, beat_at=timezone.now())
    probing = Job.objects.create(kind="probe", state="running", arguments=trial, beat_at=timezone.now())
    asked = make_dataset([{"prompt": f"What is {n} + {n}?"} for n in range(4)], "asked")
    wanted = Wanted(asked, [cat], 2)
    create_generations(wanted)
    done, failed, *_ = Generation.objects.order_by("pk")
    done.state, done.tokens_in, done.tokens_out, done.warnings = "done", 1000, 2000, ["cut_off"]
    failed.state, failed.error = "failed", "interrupted"
    done.save()
    failed.save()
    arguments = {"versions": [cat.pk], "n": 2, "prompts": None, "answers": None, "tokens": None}
    arguments |= {"money": None, "most_at_once": None}
    down = {"paused": "failures", "endpoint": endpoint.base_url, "failure": "unauthorized", "detail": "401 No key"}
    Job.objects.create(kind="generate", state="done", dataset=asked, arguments=arguments, result=down)
    running = make_dataset([{"prompt": "Why?"}], "busy")
    create_generations(Wanted(running, [cat], 2))
    Job.objects.create(kind="generate", state="running", dataset=running, arguments=arguments, beat_at=timezone.now())
    stopped = make_dataset([{"prompt": "Why?"}], "stopped")
    create_generations(Wanted(stopped, [cat], 2))
    Job.objects.create(kind="generate", state="cancelled", dataset=stopped, arguments=arguments)
    prompt = asked.prompts.earliest("pk").pk
    return {
        "models": (admin, "/models/", 200),
        "a wrong model": (admin, "/models/", 200, mistake_the_model),
        "model": (admin, "/models/bot/", 200),
        "model with a trial": (admin, f"/models/cat/?trial={tried.pk}", 200, unfold),
        "model that is tried": (admin, f"/models/cat/?trial={waiting.pk}", 200),
        "server that is checked": (admin, f"/models/cat/?probe={probing.pk}", 200),
        "start with a model": (admin, "/datasets/new/", 200, unfold),
        "generation with an estimate": (admin, "/datasets/stopped/generate/?models=cat&models=bot&n=3", 200),
        "generation at work": (admin, "/datasets/busy/generate/", 200),
        "generation that paused": (admin, "/datasets/asked/generate/", 200),
        "generation for a prompt": (admin, f"/datasets/asked/generate/?prompt={prompt}", 200),
        "generation without prompts": (admin, "/datasets/empty/generate/", 200),
    }


def create_chats(make_dataset, admin, alice):
    """A chat in every state, of a bot that needs no network."""
    dataset = make_dataset([{"prompt": "Where to?"}], "talk", guideline="Choose the *kinder* answer.")
    create_bot(dataset)
    settings = ChatSettings.objects.get()
    settings.keep_days = 30

    def begin(key, said, verdict=None):
        turn = talks.say(alice, settings, key, 1, said)
        if verdict is not None:
            answer_turn(turn, lambda: None)
            turn = talks.find_last_turn(turn.chat)
        if verdict:
            talks.judge(turn, settings, 0, Submission(verdict))
        return turn

    begin("answered", "我想去一个有海滩的地方度假。", "")
    begin("tie", "I want to go to the beach", "tie")
    begin("bad", "I like mountains", "both_bad")
    over = begin("over", "I like cities", "left")
    talks.end_chat(over.chat)
    Turn.objects.filter(pk=begin("failed", "Anything?").pk).update(state="failed", error="server_error")
    waiting = begin("waiting", "Anything else?")
    Job.objects.filter(pk=Turn.objects.get(pk=waiting.pk).job_id).update(state="running", beat_at=timezone.now())
    pages = {key: (alice, f"/chat/talk/?chat={key}", 200) for key in ("answered", "tie", "bad", "over", "waiting")}
    return {f"chat: {key}": page for key, page in pages.items()} | {
        "chat: failed": (alice, "/chat/talk/?chat=failed", 200),
        "chat: empty": (alice, "/chat/talk/?new", 200),
        "chats": (alice, "/chat/talk/chats/", 200),
        "no chats": (admin, "/chat/talk/chats/", 200),
        "chat settings": (admin, "/datasets/talk/chat/", 200),
    }


RATE = {"value": 0.66, "interval": [0.6, 0.71], "n": 360}
VALUES = [
    {"n": 1, "value": 0.5, "interval": [0.5, 0.5], "replaced": 0.0, "own": 0.5, "prompts": 60, "kl": 0.0},
    {"n": 4, "value": 0.69, "interval": [0.64, 0.73], "replaced": 0.65, "own": 0.71, "prompts": 60, "kl": 0.64},
]
LEARNT = {"picker": "predictor", "why": "best", "n": 4, "choices": 360, "judged_prompts": 60, "values": VALUES}
LEARNT |= {"accuracy": [{"name": "counts", **RATE}, {"name": "predictor", **RATE}], "prompts": 3, "failed": 0}
FEW = {"picker": "counts", "why": "too_few", "n": 4, "choices": 5, "judged_prompts": 1, "accuracy": [], "values": []}


def create_policies(make_dataset, admin):
    """Policies with picks, with few choices, at work, and with nothing."""
    rows = [{"prompt": f"Where to, {n}?", "responses": ["The *sea*.", "A hill."], "tags": ["trip"]} for n in range(3)]
    dataset = make_dataset(rows, "picked")
    for n, prompt in enumerate(dataset.prompts.order_by("pk")):
        first, second = prompt.responses.order_by("pk")
        about = {"dataset": dataset, "prompt": prompt, "n": 4, "first": first, "picker": "predictor", "choices": 360}
        pick = second if n == 0 else first
        before = first if n == 0 else None
        Pick.objects.create(**about, pick=pick, before=before, chance=0.71 if n == 0 else None, covered=n < 2)
    Job.objects.create(kind="policy", state="done", dataset=dataset, arguments={"prompts": 3}, result=LEARNT)
    few = make_dataset([{"prompt": "Where to?"}], "few-choices")
    Job.objects.create(kind="policy", state="done", dataset=few, arguments={"prompts": 3}, result=FEW)
    Job.objects.create(kind="policy", state="running", dataset=few, arguments={"prompts": 3}, beat_at=timezone.now())
    return {
        "policy": (admin, "/datasets/picked/policy/", 200),
        "policy with few choices, at work": (admin, "/datasets/few-choices/policy/", 200),
        "policy without choices": (admin, "/datasets/empty/policy/", 200),
    }


def mistake_the_model(page):
    for name, value in (("name", "a b"), ("url", "ftp://x"), ("model", "tiny"), ("extra", "[]")):
        if not page.locator(f"[name={name}]").is_visible():
            unfold(page)
        page.locator(f"[name={name}]").fill(value)
    with page.expect_navigation():
        page.locator("main button[type=submit]").click()
    expect(page.locator(".errorlist").first).to_be_visible()


@pytest.fixture
def every_page(make_dataset, alice, bob, admin):
    """{name: (who, path, status, steps)} of pages in every state."""
    for slug, mark in (("code", "```"), ("formulas", "\\("), ("table", "|---")):
        make_dataset([find_row_with(mark)], slug)
    make_dataset([row for row in DEMO if "system" in row and "messages" in row][:1], "turns")
    reopened = lease_next(alice, make_dataset(build_rows(1), "again"))
    record(reopened, 0, "left")
    undo(reopened, 1)
    record(lease_next(alice, make_dataset(build_rows(1), "finished")), 0, "left")
    lease_next(bob, make_dataset(build_rows(1), "elsewhere"))
    for slug, state in (("empty", "open"), ("halted", "paused"), ("closed", "closed"), ("archived", "archived")):
        Dataset.objects.create(slug=slug, state=state)
    Dataset.objects.filter(slug="code").update(guideline="# Look for\n\n1. truth\n2. `code` that runs")
    judged = [
        {"prompt": f"Why {n}?", "chosen": "Because.", "rejected": "No idea.", "annotator": "eve"} for n in range(3)
    ]
    make_dataset(judged)
    dataset = make_dataset(build_rows(21, answers=3))
    record(lease_next(alice, dataset), 0, "tie")
    vote = Judgment.objects.filter(annotator=alice, dataset=dataset).get().pk
    prompt, run = dataset.prompts.earliest("pk").pk, Import.objects.latest("pk").pk
    pause(alice, make_dataset(build_rows(1), "resting"), admin)
    pause(bob, dataset, admin)
    record(lease_next(alice, make_dataset(build_rows(1), "versions", overlap=2)), 0, "left")
    guided = Dataset.objects.get(slug="versions")
    for text in ("# Look for\n\n1. truth\n2. `code` that runs", "# Look for\n\n1. truth, above all"):
        guided.guideline = text
        guided.save()
        log(Kind.GUIDELINE, "guideline", *save_version(guided, admin), by=admin, dataset=guided)
    for _ in range(2):
        make_bundle(dataset, Settings(), "admin")
    make_dataset(build_rows(12), "draft", state="draft")
    failed = Job.objects.create(kind="check", state="failed", error="unexpected")
    modes = create_every_question(make_dataset, alice, bob) | create_gold_and_practice(make_dataset, admin, alice, bob)
    modes |= create_reports(make_dataset, admin, alice)
    modes |= create_reviews(make_dataset, alice, bob, admin) | create_models(make_dataset, admin)
    modes |= create_chats(make_dataset, admin, alice) | create_policies(make_dataset, admin)
    return modes | {
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
        "paused": (alice, "/annotate/halted/", 200),
        "closed": (alice, "/annotate/closed/", 200),
        "archived datasets": (admin, "/datasets/?archived", 200),
        "datasets": (admin, "/datasets/", 200),
        "dataset": (admin, "/datasets/demo/", 200),
        "help": (alice, "/help/", 200),
        "help page": (alice, "/help/api/", 200),
        "empty dataset": (admin, "/datasets/empty/", 200),
        "prompt": (admin, f"/datasets/demo/prompts/{prompt}/", 200),
        "write a prompt": (admin, "/datasets/demo/prompts/new/", 200),
        "edit a prompt": (admin, f"/datasets/demo/prompts/{prompt}/edit/", 200),
        "delete": (admin, "/datasets/demo/delete/", 200),
        "upload": (admin, "/datasets/upload/", 200),
        "refused rows": (admin, f"/datasets/upload/{create_bad_upload().pk}/", 200),
        "task at work": (admin, f"/datasets/upload/tasks/{Job.objects.create(kind='store', done=1, total=4).pk}/", 200),
        "task that failed": (admin, f"/datasets/upload/tasks/{failed.pk}/", 200),
        "tasks": (admin, "/datasets/upload/tasks/", 200),
        "doubts": (admin, f"/datasets/upload/{create_bad_upload(bad=DOUBTFUL).pk}/", 200, unfold),
        "columns": (admin, f"/datasets/upload/{create_unsure_upload(admin).pk}/", 200, look_at_columns),
        "columns mistaken": (
            admin,
            f"/datasets/upload/{create_unsure_upload(admin, [{'x': 'a', 'y': 'b'}]).pk}/",
            200,
            mistake_columns,
        ),
        "columns said": (admin, f"/datasets/upload/{assign_columns(admin, create_unsure_upload(admin)).pk}/", 200),
        "checked": (admin, f"/datasets/upload/{create_bad_upload(bad=[]).pk}/", 200),
        "import": (admin, f"/datasets/upload/{run}/", 200),
        "follow": (admin, "/datasets/demo/", 200),
        "draft": (admin, f"/datasets/draft/?invited={invite_dora(admin, 'emil').pk}", 200),
        "draft refused": (admin, "/datasets/draft/?name=a+b", 200),
        "data": (admin, "/datasets/draft/data/", 200),
        "data filtered": (admin, "/datasets/demo/data/?q=prompt&status=to_do", 200),
        "data not found": (admin, "/datasets/demo/data/?q=nowhere+at+all", 200),
        "data asks first": (admin, "/datasets/demo/data/", 200, ask_to_delete),
        "queue": (admin, "/datasets/draft/task/queue/", 200),
        "templates": (admin, "/datasets/draft/task/", 200, show_templates),
        "trial": (admin, "/datasets/draft/try/", 200),
        "trial over": (admin, "/datasets/draft/try/?after=10", 200),
        "not open yet": (admin, "/annotate/draft/", 200),
        "judgments": (admin, "/datasets/demo/judgments/", 200),
        "judgment": (admin, f"/datasets/demo/judgments/{vote}/", 200),
        "people of a dataset": (admin, "/datasets/demo/annotators/", 200),
        "record": (admin, "/datasets/demo/judgments/pairs/", 200),
        "people": (admin, "/team/", 200),
        "invite": (admin, "/team/invite/", 200),
        "person": (admin, f"/team/{alice.pk}/", 200),
        "link": (admin, f"/team/{invite_dora(admin).pk}/link/", 200),
        "no link": (admin, f"/team/{alice.pk}/link/", 200),
        "timesheet": (admin, "/team/timesheet/?since=", 200),
        "profile": (alice, "/profile/", 200),
        "tokens": (admin, "/profile/tokens/", 200),
        "invitation gone": (None, "/accounts/invite/nobody/none/", 410),
        "flags": (admin, "/datasets/flagged/review/", 200),
        "question": (admin, "/datasets/all/task/", 200),
        "question of an order": (admin, "/datasets/rank/task/", 200),
        "question refused": (admin, "/datasets/rank/task/", 200, mistake_the_question),
        "settings": (admin, "/datasets/versions/settings/", 200),
        "log": (admin, "/datasets/versions/log/", 200),
        "log of everything": (admin, "/team/log/", 200),
        "versions of a guideline": (admin, "/datasets/versions/task/guidelines/", 200),
        "a changed guideline": (alice, "/annotate/versions/guideline/", 200),
        "told of a changed guideline": (alice, "/annotate/versions/", 200),
        "a paused person": (alice, "/annotate/resting/", 200),
        "record of one": (admin, "/datasets/demo/judgments/pairs/?person=account%3Abob", 200),
        "export": (admin, "/datasets/demo/export/", 200),
        "export preview": (admin, "/datasets/demo/export/?format=dpo&mode=majority", 200),
        "export of a trainer": (admin, "/datasets/demo/export/?trainer=llama-factory&min-votes=1", 200, unfold),
        "export as a table": (admin, "/datasets/demo/export/?trainer=tables", 200),
        "bundle": (admin, "/datasets/demo/bundles/2/", 200),
        "push refused": (admin, "/datasets/demo/bundles/1/", 200, push_without_a_name),
        "push that failed": (admin, f"/datasets/upload/tasks/{create_refused_push(dataset).pk}/", 200),
        "wrong filter": (admin, "/datasets/demo/export/?format=dpo&min-agreement=7", 200),
        "for admins only": (alice, "/datasets/", 403),
        "not there": (alice, "/nowhere/", 404),
        "cannot be read": (admin, "/datasets/demo/data/?after=x", 400),
    }


PEOPLE = ("admin", "alice", "bob")


def compile_english():
    """A pattern for each English text with a Chinese translation; a placeholder matches a number or anything."""
    with override("zh-hans"):
        catalogue = trans_real.translation("zh-hans")._catalog
        texts = {key[0] if isinstance(key, tuple) else key for key, _ in catalogue.items()}
        translated = {text for text in texts if text and gettext(text) != text}
    gap = r"%%|%(?:\(\w+\))?[sd]|\{\w*\}"
    number = r"%\((?:n|shown|place)\)s"
    patterns = (
        "".join(
            r"[\d.,]+" if re.fullmatch(number, part) else ".+" if re.fullmatch(gap, part) else re.escape(part)
            for part in re.split(f"({gap})", text)
        )
        for text in translated
    )
    return re.compile("|".join(pattern for pattern in patterns if re.search(r"[A-Za-z]{2}", pattern)))
