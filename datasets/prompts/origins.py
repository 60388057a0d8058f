"""Origins: the ids and metadata that the rows of files had, kept with their prompts in `Prompt.origins`.

An entry is [import id, id of the row, metadata or null, [first HASH_LENGTH digits of each answer's hash, …]]. A row
without id and metadata has none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from datasets.db.bulk import encode_pg_array, match_values
from datasets.formats.rows import Row
from datasets.models import Dataset, Import, Prompt
from datasets.text.fingerprints import hash_text

Origin: TypeAlias = list[Any]  # [import id, id, metadata, hashes]
HASH_LENGTH = 16  # digits; they need to be distinct within one prompt only


def shorten_hash(text_hash: str) -> str:
    """The part of an answer's hash that entries hold.

    >>> shorten_hash(hash_text("Phobos."))
    '719f20627b19adb5'
    """
    return text_hash[:HASH_LENGTH]


def build_origin(run: Import, row: Row) -> Origin:
    """The entry of a row that has an id or metadata.

    >>> from datasets.formats.rows import PROMPT, Prompt as RowPrompt
    >>> build_origin(run, Row(RowPrompt("2 + 2?"), (), PROMPT, id="row-17"))[1:]
    ['row-17', None, []]
    """
    return [run.pk, row.id, row.meta or None, [shorten_hash(hash_text(response.text)) for response in row.responses]]


def add_origins(stored: Sequence[Origin], new: Iterable[Origin]) -> list[Origin]:
    """The stored entries and those new ones that say something else, whichever import stored them.

    >>> add_origins([[1, "a", None, []]], [[2, "a", None, []], [2, "b", None, []]])
    [[1, 'a', None, []], [2, 'b', None, []]]
    """
    together = list(stored)
    known = {json.dumps(origin[1:], sort_keys=True) for origin in stored}
    for origin in new:
        key = json.dumps(origin[1:], sort_keys=True)
        if key not in known:
            known.add(key)
            together.append(origin)
    return together


def extend_origins(new: Mapping[int, Sequence[Origin]]) -> None:
    """Adds entries to existing prompts, in one statement. new: {prompt id: entries}.

    >>> prompt = dataset.prompts.first()
    >>> extend_origins({prompt.pk: [[1, "row-17", None, []]]})
    >>> prompt.refresh_from_db(); prompt.origins
    [[1, 'row-17', None, []]]
    """
    if not new:
        return
    stored = Prompt.objects.filter(match_values(Prompt, "id", new)).values_list("pk", "origins")
    extended = [(pk, origins, add_origins(origins, new[pk])) for pk, origins in stored]
    save_origins({pk: after for pk, before, after in extended if len(after) > len(before)})


def save_origins(origins: Mapping[int, Sequence[Origin]]) -> None:
    """Replaces the entries of prompts, in one statement. origins: {prompt id: entries}.

    >>> prompt = dataset.prompts.first()
    >>> save_origins({prompt.pk: []})
    >>> prompt.refresh_from_db(); prompt.origins
    []
    """
    if not origins:
        return
    texts = [msgspec.json.encode(entries).decode() for entries in origins.values()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            new = "(SELECT unnest(%s::bigint[]) AS id, unnest(%s::text[])::jsonb AS origins) AS new"
            command = f"UPDATE datasets_prompt SET origins = new.origins FROM {new} WHERE datasets_prompt.id = new.id"
            cursor.execute(command, [encode_pg_array(list(origins)), encode_pg_array(texts)])
        else:
            pairs = list(zip(texts, origins, strict=True))
            cursor.executemany("UPDATE datasets_prompt SET origins = %s WHERE id = %s", pairs)


def match_origins(run: Import) -> RawSQL:
    """The condition that a prompt has entries of an import."""
    if connection.vendor == "postgresql":
        return RawSQL("datasets_prompt.origins @> %s::jsonb", [json.dumps([[run.pk]])], BooleanField())
    entries = "json_each(datasets_prompt.origins) AS entry WHERE json_extract(entry.value, '$[0]') = %s"
    return RawSQL(f"EXISTS(SELECT 1 FROM {entries})", [run.pk], BooleanField())


def list_prompts_with_origins(run: Import, dataset: Dataset | None) -> list[int]:
    """Ids of the prompts that have entries of an import; reads all prompts of the dataset.

    >>> list_prompts_with_origins(run, dataset)
    []
    """
    named = Prompt.objects.filter(dataset=dataset).exclude(origins=[])
    return list(named.filter(match_origins(run)).values_list("pk", flat=True))


def remove_origins(run: Import, prompts: Sequence[int]) -> None:
    """Removes the entries of an import from prompts. prompts: their ids.

    >>> prompt = dataset.prompts.first()
    >>> save_origins({prompt.pk: [[run.pk, "row-17", None, []]]})
    >>> remove_origins(run, [prompt.pk])
    >>> prompt.refresh_from_db(); prompt.origins
    []
    """
    named = Prompt.objects.filter(match_values(Prompt, "id", prompts)).exclude(origins=[])
    save_origins(dict(iter_remaining(run, named.values_list("pk", "origins"))))


def iter_remaining(run: Import, stored: Iterable[tuple[int, list[Origin]]]) -> Iterator[tuple[int, list[Origin]]]:
    """(prompt id, entries without those of an import) of the prompts that have any of it."""
    for pk, origins in stored:
        remaining = [origin for origin in origins if origin[0] != run.pk]
        if len(remaining) < len(origins):
            yield pk, remaining


def replace_hash(prompt: Prompt, before: str, after: str) -> None:
    """Follows a change of an answer's text: the entries that name it name the new text. before, after: its hashes.

    >>> prompt = dataset.prompts.first()
    >>> save_origins({prompt.pk: [[1, "row-17", None, [shorten_hash(hash_text("4"))]]]})
    >>> prompt.refresh_from_db()
    >>> replace_hash(prompt, hash_text("4"), hash_text("5"))
    >>> prompt.refresh_from_db(); prompt.origins[0][3] == [shorten_hash(hash_text("5"))]
    True
    """
    old, new = shorten_hash(before), shorten_hash(after)
    if any(old in origin[3] for origin in prompt.origins):
        prompt.origins = [
            [*origin[:3], [new if mark == old else mark for mark in origin[3]]] for origin in prompt.origins
        ]
        prompt.save(update_fields=["origins"])
