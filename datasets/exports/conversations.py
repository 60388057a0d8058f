"""Conversations: a chat with models as one prompt and its answer, along the answers with which it went on.

The prompt of a chat's last turn holds the chat before it, so that the last chosen answer makes the conversation whole.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast

from datasets.exports.query import PROMPT_FIELDS, ExportPrompt, PromptRow
from datasets.models import Dataset, Prompt, Response

CONVERSATION_FORMATS = ("sharegpt", "sharegpt-primer", "messages")
AT_ONCE = 100  # chats in memory

# (id of a chat; ids of its last turn that has a chosen answer: of the prompt, and of the answer; None without one)
Path = tuple[int, int | None, int | None]
PathLister = Callable[[Dataset], "QuerySet[Any, Path]"]  # the chats of a dataset by id, as values
PATH_LISTERS: list[PathLister] = []  # optimize has the chats and adds its own


def iter_conversations(dataset: Dataset, left_out: Counter[str], most: int | None = None) -> Iterator[ExportPrompt]:
    """The chats of a dataset by id, each as the last prompt that has a chosen answer, with that answer.

    left_out: counts chats in which no answer was chosen.
    most: at most this number of chats; None for all.

    >>> list(iter_conversations(dataset, Counter()))
    []
    """
    paths = islice(iter_paths(dataset), most)
    while batch := list(islice(paths, AT_ONCE)):
        prompts = find_prompts([prompt for _, prompt, _ in batch if prompt])
        answers = Response.objects.filter(pk__in=[answer for *_, answer in batch if answer])
        texts = dict(answers.values_list("pk", "text"))
        for _, prompt, answer in batch:
            if not prompt or not answer:
                left_out["no_choice"] += 1
            elif prompt in prompts and answer in texts:  # otherwise the chat was deleted meanwhile
                yield ExportPrompt(prompts[prompt], {answer: texts[answer]}, [answer], [])


def iter_paths(dataset: Dataset) -> Iterator[Path]:
    """The path of each chat of a dataset."""
    for list_paths in PATH_LISTERS:
        last, paths = 0, list_paths(dataset)
        while batch := list(paths.filter(pk__gt=last)[:AT_ONCE]):
            yield from batch
            last = batch[-1][0]


def find_prompts(ids: list[int]) -> dict[int, PromptRow]:
    """{prompt id: the prompt, without tags and origins}"""
    prompts: Any = Prompt.objects.filter(pk__in=ids).annotate(
        turns_json=Cast("turns", TextField()), tags_json=Value("[]"), origins_json=Value("[]")
    )
    return {prompt.pk: prompt for prompt in prompts.values_list(*PROMPT_FIELDS, named=True)}


def count_chats(dataset: Dataset) -> int:
    """The number of chats of a dataset.

    >>> count_chats(dataset)
    0
    """
    return sum(list_paths(dataset).count() for list_paths in PATH_LISTERS)
