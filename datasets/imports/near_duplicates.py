"""The second pass over a checked upload: near-duplicates within it, and in its dataset.

The data of each prompt is kept in temporary tables of the spool, so that memory use does not grow with the upload.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from datasets.formats import rows as format_rows
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, Row
from datasets.imports.spool import Spool, decode_row
from datasets.imports.validate import StandingVotes, compute_vote_keys, find_standing_votes, get_outcomes
from datasets.imports.warnings import NEAR_ANSWERS, NEAR_PROMPTS, STORED
from datasets.models import Dataset, Prompt, Response
from datasets.text.fingerprints import fingerprint_prompt, hash_text
from datasets.text.minhash import (
    BANDS,
    SIMILARITY_THRESHOLD,
    ComparedText,
    compute_minhash_bands,
    compute_prompt_shingles,
    compute_similarity,
    is_near_duplicate,
)
from datasets.text.near_duplicates import assign_groups, find_first_ids

AT_ONCE = 200  # rows
LEAST_SIMILARITY = 0.85  # annotators cannot distinguish answers this similar
MOST_ANSWERS = 26  # answers to one prompt that are compared with each other, at most
# Two prompts are compared if they share at least this many of their ten bands: at a similarity of 0.7, 90% do.
LEAST_SHARED_BANDS = 2
MOST_NEWLY_GROUPED = 20_000  # prompts of the dataset whose bands are computed during one check, at most
COLUMNS = [f"m{band}" for band in range(BANDS)]

RowOfPass: TypeAlias = tuple[int, Row, bool]  # (n, row, whether it is the first of its prompt)
FirstRow: TypeAlias = tuple[int, Row, set[int]]  # (n, row, shingles of its prompt), of the first row of a prompt
Bands: TypeAlias = Mapping[int, Sequence[int]]  # {n: bands}


def note_near_duplicates(spool: Spool, dataset: Dataset | None = None) -> None:
    """Adds warnings to a spool: near-duplicate prompts, near-duplicate answers to one prompt, and rows stored already.

    >>> row = spool.get_row(1)
    >>> spool.add("rows.jsonl", [(2, row._replace(prompt=row.prompt._replace(input="Briefly.")))])
    >>> note_near_duplicates(spool)
    >>> spool.count_warnings()
    {'names_model': 2, 'near_prompts': 1}
    """
    spool.db.execute(f"CREATE TABLE marks (n INTEGER PRIMARY KEY, runs, {', '.join(COLUMNS)})")
    spool.db.execute("CREATE TABLE firsts (n INTEGER PRIMARY KEY)")
    spool.db.execute(
        "INSERT INTO firsts SELECT min(n) FROM rows WHERE kind != ? GROUP BY fingerprint ORDER BY 1", (DEMONSTRATION,)
    )
    if dataset:
        assign_groups(dataset, MOST_NEWLY_GROUPED)
    for batch in iter_batches(spool):
        note_batch(spool, dataset, batch)
    note_near_prompts(spool)
    note_near_answers_across_rows(spool)
    for table in ("marks", "firsts"):
        spool.db.execute(f"DROP TABLE {table}")


def iter_batches(spool: Spool) -> Iterator[list[RowOfPass]]:
    """The rows of a spool in order, AT_ONCE at a time.

    >>> _ = spool.db.execute("CREATE TABLE firsts AS SELECT n FROM rows")
    >>> [[(n, is_first) for n, _, is_first in batch] for batch in iter_batches(spool)]
    [[(1, True)]]
    """
    query = "SELECT n, row, firsts.n FROM rows LEFT JOIN firsts USING (n) WHERE n > ? ORDER BY n LIMIT ?"
    last = 0
    while rows := spool.db.execute(query, (last, AT_ONCE)).fetchall():
        last = rows[-1][0]
        yield [(n, decode_row(text), first is not None) for n, text, first in rows]


def note_batch(spool: Spool, dataset: Dataset | None, batch: Sequence[RowOfPass]) -> None:
    """Stores the bands of a batch's prompts, and adds the warnings that need no other batch."""
    first_rows = [(n, row, compute_prompt_shingles(row.prompt)) for n, row, is_first in batch if is_first]
    bands = {n: compute_minhash_bands(shingles) for n, _, shingles in first_rows}
    placeholders = ", ".join("?" * (2 + BANDS))
    shingle_counts = {n: len(shingles) for n, _, shingles in first_rows}
    spool.db.executemany(
        f"INSERT INTO marks VALUES ({placeholders})",
        [(n, shingle_counts[n], *row_bands) for n, row_bands in bands.items()],
    )
    for n, row, _ in batch:
        note_near_answers(spool, n, row)
    if dataset:
        prompts = find_stored_prompts(dataset, [row for _, row, _ in batch])
        note_near_stored(spool, dataset, first_rows, bands, prompts)
        note_stored(spool, dataset, batch, prompts)


