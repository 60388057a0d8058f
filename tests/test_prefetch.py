"""Threads: each item once, a bounded number in flight, and the same comparisons as with one thread."""

import io
import json
import threading

import pytest

from datasets.db.threads import run_in_threads
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Comparison, Import
from tests.conftest import build_rows


@pytest.mark.parametrize("hands", [1, 2, 3])
def test_each_item_is_done_once_and_no_more_are_fetched_than_there_are_hands(hands):
    fetched, done, most = 0, [], 0

    def iter_items():
        nonlocal fetched
        for n in range(50):
            fetched += 1
            yield n

    def work(n):
        nonlocal most
        most = max(most, fetched - len(done))
        done.append(n)

    run_in_threads(hands, work, iter_items())
    assert sorted(done) == list(range(50))
    assert most <= hands


def test_hands_work_beside_each_other():
    both = threading.Barrier(2, timeout=20)
    run_in_threads(2, lambda _: both.wait(), range(2))  # with one thread, one would wait for the other for ever


@pytest.mark.parametrize("hands", [1, 2])
def test_one_that_fails_is_told_and_nothing_is_begun_after_it(hands):
    done = []

    def work(n):
        if n == 3:
            raise ValueError("the third")
        done.append(n)

    with pytest.raises(ValueError, match="the third"):
        run_in_threads(hands, work, iter(range(10_000)))
    assert len(done) < 10_000


@pytest.mark.django_db(transaction=True)
def test_two_hands_make_the_comparisons_that_one_makes(monkeypatch):
    monkeypatch.setattr(imports_store, "MANY", 1)
    monkeypatch.setattr(imports_store, "BATCH", 7)
    monkeypatch.setattr(imports_store, "LARGE_BATCH", 7)
    monkeypatch.setattr(imports_store, "THREADS", 2)
    monkeypatch.setattr(imports_store, "analyze_tables", lambda *_: None)
    told, beside = [], set()
    ask = imports_store.generate_for_prompts
    monkeypatch.setattr(
        imports_store, "generate_for_prompts", lambda *asked: (beside.add(threading.get_ident()), ask(*asked))
    )
    rows = build_rows(100, answers=3)
    judged = [{"prompt": f"Q{n}", "response_1": "a", "response_2": "b", "winner": "12"[n % 2]} for n in range(40)]
    fields = ("prompt__instruction", "words", "wanted", "open_slots", "held")
    made = {}
    for slug in ("one", "two"):
        files = [(f"{n}.json", io.BytesIO(json.dumps(some).encode())) for n, some in enumerate((rows, judged))]
        run = imports_check.check(files, slug)
        run.dataset_settings = {"overlap": 2}
        imports_store.store(run, lambda done, total: told.append((done, total)), hurry=slug == "two")
        assert Import.objects.get(pk=run.pk).state == Import.State.DONE
        assert max(told) == (280, 280)
        told.clear()
        made[slug] = sorted(Comparison.objects.filter(dataset__slug=slug).values_list(*fields))
    assert made["one"] == made["two"]
    assert len(made["one"]) == 340
    assert len(beside) > 1
