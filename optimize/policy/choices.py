"""What people chose in a dataset, as pickers learn from it."""

from dataclasses import dataclass

import numpy as np

from analyze.columns import DatasetColumns
from analyze.maths.arrays import Ints
from analyze.maths.predictor import FEWEST, FOLDS
from datasets.models import Dataset, Judgment, Prompt

MOST_CHOICES = 20_000  # that pickers learn from, the newest ones


@dataclass(frozen=True)
class JudgedChoices:
    """The newest overall choices of votes, at most MOST_CHOICES. Arrays: (n,).

    chosen, rejected: ids of responses. strength: 0 for a tie. texts: {id of a response: its text}.
    prompts: {id: text}.
    """

    chosen: Ints
    rejected: Ints
    prompt: Ints
    strength: Ints
    texts: dict[int, str]
    prompts: dict[int, str]

    def __len__(self) -> int:
        """The number of choices without ties."""
        return int((self.strength > 0).sum())

    @property
    def can_hold_out(self) -> bool:
        """Whether there are enough of them to hold some out."""
        return len(self) >= FEWEST and len(set(self.prompt[self.strength > 0].tolist())) >= FOLDS

    def get_texts(self) -> tuple[list[str], list[str]]:
        """(texts of the chosen responses, of the rejected ones)"""
        return [self.texts[pk] for pk in self.chosen.tolist()], [self.texts[pk] for pk in self.rejected.tolist()]


def load_choices(dataset: Dataset) -> JudgedChoices:
    """The JudgedChoices of a dataset."""
    data = DatasetColumns(dataset)
    choices, rows = data.choices, slice(-MOST_CHOICES, None)
    chosen, rejected, prompt = choices.chosen[rows], choices.rejected[rows], choices.prompt[rows]
    ids = np.unique(np.concatenate([chosen, rejected])).tolist() if len(chosen) else []
    texts, prompts = data.fetch_texts(ids), data.fetch_prompts(prompt.tolist())
    return JudgedChoices(chosen, rejected, prompt, choices.strength[rows], texts, prompts)


def find_marker(dataset: Dataset) -> tuple[object, ...]:
    """Changes whenever somebody judges in the dataset, or judgments are deleted; cheap to find."""
    standing = Judgment.objects.filter(dataset=dataset, state__in=Judgment.STANDING)
    acts = Judgment.objects.filter(dataset=dataset, decided_at__isnull=False)
    newest = acts.order_by("-decided_at", "-pk").values_list("decided_at", "pk", "revision", "verdict").first()
    prompt = Prompt.objects.filter(dataset=dataset).order_by("-pk").values_list("pk", flat=True).first()
    return newest, prompt, standing.count()
