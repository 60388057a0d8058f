"""Policies: the pick among n answers by people's choices; coverage, margin, and what the picks are worth."""

import itertools
import json
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from analyze.maths.best_of_n import compute_kl_bound, compute_pick_weights, estimate_value
from datasets.models import Choice, Comparison, Dataset, Judgment, Prompt, Response
from optimize import prompt_answers, reasons
from optimize.chat import talks
from optimize.models import ChatSettings, Generation, PolicySettings
from optimize.policy import arms
from optimize.policy.choices import load_choices
from optimize.policy.learning import fetch_learnt
from optimize.policy.pickers import counts, load_pickers
from optimize.policy.picking import choose_answer
from optimize.versions import find_version, save_version
from tests.test_chat import Bots

BEACH = "我想去一个有海滩的地方度假。"


@pytest.fixture
def demo(transactional_db):
    call_command("load_demo")
    return Dataset.objects.get(slug="travel")


@pytest.fixture
def bots(monkeypatch):
    bots = Bots()
    monkeypatch.setattr(prompt_answers, "get_client", lambda: bots)
    monkeypatch.setattr(prompt_answers, "LONGEST_PAUSE_S", 0)
    return bots


def run_policy(run_command, *args):
    status, summary, error = run_command("policy", *args)
    assert status == 0, error
    return summary


# --- the primer -------------------------------------------------------------------------------------------------------


def test_the_primers_last_line_without_training(demo, run_command):
    summary = run_policy(run_command, "travel", "--prompt", BEACH, "--n", "8")
    assert summary["first"] == "你可以考虑去夏威夷或马尔代夫。"
    assert summary["pick"] == "你可以考虑去马尔代夫或巴厘岛。"
    assert (summary["picker"], summary["chance"], summary["covered"], summary["n"]) == ("counts", None, True, 8)
    assert summary["chance_reason"]
    assert run_policy(run_command, "travel", "--prompt", BEACH, "--n", "8") == summary
    assert Generation.objects.count() == 8
    assert Comparison.objects.filter(open_slots__gt=0, prompt__dataset=demo).count() == 0  # nothing for the queue


@pytest.mark.parametrize("prompt", ["我想爬山。", "Write a poem", "今天天气怎么样？"])
def test_a_prompt_unlike_the_judged_ones_keeps_its_first_answer(prompt, demo, run_command):
    summary = run_policy(run_command, "travel", "--prompt", prompt, "--n", "4")
    assert summary["covered"] is False
    assert summary["pick"] == summary["first"]


def add_choices(dataset, chosen, rejected, times):
    prompt = Prompt.objects.get(dataset=dataset, instruction=BEACH)
    better, worse = (
        Response.objects.get_or_create(prompt=prompt, text_hash=text, source="", defaults={"text": text})[0]
        for text in (chosen, rejected)
    )
    key = Comparison.build_key([better.pk, worse.pk])
    comparison, _ = Comparison.objects.get_or_create(key=key, defaults={"dataset": dataset, "prompt": prompt})
    for n in range(times):
        judgment = Judgment.objects.create(
            comparison=comparison,
            dataset=dataset,
            state="saved",
            order=[better.pk, worse.pk],
            verdict="left",
            imported_by=f"{chosen} {n}",
            decided_at="2026-01-01T00:00Z",
        )
        Choice.objects.create(judgment=judgment, chosen=better, rejected=worse)


def test_choices_for_another_place_make_another_pick(demo, run_command):
    add_choices(demo, "三亚", "马尔代夫", 5)
    summary = run_policy(run_command, "travel", "--prompt", BEACH, "--n", "8")
    assert "三亚" in summary["pick"]


def test_a_choice_between_two_sentences_counts_the_places_in_which_they_differ():
    better, worse = counts.find_differences("你可以考虑去夏威夷或马尔代夫。", "你可以考虑去巴厘岛或三亚。")
    assert (better, worse) == ({"夏威夷", "马尔代夫"}, {"巴厘岛", "三亚"})
    better, worse = counts.find_differences("Go to Bali or Crete.", "Go to Hawaii or Crete!")
    assert (better, worse) == ({"bali"}, {"hawaii"})
    assert counts.find_differences("夏威夷", "马尔代夫") == ({"夏威夷"}, {"马尔代夫"})
    assert counts.find_differences("Same.", "Same!") == (set(), set())


