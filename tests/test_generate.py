"""Which groups of answers become comparisons, and their reading time."""

import io
import json
import random
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.comparisons import generate
from datasets.comparisons.generate import choose_groups
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Comparison, Dataset, Import, Prompt, Response
from datasets.text.reading_time import count_prompt_words, count_words


def build_policy(fewest, most, limit=None, pairs="all"):
    return SimpleNamespace(fewest_shown=fewest, most_shown=most, pairs_limit=limit, pairs=pairs)


def build_answers(n):
    return [(pk, f"text {pk}") for pk in range(1, n + 1)]


RANK, BEST, STARS, ALONE = build_policy(2, 4), build_policy(3, 4), build_policy(1, 4), build_policy(1, 1)


@pytest.mark.parametrize(
    ("how", "n", "sizes"),
    [
        (RANK, 0, []), (RANK, 1, []), (RANK, 2, [2]), (RANK, 4, [4]), (RANK, 5, [4, 4]), (RANK, 9, [4, 4, 4]),
        (BEST, 2, []), (BEST, 3, [3]), (BEST, 4, [4]), (BEST, 7, [4, 4, 4]),
        (STARS, 0, []), (STARS, 1, [1]), (STARS, 4, [4]), (STARS, 5, [4, 1]), (STARS, 9, [4, 4, 1]),
        (ALONE, 3, [1, 1, 1]), (build_policy(2, 3), 4, [3, 3]), (build_policy(2, 6), 7, [6, 6]),
        (build_policy(2, 4, limit=1), 9, [4]), (build_policy(1, 4, limit=2), 9, [4, 4]),
    ],
)  # fmt: skip
def test_so_many_are_shown_at_once(how, n, sizes):
    groups = choose_groups(build_answers(n), how)
    assert [len(group) for group in groups] == sizes
    assert all(list(group) == sorted(set(group)) for group in groups)
    assert len(set(groups)) == len(groups)


@given(st.integers(2, 40), st.integers(3, 6), st.sampled_from([2, 3]))
def test_each_answer_is_asked_and_all_can_be_compared(n, most, fewest):
    if n < fewest:
        return
    groups = choose_groups(build_answers(n), build_policy(fewest, most))
    assert {pk for group in groups for pk in group} == set(range(1, n + 1))
    reached, before = set(groups[0]), None
    while before != reached:
        before = set(reached)
        for group in groups:
            reached |= set(group) if reached & set(group) else set()
    assert reached == set(range(1, n + 1))


@given(st.integers(1, 40), st.integers(1, 6))
def test_stars_are_asked_of_each_answer_once(n, most):
    groups = choose_groups(build_answers(n), build_policy(1, most))
    assert Counter(pk for group in groups for pk in group) == dict.fromkeys(range(1, n + 1), 1)
    assert max(map(len, groups)) <= most


@pytest.mark.parametrize("how", [RANK, BEST, STARS, ALONE, build_policy(2, 2)])
def test_the_same_text_twice_never_stands_in_a_group(how):
    found = [(1, "same"), (2, "other"), (3, "same"), (4, "third"), (5, "other"), (6, "fourth")]
    texts = dict(found)
    groups = choose_groups(found, how)
    assert groups
    for group in groups:
        assert len({texts[pk] for pk in group}) == len(group)
    if how.most_shown != 2:
        assert {pk for group in groups for pk in group} == {1, 2, 4, 6}, "the first of each text"


def test_one_text_many_times_is_nothing_to_compare():
    same = [(pk, "same") for pk in range(1, 6)]
    assert [choose_groups(same, how) for how in (RANK, BEST, build_policy(2, 2))] == [[], [], []]
    assert choose_groups(same, ALONE) == [(1,)]


@given(st.permutations(range(1, 10)))
def test_the_order_of_the_file_changes_nothing(order):
    found = build_answers(9)
    assert choose_groups([found[n - 1] for n in order], RANK) == choose_groups(found, RANK)


def test_what_stands_already_stays_and_counts():
    asked = {(1, 2, 3, 4)}
    assert choose_groups(build_answers(5), RANK, asked)[0] == (1, 2, 3, 4)
    assert choose_groups(build_answers(9), build_policy(2, 4, limit=1), asked) == [(1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("  \n\t", 0),
        ("one", 1),
        ("Two words.", 2),
        ("line\nbreaks\r\nand   blanks", 4),
        ("don't well-known", 2),
        ("我", 1),
        ("我们都喜欢吃苹果", 5),  # 8 × 0.6
        ("汉" * 100, 60),
        ("ひらがなとカタカナ", 5),
        ("한국어 단어", 2),
        ("用 Python 写", 2),  # one word, two letters
        ("Use中文in between", 4),
        ("你好，世界", 3),  # four letters; the comma between them is a separate piece
        ("x = f(a, b)  # 加", 6),
        ("\U00020000" * 10, 6),
        ("🙂 🙂", 2),
    ],
)
def test_words_are_counted_as_long_as_they_take_to_read(text, count):
    assert count_words(text) == count


def test_a_prompt_is_as_long_as_its_four_parts():
    prompt = SimpleNamespace(system="a b", instruction="c", input="d e f", turns=[["user", "g"], ["assistant", "h i"]])
    assert count_prompt_words(prompt) == 9


@pytest.mark.django_db
@pytest.mark.parametrize("demonstrations", [False, True])
def test_the_database_asks_the_pairs_that_the_policy_says(demonstrations, monkeypatch):
    rng = random.Random(demonstrations)
    rows = [
        {"prompt": f"Say {n}.", "responses": [f"text {rng.randrange(6)}" for _ in range(rng.randrange(2, 10))]}
        for n in range(60)
    ]
    rows += [{"instruction": f"Say {n}.", "output": f"text {rng.randrange(9)}"} for n in range(40)]
    files = [("a", io.BytesIO(json.dumps(some).encode())) for some in (rows[:60], rows[60:])]
    imports_store.store(imports_check.check(files, "demo"))
    dataset = Dataset.objects.get()
    dataset.ask_demonstrations = demonstrations
    dataset.overlap = 3
    unseen = Import.objects.create(slug="demo", dataset=dataset, state=Import.State.UNDONE)
    Response.objects.filter(pk__in=rng.sample(list(Response.objects.values_list("pk", flat=True)), 20)).update(
        imported=unseen
    )
    prompts = list(Prompt.objects.values_list("pk", flat=True))
    fields = ("prompt", "key", "words", "dataset", "wanted", "open_slots", "held", "task", "review")
    some = list(Comparison.objects.order_by("?").values_list("pk", flat=True)[:30])

    def ask_again():
        Comparison.objects.exclude(pk__in=some).delete()
        generate.generate_for_prompts(dataset, prompts)
        return sorted(Comparison.objects.exclude(pk__in=some).values_list(*fields))

    of_the_database = ask_again()
    new = Comparison.objects.exclude(pk__in=some).order_by("prompt", "pk").values_list("prompt", "key")
    groups = [(prompt, Comparison.parse_key(key)) for prompt, key in new]
    assert groups == sorted(groups)
    priorities = set(Comparison.objects.values_list("priority", flat=True))
    assert len(priorities) == Comparison.objects.count()
    assert all(0 <= priority < 1 << 62 for priority in priorities)
    monkeypatch.setattr(generate, "needs_every_pair", lambda dataset: False)
    assert len(of_the_database) > 100
    assert of_the_database == ask_again()
