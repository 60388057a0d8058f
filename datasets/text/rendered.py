"""What pages show of texts: rendered when first needed, by renderers.py, outside the judging turn; then kept."""

import collections
import json
import threading
from operator import itemgetter

from django.db import connection, transaction
from django.db.models import Count, Q

from datasets.db.turns import out_of_turn
from datasets.db.write_lock import write_turn
from datasets.models import Prompt, Response
from datasets.text import renderers
from datasets.text.fingerprints import hash_text

REMEMBERED, LONGEST_REMEMBERED = 200, 200_000  # texts that are kept nowhere else, such as guidelines; characters
STORED_AT_ONCE = 50
SLOW = 0.02  # seconds: what took longer is kept at once
RENDERERS = renderers.Renderers()

_remembered, _to_keep, _guard = collections.OrderedDict(), [], threading.Lock()


def render_all(jobs):
    """[(html, why it is plain text, seconds)] of texts, and of prompts as [system, turns, instruction, input]."""
    results = [renderers.render_simple_job(job) for job in jobs]
    hard = [n for n, rendered in enumerate(results) if rendered is None]
    if hard:
        with out_of_turn():
            rendered = RENDERERS.render([jobs[n] for n in hard])
        for n, result in zip(hard, rendered, strict=True):
            results[n] = result
    return results


def render(text):
    """Safe HTML of a text that is kept nowhere, such as a guideline; a process remembers the last ones."""
    with _guard:
        if text in _remembered:
            _remembered.move_to_end(text)
            return _remembered[text]
    ((html, why, _seconds),) = render_all([text])
    if why is not None and len(html) <= LONGEST_REMEMBERED:
        with _guard:
            _remembered[text] = html
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
    return html


def build_job(prompt):
    """A prompt (a row's or the database's) as the renderers take it."""
    return [prompt.system, [list(turn) for turn in prompt.turns], prompt.instruction, prompt.input]


def render_prompt_parts(prompt):
    """The parts of a prompt (a row's or the database's) rendered: system, turns [[role, html]], instruction, input."""
    return render_all([build_job(prompt)])[0][0]


def list_rendered_responses(ids):
    """The responses of these ids, in this order, each with its `html` rendered, and kept for the next time."""
    responses = Response.objects.in_bulk(ids)
    fill_html([response for response in responses.values() if response.html is None])
    return [responses[pk] for pk in ids]


def fill_prompt(prompt):
    """The prompt with its parts rendered in `html`, and kept for the next time."""
    if prompt.html is None:
        fill_html([prompt])
    return prompt


def count_plain_texts(dataset):
    """{why: how many prompts and answers of a dataset are shown as plain text}"""
    counts = collections.Counter()
    for rows, of in ((Prompt.objects, "dataset"), (Response.objects, "prompt__dataset")):
        plain_rows = rows.visible().filter(**{of: dataset}, plain__isnull=False).order_by()
        counts.update(dict(plain_rows.values_list("plain").annotate(n=Count("pk"))))
    return dict(counts)


def list_plain_prompts(dataset):
    """The prompts of a dataset that are shown as plain text, or have an answer that is."""
    answers = Response.objects.filter(prompt__dataset=dataset, plain__isnull=False).values("prompt")
    return Prompt.objects.visible().filter(dataset=dataset).filter(Q(plain__isnull=False) | Q(pk__in=answers))


def fill_html(rows):
    """Render prompts and responses into their `html`, and keep what came of it."""
    jobs = [row.text if isinstance(row, Response) else build_job(row) for row in rows]
    results = render_all(jobs)
    for row, (html, why, _seconds) in zip(rows, results, strict=True):
        row.html, row.plain = html, why or None
    store_html(
        [row for row, (_html, why, _seconds) in zip(rows, results, strict=True) if why is not None],
        at_once=any(why or seconds > SLOW for _html, why, seconds in results),
    )


def get_html(prompt, ids, stored_html=None):
    """(the HTML of a prompt's parts, [the HTML of each of these responses]), by ids; rendered, and kept, where it is
    shown for the first time. stored_html: what was read already, as `get_stored_html` gives it."""
    parts, stored = stored_html or get_stored_html(prompt, ids)
    missing = {
        pk: Response(pk=pk, text=text, text_hash=hash_text(text)) for pk, (html, text) in stored.items() if html is None
    }
    rows = list(missing.values())
    if parts is None:
        rows[:0] = Prompt.objects.raw("SELECT * FROM datasets_prompt WHERE id = %s", [prompt])
    if rows:
        fill_html(rows)
    htmls = {pk: missing[pk].html if pk in missing else html for pk, (html, _text) in stored.items()}
    return parts if parts is not None else rows[0].html, [htmls[pk] for pk in ids]


TEXT_TO_RENDER_SQL = "CASE WHEN html IS NULL THEN text END"


def get_stored_html(prompt, ids):
    """(the kept HTML of a prompt's parts, {id of a response: (its kept HTML, its text where none is kept yet)})."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT html FROM datasets_prompt WHERE id = %s", [prompt])
        (parts,) = cursor.fetchone()
        places = ", ".join(["%s"] * len(ids))
        cursor.execute(f"SELECT id, html, {TEXT_TO_RENDER_SQL} FROM datasets_response WHERE id IN ({places})", ids)
        return parts and json.loads(parts), {pk: (html, text) for pk, html, text in cursor.fetchall()}


def store_html(new_rows, at_once=False):
    """Keep the HTML of prompts and responses. What was quick is gathered and written now and then, many in one
    transaction: what a process had not written when it ended is rendered anew. A text that was changed in the meantime
    keeps none."""
    global _to_keep
    with _guard:
        _to_keep += new_rows
        if not _to_keep or (len(_to_keep) < STORED_AT_ONCE and not at_once):
            return
        rows, _to_keep = _to_keep, []
    prompts = [(json.dumps(row.html), row.plain, row.pk, row.fingerprint) for row in rows if isinstance(row, Prompt)]
    responses = [(row.html, row.plain, row.pk, row.text_hash) for row in rows if isinstance(row, Response)]
    with write_turn(), transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            STORE_HTML_SQL.format(table="prompt", mark="fingerprint"), sorted(prompts, key=itemgetter(2))
        )
        cursor.executemany(
            STORE_HTML_SQL.format(table="response", mark="text_hash"), sorted(responses, key=itemgetter(2))
        )


STORE_HTML_SQL = "UPDATE datasets_{table} SET html = %s, plain = %s WHERE id = %s AND {mark} = %s AND html IS NULL"