def test_wrong_uses_of_the_command(demo, run_command):
    assert run_command("policy", "nowhere", "--prompt", "x")[0] == 2
    assert run_command("policy", "travel", "--prompt", "x", "--n", "17")[0] == 2
    assert run_command("policy", "travel", "--prompt", "  ")[0] == 2
    assert run_command("policy", "models", "--prompt", "x")[0] == 2  # nobody answers there


# --- pickers ----------------------------------------------------------------------------------------------------------


def make_crowd(make_dataset, words=("warm", "cold"), n=60, noise=0):
    """n prompts with two answers, of which people choose the one with the first word."""
    rng = np.random.default_rng(0)
    filler = [f"w{k}" for k in range(40)]
    rows = []
    for number in range(n):
        texts = [f"{' '.join(rng.choice(filler, 6))} {word} {' '.join(rng.choice(filler, 3))}" for word in words]
        chosen, rejected = reversed(texts) if rng.random() < noise else texts
        prompt = f"Where should I spend my holidays, friend {number}?"
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "annotator": f"p{number}"})
    return make_dataset(rows, slug="crowd")


@pytest.mark.django_db
def test_the_predictor_is_used_once_it_predicts_better(make_dataset):
    learnt = fetch_learnt(make_crowd(make_dataset))
    assert list(load_pickers()) == ["counts", "predictor"] == list(reasons.PICKERS)
    assert set(learnt.accuracy) == {"counts", "predictor"}
    best = max(learnt.accuracy, key=lambda name: float(learnt.accuracy[name].value))
    assert learnt.picker == best == "predictor"
    assert learnt.why == "best"
    assert float(learnt.accuracy["predictor"].low) > 0.5


@pytest.mark.django_db
def test_with_few_choices_nothing_is_held_out_and_no_chance_is_shown(make_dataset):
    learnt = fetch_learnt(make_crowd(make_dataset, n=19))
    assert (learnt.picker, learnt.why, learnt.accuracy) == ("counts", "too_few", {})
    decision = choose_answer(["cold", "warm"], "Where should I spend my holidays, friend?", learnt, 0.6)
    assert (decision.chance, decision.chance_reason) == (None, "few_choices")
    assert learnt.estimate_values(0.5) == []


@pytest.mark.django_db
def test_a_picker_that_predicts_no_better_than_the_simpler_one_is_not_used(make_dataset, monkeypatch):
    dataset = make_crowd(make_dataset)
    predictor = load_pickers()["predictor"]
    choices = load_choices(dataset)
    worst = dict.fromkeys(choices.chosen.tolist(), 0.0) | dict.fromkeys(choices.rejected.tolist(), 1.0)
    monkeypatch.setattr(predictor, "score_held_out", lambda choices: worst)
    learnt = fetch_learnt(dataset, "")
    assert (learnt.picker, learnt.why) == ("counts", "simpler")
    assert fetch_learnt(dataset, "predictor").picker == "predictor"  # an admin may


@pytest.mark.django_db
def test_the_pick_replaces_the_first_answer_only_above_the_margin(make_dataset):
    learnt = fetch_learnt(make_crowd(make_dataset))
    texts, prompt = ["w1 cold w2", "w1 warm w2"], "Where should I spend my holidays, my friend?"
    decision = choose_answer(texts, prompt, learnt, 0.6)
    assert (decision.place, decision.covered, decision.picker) == (1, True, "predictor")
    assert decision.chance > 0.6
    assert choose_answer(texts, prompt, learnt, min(0.999, decision.chance + 0.001)).place == 0
    assert choose_answer(texts[::-1], prompt, learnt, 0.6).place == 0
    same = choose_answer(["w1 warm", "w1 warm"], prompt, learnt, 0.5)
    assert (same.place, same.chance, same.chance_reason) == (0, None, "same")


@pytest.mark.django_db
def test_tags_tell_what_is_covered(make_dataset):
    beach = [
        {"prompt": f"Holidays for {n}, please", "chosen": "warm", "rejected": "cold", "tags": ["beach"]}
        for n in range(9)
    ]
    mountain = [
        {"prompt": f"Holidays in snow for {n}, please", "responses": ["a", "b"], "tags": ["snow"]} for n in range(9)
    ]
    make_dataset(beach, slug="tagged")
    coverage = fetch_learnt(make_dataset(mountain, slug="tagged")).coverage
    assert coverage.is_covered("Holidays for 77, please")
    assert not coverage.is_covered("Holidays in snow for 77, please")
    assert not coverage.is_covered("Holidays for 3, please", ["snow"])
    assert coverage.is_covered("Holidays in snow for 3, please", ["beach"])
    assert not coverage.is_covered("Explain quantum fields")


