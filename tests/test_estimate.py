"""What an upload asks for is told before it is stored: comparisons, judgments and hours."""

import itertools
import json
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Sum
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from datasets.comparisons.generate import choose_groups, count_groups
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.estimate import build_marks, estimate, fetch_tally
from datasets.imports.spool import Spool
from datasets.judgments.statistics import FEWEST
from datasets.models import Comparison, Dataset, Import, Judgment
from tests.conftest import build_rows
from tests.test_datasets import encode_jsonl

# --- how many comparisons a prompt gets -------------------------------------------------------------------------------


def build_policy(pairs="all", limit=None, fewest=2, most=2):
    return SimpleNamespace(fewest_shown=fewest, most_shown=most, pairs_limit=limit, pairs=pairs)


def count_texts(answers):
    """As `count_groups` takes them, of [(id, text)]."""
    texts = [text for _, text in sorted(answers)]
    return [texts.count(text) for text in dict.fromkeys(texts)]


ANSWERS = st.lists(st.integers(0, 9), max_size=12).map(lambda texts: [(n, f"text {t}") for n, t in enumerate(texts)])
POLICIES = st.builds(build_policy, st.sampled_from(["all", "first"]), st.none() | st.integers(1, 20))


@given(ANSWERS, POLICIES, st.data())
def test_so_many_pairs_are_counted_as_are_chosen(answers, policy, data):
    texts = dict(answers)
    pairs = [pair for pair in itertools.combinations(sorted(texts), 2) if texts[pair[0]] != texts[pair[1]]]
    existing = data.draw(st.sets(st.sampled_from(pairs), max_size=5)) if pairs else set()
    with_first = sum(0 in pair for pair in existing)
    counted = count_groups(count_texts(answers), policy, len(existing), with_first)
    assert counted == len(choose_groups(answers, policy, existing))


@given(ANSWERS, st.integers(1, 3), st.integers(3, 6), st.none() | st.integers(1, 5))
def test_so_many_groups_of_many_are_counted_as_are_chosen(answers, fewest, most, limit):
    policy = build_policy(limit=limit, fewest=fewest, most=most)
    assert count_groups(count_texts(answers), policy) == len(choose_groups(answers, policy))


# --- of files ---------------------------------------------------------------------------------------------------------


def build_votes(prompt, *votes):
    """Judged rows: (better, worse, annotator)."""
    return [
        {"prompt": prompt, "chosen": a, "rejected": b, **({"annotator": who} if who else {})} for a, b, who in votes
    ]


TWICE = [{"prompt": "P?", "responses": [{"model": m, "text": t} for m, t in zip("abcdefgh", "xxyzzwvu", strict=True)]}]
JUDGED = [
    *build_votes("P?", ("a", "b", "eve"), ("b", "a", "ann"), ("a", "b", "eve"), ("c", "d", ""), ("d", "c", "")),
    *build_votes("Q?", ("a", "b", ""), ("a", "c", "eve")),
]
LONG = [
    {"instruction": f"P{n}?", "output": f"Answer {m} {n}", "generator": f"m{m}"} for m in range(4) for n in range(6)
]
FILES = {
    **{f"{n} answers": [build_rows(3, answers=n)] for n in range(2, 10)},
    "the same text twice": [TWICE],
    "the same rows twice": [build_rows(3, answers=3), build_rows(4, answers=3)],
    "one prompt in two rows": [build_rows(2, answers=3), [{"prompt": "Prompt 0?", "responses": ["new", "newer"]}]],
    "one answer a row": [LONG],
    "judged rows": [JUDGED],
    "demonstrations": [[{"prompt": f"P{n}?", "completion": "It is so."} for n in range(3)]],
    "prompts alone": [[{"prompt": f"P{n}?"} for n in range(3)]],
    "judged rows and candidates": [JUDGED, [{"prompt": "P?", "responses": ["a", "b", "c", "e"]}]],
    "candidates and demonstrations": [
        build_rows(3, answers=3),
        [{"prompt": "Prompt 0?", "completion": "Answer 1 to 0."}],
    ],
}
POLICY = [
    {},
    {"overlap": 3},
    {"pairs": "first"},
    {"pairs_limit": 2, "overlap": 2},
    {"pairs": "first", "pairs_limit": 3},
    {"ask_demonstrations": True},
]


