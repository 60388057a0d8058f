"""What the rows of an export say beside their dialect on request (`--with`): ids, sources and metadata."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from datasets.exports.query import ExportPrompt
from datasets.formats import get_writable_formats, rows
from datasets.prompts.origins import Origin, shorten_hash
from datasets.text.fingerprints import hash_text

ID, SOURCE, META = "id", "source", "meta"
EXTRAS = (ID, SOURCE, META)
SEVERAL_IDS = ","


def get_dialects_with_extras() -> list[str]:
    """The dialects whose consumers pass over further columns.

    >>> "dpo" in get_dialects_with_extras(), "dpo-openai" in get_dialects_with_extras()
    (True, False)
    """
    return [name for name, module in get_writable_formats().items() if getattr(module, "TAKES_EXTRAS", False)]


def list_extra_columns(name: str, extras: Collection[str]) -> list[str]:
    """The columns that these extras add to the rows of a dialect; none if it does not take them.

    >>> list_extra_columns("dpo", ("id", "source"))
    ['id', 'chosen_source', 'rejected_source']
    """
    if name not in get_dialects_with_extras():
        return []
    is_pair = get_writable_formats()[name].WRITES is rows.Preference
    columns = {ID: ["id"], SOURCE: ["chosen_source", "rejected_source"] if is_pair else ["source"], META: ["meta"]}
    return [column for extra in EXTRAS if extra in extras for column in columns[extra]]


def build_extras(export_prompt: ExportPrompt, responses: Sequence[int], extras: Collection[str]) -> dict[str, str]:
    """The further columns of a row, all texts.

    responses: ids of the row's answers, of a pair the chosen one first.

    >>> from types import SimpleNamespace
    >>> build_extras(SimpleNamespace(origins=[], texts={}, sources={1: "atlas"}), [1], ["source"])
    {'source': 'atlas'}
    """
    columns: dict[str, str] = {}
    origins = export_prompt.origins
    found = pick_origins(origins, [export_prompt.texts[pk] for pk in responses]) if origins else []
    if ID in extras:
        columns["id"] = join_ids(found)
    if SOURCE in extras:
        names = ("chosen_source", "rejected_source") if len(responses) > 1 else ("source",)
        columns |= {name: export_prompt.sources.get(pk, "") for name, pk in zip(names, responses, strict=True)}
    if META in extras:
        columns["meta"] = merge_metadata(found)
    return columns


def pick_origins(origins: Iterable[Origin], texts: Iterable[str]) -> list[Origin]:
    """The entries of the rows that had all of these answers; those of prompts without answers count for all.

    >>> pick_origins([[1, "a", None, ["719f20627b19adb5"]], [1, "b", None, []]], ["Deimos."])
    [[1, 'b', None, []]]
    """
    wanted = {shorten_hash(hash_text(text)) for text in texts}
    return [origin for origin in origins if not origin[3] or wanted.issubset(origin[3])]


def join_ids(origins: Iterable[Origin]) -> str:
    """The different ids of entries, joined by commas.

    >>> join_ids([[1, "a", None, []], [2, "b", None, []], [3, "a", None, []]])
    'a,b'
    """
    return SEVERAL_IDS.join(dict.fromkeys(origin[1] for origin in origins if origin[1]))


def merge_metadata(origins: Iterable[Origin]) -> str:
    """The metadata of entries as one JSON object; of a name that several have, the last value stays.

    >>> merge_metadata([[1, "", {"topic": "space", "page": 1}, []], [2, "", {"page": 2}, []]])
    '{"topic": "space", "page": 2}'
    """
    merged: dict[str, Any] = {}
    for _, _, meta, _ in origins:
        merged |= meta or {}
    return json.dumps(merged, ensure_ascii=False)
