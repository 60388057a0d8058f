"""The prompts of a dataset, filtered, in the order of their ids; and what the list shows about each.

A search goes through the prompts in steps, and ends when a page is full or after SEARCH_S: what is rare in a large
dataset takes several requests, each of them quick.
"""

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django import forms
from django.core.cache import cache
from django.db import connection
from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, Max, Min, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.db.bulk import match_values
from datasets.judgments.progress import annotate_counts, count_with_cache
from datasets.models import Comparison, Dataset, Gold, Import, Judgment, Prompt, Response
from datasets.text.rendered import list_plain_responses

PAGE_SIZE = 20
EXCERPT_LENGTH = 400  # characters of a text in the list
MOST_WORDS = 10
MOST_OFFERED = 500  # tags, or sources
OFFERED_S = 600  # seconds that these are kept
STRETCHES, STRETCH = 8, 500  # prompts of a larger dataset in which tags and sources are looked up
SEARCH_S = 0.1  # seconds after which a search begins no other step
STEP = 1_000  # prompts in the first step; twice as many in the next, while steps are quick

SCRIPTS = {  # by the characters that an instruction has, however few: {key: (name, those it has, those it lacks)}
    "zh": (gettext_lazy("Chinese characters"), "\u3400-\u9fff\uf900-\ufaff", "\u3040-\u30ff\uac00-\ud7af"),
    "ja": (gettext_lazy("Japanese kana"), "\u3040-\u30ff", ""),
    "ko": (gettext_lazy("Korean Hangul"), "\uac00-\ud7af", ""),
    "cyrillic": (gettext_lazy("Cyrillic script"), "\u0400-\u04ff", ""),
    "arabic": (gettext_lazy("Arabic script"), "\u0600-\u06ff", ""),
    "other": (
        gettext_lazy("other (Latin and more)"),
        "",
        "\u0400-\u04ff\u0600-\u06ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff",
    ),
}
STATUSES = {
    "to_do": gettext_lazy("To do"),
    "done": gettext_lazy("Done"),
    "split": gettext_lazy("Split votes"),
    "flagged": gettext_lazy("Flagged"),
    "gold": gettext_lazy("Gold question"),
    "held": gettext_lazy("Held back"),
    "none": gettext_lazy("No comparisons"),
    "plain": gettext_lazy("Shown as plain text"),
}
# Two standing votes on one comparison of which one states a choice, overall, that the other does not. The last line
# keeps PostgreSQL from looking through the votes of the whole dataset first.
SPLIT_SQL = """EXISTS(
    SELECT 1 FROM datasets_comparison c
    JOIN datasets_judgment one ON one.comparison_id = c.id
    JOIN datasets_judgment other ON other.comparison_id = c.id AND other.id <> one.id
    JOIN datasets_choice said ON said.judgment_id = one.id AND said.criterion = ''
    WHERE c.prompt_id = datasets_prompt.id
      AND one.purpose = 'vote' AND one.state IN ('saved', 'reopened') AND {one_visible}
      AND other.purpose = 'vote' AND other.state IN ('saved', 'reopened') AND {other_visible}
      AND NOT EXISTS (
        SELECT 1 FROM datasets_choice same WHERE same.judgment_id = other.id AND same.criterion = '' AND (
          (said.strength > 0 AND same.strength > 0 AND same.chosen_id = said.chosen_id
            AND same.rejected_id = said.rejected_id)
          OR (said.strength = 0 AND same.strength = 0 AND same.chosen_id IN (said.chosen_id, said.rejected_id)
            AND same.rejected_id IN (said.chosen_id, said.rejected_id))))
    LIMIT 1 OFFSET 0)
"""


@dataclass(frozen=True)
class Step:
    """Prompts with an id above `after`, up to `last`; None: to the end."""

    after: int
    last: int | None

    def build_condition(self, name: str) -> Q:
        """The condition that a field is in the step. name: of the field."""
        condition = Q((f"{name}__gt", self.after))
        return condition if self.last is None else condition & Q((f"{name}__lte", self.last))