def check_files(tmp_path, files, slug="fresh", **settings):
    """A checked import of these files."""
    paths = [tmp_path / f"{slug}-{n}.jsonl" for n in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        path.write_bytes(encode_jsonl(rows))
    run = imports_check.check([(path.name, path.open("rb")) for path in paths], slug)
    assert not run.refused
    run.dataset_settings = settings
    run.save()
    return run


def count_open():
    return Comparison.objects.filter(held="", open_slots__gt=0).aggregate(n=Sum("open_slots"))["n"] or 0


@pytest.mark.django_db
@pytest.mark.parametrize("chosen", POLICY, ids=str)
@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_estimate_of_a_new_dataset_is_what_storing_makes(tmp_path, files, chosen):
    run = check_files(tmp_path, files, **chosen)
    policy = Dataset(**chosen)
    told = estimate(fetch_tally(run, policy), policy)
    imports_store.store(run)
    assert (told.comparisons, told.remaining) == (Comparison.objects.count(), count_open())


@pytest.mark.django_db
@pytest.mark.parametrize("chosen", POLICY[:4], ids=str)
@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_for_an_existing_dataset_it_is_an_upper_bound(tmp_path, make_dataset, files, chosen):
    dataset = make_dataset([*build_rows(4, answers=2), *TWICE], slug="fresh", **chosen)
    before, open_before = Comparison.objects.count(), count_open()
    run = check_files(tmp_path, files)
    told = estimate(fetch_tally(run, dataset), dataset)
    imports_store.store(run)
    assert told.comparisons >= Comparison.objects.count() - before
    assert told.remaining >= count_open() - open_before


@pytest.mark.django_db
def test_answers_that_the_dataset_has_are_not_counted_again(tmp_path, make_dataset):
    dataset = make_dataset(build_rows(5, answers=3), slug="fresh")
    told = estimate(fetch_tally(check_files(tmp_path, [build_rows(5, answers=3)]), dataset), dataset)
    assert told.comparisons == 0
    more = [
        {
            "prompt": f"Prompt {n}?",
            "responses": [{"model": "new", "text": "New."}, {"model": "m0", "text": f"Answer 0 to {n}."}],
        }
        for n in range(5)
    ]
    told = estimate(fetch_tally(check_files(tmp_path, [more]), dataset), dataset)
    assert told.comparisons == 15


@pytest.mark.django_db
def test_gold_questions_ask_for_nothing(tmp_path):
    rows = [{"prompt": "P?", "chosen": "a", "rejected": "b", "gold": True}]
    run = check_files(tmp_path, [rows, build_rows(1)], overlap=3)
    told = estimate(fetch_tally(run, Dataset()), Dataset(overlap=3))
    imports_store.store(run)
    assert (told.comparisons, told.remaining) == (Comparison.objects.count(), count_open()) == (2, 3)


@pytest.mark.django_db
def test_the_rows_are_read_once_until_some_are_left_out(tmp_path, monkeypatch):
    rows = [*build_rows(3), {"prompt": "Who?", "responses": ["As Claude, I know.", "Nobody."]}]
    run, read = check_files(tmp_path, [rows]), []
    monkeypatch.setattr("datasets.imports.estimate.build_marks", lambda *row: read.append(row) or build_marks(*row))
    first = fetch_tally(run, Dataset())
    assert fetch_tally(run, Dataset()) == first
    assert len(read) == 4
    imports_check.leave_out(run, ["names_model"])
    assert estimate(fetch_tally(run, Dataset()), Dataset()).comparisons == 3
    assert sum(first.models.values()) == 8
    assert len(Spool(tmp_path / "spool" / f"import-{run.pk}.sqlite3").list_rows(0, 10)) == 3


@pytest.mark.django_db
def test_the_pace_is_the_datasets_own_once_there_are_votes(tmp_path, make_dataset, alice):
    dataset = make_dataset(build_rows(FEWEST), slug="fresh")
    run = check_files(tmp_path, [build_rows(2, answers=3)])
    for n, comparison in enumerate(Comparison.objects.all()):
        told = estimate(fetch_tally(run, dataset), dataset)
        assert (told.seconds, told.has_pace) == (40, False)
        Judgment.objects.create(
            comparison=comparison,
            dataset=dataset,
            annotator=alice,
            state="saved",
            verdict="left",
            order=comparison.response_ids,
            seconds=n + 1,
            decided_at="2026-01-01T00:00Z",
        )
    told = estimate(fetch_tally(run, dataset), dataset)
    assert (told.seconds, told.has_pace) == (10.5, True)


# --- on the page ------------------------------------------------------------------------------------------------------


@pytest.fixture
def owner(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def page(owner, tmp_path):
    """The address of a checked import of a new dataset: 12 comparisons."""
    return reverse("import", args=[check_files(tmp_path, [build_rows(4, answers=3)], state="draft").pk])


def read_estimate(response):
    html = response.content.decode()
    return html.split('id="estimate"')[1].split("<b>")[1].split("</b>")[0]


def test_the_page_tells_comparisons_judgments_and_time(owner, page):
    assert read_estimate(owner.get(page)) == "≈ 12 comparisons × 1 = 12 judgments ≈ 8 min at 40 s"
    answer = owner.post(page, {"decision": "estimate", "overlap": 100, "pairs": "first", "pairs_limit": ""})
    assert read_estimate(answer) == "≈ 8 comparisons × 100 = 800 judgments ≈ 8.9 h at 40 s"
    assert 'value="100"' in answer.content.decode()
    assert Import.objects.get().dataset_settings == {"state": "draft"}, "nothing is kept"


def test_htmx_gets_the_estimate_alone(owner, page):
    answer = owner.post(page, {"decision": "estimate", "pairs_limit": 2}, headers={"HX-Request": "true"})
    assert read_estimate(answer) == "≈ 8 comparisons × 1 = 8 judgments ≈ 5 min at 40 s"
    assert "<h1" not in answer.content.decode()
    answer = owner.post(page, {"decision": "estimate", "overlap": 0}, headers={"HX-Request": "true"})
    assert "greater than or equal to 1" in answer.content.decode()


def test_storing_keeps_what_the_form_says_and_what_it_does_not(owner, page):
    owner.post(page, {"decision": "store", "overlap": 3, "pairs_limit": 2})
    dataset = Dataset.objects.get()
    assert (dataset.overlap, dataset.pairs, dataset.pairs_limit, dataset.state) == (3, "all", 2, "draft")
    assert set(Comparison.objects.values_list("wanted", flat=True)) == {3}
    assert Comparison.objects.count() == 8


def test_a_script_that_stores_without_more_keeps_the_settings(owner, page):
    Import.objects.update(dataset_settings={"overlap": 2, "pairs_limit": 1})
    owner.post(page, {"decision": "store"})
    dataset = Dataset.objects.get()
    assert (dataset.overlap, dataset.pairs_limit, Comparison.objects.count()) == (2, 1, 4)


def test_a_wrong_value_stores_nothing(owner, page):
    for wrong in ({"overlap": 0}, {"overlap": "x"}, {"pairs": "none"}, {"pairs_limit": 0}):
        answer = owner.post(page, {"decision": "store", **wrong})
        assert answer.status_code == 422
        assert 'class="errorlist"' in answer.content.decode()
        assert "12 comparisons × 1" in read_estimate(answer)
    assert not Dataset.objects.exists()


def test_an_existing_dataset_shows_its_settings_and_a_link(owner, make_dataset, tmp_path):
    dataset = make_dataset(build_rows(2), slug="fresh", overlap=2, pairs="first", pairs_limit=4)
    page = reverse("import", args=[check_files(tmp_path, [build_rows(4, answers=3)]).pk])
    html = owner.get(page).content.decode()
    assert read_estimate(owner.get(page)).startswith("At most 6 comparisons × 2 = 12 judgments")
    assert reverse("dataset-settings", args=["fresh"]) in html
    assert 'name="overlap"' not in html
    owner.post(page, {"decision": "store", "overlap": 9, "pairs": "all"})
    dataset.refresh_from_db()
    assert (dataset.overlap, dataset.pairs) == (2, "first")


def test_judgments_in_the_files_are_taken_off(owner, tmp_path):
    html = owner.get(reverse("import", args=[check_files(tmp_path, [JUDGED], overlap=3).pk])).content.decode()
    assert "≈ 4 comparisons × 3 = 12 judgments" in html
    assert "6 judgments already in the files; remaining: 6 judgments ≈ 4 min at 40 s" in html


def test_the_preview_is_blind_and_stays_the_same(owner, tmp_path):
    texts = [f"Answer {n}" for n in range(6)]
    orders = set()
    for number in range(4):
        given = texts[number:] + texts[:number]
        rows = [{"prompt": f"P{number}?", "responses": [{"model": f"secret-{t[-1]}", "text": t} for t in given]}]
        run = check_files(tmp_path, [rows], slug=f"fresh-{number}")
        html = owner.get(reverse("import", args=[run.pk])).content.decode()
        models, preview = html.split('id="first-prompts"')
        assert "secret-0 (1)" in models
        assert "secret" not in preview
        orders.add(tuple(sorted(texts, key=preview.index)))
        labels = [part.split("<")[0] for part in preview.split('<p class="label">')[1:]]
        assert labels == list("ABCDEF")
    assert len(orders) == 1, "by the texts alone"
    assert orders != {tuple(texts)}


def test_an_upload_in_the_background_has_its_tally_ready(owner, monkeypatch):
    file = SimpleUploadedFile("rows.jsonl", json.dumps(build_rows(1)[0]).encode())
    owner.post(reverse("upload"), {"slug": "fresh", "files": file, "overlap": 1})
    monkeypatch.setattr("datasets.imports.estimate.tally_rows", None)
    page = reverse("import", args=[Import.objects.get().pk])
    assert read_estimate(owner.get(page)) == "≈ 1 comparison × 1 = 1 judgment ≈ 1 min at 40 s"
