"""A dataset judged by simulated people, with known answers and repeats: see bench/simulate.py."""

from datetime import timedelta

from django.utils import timezone

from annotate.models import User
from bench.simulate import draw_crowd
from datasets.models import Choice, Comparison, Gold, Judgment

VERDICTS = {(1, 1): "left", (1, -1): "right", (-1, 1): "right", (-1, -1): "left"}
SHORT, LONG = "是 {}", "是 {}\n\n- 一\n- 二\n- 三\n\n还有许多可说的 {}"


def build_rows(made):
    """One prompt per pair, with answers of the lengths that the crowd saw."""
    longer = dict(zip(made.votes.pair.tolist(), made.votes.longer.tolist(), strict=True))
    return [
        {
            "prompt": f"Question {pair}?",
            "responses": [
                {"model": f"model-{source}", "text": (LONG if longer[pair] == sign else SHORT).format(sign, pair)}
                for source, sign in zip(made.sources[pair].tolist(), (1, -1), strict=True)
            ],
        }
        for pair in sorted(longer)
    ]


def create_judged_dataset(make_dataset, behaviour, slug="crowd", names="crowd", **crowd_options):
    """The dataset, just judged by accounts with these behaviours, called `names`-0 and so on."""
    made = draw_crowd(1, behaviour, **crowd_options)
    dataset = make_dataset(build_rows(made), slug)
    people = [User.objects.create_user(f"{names}-{n}", password="demo") for n in range(len(behaviour))]
    found = [sorted(one.response_ids) for one in Comparison.objects.filter(dataset=dataset).order_by("prompt_id")]
    comparisons = list(Comparison.objects.filter(dataset=dataset).order_by("prompt_id"))
    votes, now = made.votes, timezone.now()
    last = votes.when.max()
    judgments, stated = [], []
    for n in range(len(votes)):
        pair, vote, left = int(votes.pair[n]), int(votes.vote[n]), int(votes.left[n])
        first, second = found[pair]
        purpose = "repeat" if votes.again[n] else "gold" if votes.known[n] == votes.known[n] else "vote"
        judgments.append(
            Judgment(
                comparison=comparisons[pair],
                dataset=dataset,
                annotator=people[int(votes.annotator[n])],
                purpose=purpose,
                state="saved",
                order=[first, second] if left > 0 else [second, first],
                verdict=VERDICTS.get((vote, left), "tie"),
                decided_at=now - timedelta(seconds=float(last - votes.when[n])),
                seconds=float(votes.seconds[n]),
            )
        )
        stated.append((first, second, 1) if vote > 0 else (second, first, 1) if vote < 0 else (first, second, 0))
    Comparison.objects.filter(dataset=dataset).update(words=300)
    golds = {int(pair): int(known) for pair, known in zip(votes.pair, votes.known, strict=True) if known == known}
    Gold.objects.bulk_create(
        Gold(comparison=comparisons[pair], dataset=dataset, verdict="choice", choices=[found[pair][::known]])
        for pair, known in golds.items()
    )
    Judgment.objects.bulk_create(judgments)
    Choice.objects.bulk_create(
        Choice(judgment=judgment, chosen_id=chosen, rejected_id=rejected, strength=strength)
        for judgment, (chosen, rejected, strength) in zip(judgments, stated, strict=True)
    )
    return dataset
