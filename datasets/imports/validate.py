"""One file -> the spool: every row read by its shape, and what contradicts an earlier vote refused."""

import functools
import itertools
import json

from datasets import formats
from datasets.files.detect import read_items
from datasets.files.item import FileProblem
from datasets.formats import mapping
from datasets.formats.guessing import find_ambiguity
from datasets.formats.parsers import parse_text
from datasets.formats.rows import Refusal
from datasets.imports.columns import Unsure, collect_columns, find_roles, write_draft
from datasets.models import Judgment, Response
from datasets.text.fingerprints import fingerprint_prompt, fingerprint_response, hash_text
from datasets.text.tags import parse_tags

BATCH = 200
SAMPLE = 50
IS_GOLD, NOT_GOLD = ("true", "1", "yes"), ("", "false", "0", "no", "none")


def check_file(spool, dataset, name, stream, format_name, roles=None, folder=None):
    """Check one file into the spool; (the name of its format, what was said of its columns or None).

    roles: what is said of its columns. folder: where somebody can be asked of them; then Unsure may be raised.
    """
    _, rest = read_items(stream)
    sample = list(itertools.islice(rest, SAMPLE))
    if not sample:
        raise FileProblem("empty_file")
    format_name, reader, roles = choose_reader(name, sample, format_name, roles, folder)
    for batch in split_batches(itertools.chain(sample, rest), BATCH):
        check_batch(spool, dataset, name, [(item, reader(item)) for item in batch])
    return format_name, roles


def choose_reader(name, sample, format_name, roles, folder):
    """(name of the format, what reads an Item, what was said of the columns or None)."""
    columns = collect_columns(sample)
    if roles is None and format_name == "auto":
        roles = find_roles(columns)
    if roles is not None:
        if folder:
            write_draft(folder, name, sample, "said", roles)
        return mapping.NAME, build_mapped_reader(columns, roles), roles
    try:
        format_name, rename = detect_format(sample, format_name)
        rows = [rename(item.value) for item in sample if isinstance(item.value, dict)]
        reason = find_ambiguity(format_name, rows) if folder else ""
    except FileProblem as problem:
        if not folder or problem.code != "unknown_shape" or not columns:
            raise
        reason = problem.code
    if reason:
        write_draft(folder, name, sample, reason)
        raise Unsure
    return format_name, functools.partial(read, format_name=format_name, rename=rename), None


def build_mapped_reader(columns, roles):
    """What reads an Item by what was said of its columns."""
    if missing := sorted({column for role, column in roles.items() if role != "counts"} - set(columns)):
        raise FileProblem("no_such_column", ", ".join(missing)[:300])
    return functools.partial(read_mapped, roles=roles)


def read_mapped(item, roles):
    """The row, or why it is refused."""
    if isinstance(item.value, Refusal):
        return item.value
    try:
        row = mapping.read(roles, item.value)
        return row._replace(tags=tuple(parse_tags(item.value.get(roles.get("tags")))))
    except Refusal as refused:
        return refused


def detect_format(sample, format_name):
    """(name of the format, how to spell a row's keys) by the keys of the first rows: as they are, else lower-cased."""
    objects = [item.value for item in sample if isinstance(item.value, dict)]
    if not objects:
        raise FileProblem("no_rows", sample[0].value.reason, sample[0].line)
    candidates = formats.get_readable_formats() if format_name == "auto" else [format_name]
    for rename in (keep_keys, lower_keys):
        row = merge_rows([rename(row) for row in objects])
        if name := formats.detect(set(row), row, candidates):
            return name, rename
    if format_name == "auto":
        raise FileProblem("unknown_shape", ", ".join(objects[0])[:300])
    return format_name, keep_keys


def merge_rows(rows):
    """One row with every key of these, and of each the first value that there is."""
    merged = type(rows[0])()
    for row in rows:
        merged.update((key, value) for key, value in row.items() if merged.get(key) in (None, ""))
    return merged


def keep_keys(row):
    return row


def lower_keys(row):
    return type(row)((key.lower(), value) for key, value in row.items())


