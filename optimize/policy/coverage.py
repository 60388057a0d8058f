"""Coverage: whether a prompt is like those that people have judged. A picker knows nothing about other prompts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyze.maths.arrays import Sparse
from analyze.maths.texts import fit_tfidf
from datasets.models import Dataset, Prompt
from optimize.policy.choices import JudgedChoices

LEAST_SIMILARITY = 0.35  # cosine of TF-IDF to the nearest judged prompt
MOST_PROMPTS = 20_000  # that are compared


@dataclass(frozen=True)
class Coverage:
    """What prompts are compared with.

    vectors: (prompts, words), of the dataset's prompts. judged: which of them people have chosen about.
    tags: of each prompt. judged_tags: those of the judged ones.
    """

    vectorizer: Any
    vectors: Sparse
    judged: Sequence[bool]
    tags: Sequence[frozenset[str]]
    judged_tags: frozenset[str]

    def is_covered(self, prompt: str, tags: Collection[str] = ()) -> bool:
        """Whether a prompt is similar to a judged one and shares a tag with one, as far as prompts have tags.

        tags: of the prompt; without any, those of the most similar prompt of the dataset count.
        """
        if not any(self.judged):
            return False
        similarity = (self.vectors @ self.vectorizer.transform([prompt]).T).toarray().ravel()
        judged = np.array(self.judged)
        if similarity[judged].max() < LEAST_SIMILARITY:
            return False
        own = frozenset(tags) or self.find_tags(similarity)
        return not (own and self.judged_tags) or bool(own & self.judged_tags)

    def find_tags(self, similarity: Any) -> frozenset[str]:
        """The tags of the most similar prompt that has some."""
        tagged = np.array([bool(tags) for tags in self.tags])
        if not tagged.any():
            return frozenset()
        nearest = int(np.argmax(np.where(tagged, similarity, -1)))
        return self.tags[nearest] if similarity[nearest] >= LEAST_SIMILARITY else frozenset()


def load_coverage(dataset: Dataset, choices: JudgedChoices) -> Coverage:
    """The Coverage of a dataset: all judged prompts, and the newest others."""
    columns = ("pk", "instruction", "input", "tags")
    visible = Prompt.objects.visible().filter(dataset=dataset)
    rows = list(visible.filter(pk__in=list(choices.prompts)[:MOST_PROMPTS]).values_list(*columns))
    others = visible.filter(turns=[]).exclude(pk__in=choices.prompts).order_by("-pk")
    rows += others.values_list(*columns)[: MOST_PROMPTS - len(rows)]
    texts = [join_text(instruction, more) for _, instruction, more, _ in rows]
    vectorizer, vectors = fit_tfidf(texts or [""])
    judged = [pk in choices.prompts for pk, *_ in rows]
    tags = [frozenset(tags) for *_, tags in rows]
    of_judged = [own for own, is_judged in zip(tags, judged, strict=True) if is_judged]
    return Coverage(vectorizer, vectors, judged, tags, frozenset().union(*of_judged))


def join_text(instruction: str, more: str) -> str:
    """The text by which prompts are compared."""
    return f"{instruction}\n{more}" if more else instruction
