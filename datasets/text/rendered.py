"""HTML of texts for pages: rendered by renderers.py on first use, outside the judging turn, then stored."""

import collections
import json
import threading
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from datasets.db.turns import out_of_turn
from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Prompt, Response
from datasets.text import renderers
from datasets.text.fingerprints import hash_text
from datasets.text.markdown import VERSION, PromptHtml, fold_reasoning, render_plain
from datasets.text.renderers import Job, PromptJob, Rendered

if TYPE_CHECKING:
    from datasets.formats import rows

# Texts cached because the database does not store their HTML, such as guidelines; most characters of each.
REMEMBERED, LONGEST_REMEMBERED = 200, 200_000
STORED_AT_ONCE = 50
SLOW = 0.02  # seconds; HTML that took longer is stored immediately
RENDERERS = renderers.Renderers()

# (HTML of a prompt, {id of a response: (its HTML, its text, its reasoning)}); None for HTML that is missing or old
StoredHtml = tuple[PromptHtml | None, dict[int, tuple[str | None, str, str | None]]]


class RenderedAnswer(NamedTuple):
    """A response for a page. reasoning: what its model thought before the text, None without."""

    html: str
    text: str
    reasoning: str | None


_remembered: collections.OrderedDict[str, str] = collections.OrderedDict()
_to_keep: list[Prompt | Response] = []
_guard = threading.Lock()


def render_all(jobs: Sequence[Job]) -> list[Rendered]:
    """Renders texts and prompts, in this process where they have no markup."""
    results = [renderers.render_simple_job(job) for job in jobs]
    hard = [n for n, rendered in enumerate(results) if rendered is None]
    if hard:
        with out_of_turn():
            hard_results = RENDERERS.render([jobs[n] for n in hard])
        for n, result in zip(hard, hard_results, strict=True):
            results[n] = result
    return [result for result in results if result]


def render(text: str) -> str:
    """Safe HTML of a text that the database does not store, such as a guideline; caches the last ones."""
    with _guard:
        if text in _remembered:
            _remembered.move_to_end(text)
            return _remembered[text]
    ((html, why, _seconds),) = render_all([text])
    assert isinstance(html, str)
    if why is not None and len(html) <= LONGEST_REMEMBERED:
        with _guard:
            _remembered[text] = html
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
    return html


def build_job(prompt: "rows.Prompt | Prompt") -> PromptJob:
    """The prompt as the renderers take it."""
    return PromptJob(prompt.system, [list(turn) for turn in prompt.turns], prompt.instruction, prompt.input)


def render_prompt_parts(prompt: "rows.Prompt | Prompt") -> PromptHtml:
    """The rendered parts of a prompt; stores nothing."""
    html = render_all([build_job(prompt)])[0].html
    assert not isinstance(html, str)
    return html


def list_rendered_responses(ids: Sequence[int]) -> list[Response]:
    """The responses with these ids, in this order, with their `html`; renders and stores it where missing."""
    responses = Response.objects.in_bulk(ids)
    fill_html([response for response in responses.values() if is_stale(response)])
    return [responses[pk] for pk in ids]


def fill_prompt(prompt: Prompt) -> Prompt:
    """The same prompt with its `html`; renders and stores it if missing."""
    if is_stale(prompt):
        fill_html([prompt])
    return prompt


def is_stale(row: Prompt | Response) -> bool:
    """Whether its HTML is missing, or made by an earlier version."""
    return row.html is None or (row.rendering or 0) < VERSION


def count_plain_texts(dataset: Dataset) -> dict[str, int]:
    """{why: how many prompts and answers of a dataset are shown as plain text}"""
    counts: collections.Counter[str] = collections.Counter()
    prompts = Prompt.objects.visible().filter(dataset=dataset, plain__isnull=False)
    for rows in (prompts, list_plain_responses(dataset)):
        counts.update(dict(rows.order_by().values_list("plain").annotate(n=Count("pk"))))
    return dict(counts)


def list_plain_responses(dataset: Dataset) -> "QuerySet[Response]":
    """The responses of a dataset that are shown as plain text.

    Not by a join: SQLite would go through all prompts of the dataset, instead of the few responses in the index.
    """
    in_dataset = Exists(Prompt.objects.filter(pk=OuterRef("prompt"), dataset=dataset))
    plain_responses: QuerySet[Response] = Response.objects.visible().filter(in_dataset, plain__isnull=False)
    return plain_responses