class PromptFilter(forms.Form):
    """Filters of the list of prompts."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    status = forms.ChoiceField(label=gettext_lazy("Status"), required=False)
    tag = forms.CharField(label=gettext_lazy("Tag"), required=False, max_length=200)
    source = forms.CharField(label=gettext_lazy("Source"), required=False, max_length=200)
    script = forms.ChoiceField(label=gettext_lazy("Script"), required=False)
    answers = forms.BooleanField(label=gettext_lazy("Search the answers too"), required=False)

    def __init__(self, dataset: Dataset, *args: Any) -> None:
        super().__init__(*args)
        self.dataset = dataset
        for name, offered in (
            ("status", STATUSES),
            ("script", {key: words for key, (words, _has, _lacks) in SCRIPTS.items()}),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", _("All")), *offered.items()]
        for name in ("tag", "source"):
            self.fields[name].widget.attrs["list"] = f"{name}s-offered"

    def apply(self, prompts: QuerySet[Prompt], step: Step) -> QuerySet[Prompt]:
        """The prompts of a step that match a valid form."""
        filters = self.cleaned_data
        condition = step.build_condition("pk")
        for word in filters["q"].split()[:MOST_WORDS]:
            condition &= match_word(word, list_answers(step) if filters["answers"] else None)
        if filters["status"]:
            condition &= build_status_conditions(self.dataset)[filters["status"]]
        if filters["tag"]:
            condition &= Q(match_tag(filters["tag"]))
        if filters["source"]:
            condition &= Q(Exists(list_answers(step).filter(source=filters["source"])))
        if filters["script"]:
            condition &= match_script(filters["script"])
        return prompts.filter(condition)


def list_answers(step: Step) -> QuerySet[Response]:
    """The visible responses of the prompt of an outer query, which is in a step.

    Said twice, as PostgreSQL may read all of them first, and then those of the whole table.
    """
    return Response.objects.visible().filter(step.build_condition("prompt"), prompt=OuterRef("pk"))


def match_word(word: str, answers: QuerySet[Response] | None = None, prompt: str = "") -> Q:
    """The condition that a prompt has a word, in any case.

    SQLite ignores the case of ASCII letters only, PostgreSQL that of the letters of its locale: other letters are
    looked for as written, in lower case, in upper case and with a capital.

    answers: where it may be instead. prompt: the lookup that leads to the prompt, such as "comparison__prompt__".
    """
    in_prompt, in_answer = Q(), Q()
    for spelling in {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}:
        in_prompt |= Q((f"{prompt}instruction__icontains", spelling)) | Q((f"{prompt}input__icontains", spelling))
        in_answer |= Q(text__icontains=spelling)
    return in_prompt if answers is None else in_prompt | Q(Exists(answers.filter(in_answer)))


def match_tag(tag: str) -> RawSQL:
    """The condition that a prompt has a tag."""
    if connection.vendor == "postgresql":
        return RawSQL("datasets_prompt.tags @> %s::jsonb", [json.dumps([tag])], BooleanField())
    return RawSQL("EXISTS(SELECT 1 FROM json_each(datasets_prompt.tags) WHERE value = %s)", [tag], BooleanField())


def match_script(script: str) -> Q:
    """The condition that an instruction has characters of a script."""
    _name, has, lacks = SCRIPTS[script]
    return (Q(match_characters(has)) if has else Q()) & (~Q(match_characters(lacks)) if lacks else Q())


def match_characters(ranges: str) -> RawSQL:
    """The condition that an instruction has a character within these ranges."""
    if connection.vendor == "postgresql":
        return RawSQL("datasets_prompt.instruction ~ %s", [f"[{ranges}]"], BooleanField())
    return RawSQL("datasets_prompt.instruction GLOB %s", [f"*[{ranges}]*"], BooleanField())


def build_status_conditions(dataset: Dataset) -> dict[str, Q]:
    """{status: the condition that a prompt has it}; a prompt may have several."""
    comparisons = Comparison.objects.filter(prompt=OuterRef("pk"))
    in_queue = comparisons.filter(held__in=["", Comparison.SURE])
    to_do, gold = Q(Exists(comparisons.open())), Gold.objects.filter(dataset=dataset)
    return {
        "to_do": to_do,
        "done": Q(Exists(in_queue)) & ~to_do,
        "split": Q(Exists(comparisons.filter(review=Comparison.Review.WANTED))) | Q(match_split_votes(dataset)),
        "flagged": Q(match_held(dataset, Comparison.FLAGGED)),
        "gold": Q(pk__in=gold.values("comparison__prompt")),
        "held": Q(match_held(dataset, Comparison.WITHDRAWN)),
        "none": ~Q(Exists(comparisons)),
        "plain": Q(plain__isnull=False) | Q(pk__in=list_plain_responses(dataset).values("prompt")),
    }


def match_held(dataset: Dataset, held: str) -> RawSQL:
    """The condition that a prompt has a comparison held for this reason, a constant of Comparison.

    Written with literals, as SQLite takes the partial index `held_comparisons` for nothing else.
    """
    held_sql = (
        f"SELECT prompt_id FROM datasets_comparison WHERE dataset_id = %s AND held = '{held}' AND NOT (held = '')"
    )
    return RawSQL(f"datasets_prompt.id IN ({held_sql})", [dataset.pk], BooleanField())


def match_split_votes(dataset: Dataset) -> RawSQL:
    """The condition that two votes on one comparison of a prompt differ, overall."""
    imports = Import.objects.filter(dataset=dataset).exclude(state__in=Import.VISIBLE)
    hidden = list(imports.values_list("pk", flat=True))
    places = ", ".join(["%s"] * len(hidden))
    visible = {
        f"{alias}_visible": f"({alias}.imported_id IS NULL OR {alias}.imported_id NOT IN ({places}))"
        if hidden
        else "true"
        for alias in ("one", "other")
    }
    return RawSQL(SPLIT_SQL.format(**visible), hidden * 2, BooleanField())


class Offered(NamedTuple):
    """Tags and sources that a dataset has, sorted."""

    tags: list[str]
    sources: list[str]


def list_offered(dataset: Dataset) -> Offered:
    """The tags and sources to suggest for a filter: at most MOST_OFFERED of each. Cached.

    Of a large dataset only those in STRETCHES stretches of it are seen: reading all of it takes seconds.
    """
    return Offered(*count_with_cache(f"offered-{dataset.pk}", lambda: read_offered(dataset), OFFERED_S))


def forget_offered(dataset: Dataset) -> None:
    """Empties the cache of `list_offered`, in this process."""
    cache.delete(f"offered-{dataset.pk}")


def read_offered(dataset: Dataset) -> tuple[list[str], list[str]]:
    """What `list_offered` returns, from the database."""
    prompts = Prompt.objects.filter(dataset=dataset).order_by("pk")
    bounds = prompts.aggregate(first=Min("pk"), last=Max("pk"))
    if bounds["first"] is None:
        return [], []
    width = (bounds["last"] - bounds["first"]) // STRETCHES + 1
    tags: dict[int, list[str]] = {}
    for start in range(bounds["first"], bounds["last"] + 1, width):
        stretch = prompts.filter(pk__gte=start, pk__lt=start + width)
        tags.update(stretch.values_list("pk", "tags")[:STRETCH])
    answers = Response.objects.visible_in(dataset).filter(match_values(Response, "prompt", tags)).exclude(source="")
    sources = answers.order_by().values_list("source", flat=True).distinct()
    return sorted({tag for some in tags.values() for tag in some})[:MOST_OFFERED], sorted(sources[:MOST_OFFERED])


class PromptPage(NamedTuple):
    """A page of prompts.

    next: the id after which the next page starts; None on the last one.
    is_full: whether it has PAGE_SIZE prompts; else the search stopped for the time it took.
    """

    prompts: list[Prompt]
    next: int | None
    is_full: bool


def find_page(dataset: Dataset, form: PromptFilter, after: int = 0) -> PromptPage:
    """The next page of prompts that match a valid form, starting after the id `after`.

    The prompts have the start of their instruction as `start`, and their tags.
    """
    deadline = time.monotonic() + SEARCH_S
    page: list[Prompt] = []
    for prompts, last in iter_steps(dataset, form, after):
        excerpts = prompts.annotate(start=Left("instruction", EXCERPT_LENGTH)).only("tags")
        page += excerpts.order_by("pk")[: PAGE_SIZE + 1 - len(page)]
        if len(page) > PAGE_SIZE:
            return PromptPage(page[:PAGE_SIZE], page[PAGE_SIZE - 1].pk, True)
        if last and time.monotonic() > deadline:
            return PromptPage(page, last, False)
    return PromptPage(page, None, False)


def iter_steps(dataset: Dataset, form: PromptFilter, after: int = 0) -> Iterator[tuple[QuerySet[Prompt], int | None]]:
    """(the matching prompts in a step, the id with which the step ends) after the id `after`; None: with the last one.

    Makes the steps longer while they are quick to read.
    """
    prompts = Prompt.objects.visible_in(dataset).filter(dataset=dataset)
    last: int | None = after
    n = STEP
    while last is not None:
        after, started = last, time.monotonic()
        last = find_last(dataset, after, n)
        yield form.apply(prompts, Step(after, last)), last
        n = n * 2 if time.monotonic() - started < SEARCH_S / 4 else n


def find_last(dataset: Dataset, after: int, n: int) -> int | None:
    """The id of the n-th prompt after the id `after`; None where there are no more than n."""
    ids = Prompt.objects.filter(dataset=dataset, pk__gt=after).order_by("pk").values_list("pk", flat=True)
    found = list(ids[n - 1 : n + 1])
    return found[0] if len(found) > 1 else None


def list_matching_ids(dataset: Dataset, form: PromptFilter, most: int | None = None) -> list[int]:
    """Ids of the prompts that match a valid form, ascending: at most `most`."""
    found: list[int] = []
    for prompts, _last in iter_steps(dataset, form):
        found += prompts.order_by("pk").values_list("pk", flat=True)[: None if most is None else most - len(found)]
        if len(found) == most:
            break
    return found


@dataclass(frozen=True)
class PromptRow:
    """A prompt with what the list shows about it.

    responses: annotated as by `annotate_counts`, with the start of their text as `start`.
    statuses: names of its statuses.
    comparisons, votes: how many it has.
    """

    prompt: Prompt
    responses: Sequence[Response]
    statuses: list[Promise]
    comparisons: int
    votes: int


def describe_prompts(dataset: Dataset, prompts: Sequence[Prompt]) -> list[PromptRow]:
    """The prompts with what the list shows about them; as many queries for many as for few."""
    ids = [prompt.pk for prompt in prompts]
    responses = annotate_counts(Response.objects.visible().filter(prompt__in=ids)).annotate(
        start=Left("text", EXCERPT_LENGTH)
    )
    grouped = {
        pk: list(group)
        for pk, group in itertools.groupby(
            responses.defer("html", "text", "turns").order_by("prompt", "pk"), key=lambda response: response.prompt_id
        )
    }
    comparisons = count_by_prompt(Comparison.objects.filter(prompt__in=ids), "prompt")
    votes = count_by_prompt(Judgment.objects.votes().filter(comparison__prompt__in=ids), "comparison__prompt")
    statuses = list_statuses(dataset, ids)
    return [
        PromptRow(
            prompt,
            grouped.get(prompt.pk, []),
            statuses[prompt.pk],
            comparisons.get(prompt.pk, 0),
            votes.get(prompt.pk, 0),
        )
        for prompt in prompts
    ]


def count_by_prompt(rows: QuerySet[Any], name: str) -> Mapping[int, int]:
    """{prompt id: number of rows}. name: of the field that leads to the prompt."""
    return dict(rows.order_by().values_list(name).annotate(n=Count("pk")))


def list_statuses(dataset: Dataset, ids: Sequence[int]) -> dict[int, list[Promise]]:
    """{prompt id: the names of its statuses}, in the order of STATUSES."""
    conditions = build_status_conditions(dataset)
    columns = {f"is_{code}": ExpressionWrapper(conditions[code], BooleanField()) for code in STATUSES}
    rows = Prompt.objects.filter(pk__in=ids).annotate(**columns).values_list("pk", *columns)
    return {pk: [name for name, has in zip(STATUSES.values(), row, strict=True) if has] for pk, *row in rows}
