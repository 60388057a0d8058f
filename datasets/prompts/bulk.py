"""Acts on many prompts at once: holding back, releasing, deleting, tagging, another overlap.

Each act goes through the prompts in short transactions, so that people judge meanwhile, and writes one entry of the
audit log for each of these. What is in somebody's hands, or judged, stays.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.comparisons.generate import change_wanted
from datasets.db.bulk import match_values
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Import, Job, Judgment, Prompt, Response
from datasets.text.tags import MOST_TAGS

if TYPE_CHECKING:
    from annotate.models import User

AT_ONCE = 200  # prompts per transaction
MOST_PROMPTS = 5_000  # per act
# Relations from rows of models' answers: a chat, or a choice of a policy, that the prompt belongs to.
KEPT_BY = ("chat_turns", "picks")


class CannotAct(Exception):
    """Nothing was changed.

    reason: `busy` (an import or a task is at work in the dataset) or `too_many`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Outcome:
    """What an act did. Adds up over the batches.

    prompts, comparisons: how many it changed.
    left: {reason: number of prompts that it did not change}; the reasons: `none_in_queue`, `not_held`, `judged`,
        `used`, `tagged`, `not_tagged`, `full`, `same_overlap`.
    """

    prompts: int = 0
    comparisons: int = 0
    left: Counter[str] = field(default_factory=Counter)


Batch = tuple[Collection[int], int, Counter[str]]  # ids of the prompts changed, number of comparisons, reasons
Act = Callable[[Dataset, Sequence[int]], Batch]


def hold_back(dataset: Dataset, ids: Collection[int], by: "User | None" = None) -> Outcome:
    """Takes the comparisons of prompts out of the queue. A lease still ends in a judgment; judgments stay.

    What is flagged, a gold question or of a chat stays as it is.

    ids: of the prompts.
    """

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        return change_held(dataset, batch, ["", Comparison.SURE], Comparison.WITHDRAWN, "none_in_queue")

    return run_act(dataset, ids, act, "hold_back", by=by)


def release(dataset: Dataset, ids: Collection[int], by: "User | None" = None) -> Outcome:
    """Returns held back comparisons of prompts, also those left out after a flag, to the queue.

    ids: of the prompts.
    """

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        return change_held(dataset, batch, [Comparison.WITHDRAWN], "", "not_held")

    return run_act(dataset, ids, act, "release", by=by)


def perform(
    dataset: Dataset,
    ids: Collection[int],
    name: str,
    tags: Sequence[str] = (),
    overlap: int = 1,
    by: "User | None" = None,
    job: Job | None = None,
) -> Outcome:
    """The act of this name on prompts.

    ids: of the prompts.
    tags, overlap: for the acts that need them.
    job: the task that performs it, if one does.

    Raises CannotAct.
    """
    if name == "overlap":
        return change_overlap(dataset, ids, overlap, by)
    if name in ("add_tags", "remove_tags"):
        return (add_tags if name == "add_tags" else remove_tags)(dataset, ids, tags, by)
    if name == "delete":
        return delete(dataset, ids, by, job)
    return {"hold_back": hold_back, "release": release}[name](dataset, ids, by)


def delete(dataset: Dataset, ids: Collection[int], by: "User | None" = None, job: Job | None = None) -> Outcome:
    """Deletes prompts with their responses and comparisons.

    Leaves each prompt that anybody was ever given, as a judgment may still arrive for an expired lease, and those that
    a chat or a policy refers to.

    ids: of the prompts.
    job: the task that does it, if one does.

    Raises CannotAct: an import or another task may be about to add to the prompts.
    """

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        return delete_batch(dataset, batch, job)

    return run_act(dataset, ids, act, "delete", by=by)


def add_tags(dataset: Dataset, ids: Collection[int], tags: Sequence[str], by: "User | None" = None) -> Outcome:
    """Adds tags to prompts, up to MOST_TAGS per prompt. ids: of the prompts."""

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        left: Counter[str] = Counter()
        changed = []
        for prompt in list_locked(dataset, batch):
            together = list(dict.fromkeys([*prompt.tags, *tags]))
            if len(together) == len(prompt.tags):
                left["tagged"] += 1
            elif len(together) > MOST_TAGS:
                left["full"] += 1
            else:
                prompt.tags = together
                changed.append(prompt)
        return save_tags(changed), 0, left

    return run_act(dataset, ids, act, "add_tags", ", ".join(tags), by)


def remove_tags(dataset: Dataset, ids: Collection[int], tags: Sequence[str], by: "User | None" = None) -> Outcome:
    """Removes tags from prompts, also one that is all of them with commas in between: files may have such tags.

    ids: of the prompts.
    """
    gone = {*tags, ", ".join(tags)}

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        left: Counter[str] = Counter()
        changed = []
        for prompt in list_locked(dataset, batch):
            rest = [tag for tag in prompt.tags if tag not in gone]
            if len(rest) == len(prompt.tags):
                left["not_tagged"] += 1
            else:
                prompt.tags = rest
                changed.append(prompt)
        return save_tags(changed), 0, left

    return run_act(dataset, ids, act, "remove_tags", ", ".join(tags), by)


def change_overlap(dataset: Dataset, ids: Collection[int], overlap: int, by: "User | None" = None) -> Outcome:
    """Changes how many judgments the comparisons of prompts want, until the dataset's own overlap changes.

    ids: of the prompts.
    """

    def act(dataset: Dataset, batch: Sequence[int]) -> Batch:
        found = lock_comparisons(dataset, batch)
        changed = [c for c in found if c.held != Comparison.CHAT and c.wanted != overlap]
        n = change_wanted(Comparison.objects.filter(pk__in=[c.pk for c in changed]), overlap)
        refresh_review(dataset, changed)
        prompts = {c.prompt_id for c in changed}
        return prompts, n, Counter(same_overlap=len(batch) - len(prompts))

    return run_act(dataset, ids, act, "overlap", overlap, by)