@pytest.mark.django_db
def test_what_is_learnt_follows_new_judgments(make_dataset):
    dataset = make_crowd(make_dataset, n=5)
    assert len(fetch_learnt(dataset).choices) == 5
    assert fetch_learnt(dataset) is fetch_learnt(dataset)
    make_dataset([{"prompt": "One more?", "chosen": "a", "rejected": "b", "annotator": "z"}], slug="crowd")
    assert len(fetch_learnt(dataset).choices) == 6


# --- what it is worth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [[0.3, -1.0, 2.0, 0.9, 0.9], [1, 1, 0], [0, 0, 0], [2, 1], [1, 1, 1, 0, 0, 3]])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_pick_weights_are_those_of_all_draws(scores, n):
    """Of answers with the same score, each is the pick as often as another."""
    if n > len(scores):
        return
    exact = {}
    draws = list(itertools.permutations(range(len(scores)), n))
    for drawn in draws:
        first, most = drawn[0], max(scores[k] for k in drawn)
        best = [k for k in drawn if scores[k] == most]
        if most > scores[first]:
            for pick in best:
                exact[pick, first] = exact.get((pick, first), 0) + 1 / len(best) / len(draws)
    assert compute_pick_weights(scores, n, 0.5) == pytest.approx(exact)


def test_a_pair_counts_once_however_often_it_was_judged_and_a_tie_is_half_a_win():
    scores = {1: 1.0, 2: 0.0, 3: 1.0, 4: 0.0}
    often = [(1, 2, 7)] * 99 + [(4, 3, 8)]
    value = estimate_value(*zip(*often, strict=True), scores, n=2)
    assert float(value.among_replaced.value) == pytest.approx(0.5)
    tied = estimate_value([1, 3], [2, 4], [7, 8], scores, n=2, strength=[1, 0])
    assert float(tied.among_replaced.value) == pytest.approx(0.75)


def simulate(rng, n_prompts, answers, noise, wrong=0.0, judged_pairs=3):
    """(chosen, rejected, prompt, scores, liking): people choose by liking; scores are liking with noise.

    wrong: share of the liking that the scores get the wrong way round.
    """
    chosen, rejected, prompt, scores, liking = [], [], [], {}, {}
    for p in range(n_prompts):
        ids = range(p * answers, (p + 1) * answers)
        for pk in ids:
            liking[pk] = rng.normal()
            scores[pk] = (1 - 2 * wrong) * liking[pk] + rng.normal() * noise
        for _ in range(judged_pairs * answers):
            a, b = rng.choice(list(ids), 2, replace=False).tolist()
            wins = rng.random() < 1 / (1 + np.exp(liking[b] - liking[a]))
            chosen.append(a if wins else b)
            rejected.append(b if wins else a)
            prompt.append(p)
    return chosen, rejected, prompt, scores, liking


def find_true_value(scores, liking, prompts, answers, n, rng):
    wins = []
    for _ in range(1500):
        p = rng.integers(prompts)
        drawn = p * answers + rng.permutation(answers)[:n]
        first, pick = drawn[0], max(drawn, key=lambda pk: scores[pk])
        wins.append(0.5 if pick == first else 1 / (1 + np.exp(liking[first] - liking[pick])))
    return float(np.mean(wins))


def test_the_estimate_covers_the_true_value():
    """In at least 93 of 100 simulated crowds, as its interval promises."""
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        *columns, scores, liking = simulate(rng, 40, 4, noise=0.7)
        value = estimate_value(*columns, scores, n=4)
        true = find_true_value(scores, liking, 40, 4, 4, rng)
        covered += value.low - 0.02 <= true <= value.high + 0.02
    assert covered >= 93


def test_over_optimisation_is_seen_where_the_picker_is_wrong():
    """Its own opinion rises with n; by people's choices it does not win."""
    rng = np.random.default_rng(3)
    *columns, scores, _liking = simulate(rng, 120, 16, noise=1.0, wrong=0.5, judged_pairs=8)
    values = [estimate_value(*columns, scores, n) for n in (2, 4, 8, 16)]
    opinions = [value.own_opinion for value in values]
    assert opinions == sorted(opinions)
    assert opinions[-1] > 0.75
    assert all(value.low < 0.5 < value.high or value.high < 0.5 for value in values)
    right = simulate(np.random.default_rng(3), 120, 16, noise=0.5, judged_pairs=8)
    gains = [estimate_value(*right[:3], right[3], n).win_rate for n in (2, 4, 8, 16)]
    assert gains == sorted(gains)
    assert gains[-1] > 0.75