def split_batches(rows, size):
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def read(item, format_name, rename):
    """The row, or why it is refused."""
    if isinstance(item.value, Refusal):
        return item.value
    try:
        value = rename(item.value)
        row, tags, gold_reason = (
            formats.load_formats()[format_name].read(value),
            parse_tags(value.get("tags")),
            parse_gold_reason(value),
        )
        if gold_reason is not None and not row.votes:
            raise Refusal("no_known_answer", "gold")
        return row._replace(tags=tuple(tags), known=gold_reason) if tags or gold_reason is not None else row
    except Refusal as refused:
        return refused


def parse_gold_reason(value):
    """Why a row's verdict is known to be right, where its field `gold` says that it is; else None."""
    if "gold" not in value:
        return None
    gold = str(value["gold"]).strip().lower()
    if gold in NOT_GOLD:
        return None
    if gold not in IS_GOLD:
        raise Refusal("off_scale", "gold", gold[:80])
    return parse_text(value.get("gold_reason"), "gold_reason", required=False)


def check_batch(spool, dataset, file, rows):
    """Put rows into the spool; refuse a vote that contradicts an earlier one of the same person."""
    standing = find_standing_votes(dataset, [row for _, row in rows if not isinstance(row, Refusal)]) if dataset else {}
    accepted = []
    for item, row in rows:
        if not isinstance(row, Refusal) and row.votes:
            row = check_votes(spool, row, standing, f"{file}:{item.line}")
        if isinstance(row, Refusal):
            spool.refuse(file, item, row)
        else:
            accepted.append((item.line, row))
    spool.add(file, accepted)


def check_votes(spool, row, standing, place):
    """A row with votes, those of nobody in particular numbered, or the refusal that names the earlier, other one."""
    keyed_votes = list(zip(row.votes, compute_vote_keys(row), get_outcomes(row), strict=True))
    for vote, key, verdict in keyed_votes:
        earlier = vote.annotator and (standing.get(key) or spool.find_vote(key))
        if earlier and earlier[0] != verdict:
            return Refusal("other_verdict", "annotator", earlier[1])
    votes = []
    for vote, key, verdict in keyed_votes:
        if vote.annotator:
            spool.add_vote(key, verdict, place)
            votes.append(vote)
        else:
            votes.append(vote._replace(ordinal=spool.number_vote(f"{key} {verdict}")))
    return row._replace(votes=tuple(votes))


def compute_vote_keys(row):
    """A key for each of a row's votes, the same for the same person and pair, whichever side came first. Each text is
    hashed once, however many votes there are."""
    if not row.votes:
        return []
    prompt, identity_of = fingerprint_prompt(row.prompt), compute_identities(row)
    return [
        hash_text(json.dumps([prompt, sorted(identity_of[n] for n in vote.pair), vote.annotator])) for vote in row.votes
    ]


def get_outcomes(row):
    """Of each of a row's votes which answer is better, or that none is."""
    identity_of = compute_identities(row)
    return [identity_of[vote.pair[0]] if vote.verdict == "left" else vote.verdict for vote in row.votes]


def compute_identities(row):
    """{place: identity} of a row's responses that votes name."""
    return {n: fingerprint_response(row.responses[n]) for n in {n for vote in row.votes for n in vote.pair}}


def find_standing_votes(dataset, rows):
    """{vote_key: (what it says, where it came from)} of the dataset's imported votes by the persons of these rows."""
    names = {vote.annotator for row in rows for vote in row.votes if vote.annotator}
    if not names:
        return {}
    votes = list(
        Judgment.objects.visible()
        .filter(
            dataset=dataset,
            imported_by__in=names,
            comparison__prompt__fingerprint__in={fingerprint_prompt(row.prompt) for row in rows},
        )
        .values_list("comparison__prompt__fingerprint", "imported_by", "order", "verdict", "imported_from")
    )
    responses = Response.objects.in_bulk({pk for vote in votes for pk in vote[2]})
    identity_of = {pk: fingerprint_response(response) for pk, response in responses.items()}
    standing = {}
    for prompt, annotator, order, verdict, place in votes:
        pair = [identity_of[pk] for pk in order]
        key = hash_text(json.dumps([prompt, sorted(pair), annotator]))
        standing[key] = (pair[0] if verdict == "left" else verdict, place)
    return standing