def fill_html(rows: Sequence[Prompt | Response]) -> None:
    """Renders prompts and responses into their `html`, and stores the result."""
    jobs = [row.text if isinstance(row, Response) else build_job(row) for row in rows]
    thoughtful = [row for row in rows if isinstance(row, Response) and row.reasoning]
    results = render_all([*jobs, *(row.reasoning or "" for row in thoughtful)])
    unkept = {id(row) for row, (_html, why, _s) in zip([*rows, *thoughtful], results, strict=True) if why is None}
    for row, (html, why, _seconds) in zip(rows, results, strict=False):
        row.html, row.plain, row.rendering = html, why or None, VERSION
    for row, (html, _why, _seconds) in zip(thoughtful, results[len(rows) :], strict=True):
        row.html = fold_reasoning(str(html), row.reasoning or "") + (row.html or "")
    store_html(
        [row for row in rows if id(row) not in unkept],
        at_once=any(why or seconds > SLOW for _html, why, seconds in results),
    )


def get_html(
    prompt: int, ids: Sequence[int], stored_html: StoredHtml | None = None
) -> tuple[PromptHtml, list[RenderedAnswer]]:
    """The HTML of a prompt's parts, and its responses; renders and stores what is missing.

    If one of the responses can only be shown as plain text, all are: else one would look better than another.

    prompt, ids: the ids of the prompt and of the responses.
    stored_html: the result of `get_stored_html`, if already read.
    """
    parts, stored = stored_html or get_stored_html(prompt, ids)
    missing = {
        pk: Response(pk=pk, text=text, text_hash=hash_text(text), reasoning=reasoning)
        for pk, (html, text, reasoning) in stored.items()
        if html is None
    }
    prompts: list[Prompt] = []
    if parts is None:
        prompts += Prompt.objects.raw("SELECT * FROM datasets_prompt WHERE id = %s", [prompt])
    if prompts or missing:
        fill_html([*prompts, *missing.values()])
    answers = [
        RenderedAnswer((missing[pk].html if html is None else html) or "", text, reasoning)
        for pk, (html, text, reasoning) in ((pk, stored[pk]) for pk in ids)
    ]
    if any(is_plain(answer.html) for answer in answers):
        answers = [answer._replace(html=render_plain(answer.text)) for answer in answers]
    prompt_html = prompts[0].html if parts is None else parts
    assert prompt_html is not None
    return prompt_html, answers


def is_plain(html: str) -> bool:
    """Whether a text has been shown as plain text; a block of code ends with its own tag and a line feed."""
    return html.endswith("</pre>")


# The HTML in SQL: none where it is missing or made by an earlier version.
HTML_SQL = f"CASE WHEN rendering >= {VERSION} THEN html END"


def get_stored_html(prompt: int, ids: Sequence[int]) -> StoredHtml:
    """The stored HTML of a prompt's parts and of its responses, by ids."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {HTML_SQL} FROM datasets_prompt WHERE id = %s", [prompt])
        (parts,) = cursor.fetchone()
        places = ", ".join(["%s"] * len(ids)) or "NULL"  # PostgreSQL takes no empty list
        cursor.execute(f"SELECT id, {HTML_SQL}, text, reasoning FROM datasets_response WHERE id IN ({places})", ids)
        return parts and json.loads(parts), {pk: tuple(answer) for pk, *answer in cursor.fetchall()}


def store_html(new_rows: Sequence[Prompt | Response], at_once: bool = False) -> None:
    """Stores the HTML of prompts and responses, except of texts that have changed or been rendered in the meantime.

    at_once: immediately. Otherwise HTML is batched, STORED_AT_ONCE rows per transaction; a process that exits loses its
        batch, and the texts are rendered again.
    """
    global _to_keep  # noqa: PLW0603
    with _guard:
        _to_keep += new_rows
        if not _to_keep or (len(_to_keep) < STORED_AT_ONCE and not at_once):
            return
        rows, _to_keep = _to_keep, []
    prompts = sorted(
        [(json.dumps(row.html), row.plain, row.pk, row.fingerprint) for row in rows if isinstance(row, Prompt)],
        key=itemgetter(2),
    )
    responses = sorted(
        [(row.html, row.plain, row.pk, row.text_hash) for row in rows if isinstance(row, Response)],
        key=itemgetter(2),
    )
    with write_turn(), transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(STORE_HTML_SQL.format(table="prompt", mark="fingerprint"), prompts)
        cursor.executemany(STORE_HTML_SQL.format(table="response", mark="text_hash"), responses)


STORE_HTML_SQL = (
    f"UPDATE datasets_{{table}} SET html = %s, plain = %s, rendering = {VERSION} "
    f"WHERE id = %s AND {{mark}} = %s AND (html IS NULL OR COALESCE(rendering, 0) < {VERSION})"
)
