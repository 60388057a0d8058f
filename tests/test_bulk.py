"""Bulk inserts: byte for byte, with unique ids, and beside rows of other writers."""

import pytest

from datasets.comparisons.generate import create_comparisons
from datasets.db.bulk import insert, match_values, reserve_ids
from datasets.models import Comparison, Dataset, Prompt

pytestmark = pytest.mark.django_db
NAMES = ("id", "dataset", "fingerprint", "instruction", "turns")
TEXTS = ["\\N", "\\.", "a\tb", "a\r\nb\n", "\\t \\\\", "", '"', "’\u2028😀", "null", "'); --"]


def test_texts_are_kept_to_the_byte_and_what_is_not_given_has_its_default():
    dataset = Dataset.objects.create(slug="demo")
    ids = reserve_ids(Prompt, len(TEXTS))
    insert(
        Prompt, NAMES, [(pk, dataset.pk, str(pk), text, [["user", text]]) for pk, text in zip(ids, TEXTS, strict=True)]
    )
    kept = Prompt.objects.order_by("pk")
    assert [prompt.instruction for prompt in kept] == TEXTS
    assert [prompt.turns for prompt in kept] == [[["user", text]] for text in TEXTS]
    assert {(p.system, p.html, p.imported, p.words, tuple(p.tags), p.group) for p in kept} == {
        ("", None, None, 0, (), "")
    }


def test_nobody_else_gets_an_id_that_was_fetched():
    dataset = Dataset.objects.create(slug="demo")
    first = Prompt.objects.create(dataset=dataset, fingerprint="first")
    ids = reserve_ids(Prompt, 3)
    insert(Prompt, NAMES, [(pk, dataset.pk, str(pk), "", []) for pk in ids])
    later = Prompt.objects.create(dataset=dataset, fingerprint="later")
    assert len({first.pk, *ids, later.pk, *reserve_ids(Prompt, 2)}) == 7
    Prompt.objects.filter(pk=later.pk).delete()
    assert later.pk not in reserve_ids(Prompt, 5)


@pytest.mark.parametrize(("name", "values", "found"), [("fingerprint", ["a", "c", "x'"], 2), ("instruction", [], 0)])
def test_rows_among_some_values(name, values, found):
    dataset = Dataset.objects.create(slug="demo")
    for mark in "abc":
        Prompt.objects.create(dataset=dataset, fingerprint=mark)
    assert Prompt.objects.filter(match_values(Prompt, name, values), dataset=dataset).count() == found
    some = list(Prompt.objects.values_list("pk", flat=True))[:2]
    assert Prompt.objects.filter(match_values(Prompt, "id", some)).count() == 2


def test_a_comparison_that_somebody_else_has_made_stays_as_it_is(pairs):
    there = pairs.comparisons.order_by("pk").first()
    before = Comparison.objects.filter(pk=there.pk).values().get()
    create_comparisons(pairs, [(there.prompt_id, "998-999", 7), (there.prompt_id, there.key, 1000)])
    assert Comparison.objects.filter(pk=there.pk).values().get() == before
    assert Comparison.objects.get(key="998-999").words == 7
    assert pairs.comparisons.count() == 13