def run_act(
    dataset: Dataset,
    ids: Collection[int],
    act: Act,
    name: str,
    value: str | int | None = None,
    by: "User | None" = None,
) -> Outcome:
    """Applies an act to prompts of this dataset in batches, each logged in its own transaction.

    ids: of the prompts; those of other datasets, or of an import that is not visible, are ignored.
    name, value: of the act, in the audit log.

    Raises CannotAct for more than MOST_PROMPTS.
    """
    if len(ids) > MOST_PROMPTS:
        raise CannotAct("too_many")
    prompts = Prompt.objects.visible_in(dataset).filter(match_values(Prompt, "id", ids), dataset=dataset)
    found = iter(list(prompts.order_by("pk").values_list("pk", flat=True)))
    outcome = Outcome()
    while batch := list(islice(found, AT_ONCE)):
        with open_batch():
            changed, comparisons, left = act(dataset, batch)
            outcome.prompts += len(changed)
            outcome.comparisons += comparisons
            outcome.left += left
            if changed:
                what = ", ".join(map(str, sorted(changed)))
                said = {"prompts": len(changed), "comparisons": comparisons, "value": value}
                log(Kind.DATASET, what, name, said, by=by, dataset=dataset)
    return outcome


@contextmanager
def open_batch() -> Iterator[None]:
    """A short transaction, in the writer's turn."""
    with write_turn(), transaction.atomic():
        yield


def lock_comparisons(dataset: Dataset, prompts: Sequence[int]) -> list[Comparison]:
    """The comparisons of prompts (ids), locked in the order of their ids."""
    found = Comparison.objects.filter(match_values(Comparison, "prompt", prompts), dataset=dataset)
    return list(found.select_for_update().order_by("pk"))


def list_locked(dataset: Dataset, prompts: Sequence[int]) -> list[Prompt]:
    """The prompts with these ids, locked, with their tags only."""
    found = Prompt.objects.filter(match_values(Prompt, "id", prompts), dataset=dataset)
    return list(found.select_for_update(no_key=True).only("tags").order_by("pk"))


def change_held(dataset: Dataset, prompts: Sequence[int], before: Collection[str], after: str, left: str) -> Batch:
    """Moves the comparisons of prompts from any of these states of `held` to another.

    left: the reason of the prompts that have no such comparison.
    """
    changed = [c for c in lock_comparisons(dataset, prompts) if c.held in before]
    comparisons = Comparison.objects.filter(pk__in=[c.pk for c in changed])
    n = comparisons.update(held=after)
    if not after:
        comparisons.filter(gold__isnull=False).update(held=Comparison.GOLD)
    refresh_review(dataset, changed)
    concerned = {c.prompt_id for c in changed}
    return concerned, n, Counter({left: len(prompts) - len(concerned)})


def refresh_review(dataset: Dataset, comparisons: Sequence[Comparison]) -> None:
    """Updates which of these comparisons wait for a reviewer."""
    if review.has_review(dataset):
        review.refresh(dataset, [comparison.pk for comparison in comparisons])


def delete_batch(dataset: Dataset, prompts: Sequence[int], job: Job | None = None) -> Batch:
    """Deletes those of the prompts that nobody was ever given and nothing refers to.

    Holds the locks of their comparisons, without which nobody is given any of them meanwhile.

    Raises CannotAct.
    """
    if is_busy(dataset, job):
        raise CannotAct("busy")
    # Locks the prompts too: no comparison is added to them meanwhile.
    list(Prompt.objects.filter(pk__in=prompts).select_for_update().order_by("pk").values_list("pk", flat=True))
    comparisons = lock_comparisons(dataset, prompts)
    judgments = Judgment.objects.filter(comparison__in=[c.pk for c in comparisons])
    judged = set(judgments.values_list("comparison__prompt", flat=True))
    kept = Q(gold__isnull=False) | Q(held=Comparison.CHAT)
    used = set(Comparison.objects.filter(kept, pk__in=[c.pk for c in comparisons]).values_list("prompt", flat=True))
    for name in KEPT_BY:
        used |= set(Prompt.objects.filter(pk__in=prompts, **{f"{name}__isnull": False}).values_list("pk", flat=True))
    gone = [pk for pk in prompts if pk not in judged and pk not in used]
    n = Comparison.objects.filter(prompt__in=gone).count()
    Comparison.objects.filter(prompt__in=gone).delete()
    Response.objects.filter(prompt__in=gone).delete()
    Prompt.objects.filter(pk__in=gone).delete()
    return gone, n, Counter(judged=len(judged), used=len(used - judged))


def is_busy(dataset: Dataset, job: Job | None = None) -> bool:
    """Whether an import or a task other than `job` is at work in a dataset, or waits."""
    imports = Import.objects.unfinished().filter(dataset=dataset)
    others = Job.objects.filter(dataset=dataset, state__in=Job.OPEN)
    others = others.exclude(pk=job.pk) if job else others
    return imports.exists() or others.exists()


def save_tags(prompts: Sequence[Prompt]) -> list[int]:
    """Stores the tags of prompts. Returns their ids."""
    Prompt.objects.bulk_update(prompts, ["tags"])
    return [prompt.pk for prompt in prompts]
