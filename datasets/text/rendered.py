"""HTML of texts for pages: rendered by renderers.py on first use, outside the judging turn, then stored."""

import collections
import json
import threading
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from datasets.db.turns import out_of_turn
from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Prompt, Response
from datasets.text import renderers
from datasets.text.fingerprints import hash_text
from datasets.text.markdown import PromptHtml
from datasets.text.renderers import Job, PromptJob, Rendered

if TYPE_CHECKING:
    from datasets.formats import rows

# Texts cached because the database does not store their HTML, such as guidelines; most characters of each.
REMEMBERED, LONGEST_REMEMBERED = 200, 200_000
STORED_AT_ONCE = 50
SLOW = 0.02  # seconds; HTML that took longer is stored immediately
RENDERERS = renderers.Renderers()

# (HTML of a prompt's parts, {id of a response: (its HTML, its text if no HTML is stored)})
StoredHtml = tuple[PromptHtml | None, dict[int, tuple[str | None, str | None]]]

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
    fill_html([response for response in responses.values() if response.html is None])
    return [responses[pk] for pk in ids]


def fill_prompt(prompt: Prompt) -> Prompt:
    """The same prompt with its `html`; renders and stores it if missing."""
    if prompt.html is None:
        fill_html([prompt])
    return prompt


def count_plain_texts(dataset: Dataset) -> dict[str, int]:
    """{why: how many prompts and answers of a dataset are shown as plain text}"""
    counts: collections.Counter[str] = collections.Counter()
    for rows, of in ((Prompt.objects, "dataset"), (Response.objects, "prompt__dataset")):
        plain_rows = rows.visible().filter(**{of: dataset}, plain__isnull=False).order_by()
        counts.update(dict(plain_rows.values_list("plain").annotate(n=Count("pk"))))
    return dict(counts)


def list_plain_prompts(dataset: Dataset) -> QuerySet[Prompt]:
    """The prompts of a dataset that are shown as plain text, or have such an answer."""
    answers = Response.objects.filter(prompt__dataset=dataset, plain__isnull=False).values("prompt")
    return Prompt.objects.visible().filter(dataset=dataset).filter(Q(plain__isnull=False) | Q(pk__in=answers))


def fill_html(rows: Sequence[Prompt | Response]) -> None:
    """Renders prompts and responses into their `html`, and stores the result."""
    jobs = [row.text if isinstance(row, Response) else build_job(row) for row in rows]
    results = render_all(jobs)
    for row, (html, why, _seconds) in zip(rows, results, strict=True):
        row.html, row.plain = html, why or None
    store_html(
        [row for row, (_html, why, _seconds) in zip(rows, results, strict=True) if why is not None],
        at_once=any(why or seconds > SLOW for _html, why, seconds in results),
    )


def get_html(prompt: int, ids: Sequence[int], stored_html: StoredHtml | None = None) -> tuple[PromptHtml, list[str]]:
    """The HTML of a prompt's parts and of its responses; renders and stores what is missing.

    prompt, ids: the ids of the prompt and of the responses.
    stored_html: the result of `get_stored_html`, if already read.
    """
    parts, stored = stored_html or get_stored_html(prompt, ids)
    missing = {
        pk: Response(pk=pk, text=text, text_hash=hash_text(text))
        for pk, (_html, text) in stored.items()
        if text is not None
    }
    prompts: list[Prompt] = []
    if parts is None:
        prompts += Prompt.objects.raw("SELECT * FROM datasets_prompt WHERE id = %s", [prompt])
    if prompts or missing:
        fill_html([*prompts, *missing.values()])
    htmls = {pk: missing[pk].html if pk in missing else html for pk, (html, _text) in stored.items()}
    prompt_html = prompts[0].html if parts is None else parts
    assert prompt_html is not None
    return prompt_html, [htmls[pk] or "" for pk in ids]


TEXT_TO_RENDER_SQL = "CASE WHEN html IS NULL THEN text END"


def get_stored_html(prompt: int, ids: Sequence[int]) -> StoredHtml:
    """The stored HTML of a prompt's parts and of its responses, by ids."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT html FROM datasets_prompt WHERE id = %s", [prompt])
        (parts,) = cursor.fetchone()
        places = ", ".join(["%s"] * len(ids))
        cursor.execute(f"SELECT id, html, {TEXT_TO_RENDER_SQL} FROM datasets_response WHERE id IN ({places})", ids)
        return parts and json.loads(parts), {pk: (html, text) for pk, html, text in cursor.fetchall()}


def store_html(new_rows: Sequence[Prompt | Response], at_once: bool = False) -> None:
    """Stores the HTML of prompts and responses, except of texts that have changed in the meantime.

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


STORE_HTML_SQL = "UPDATE datasets_{table} SET html = %s, plain = %s WHERE id = %s AND {mark} = %s AND html IS NULL"