def note_near_answers(spool: Spool, n: int, row: Row) -> None:
    """Adds a warning for each answer of a row that is a near-duplicate of an earlier one."""
    if row.kind == DEMONSTRATION:
        return
    for place, text in iter_twins([response.text for response in row.responses[:MOST_ANSWERS]]):
        spool.add_warning(NEAR_ANSWERS, n, place, text)


def iter_twins(answers: Sequence[format_rows.Response | str]) -> Iterator[tuple[int, str]]:
    """(index, text of its first earlier near-duplicate) of each answer that has one.

    Equal answers are no near-duplicates: SAME covers them. Responses of different sources are not equal.
    """
    texts = [ComparedText(answer if isinstance(answer, str) else answer.text) for answer in answers]
    for place, text in enumerate(texts):
        earlier_texts = (
            earlier for earlier, answer in zip(texts[:place], answers, strict=False) if answer != answers[place]
        )
        if twin := next(
            (earlier for earlier in earlier_texts if is_near_duplicate(earlier, text, LEAST_SIMILARITY)), None
        ):
            yield place, twin.text


def note_near_answers_across_rows(spool: Spool) -> None:
    """Adds the warnings of note_near_answers for prompts whose answers are in separate rows."""
    query = "SELECT fingerprint, n FROM rows WHERE kind = ? AND responses = 1 ORDER BY fingerprint, n"
    single_answers = spool.db.execute(query, (CANDIDATES,))
    for _, group in itertools.groupby(single_answers, key=lambda one: one[0]):
        rows = list(itertools.islice(group, MOST_ANSWERS))
        if len(rows) > 1:
            for place, text in iter_twins([spool.get_row(n).responses[0] for _, n in rows]):
                spool.add_warning(NEAR_ANSWERS, rows[place][1], 0, text)


def note_near_prompts(spool: Spool) -> None:
    """Adds a warning to the rows of each prompt that is a near-duplicate of an earlier one.

    The candidates share bands; their similarity decides.
    """
    spool.db.execute("CREATE TABLE pairs (n, earlier, PRIMARY KEY (n, earlier)) WITHOUT ROWID")
    for column in COLUMNS:
        pairs = pair_equal_bands(spool.db.execute(f"SELECT {column}, n FROM marks ORDER BY {column}, n"))
        spool.db.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?)", pairs)
    shared = " + ".join(f"(one.{column} = other.{column})" for column in COLUMNS)
    both = "pairs JOIN marks one ON one.n = pairs.n JOIN marks other ON other.n = pairs.earlier"
    # If the sizes differ by more, the similarity cannot reach SIMILARITY_THRESHOLD.
    sized = f"min(one.runs, other.runs) >= {SIMILARITY_THRESHOLD} * max(one.runs, other.runs)"
    query = f"SELECT pairs.n, earlier FROM {both} WHERE {shared} >= {LEAST_SHARED_BANDS} AND {sized} ORDER BY 1, 2"
    for n, group in itertools.groupby(spool.db.execute(query), key=lambda one: one[0]):
        prompt = spool.get_row(n).prompt
        shingles = compute_prompt_shingles(prompt)
        others = (spool.get_row(earlier).prompt for _, earlier in group)
        if twin := next(
            (
                other
                for other in others
                if compute_similarity(shingles, compute_prompt_shingles(other)) >= SIMILARITY_THRESHOLD
            ),
            None,
        ):
            spool.add_near_prompt(fingerprint_prompt(prompt), n, twin.instruction)
    spool.db.execute("DROP TABLE pairs")
    spool.add_row_warnings(NEAR_PROMPTS)


