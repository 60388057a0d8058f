"""Win counts and rates."""

import json

import numpy as np
import pytest
from django.conf import settings as project
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from analyze.maths.counts import count_wins
from analyze.maths.intervals import compute_clustered_rate, compute_rate

CHOICES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 3)), max_size=30)


def test_the_primers_table_digit_for_digit():
    lines = (project.BASE_DIR / "datasets/demo/travel.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = count_wins([row["chosen"] for row in rows], [row["rejected"] for row in rows])
    table = dict(zip(found.item, zip(found.chosen, found.rejected, found.judged, strict=True), strict=True))
    assert table == {"马尔代夫": (2, 2, 4), "夏威夷": (1, 2, 3), "巴厘岛": (2, 0, 2), "巴哈马": (0, 1, 1)}
    assert list(found.item) == ["马尔代夫", "夏威夷", "巴厘岛", "巴哈马"], "the most judged first"


@settings(deadline=None)
@given(CHOICES)
def test_every_choice_is_counted_once_on_each_side(rows):
    chosen, rejected, strength = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    found = count_wins(chosen, rejected, strength)
    between = [row for row in rows if row[0] != row[1]]
    assert found.choices + found.within == len(rows)
    assert found.chosen.sum() == found.rejected.sum() == sum(row[2] > 0 for row in between)
    assert found.tied.sum() == 2 * sum(row[2] == 0 for row in between)
    for n, item in enumerate(found.item):
        assert found.chosen[n] == sum(row[0] == item and row[2] > 0 for row in between)
        assert found.judged[n] == sum(item in row[:2] for row in between)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="lengths"):
        count_wins(["a"], ["b", "c"])


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (250, 500)])
def test_an_interval_is_that_of_a_second_implementation(hits, n):
    found, known = compute_rate(hits, n), binomtest(hits, n).proportion_ci(method="wilson")
    assert (found.value, found.low, found.high) == pytest.approx((hits / n, known.low, known.high))


def test_of_nothing_everything_is_possible():
    found = compute_rate([0, 1], [0, 2])
    assert np.isnan(found.value[0])
    assert (found.low[0], found.high[0], found.n[0]) == (0, 1, 0)
    assert compute_clustered_rate([], []).n == 0


def test_choices_about_one_prompt_are_no_independent_ones():
    rng = np.random.default_rng(1)
    hits = rng.integers(0, 2, 200)
    alone = compute_clustered_rate(hits, np.arange(200))
    assert (alone.low, alone.high) == pytest.approx(
        (compute_rate(hits.sum(), 200).low, compute_rate(hits.sum(), 200).high), abs=0.002
    )
    five = compute_clustered_rate(np.repeat(hits, 5), np.repeat(np.arange(200), 5))
    assert five.n == 1000
    assert (five.low, five.high) == pytest.approx((alone.low, alone.high), abs=0.002)
