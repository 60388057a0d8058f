"""One file -> the spool: every row read by its shape, and what contradicts an earlier vote refused."""

import functools
import itertools
import json

from datasets import formats
from datasets.files.detect import FileProblem, items
from datasets.formats import mapping
from datasets.formats.guessing import unsure
from datasets.formats.reading import text
from datasets.formats.rows import Refused
from datasets.imports.columns import Unsure, columns_of, note, remembered
from datasets.models import Judgment, Response
from datasets.text.fingerprints import fingerprint, identity, sha256
from datasets.text.tags import tags_in

BATCH = 200
SAMPLE = 50
IS_GOLD, NOT_GOLD = ("true", "1", "yes"), ("", "false", "0", "no", "none")


def check_file(spool, dataset, name, stream, format, roles=None, folder=None):
    """Check one file into the spool; (the name of its format, what was said of its columns or None).

    roles: what is said of its columns. folder: where somebody can be asked of them; then Unsure may be raised.
    """
    _, found = items(stream)
    sample = list(itertools.islice(found, SAMPLE))
    if not sample:
        raise FileProblem("empty_file")
    format, reader, roles = reader_of(name, sample, format, roles, folder)
    for batch in batches(itertools.chain(sample, found), BATCH):
        check_batch(spool, dataset, name, [(item, reader(item)) for item in batch])
    return format, roles


def reader_of(name, sample, format, roles, folder):
    """(name of the format, what reads an Item, what was said of the columns or None)."""
    columns = columns_of(sample)
    if roles is None and format == "auto":
        roles = remembered(columns)
    if roles is not None:
        if folder:
            note(folder, name, sample, "said", roles)
        return mapping.NAME, mapped(columns, roles), roles
    try:
        format, rename = recognised(sample, format)
        rows = [rename(item.value) for item in sample if isinstance(item.value, dict)]
        why = unsure(format, rows) if folder else ""
    except FileProblem as problem:
        if not folder or problem.code != "unknown_shape" or not columns:
            raise
        why = problem.code
    if why:
        note(folder, name, sample, why)
        raise Unsure
    return format, functools.partial(read, format=format, rename=rename), None


def mapped(columns, roles):
    """What reads an Item by what was said of its columns."""
    if gone := sorted({column for role, column in roles.items() if role != "counts"} - set(columns)):
        raise FileProblem("no_such_column", ", ".join(gone)[:300])
    return functools.partial(read_mapped, roles=roles)


def read_mapped(item, roles):
    """The row, or why it is refused."""
    if isinstance(item.value, Refused):
        return item.value
    try:
        row = mapping.read(roles, item.value)
        return row._replace(tags=tuple(tags_in(item.value.get(roles.get("tags")))))
    except Refused as refused:
        return refused


def recognised(sample, format):
    """(name of the format, how to spell a row's keys) by the keys of the first rows: as they are, else lower-cased."""
    objects = [item.value for item in sample if isinstance(item.value, dict)]
    if not objects:
        raise FileProblem("no_rows", sample[0].value.reason, sample[0].line)
    tried = formats.readable() if format == "auto" else [format]
    for rename in (as_it_is, lower_cased):
        row = together([rename(row) for row in objects])
        if name := formats.detect(set(row), row, tried):
            return name, rename
    if format == "auto":
        raise FileProblem("unknown_shape", ", ".join(objects[0])[:300])
    return format, as_it_is


def together(rows):
    """One row with every key of these, and of each the first value that there is."""
    found = type(rows[0])()
    for row in rows:
        found.update((key, value) for key, value in row.items() if found.get(key) in (None, ""))
    return found


def as_it_is(row):
    return row


def lower_cased(row):
    return type(row)((key.lower(), value) for key, value in row.items())


def batches(rows, size):
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def read(item, format, rename):
    """The row, or why it is refused."""
    if isinstance(item.value, Refused):
        return item.value
    try:
        value = rename(item.value)
        row, tags, known = formats.all_formats()[format].read(value), tags_in(value.get("tags")), known_in(value)
        if known is not None and not row.votes:
            raise Refused("no_known_answer", "gold")
        return row._replace(tags=tuple(tags), known=known) if tags or known is not None else row
    except Refused as refused:
        return refused


def known_in(value):
    """Why a row's verdict is known to be right, where its field `gold` says that it is; else None."""
    if "gold" not in value:
        return None
    said = str(value["gold"]).strip().lower()
    if said in NOT_GOLD:
        return None
    if said not in IS_GOLD:
        raise Refused("off_scale", "gold", said[:80])
    return text(value.get("gold_reason"), "gold_reason", required=False)


def check_batch(spool, dataset, file, found):
    """Put rows into the spool; refuse a vote that contradicts an earlier one of the same person."""
    standing = standing_votes(dataset, [row for _, row in found if not isinstance(row, Refused)]) if dataset else {}
    taken = []
    for item, row in found:
        if not isinstance(row, Refused) and row.votes:
            row = check_votes(spool, row, standing, f"{file}:{item.line}")
        if isinstance(row, Refused):
            spool.refuse(file, item, row)
        else:
            taken.append((item.line, row))
    spool.add(file, taken)


def check_votes(spool, row, standing, place):
    """A row with votes, those of nobody in particular numbered, or the refusal that names the earlier, other one."""
    said = list(zip(row.votes, vote_keys(row), what_they_say(row), strict=True))
    for vote, key, verdict in said:
        earlier = vote.annotator and (standing.get(key) or spool.said_before(key))
        if earlier and earlier[0] != verdict:
            return Refused("other_verdict", "annotator", earlier[1])
    votes = []
    for vote, key, verdict in said:
        if vote.annotator:
            spool.remember(key, verdict, place)
            votes.append(vote)
        else:
            votes.append(vote._replace(ordinal=spool.times(f"{key} {verdict}")))
    return row._replace(votes=tuple(votes))


def vote_keys(row):
    """A key for each of a row's votes, the same for the same person and pair, whichever side came first. Each text is
    hashed once, however many votes there are."""
    if not row.votes:
        return []
    prompt, marks = fingerprint(row.prompt), identities(row)
    return [sha256(json.dumps([prompt, sorted(marks[n] for n in vote.pair), vote.annotator])) for vote in row.votes]


def what_they_say(row):
    """Of each of a row's votes which answer is better, or that none is."""
    marks = identities(row)
    return [marks[vote.pair[0]] if vote.verdict == "left" else vote.verdict for vote in row.votes]


def identities(row):
    """{place: identity} of a row's responses that votes name."""
    return {n: identity(row.responses[n]) for n in {n for vote in row.votes for n in vote.pair}}


def standing_votes(dataset, rows):
    """{vote_key: (what it says, where it came from)} of the dataset's imported votes by the persons of these rows."""
    names = {vote.annotator for row in rows for vote in row.votes if vote.annotator}
    if not names:
        return {}
    votes = list(
        Judgment.objects.visible()
        .filter(
            dataset=dataset,
            imported_by__in=names,
            comparison__prompt__fingerprint__in={fingerprint(row.prompt) for row in rows},
        )
        .values_list("comparison__prompt__fingerprint", "imported_by", "order", "verdict", "imported_from")
    )
    responses = Response.objects.in_bulk({pk for vote in votes for pk in vote[2]})
    marks = {pk: identity(response) for pk, response in responses.items()}
    found = {}
    for prompt, annotator, order, verdict, place in votes:
        pair = [marks[pk] for pk in order]
        key = sha256(json.dumps([prompt, sorted(pair), annotator]))
        found[key] = (pair[0] if verdict == "left" else verdict, place)
    return found
