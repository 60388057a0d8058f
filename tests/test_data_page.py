"""The prompts of a dataset: each filter, paging with filters, and acts on many prompts at once."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.audit import listing
from datasets.comparisons.flags import decide
from datasets.comparisons.generate import regenerate_comparisons, set_overlap
from datasets.jobs import worker
from datasets.models import Change, Choice, Comparison, Dataset, Gold, Import, Job, Judgment, Prompt, Response
from datasets.prompts import bulk, search, tasks
from optimize.models import Chat, Turn
from tests.conftest import build_rows, create_person
from tests.test_annotate import parse_page
from tests.test_concurrent_acts import run_at_once
from tests.test_queue import has_right_counters

pytestmark = pytest.mark.django_db

TEXTS = {
    "travel": "Where to go in spring?",
    "code": "Write a FUNCTION in Python.",
    "zh": "请写一首关于春天的诗。",
    "ja": "春の俳句をください。",
    "ko": "봄에 대한 시를 써 주세요.",
    "ru": "Напиши стихи о Весне.",
    "ar": "اكتب قصيدة عن الربيع",
}


@pytest.fixture
def owner(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def mixed(make_dataset):
    """One prompt per text; `travel` is tagged, and only its answers name a beach."""
    rows = [
        {
            "prompt": text,
            "responses": [
                {"model": "gpt@1" if name == "code" else "llama@2", "text": f"One for {name}."},
                {"model": "qwen", "text": "To the BEACH." if name == "travel" else f"Another for {name}."},
            ],
            "tags": ["trips", "旅行"] if name == "travel" else ["trips, too"],
        }
        for name, text in TEXTS.items()
    ]
    return make_dataset(rows, overlap=2)


def find(name):
    return Prompt.objects.get(instruction=TEXTS[name])


def get_comparison(name):
    return Comparison.objects.get(prompt=find(name))


def show(client, slug="demo", **filters):
    """Names of the texts on the page, in order."""
    response = client.get(reverse("data", args=[slug]), filters)
    assert response.status_code == 200
    names = {text: name for name, text in TEXTS.items()}
    return [names[row.prompt.start] for row in response.context.get("rows", [])]


def judge(comparison, user, chosen=0, strength=1, purpose="vote", state="saved"):
    """A judgment in which the response with this index wins; strength None: both bad."""
    ids = comparison.response_ids
    made = Judgment.objects.create(
        comparison=comparison,
        dataset_id=comparison.dataset_id,
        annotator=user,
        purpose=purpose,
        state=state,
        order=ids,
        verdict="left",
    )
    if strength is not None:
        Choice.objects.create(judgment=made, chosen_id=ids[chosen], rejected_id=ids[1 - chosen], strength=strength)
    if purpose == "vote":
        Comparison.objects.filter(pk=comparison.pk).update(open_slots=comparison.open_slots - 1)
        comparison.refresh_from_db()
    return made


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("spring", ["travel"]),
        ("SPRING where", ["travel"]),
        ("function", ["code"]),
        ("春天", ["zh"]),
        ("ВЕСНЕ", ["ru"]),
        ("весне", ["ru"]),
        ("%", []),
        ("_", []),
        ("beach", []),
        ("spring python", []),
    ],
)
def test_every_word_is_looked_for_in_the_prompt_in_any_case(owner, mixed, query, found):
    assert show(owner, q=query) == found


def test_the_input_is_searched_too(owner, mixed):
    Prompt.objects.filter(pk=find("ko").pk).update(input="An attached needle")
    assert show(owner, q="NEEDLE") == ["ko"]


def test_answers_are_searched_if_ticked(owner, mixed):
    assert show(owner, q="beach", answers="on") == ["travel"]
    assert show(owner, q="beach spring", answers="on") == ["travel"]
    assert show(owner, q="beach python", answers="on") == []


def test_a_tag_is_matched_whole(owner, mixed):
    assert show(owner, tag="trips") == ["travel"]
    assert show(owner, tag="旅行") == ["travel"]
    assert show(owner, tag="trip") == []


def test_tags_and_sources_are_suggested(owner, mixed):
    page = parse_page(owner.get(reverse("data", args=["demo"])))
    offered = {one["id"]: [option["value"] for option in one.find_all("option")] for one in page.find_all("datalist")}
    assert offered == {
        "tags-offered": ["trips", "trips, too", "旅行"],
        "sources-offered": sorted(["gpt@1", "llama@2", "qwen"]),
    }
    ids = [one["id"] for one in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert page.find("input", id="id_tag")["list"] == "tags-offered"


def test_of_a_large_dataset_all_stretches_are_looked_at(pairs, monkeypatch):
    monkeypatch.setattr(search, "STRETCHES", 3)
    monkeypatch.setattr(search, "STRETCH", 1)
    first, *_rest, last = Prompt.objects.order_by("pk")
    for prompt, tag in ((first, "first"), (last, "last")):
        Prompt.objects.filter(pk=prompt.pk).update(tags=[tag])
    tags, sources = search.read_offered(pairs)
    assert tags == ["first"]  # the last one is not the first of its stretch
    assert sources == ["m0", "m1"]


def test_a_source_of_an_answer(owner, mixed):
    assert show(owner, source="gpt@1") == ["code"]
    assert len(show(owner, source="qwen")) == len(TEXTS)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("zh", ["zh"]),
        ("ja", ["ja"]),
        ("ko", ["ko"]),
        ("cyrillic", ["ru"]),
        ("arabic", ["ar"]),
        ("other", ["travel", "code"]),
    ],
)
def test_the_characters_of_the_instruction(owner, mixed, script, found):
    assert show(owner, script=script) == found


def test_to_do_and_done(owner, mixed, alice, bob):
    for user in (alice, bob):
        judge(get_comparison("code"), user)
    judge(get_comparison("travel"), alice)
    assert show(owner, status="done") == ["code"]
    assert show(owner, status="to_do") == [name for name in TEXTS if name != "code"]


@pytest.mark.parametrize("held", [Comparison.FLAGGED, Comparison.WITHDRAWN, Comparison.GOLD, Comparison.SURE])
def test_what_is_held_is_not_to_do(owner, mixed, held):
    Comparison.objects.filter(prompt=find("zh")).update(held=held)
    if held == Comparison.GOLD:
        Gold.objects.create(comparison=get_comparison("zh"), dataset=mixed, verdict="tie")
    status = {Comparison.FLAGGED: "flagged", Comparison.WITHDRAWN: "held", Comparison.GOLD: "gold"}.get(held, "done")
    assert show(owner, status=status) == ["zh"]
    assert "zh" not in show(owner, status="to_do")
    others = {"flagged", "held", "gold", "done", "none", "split"} - {status}
    assert [show(owner, status=other) for other in others] == [[]] * len(others)


def test_without_comparisons(owner, mixed):
    Comparison.objects.filter(prompt=find("ar")).delete()
    assert show(owner, status="none") == ["ar"]
    assert "ar" not in show(owner, status="done")


def test_shown_as_plain_text(owner, mixed):
    Prompt.objects.filter(pk=find("ja").pk).update(plain="long")
    Response.objects.filter(pk=find("ko").responses.first().pk).update(plain="time")
    assert show(owner, status="plain") == ["ja", "ko"]


@pytest.mark.parametrize(
    ("one", "other", "is_split"),
    [
        ({"chosen": 0}, {"chosen": 0}, False),
        ({"chosen": 0}, {"chosen": 0, "strength": 3}, False),
        ({"chosen": 0}, {"chosen": 1}, True),
        ({"chosen": 0}, {"strength": 0}, True),
        ({"chosen": 0, "strength": 0}, {"chosen": 1, "strength": 0}, False),
        ({"chosen": 0}, {"strength": None}, True),
        ({"strength": None}, {"strength": None}, False),
        ({"strength": None}, {"strength": 0}, True),
        ({"chosen": 0}, {"chosen": 1, "purpose": "repeat"}, False),
        ({"chosen": 0}, {"chosen": 1, "state": "reopened"}, True),
        ({"chosen": 0}, {"chosen": 1, "state": "expired"}, False),
    ],
)
def test_split_votes_state_different_things(owner, mixed, alice, bob, one, other, is_split):
    judge(get_comparison("zh"), alice, **one)
    judge(get_comparison("zh"), bob, **other)
    judge(get_comparison("ja"), alice)
    assert show(owner, status="split") == ["zh"] * is_split


def test_split_votes_leave_out_an_import_that_is_not_visible(owner, mixed, alice):
    judge(get_comparison("zh"), alice)
    run = Import.objects.create(slug="demo", dataset=mixed, state=Import.State.STORING)
    hidden = judge(get_comparison("zh"), None, chosen=1)
    Judgment.objects.filter(pk=hidden.pk).update(imported=run)
    assert show(owner, status="split") == []
    Import.objects.filter(pk=run.pk).update(state=Import.State.DONE)
    assert show(owner, status="split") == ["zh"]


def test_what_waits_for_a_reviewer_is_split(owner, mixed):
    Comparison.objects.filter(prompt=find("ru")).update(review=Comparison.Review.WANTED)
    assert show(owner, status="split") == ["ru"]


def test_filters_go_together(owner, mixed):
    assert show(owner, source="llama@2", script="other", status="to_do", q="where", tag="trips") == ["travel"]
    assert show(owner, source="gpt@1", tag="trips") == []


def test_a_row_says_what_a_prompt_has(owner, mixed, alice, bob):
    comparison = get_comparison("travel")
    judge(comparison, alice)
    judge(comparison, bob, chosen=1)
    response = owner.get(reverse("data", args=["demo"]), {"tag": "trips"})
    (row,) = response.context["rows"]
    assert (list(map(str, row.statuses)), row.comparisons, row.votes) == (["Done", "Split votes"], 1, 2)
    assert [(one.chosen, one.rejected) for one in row.responses] == [(1, 1), (1, 1)]
    assert "trips, 旅行" in response.content.decode()


@pytest.mark.parametrize("filters", [{"status": "odd"}, {"script": "odd"}, {"q": "a" * 201}, {"q": "a\0"}])
def test_an_unknown_filter_is_refused_on_the_page(owner, mixed, filters):
    assert owner.get(reverse("data", args=["demo"]), filters).status_code == 422
    assert owner.post(reverse("data-bulk", args=["demo"]) + f"?status={filters.get('status', 'x')}").status_code == 400


def test_another_dataset_and_an_invisible_import_are_not_there(owner, mixed, make_dataset):
    make_dataset(build_rows(2), slug="other")
    run = Import.objects.create(slug="demo", dataset=mixed, state=Import.State.STORING)
    Prompt.objects.filter(pk=find("ar").pk).update(imported=run)
    assert show(owner) == [name for name in TEXTS if name != "ar"]


# --- paging -----------------------------------------------------------------------------------------------------------


def read_more(response):
    """The address of the next page."""
    return "?" + response.context["more"] if response.context["more"] else None


def test_pages_keep_the_filters(owner, make_dataset):
    make_dataset(build_rows(45))
    Prompt.objects.filter(instruction__contains="1").update(tags=["one"])
    wanted = list(Prompt.objects.filter(instruction__contains="1").order_by("pk").values_list("pk", flat=True))
    Prompt.objects.exclude(pk__in=wanted[:25]).update(tags=["one"])
    wanted = list(Prompt.objects.filter(tags__icontains="one").order_by("pk").values_list("pk", flat=True))
    seen, page, pages = [], "?tag=one&q=prompt", 0
    while page:
        response = owner.get(reverse("data", args=["demo"]) + page)
        seen += [row.prompt.pk for row in response.context["rows"]]
        page, pages = read_more(response), pages + 1
    assert (seen, pages) == (wanted, 3)
    assert response.context["first"] == "tag=one&q=prompt"


def test_a_slow_search_goes_on_where_it_stopped(owner, make_dataset, monkeypatch):
    make_dataset(build_rows(45))
    monkeypatch.setattr(search, "STEP", 10)
    monkeypatch.setattr(search, "SEARCH_S", 0)
    seen, page, said = [], "?q=44", []
    while page:
        response = owner.get(reverse("data", args=["demo"]) + page)
        seen += [row.prompt.start for row in response.context["rows"]]
        said.append("Continue searching" in response.content.decode())
        assert ("No matching prompts" in response.content.decode()) is False
        page = read_more(response)
    assert (seen, said) == (["Prompt 44?"], [True] * 4 + [False])


@pytest.mark.parametrize("step", [1, 2, 3, 7, 19, 20, 21, 40, 41, 100])
def test_no_prompt_is_lost_between_steps(make_dataset, monkeypatch, step):
    dataset = make_dataset(build_rows(41))
    monkeypatch.setattr(search, "STEP", step)
    form = search.PromptFilter(dataset, {"q": "prompt"})
    assert form.is_valid()
    seen, after = [], 0
    while after is not None:
        page = search.find_page(dataset, form, after)
        seen += [prompt.pk for prompt in page.prompts]
        after = page.next
    wanted = list(Prompt.objects.order_by("pk").values_list("pk", flat=True))
    assert seen == wanted == search.list_matching_ids(dataset, form, 100)
    assert search.list_matching_ids(dataset, form, 13) == wanted[:13]


@pytest.mark.parametrize("query", [{"q": "été", "answers": "on"}, {"source": "nowhere"}])
def test_a_step_reads_no_answers_of_other_steps(make_dataset, monkeypatch, query):
    dataset = make_dataset(build_rows(6))
    monkeypatch.setattr(search, "STEP", 2)
    monkeypatch.setattr(search, "SEARCH_S", 0)
    form = search.PromptFilter(dataset, query)
    assert form.is_valid()
    with CaptureQueriesContext(connection) as queries:
        assert search.list_matching_ids(dataset, form, 10) == []
    reads = [q["sql"] for q in queries if '"datasets_response"' in q["sql"]]
    bounds = [re.findall(r'"prompt_id" (<=|>) (\d+)', sql) for sql in reads]
    _, second, _, fourth, *_ = Prompt.objects.order_by("pk").values_list("pk", flat=True)
    step = [(">", str(second)), ("<=", str(fourth))]
    assert bounds[1] == step, "PostgreSQL may read all that the subquery does not leave out"
    assert len(reads) == 3


def test_a_page_of_twenty_takes_no_more_queries_than_one_of_two(owner, make_dataset):
    counts = []
    for n in (2, 20):
        make_dataset(build_rows(n), slug=f"of-{n}")
        with CaptureQueriesContext(connection) as queries:
            assert owner.get(reverse("data", args=[f"of-{n}"])).status_code == 200
        counts.append(len([q for q in queries if "SAVEPOINT" not in q["sql"]]))
    slack = search.STRETCHES - 2  # the lookups of tags in a new dataset, one per stretch
    assert counts[1] <= counts[0] + slack
    assert counts[1] < 35


# --- acts -------------------------------------------------------------------------------------------------------------


def act(client, name, prompts=(), scope="selected", query="", **fields):
    """The texts of the messages after an act on prompts."""
    form = {"act": name, "scope": scope, "prompt": [prompt.pk for prompt in prompts], **fields}
    response = client.post(reverse("data-bulk", args=["demo"]) + query, form, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


def act_and_confirm(client, name, prompts=(), scope="selected", query="", **fields):
    """The texts of the messages after an act that is confirmed on a page of its own."""
    form = {"act": name, "scope": scope, "prompt": [prompt.pk for prompt in prompts], **fields}
    question = client.post(reverse("data-bulk", args=["demo"]) + query, form)
    assert question.status_code == 200
    asked = parse_page(question).find("form", action=reverse("data-bulk", args=["demo"]) + query)
    sent = {one["name"]: one["value"] for one in asked.find_all("input") if one["name"] != "csrfmiddlewaretoken"}
    answer = client.post(reverse("data-bulk", args=["demo"]) + query, sent, follow=True)
    return [str(message) for message in answer.context["messages"]]


def list_sentences():
    """The acts in the audit log, in words, oldest first."""
    changes = Change.objects.filter(kind="dataset").exclude(after="made").order_by("pk")
    return [listing.format_change(change) for change in changes]


def test_held_back_is_given_to_nobody_and_released_comes_back(owner, mixed, alice):
    said = act(owner, "hold_back", Prompt.objects.exclude(pk=find("ja").pk))
    assert said == ["6 prompts held back (comparisons: 6)."]
    assert show(owner, status="held") == [name for name in TEXTS if name != "ja"]
    assert lease_next(alice, mixed).comparison == get_comparison("ja")
    assert record(Judgment.objects.get(), 0, "tie")
    assert lease_next(alice, mixed) is None
    assert act(owner, "release", [find("zh"), find("ja")]) == [
        "1 prompt released (comparisons: 1).",
        "1 prompt unchanged: it is not held back.",
    ]
    assert lease_next(alice, mixed).comparison == get_comparison("zh")
    assert list_sentences() == ["6 prompts: held back", "1 prompt: released"]
    assert has_right_counters(mixed)


def test_what_is_in_hand_when_held_back_can_still_be_judged(owner, mixed, alice):
    mine = lease_next(alice, mixed)
    act(owner, "hold_back", Prompt.objects.all())
    assert record(mine, 0, "left")
    assert has_right_counters(mixed)
    assert Choice.objects.of_votes().filter(judgment=mine).count() == 1
    act(owner, "release", Prompt.objects.all())
    assert Comparison.objects.get(pk=mine.comparison_id).open_slots == 1


def test_what_else_is_held_stays_so(owner, mixed):
    states = {"zh": Comparison.FLAGGED, "ja": Comparison.GOLD, "ko": Comparison.CHAT, "ru": Comparison.SURE}
    for name, held in states.items():
        Comparison.objects.filter(prompt=find(name)).update(held=held)
    said = act(owner, "hold_back", [find(name) for name in states])
    assert said[1] == "3 prompts unchanged: none of its comparisons is in the queue."
    assert {name: get_comparison(name).held for name in states} == {**states, "ru": Comparison.WITHDRAWN}
    act(owner, "release", Prompt.objects.all())
    assert {name: get_comparison(name).held for name in states} == {**states, "ru": ""}


def test_released_gold_is_gold_again(owner, mixed):
    comparison = get_comparison("zh")
    Gold.objects.create(comparison=comparison, dataset=mixed, verdict="tie")
    Comparison.objects.filter(pk=comparison.pk).update(held=Comparison.WITHDRAWN)
    act(owner, "release", [find("zh")])
    assert get_comparison("zh").held == Comparison.GOLD


def test_a_flag_decided_is_released_here_too(owner, mixed):
    comparison = get_comparison("zh")
    Comparison.objects.filter(pk=comparison.pk).update(held=Comparison.FLAGGED)
    decide(comparison.pk, Comparison.FLAGGED, "leave_out")
    act(owner, "release", [find("zh")])
    assert get_comparison("zh").held == ""


def test_review_follows_what_is_held(owner, mixed, alice, bob):
    Dataset.objects.update(review=Dataset.Review.SPLIT)
    comparison = get_comparison("zh")
    judge(comparison, alice)
    judge(comparison, bob, chosen=1)
    act(owner, "release", [find("zh")])
    act(owner, "overlap", [find("zh")], overlap=3)
    act(owner, "overlap", [find("zh")], overlap=2)
    assert get_comparison("zh").review == Comparison.Review.WANTED
    act(owner, "overlap", [find("zh")], overlap=3)
    assert get_comparison("zh").review == Comparison.Review.NONE
    act(owner, "overlap", [find("zh")], overlap=2)
    act(owner, "hold_back", [find("zh")])
    assert get_comparison("zh").review == Comparison.Review.NONE


def test_prompts_are_deleted_after_a_question(owner, mixed):
    gone = find("zh").pk
    question = owner.post(reverse("data-bulk", args=["demo"]), {"act": "delete", "scope": "selected", "prompt": [gone]})
    assert TEXTS["zh"] in question.content.decode()
    assert Prompt.objects.filter(pk=gone).exists()
    assert act_and_confirm(owner, "delete", [find("zh"), find("ja")]) == ["2 prompts deleted."]
    assert show(owner) == [name for name in TEXTS if name not in ("zh", "ja")]
    assert (Response.objects.count(), Comparison.objects.count()) == (10, 5)
    assert list_sentences() == ["2 prompts: deleted"]


def test_what_anybody_was_given_is_not_deleted(owner, mixed, alice, bob):
    leased = lease_next(alice, mixed)
    kept = [leased.comparison.prompt]
    for state in ("expired", "skipped", "saved"):
        comparison = Comparison.objects.exclude(prompt__in=kept).earliest("pk")
        judge(comparison, bob, state=state, strength=None, purpose="practice")
        kept.append(comparison.prompt)
    judgments = set(Judgment.objects.values_list("pk", flat=True))
    said = act_and_confirm(owner, "delete", scope="shown", shown=",".join(str(p.pk) for p in Prompt.objects.all()))
    reason = "it has been judged or handed out; hold it back instead."
    assert said == ["3 prompts deleted.", f"4 prompts unchanged: {reason}"]
    assert set(Prompt.objects.all()) == set(kept)
    assert set(Judgment.objects.values_list("pk", flat=True)) == judgments
    assert record(leased, 0, "left")


def test_gold_and_chats_are_not_deleted(owner, mixed, alice):
    Gold.objects.create(comparison=get_comparison("zh"), dataset=mixed, verdict="tie")
    Comparison.objects.filter(prompt=find("ja")).update(held=Comparison.CHAT)
    chat = Chat.objects.create(dataset=mixed, user=alice, key="one")
    Turn.objects.create(chat=chat, number=1, prompt=find("ko"), versions=[])
    said = act_and_confirm(owner, "delete", [find("zh"), find("ja"), find("ko")])
    assert said == ["3 prompts unchanged: it is a gold question, or belongs to a chat or a policy."]
    assert Prompt.objects.count() == len(TEXTS)
    assert list_sentences() == []


@pytest.mark.parametrize("busy", ["import", "task"])
def test_nothing_is_deleted_while_an_import_or_a_task_is_running(owner, mixed, busy):
    if busy == "import":
        Import.objects.create(slug="demo", dataset=mixed, state=Import.State.STORING)
    else:
        Job.objects.create(kind="generate", dataset=mixed)
    (said,) = act_and_confirm(owner, "delete", [find("zh")])
    assert said.startswith("Nothing was deleted")
    assert find("zh")


def test_tags_are_added_and_removed(owner, mixed):
    Prompt.objects.filter(pk=find("ko").pk).update(tags=[f"t{n}" for n in range(50)])
    said = act(owner, "add_tags", [find("travel"), find("zh"), find("ko")], tag="旅行, hard")
    assert said == [
        "2 prompts tagged 旅行, hard.",
        "1 prompt unchanged: the prompt has reached the maximum number of tags.",
    ]
    assert (find("travel").tags, find("zh").tags) == (["trips", "旅行", "hard"], ["trips, too", "旅行", "hard"])
    assert show(owner, tag="hard") == ["travel", "zh"]
    assert act(owner, "add_tags", [find("zh")], tag="hard") == ["1 prompt unchanged: it has the tag already."]
    said = act(owner, "remove_tags", [find("zh"), find("ja")], tag="hard")
    assert said == ["Tag hard removed from 1 prompt.", "1 prompt unchanged: it does not have the tag."]
    assert find("zh").tags == ["trips, too", "旅行"]
    assert list_sentences() == ["2 prompts: tagged 旅行, hard", "1 prompt: tag hard removed"]
    act(owner, "remove_tags", [find("travel"), find("zh")], tag="trips, too")
    assert (find("travel").tags, find("zh").tags) == (["旅行", "hard"], ["旅行"])


def test_a_new_tag_is_suggested_at_once(owner, mixed, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tags"}}
    assert search.list_offered(mixed).tags == search.list_offered(mixed).tags
    act(owner, "add_tags", [find("zh")], tag="brand-new")
    assert "brand-new" in search.list_offered(mixed).tags


def test_overlap_changes_with_the_open_slots(owner, mixed, alice, bob):
    judge(get_comparison("zh"), alice)
    Comparison.objects.filter(prompt=find("ar")).update(held=Comparison.CHAT)
    leased = lease_next(bob, mixed)
    chosen = [find("zh"), leased.comparison.prompt, find("ru")]
    n = len({prompt.pk for prompt in chosen})
    assert (
        act(owner, "overlap", [*chosen, find("ar")], overlap=5)[0] == f"Overlap 5 for {n} prompts (comparisons: {n})."
    )
    assert has_right_counters(mixed)
    wanted = dict(Comparison.objects.values_list("prompt", "wanted"))
    assert {prompt.pk for prompt in chosen} == {pk for pk, overlap in wanted.items() if overlap == 5}
    act(owner, "overlap", chosen, overlap=1)
    assert has_right_counters(mixed)
    assert get_comparison("zh").open_slots == -(leased.comparison == get_comparison("zh")), "bob's lease stands"
    assert record(leased, 0, "right")
    assert has_right_counters(mixed)
    assert list_sentences() == [f"{n} prompts: overlap 5", f"{n} prompts: overlap 1"]


def test_an_overlap_of_its_own_stays_until_the_datasets_changes(owner, mixed):
    act(owner, "overlap", [find("zh")], overlap=4)
    regenerate_comparisons(mixed)
    assert get_comparison("zh").wanted == 4
    set_overlap(mixed, 3)
    assert set(Comparison.objects.values_list("wanted", "open_slots")) == {(3, 3)}


def test_acts_can_be_on_the_page_or_on_all_that_match(owner, make_dataset):
    make_dataset(build_rows(45))
    page = owner.get(reverse("data", args=["demo"]) + "?q=prompt")
    said = act(owner, "hold_back", scope="shown", query="?q=prompt", shown=page.context["shown"])
    assert said == ["20 prompts held back (comparisons: 20)."]
    said = act_and_confirm(owner, "hold_back", scope="matching", query="?status=to_do")
    assert said == ["25 prompts held back (comparisons: 25)."]
    assert act_and_confirm(owner, "release", scope="matching", query="?q=44") == ["1 prompt released (comparisons: 1)."]


def test_after_an_act_the_page_is_where_it_was(owner, mixed):
    form = {"act": "hold_back", "scope": "selected", "prompt": [find("zh").pk]}
    answer = owner.post(reverse("data-bulk", args=["demo"]) + "?q=%E6%98%A5&after=0", form)
    assert answer["Location"] == reverse("data", args=["demo"]) + "?q=%E6%98%A5&after=0"
    assert owner.get(reverse("data-bulk", args=["demo"]))["Location"] == reverse("data", args=["demo"])


def test_batches_do_all_of_it(owner, make_dataset, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    dataset = make_dataset(build_rows(5))
    assert act(owner, "hold_back", Prompt.objects.all()) == ["5 prompts held back (comparisons: 5)."]
    assert list_sentences() == ["2 prompts: held back", "2 prompts: held back", "1 prompt: held back"]
    assert {change.dataset for change in Change.objects.filter(kind="dataset", before="hold_back")} == {dataset}


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("hold_back", {}, ["12 prompts held back (comparisons: 12)."]),
        ("release", {}, ["12 prompts unchanged: it is not held back."]),
        ("delete", {}, ["12 prompts deleted."]),
        ("add_tags", {"tag": "sea"}, ["12 prompts tagged sea."]),
        ("overlap", {"overlap": 3}, ["Overlap 3 for 12 prompts (comparisons: 12)."]),
    ],
)
def test_what_matches_beyond_the_limit_is_done_by_a_task(owner, admin, pairs, monkeypatch, name, fields, said):
    monkeypatch.setattr(bulk, "MOST_PROMPTS", 5)
    monkeypatch.setattr(tasks, "STEP", 5)
    assert act_and_confirm(owner, name, scope="matching", query="?q=prompt", **fields) == []
    job = Job.objects.get()
    assert (job.kind, job.state, job.created_by) == ("prompts", "waiting", admin)
    worker.perform(worker.claim(), worker.Progress(job))
    done = owner.get(f"/datasets/upload/tasks/{job.pk}/", follow=True)
    assert done.redirect_chain[-1][0] == f"/datasets/demo/data/?done={job.pk}"
    assert [str(message) for message in done.context["messages"]] == said
    assert {change.by for change in Change.objects.filter(kind="dataset", before=name)} <= {admin}


def test_a_task_that_is_cancelled_stops_between_two_steps(owner, pairs, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_PROMPTS", 5)
    monkeypatch.setattr(tasks, "STEP", 5)
    act_and_confirm(owner, "hold_back", scope="matching")
    job = worker.claim()
    progress = worker.Progress(job)
    monkeypatch.setattr(bulk, "log", lambda *_args, **_more: progress.stopped.set())
    worker.perform(job, progress)
    assert Job.objects.get().state == "cancelled"
    assert Comparison.objects.filter(held="withdrawn").count() == 5


def test_a_task_does_not_delete_while_an_import_runs(owner, pairs, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_PROMPTS", 5)
    monkeypatch.setattr(tasks, "STEP", 5)
    act_and_confirm(owner, "delete", scope="matching")
    job = worker.claim()
    Import.objects.create(dataset=pairs, slug="demo", state="storing")
    worker.perform(job, worker.Progress(job))
    assert (Job.objects.get().state, Prompt.objects.count()) == ("failed", 12)
    assert Job.objects.get().error.startswith("Nothing was deleted")


def test_more_than_the_limit_is_refused(owner, pairs, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_PROMPTS", 11)
    (said,) = act(owner, "hold_back", Prompt.objects.all())
    assert said == "Nothing was changed: more than 11 prompts match. Narrow the filters down."
    assert not Comparison.objects.exclude(held="").exists()
    with pytest.raises(bulk.CannotAct, match="too_many"):
        bulk.hold_back(pairs, list(Prompt.objects.values_list("pk", flat=True)))


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("add_tags", {"tag": " , "}, "Name a tag."),
        ("overlap", {}, "Name the new overlap."),
        ("overlap", {"overlap": 0}, "Ensure this value is greater than or equal to 1."),
        ("overlap", {"overlap": 101}, "Ensure this value is less than or equal to 100."),
        ("", {}, "This field is required."),
        ("drop", {}, "Select a valid choice. drop is not one of the available choices."),
    ],
)
def test_an_act_that_lacks_something_does_nothing(owner, mixed, name, fields, said):
    assert act(owner, name, [find("zh")], **fields) == [said]
    assert list_sentences() == []


def test_nothing_selected_is_nothing_done(owner, mixed):
    assert act(owner, "hold_back") == ["No prompts selected."]
    form = {"act": "hold_back", "scope": "selected", "prompt": ["x", "9" * 30, "-1"]}
    answer = owner.post(reverse("data-bulk", args=["demo"]), form, follow=True)
    assert [str(message) for message in answer.context["messages"]] == ["No prompts selected."]


def test_prompts_of_another_dataset_are_left_alone(owner, mixed, make_dataset):
    make_dataset(build_rows(1), slug="other")
    stranger = Prompt.objects.get(dataset__slug="other")
    assert act(owner, "hold_back", [stranger]) == ["These prompts no longer exist."]
    act_and_confirm(owner, "delete", [stranger])
    assert stranger.comparisons.get().held == ""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_one_box_selects_the_page(enter, admin, make_dataset):
    make_dataset(build_rows(3))
    page = enter(admin, reverse("data", args=["demo"]))
    boxes = page.locator("[name=prompt]")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[name=prompt]:checked")).to_have_count(3)
    boxes.first.uncheck()
    expect(page.get_by_label("Select all on this page")).not_to_be_checked()
    page.locator("[name=act]").select_option("hold_back")
    with page.expect_navigation():
        page.get_by_role("button", name="Apply action").click()
    expect(page.get_by_text("2 prompts held back")).to_be_visible()
    assert Comparison.objects.filter(held="withdrawn").count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["delete", "hold_back", "change_overlap"])
def test_while_people_judge_no_judgment_is_lost(make_dataset, monkeypatch, name):
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    dataset = make_dataset(build_rows(60), overlap=2)
    ids, saved = list(Prompt.objects.order_by("pk").values_list("pk", flat=True)), []

    def judge_all(user):
        while judgment := lease_next(user, dataset):
            assert record(judgment, 0, "left")
            saved.append(judgment.pk)

    def change_all():
        if name == "change_overlap":
            bulk.change_overlap(dataset, ids, 3)
            bulk.change_overlap(dataset, ids, 1)
        else:
            getattr(bulk, name)(dataset, ids)

    people = [create_person(f"p{n}") for n in range(4)]
    run_at_once(change_all, *(lambda user=user: judge_all(user) for user in people))
    assert set(Judgment.objects.filter(state="saved").values_list("pk", flat=True)) == set(saved)
    assert has_right_counters(dataset)
    if name == "delete":
        judged = Judgment.objects.values("comparison__prompt")
        assert not Prompt.objects.filter(dataset=dataset).exclude(pk__in=judged).exists()
