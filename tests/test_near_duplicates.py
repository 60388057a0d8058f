"""Parts of a bundle: near-duplicates stay together, and no prompt ever moves."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.models import Likeness, Prompt
from datasets.text import near_duplicates
from datasets.text.minhash import (
    BANDS,
    SIMILARITY_THRESHOLD,
    compute_minhash_bands,
    compute_prompt_shingles,
    compute_similarity,
)
from datasets.text.near_duplicates import PARTS, assign_groups, pick_part

WORDS = [chr(97 + n % 26) * (2 + n // 26) for n in range(80)]
LONG = "Explain in plain words how a river finds its way from the mountains to the sea, and why it bends so often."
CHINESE = "请用简单的话解释河流是怎样从山里流到大海的，以及它为什么总是弯弯曲曲，最后再举一个例子说明。"


def build_rows(*prompts):
    return [{"prompt": prompt, "responses": ["one", "two"]} for prompt in prompts]


def list_groups(dataset):
    return list(Prompt.objects.filter(dataset=dataset).order_by("pk").values_list("group", flat=True))


def draw_text(rng, n):
    return " ".join(rng.choices(WORDS, k=n))


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (LONG, LONG.replace("plain", "simple"), True),
        (LONG, LONG.upper() + "!!", True),
        (LONG, f"  {LONG}\n", True),
        (CHINESE, CHINESE.replace("一个", "两个"), True),
        ("Name a moon of Mars.", "name a moon of Mars", True),
        ("Name a moon of Mars.", "Name a moon of Jupiter.", False),
        (LONG, CHINESE, False),
        ("1 + 1 = ?", "2 + 2 = ?", False),
        ("？！", "!?", False),
    ],
)
@pytest.mark.django_db
def test_near_duplicates_have_one_group(make_dataset, one, other, together):
    dataset = make_dataset(build_rows(one, other))
    assign_groups(dataset)
    first, second = list_groups(dataset)
    assert first == dataset.prompts.earliest("pk").fingerprint
    assert (first == second) is together


@pytest.mark.django_db
def test_new_prompts_join_and_never_move_old_ones(make_dataset, monkeypatch):
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 3)
    rng = random.Random(1)
    texts = [draw_text(rng, 40) for _ in range(10)]
    dataset = make_dataset(build_rows(*texts))
    assign_groups(dataset)
    before = list_groups(dataset)
    assert len(set(before)) == 10
    make_dataset(build_rows(*(f"{text} indeed" for text in texts), draw_text(rng, 40)))
    assign_groups(dataset)
    assert list_groups(dataset)[:10] == before
    assert list_groups(dataset)[10:20] == before
    assert list_groups(dataset)[20] not in before
    assert Likeness.objects.count() == 21 * BANDS


@pytest.mark.django_db
def test_groups_are_of_one_dataset(make_dataset):
    first, second = make_dataset(build_rows(LONG)), make_dataset(build_rows(f"{LONG} Thanks."), slug="other")
    assign_groups(first)
    assign_groups(second)
    assert list_groups(first) != list_groups(second)


def test_marks_find_what_is_alike_and_little_else():
    """About the probabilities in the docstring of compute_minhash_bands, over 400 pairs of each kind."""
    rng = random.Random(2)

    def has_common_mark(overlap):
        shared = {rng.getrandbits(64) for _ in range(int(100 * overlap))}
        one = shared | {rng.getrandbits(64) for _ in range(int(100 * (1 - overlap) / 2))}
        other = shared | {rng.getrandbits(64) for _ in range(int(100 * (1 - overlap) / 2))}
        assert abs(compute_similarity(one, other) - overlap) < 0.02
        return bool(set(compute_minhash_bands(one)) & set(compute_minhash_bands(other)))

    assert sum(has_common_mark(0.9) for _ in range(400)) > 395
    assert sum(has_common_mark(SIMILARITY_THRESHOLD) for _ in range(400)) > 380
    assert sum(has_common_mark(0.2) for _ in range(400)) < 60


@given(st.text())
def test_every_text_has_marks(text):
    assert len(compute_minhash_bands(compute_prompt_shingles(Prompt(instruction=text)))) == BANDS


def test_parts_are_as_large_as_asked_and_stay():
    drawn = [pick_part(f"group {n}", (80, 10, 10)) for n in range(5000)]
    shares = {part: drawn.count(part) / 5000 for part in PARTS}
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.02)
    assert {pick_part(f"group {n}", (100, 0, 0)) for n in range(500)} == {"train"}
    assert pick_part("a", (80, 10, 10)) == "train"
    kept = [n for n in range(5000) if drawn[n] == "train" and pick_part(f"group {n}", (90, 5, 5)) == "train"]
    assert len(kept) == drawn.count("train"), "a larger share takes nothing from train"