def pair_equal_bands(entries: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Pairs each n with the first and with the last n before it of the same band.

    entries: (band, n), sorted.
    """
    band: int | None = None
    first = last = 0
    for next_band, n in entries:
        if next_band != band:
            band, first = next_band, n
        else:
            yield n, last
            if first != last:
                yield n, first
        last = n


def find_stored_prompts(dataset: Dataset, rows: Iterable[Row]) -> dict[str, int]:
    """{fingerprint: id} of the prompts of these rows that the dataset already has."""
    fingerprints = {fingerprint_prompt(row.prompt) for row in rows}
    prompts = Prompt.objects.visible().filter(dataset=dataset, fingerprint__in=fingerprints)
    return dict(prompts.values_list("fingerprint", "pk"))


def note_near_stored(
    spool: Spool, dataset: Dataset, first_rows: Iterable[FirstRow], bands: Bands, stored_prompts: Mapping[str, int]
) -> None:
    """Notes the new prompts that are near-duplicates of a prompt of the dataset."""
    new = [
        (n, row, shingles) for n, row, shingles in first_rows if fingerprint_prompt(row.prompt) not in stored_prompts
    ]
    wanted = {band for n, _, _ in new for band in bands[n]}
    prompt_of = {band: pks[0] for band, pks in find_first_ids(dataset, wanted, 1).items()}
    prompts = Prompt.objects.defer("html").in_bulk(set(prompt_of.values()))
    known = {pk: compute_prompt_shingles(prompt) for pk, prompt in prompts.items()}
    for n, row, shingles in new:
        candidates = sorted({prompt_of[band] for band in bands[n] if band in prompt_of} & known.keys())
        twin = next((pk for pk in candidates if compute_similarity(shingles, known[pk]) >= SIMILARITY_THRESHOLD), None)
        if twin:
            spool.add_near_prompt(fingerprint_prompt(row.prompt), n, prompts[twin].instruction)


def note_stored(spool: Spool, dataset: Dataset, batch: Iterable[RowOfPass], prompts: Mapping[str, int]) -> None:
    """Adds a warning to the rows that contain nothing new.

    prompts: {fingerprint: id} of their stored prompts.
    """
    rows = [row for _, row, _ in batch if fingerprint_prompt(row.prompt) in prompts]
    if not rows:
        return
    stored = Response.objects.visible().filter(
        prompt__in={prompts[fingerprint_prompt(row.prompt)] for row in rows},
        text_hash__in={hash_text(response.text) for row in rows for response in row.responses},
    )
    responses = set(stored.values_list("prompt", "source", "text_hash"))
    standing = find_standing_votes(dataset, rows)
    for n, row, _ in batch:
        prompt = prompts.get(fingerprint_prompt(row.prompt))
        known = prompt and all(
            (prompt, response.source, hash_text(response.text)) in responses for response in row.responses
        )
        if known and has_standing_votes(row, standing):
            spool.add_warning(STORED, n, -1)


def has_standing_votes(row: Row, standing: StandingVotes) -> bool:
    """Whether each vote of a row is stored already, from the same annotator."""
    votes = zip(row.votes, compute_vote_keys(row), get_outcomes(row), strict=True)
    return all(vote.annotator and standing.get(key, ("",))[0] == verdict for vote, key, verdict in votes)
