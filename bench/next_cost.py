"""Cost of save-and-lease with 1,000,000 comparisons and for a veteran of 100,000 judgments.

The baseline is a newcomer with 10,000 comparisons. Runs in a separate process: `python bench/next_cost.py` in the
benchmark's environment.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotate.models import User
    from datasets.models import Dataset

ROOT = Path(__file__).resolve().parent.parent
FEW, MANY, JUDGED = 10_000, 1_000_000, 100_000
ACTS, ROUNDS = 100, 6


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.common import say

    command = [sys.executable, str(ROOT / "bench/next_cost.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    cost = json.loads(done.stdout)
    say("next", database, FEW, cost["few"], "ms")
    say("next", database, MANY, cost["many"], "ms", f"next at {FEW}", cost["many"] / cost["few"])
    ratio = cost["veteran"] / cost["few"]
    say("next-after-100000", database, MANY, cost["veteran"], "ms", f"next at {FEW}, nothing judged", ratio)
    say("nothing-left-first", database, MANY, cost["nothing"], "ms")
    say("nothing-left-again", database, MANY, cost["again"], "ms")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from annotate.models import User
    from annotate.queue.lease import lease_next

    few, many = create_dataset("few", FEW), create_dataset("many", MANY)
    people = {name: User.objects.create(username=f"next-{name}") for name in ("few", "many", "veteran")}
    create_judgments(people["veteran"], many)
    times: dict[str, list[float]] = {name: [] for name in people}
    for _ in range(ROUNDS):
        for name, person in people.items():
            times[name] += measure_saves(person, few if name == "few" else many)
    cost = {name: 1000 * statistics.median(samples) for name, samples in times.items()}
    exhausted = User.objects.create(username="next-exhausted")
    judge_all(exhausted, few)
    for name in ("nothing", "again"):
        started = time.perf_counter()
        assert lease_next(exhausted, few) is None
        cost[name] = 1000 * (time.perf_counter() - started)
    print(json.dumps(cost))


def create_dataset(slug: str, n: int) -> "Dataset":
    """A dataset of n comparisons of the same two answers, each with two open slots."""
    from django.db import connection

    from datasets.models import Dataset, Prompt, Response

    dataset = Dataset.objects.create(slug=f"next-{slug}", overlap=2)
    prompt = Prompt.objects.create(dataset=dataset, instruction="Why?", fingerprint="x", html={"instruction": "Why?"})
    left, right = (
        Response.objects.create(prompt=prompt, text=text, text_hash=text, candidate=True, html=text)
        for text in ("a", "b")
    )
    with connection.cursor() as cursor:
        rows = f"""INSERT INTO datasets_comparison
            (dataset_id, prompt_id, key, wanted, open_slots, priority, held, task, words, review)
            SELECT {dataset.pk}, {prompt.pk}, {left.pk} || '-' || {right.pk} || '-' || i, 2, 2,
              (i * 2654435761 % 4294967291) * 1000000 + i, '', 'judge', 10, '' FROM """
        if connection.vendor == "postgresql":
            cursor.execute(f"{rows} generate_series(1, {n}) AS i")
            cursor.execute("ANALYZE")
        else:
            cursor.execute(f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) {rows} n")
            cursor.execute("ANALYZE")
    return dataset


def create_judgments(person: "User", dataset: "Dataset", n: int = JUDGED) -> None:
    """Inserts a judgment by the person on each of the first n comparisons; each keeps a slot for somebody else."""
    from django.db import connection

    from annotate.models import Membership

    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO datasets_judgment (comparison_id, dataset_id, annotator_id, purpose, state, revision,
              "order", verdict, said, flag, surplus, guideline, decided_at, leased_at, imported_by, imported_from)
            SELECT id, dataset_id, {person.pk}, 'vote', 'saved', 1, '[1,2]', 'left', '{{}}', '', false, 0,
              CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '', ''
            FROM datasets_comparison WHERE dataset_id = {dataset.pk} ORDER BY priority, id LIMIT {n}"""
        )
        cursor.execute(
            f"""UPDATE datasets_comparison SET open_slots = open_slots - 1 WHERE id IN
              (SELECT comparison_id FROM datasets_judgment WHERE annotator_id = {person.pk})"""
        )
        cursor.execute(
            f"""SELECT priority, id FROM datasets_comparison WHERE dataset_id = {dataset.pk}
            ORDER BY priority, id LIMIT 1 OFFSET {n - 1}"""
        )
        priority, position = cursor.fetchone()
        cursor.execute("ANALYZE")
    Membership.objects.create(user=person, dataset=dataset, judged=n, priority=priority, position=position)


def judge_all(person: "User", dataset: "Dataset") -> None:
    create_judgments(person, dataset, FEW)


def measure_saves(person: "User", dataset: "Dataset") -> list[float]:
    """Seconds of each of ACTS saves with the lease of the next comparison."""
    from django.utils import timezone

    from annotate.judging.forms import Submission
    from annotate.queue.fast_path import save_and_lease
    from annotate.queue.lease import lease_next

    times: list[float] = []
    judgment = lease_next(person, dataset)
    for _ in range(ACTS):
        assert judgment
        judgment.annotator, judgment.dataset, judgment.leased_at = person, dataset, timezone.now()
        started = time.perf_counter()
        saved = save_and_lease(judgment, Submission("tie"), [], [])
        times.append(time.perf_counter() - started)
        assert saved
        judgment = saved.next
    return times


if __name__ == "__main__":
    main()
