"""Bias: what else the choices teach."""

import numpy as np
import pytest

from analyze.maths.bias import compute_bias
from analyze.maths.style import TRAITS, count_traits, is_refusal


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Plain.", (6, 0, 0, 0, 0, 0)),
        ("# Head\n\n- one\n- two\n1. three\n", (None, 3, 1, 0, 0, 0)),
        ("Head\n====\n\n**a** and __b__", (None, 0, 1, 0, 2, 0)),
        ("```py\nx = 1\n```\n~~~\ny\n~~~", (None, 0, 0, 2, 0, 0)),
        ("第一点：\n1、甲\n2、乙", (None, 2, 0, 0, 0, 0)),
        ("1998 was a year. - not a list, 3) neither", (None, 0, 0, 0, 0, 0)),
        ("", (0, 0, 0, 0, 0, 0)),
    ],
)
def test_what_shows_in_an_answer(text, found):
    assert [got for got, wanted in zip(count_traits([text])[0], found, strict=True) if wanted is not None] == [
        wanted for wanted in found if wanted is not None
    ]


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't assist with that request.", True),
        ("I’m sorry, but I can’t help with that.", True),
        ("I am very sorry, I cannot do that", True),
        ("I cannot provide instructions for that.", True),
        ("As an AI language model, I don't have feelings.", True),
        ("I'm unable to browse the web.", True),
        ("抱歉，我无法提供这方面的帮助。", True),
        ("对不起，我不能回答这个问题。", True),
        ("作为一个人工智能助手，我无法参与此类讨论。", True),
        ("我不能协助您完成这个请求。", True),
        ("I'm sorry to hear that your cat is ill. Here is what to do.", False),
        ("You cannot divide by zero.", False),
        ("He said he was unable to come.", False),
        ("抱歉让您久等了，下面是步骤。", False),
        ("这个算法不能提供最优解。", False),
        ("x" * 300 + " I cannot help with that.", False),
    ],
)
def test_refusals_are_known_by_how_they_begin(text, refuses):
    assert is_refusal(text) is refuses


def test_who_has_more_and_won():
    chosen = ["long answer", "short", "- a\n- list", "same"]
    rejected = ["short", "long answer", "no list in here", "four"]
    found = compute_bias(count_traits(chosen), count_traits(rejected), [1, 2, 3, 4], left=[1, -1, 0, 1])
    assert (found.longer_won.value, found.longer_won.n) == (1 / 3, 3)
    assert (found.left_won.value, found.left_won.n) == (2 / 3, 3)
    assert (found.lists_won.value, found.lists_won.n) == (1, 1)
    assert np.isnan(found.refusals_won.value)
    assert (found.balance.longer, found.balance.shorter, found.balance.equal) == (1, 2, 1)
    assert (found.balance.kept, found.balance.left_out) == (3, 1)
    assert found.balance.won["length"] == pytest.approx(0.5)


def test_a_balanced_selection_takes_the_lists_of_the_longer_with_it():
    """Three longer answers won, two of them with a list, and one shorter one: two choices stay."""
    chosen, rejected = ["- a\n- bcd", "- e\n- fgh", "much longer", "no"], ["x", "y", "z", "longer"]
    found = compute_bias(count_traits(chosen), count_traits(rejected), [1, 2, 3, 4])
    assert (found.balance.kept, found.balance.left_out) == (2, 2)
    assert found.longer_won.value == 0.75
    assert found.balance.won["length"] == pytest.approx(0.5)
    assert found.lists_won.value == found.balance.won["lists"] == 1


def test_ties_are_counted_aside():
    found = compute_bias(count_traits(["aa", "a"]), count_traits(["b", "bb"]), [1, 2], strength=[1, 0])
    assert (found.choices, found.ties, found.longer_won.value) == (1, 1, 1)
    assert compute_bias(np.zeros((0, len(TRAITS))), np.zeros((0, len(TRAITS))), []).choices == 0


def test_intervals_hold_with_many_choices_of_one_prompt():
    """Longer answers win 60 of 100, but each prompt has its own preference."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        pull = rng.beta(3, 2, 60)
        prompt = np.repeat(np.arange(60), 10)
        won = rng.random(600) < pull[prompt]
        one, other = np.zeros((600, len(TRAITS))), np.zeros((600, len(TRAITS)))
        one[:, 0] = np.where(won, 2, 1)
        other[:, 0] = 3 - one[:, 0]
        found = compute_bias(one, other, prompt).longer_won
        held.append(found.low <= 0.6 <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)