def test_the_bound_of_the_divergence():
    assert [round(compute_kl_bound(n), 3) for n in (1, 2, 4, 8, 16)] == [0, 0.193, 0.636, 1.204, 1.835]


# --- several models and failures --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_answer_fails_and_the_others_compete(bots, make_dataset, run_command):
    make_crowd(make_dataset)
    save_version("one", "http://127.0.0.1:1/v1", "one")
    save_version("two", "http://127.0.0.1:1/v1", "two")
    dataset = Dataset.objects.get()
    PolicySettings.objects.create(dataset=dataset, names=["one", "two"])
    bots.answers = {
        "one": [prompt_answers.RequestFailed("server_error")] * 9,
        "two": ["It is cold there.", "It is warm there."],
    }
    prompt = "Where should I spend my holidays, dear friend?"
    summary = run_policy(run_command, "crowd", "--prompt", prompt, "--n", "4")
    assert "warm" in summary["pick"]
    assert summary["chance"] > 0.6 or "cold" not in summary["first"]
    bots.answers["two"] = bots.answers["one"]
    status, _, error = run_command("policy", "crowd", "--prompt", "Anything else?", "--n", "2")
    assert status == 1
    assert "The server failed" in error


def test_no_place_is_in_the_code_of_policies():
    places = json.loads(Path("datasets/demo/travel-bot.json").read_text("utf-8"))["places"]
    for path in Path("optimize/policy").rglob("*.py"):
        assert not [place for place in places if place in path.read_text("utf-8")]


# --- versions against each other --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_leading_models_are_drawn_more_often_and_unknown_ones_too(make_dataset):
    rows = [
        {
            "prompt": f"Why {n}?",
            "responses": [{"model": "good@1", "text": f"g{n}"}, {"model": "bad@1", "text": f"b{n}"}],
            "winner": "good@1" if n % 10 else "bad@1",
            "annotator": f"p{n}",
        }
        for n in range(100)
    ]
    for row in rows:
        best, worst = sorted(row["responses"], key=lambda answer: answer["model"] != row["winner"])
        row |= {"chosen": best["text"], "rejected": worst["text"]}
        row |= {"chosen_model": best["model"], "rejected_model": worst["model"]}
        del row["responses"], row["winner"]
    dataset = make_dataset(rows, slug="arms")
    sources = ["bad@1", "good@1", "new@1"]
    drawn = np.array([arms.draw_leaders(dataset, sources, 2) for _ in range(600)])
    assert all(len(set(pair)) == 2 for pair in drawn.tolist())
    counts = np.bincount(drawn.ravel(), minlength=3)
    assert counts[1] > 1.3 * counts[0]
    assert counts[2] > 100


@pytest.mark.django_db
def test_the_chat_draws_a_fifth_of_the_pairs_evenly(make_dataset, monkeypatch):
    dataset = make_dataset([{"prompt": "Hm?"}], slug="even")
    for name in ("one", "two", "three"):
        save_version(name, "http://127.0.0.1:1/v1", name)
    settings = ChatSettings.objects.create(dataset=dataset, names=["one", "two", "three"], leaders=True)
    ids = [find_version(name).pk for name in settings.names]
    monkeypatch.setattr(arms, "draw_leaders", lambda dataset, sources, count: [0, 1])
    monkeypatch.setattr(talks, "find_version", cache(talks.find_version))
    pairs = [frozenset(talks.draw_versions(settings)) for _ in range(600)]
    elsewhere = sum(ids[2] in pair for pair in pairs) / 600
    assert 0.07 < elsewhere < 0.21  # two thirds of a fifth
    settings.leaders = False
    pairs = [frozenset(talks.draw_versions(settings)) for _ in range(600)]
    assert 0.58 < sum(ids[2] in pair for pair in pairs) / 600 < 0.75


def test_long_answers_are_learnt_from_in_seconds():
    rng = np.random.default_rng(0)
    words = [f"word{k}" for k in range(3000)]
    pairs = [[" ".join(rng.choice(words, 300)) for _ in range(2)] for _ in range(300)]
    begun = time.process_time()
    picker = counts.count_words([counts.find_differences(*pair) for pair in pairs])
    picker.score([text for pair in pairs for text in pair])
    assert time.process_time() - begun < 20  # character by character it took minutes
