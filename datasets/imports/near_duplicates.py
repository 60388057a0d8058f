"""A second look at a checked upload: what nearly repeats something else, in it or in its dataset.

Everything that must be remembered of every prompt stands in the spool's file, so that memory stays flat.
"""

import itertools

from datasets.formats.rows import CANDIDATES, DEMONSTRATION
from datasets.imports.spool import unpacked
from datasets.imports.validate import standing_votes, vote_keys, what_they_say
from datasets.imports.warnings import NEAR_ANSWERS, NEAR_PROMPTS, STORED
from datasets.models import Prompt, Response
from datasets.text.fingerprints import fingerprint, sha256
from datasets.text.minhash import ALIKE, BANDS, Compared, is_nearly, marks_of, shingles_of, similarity
from datasets.text.near_duplicates import first_with, give_groups

AT_ONCE = 200  # rows
NEARLY = 0.85  # answers so much alike are told apart by nobody
ANSWERS = 26  # of one prompt that are compared with each other, at most
SHARED = 2  # marks of ten that two prompts must share to be looked at: nine in ten do at a similarity of 0.7
NEWLY_MARKED = 20_000  # prompts of the dataset that get their marks on this occasion, at most
COLUMNS = [f"m{band}" for band in range(BANDS)]


def look(spool, dataset=None):
    """Note in a spool which rows nearly repeat others: prompts, answers to one prompt, and what is stored already."""
    spool.db.execute(f"CREATE TABLE marks (n INTEGER PRIMARY KEY, runs, {', '.join(COLUMNS)})")
    spool.db.execute("CREATE TABLE firsts (n INTEGER PRIMARY KEY)")
    spool.db.execute(
        "INSERT INTO firsts SELECT min(n) FROM rows WHERE kind != ? GROUP BY fingerprint ORDER BY 1", (DEMONSTRATION,)
    )
    if dataset:
        give_groups(dataset, NEWLY_MARKED)
    for batch in batches(spool):
        look_at(spool, dataset, batch)
    note_near_prompts(spool)
    note_near_answers_of_other_rows(spool)
    for table in ("marks", "firsts"):
        spool.db.execute(f"DROP TABLE {table}")


def batches(spool):
    """[(n, Row, whether it is the first of its prompt)], in order."""
    query = "SELECT n, row, firsts.n FROM rows LEFT JOIN firsts USING (n) WHERE n > ? ORDER BY n LIMIT ?"
    last = 0
    while found := spool.db.execute(query, (last, AT_ONCE)).fetchall():
        last = found[-1][0]
        yield [(n, unpacked(text), first is not None) for n, text, first in found]


def look_at(spool, dataset, batch):
    marked = [(n, row, shingles_of(row.prompt)) for n, row, is_first in batch if is_first]
    marks = {n: marks_of(shingles) for n, _, shingles in marked}
    places = ", ".join("?" * (2 + BANDS))
    runs = {n: len(shingles) for n, _, shingles in marked}
    spool.db.executemany(f"INSERT INTO marks VALUES ({places})", [(n, runs[n], *found) for n, found in marks.items()])
    for n, row, _ in batch:
        note_near_answers(spool, n, row)
    if dataset:
        prompts = stored_prompts(dataset, [row for _, row, _ in batch])
        note_like_stored(spool, dataset, marked, marks, prompts)
        note_stored(spool, dataset, batch, prompts)


def note_near_answers(spool, n, row):
    if row.kind == DEMONSTRATION:
        return
    for place, text in twins([response.text for response in row.responses[:ANSWERS]]):
        spool.doubt(NEAR_ANSWERS, n, place, text)


def twins(answers):
    """(place, text of the first one before it that is nearly the same) of each of these answers, Responses or texts,
    that has such a twin. Equal ones are none."""
    texts = [Compared(getattr(answer, "text", answer)) for answer in answers]
    for place, text in enumerate(texts):
        others = (one for one, answer in zip(texts[:place], answers, strict=False) if answer != answers[place])
        if twin := next((one for one in others if is_nearly(one, text, NEARLY)), None):
            yield place, twin.text


def note_near_answers_of_other_rows(spool):
    """The same where each answer to a prompt has a row of its own."""
    query = "SELECT fingerprint, n FROM rows WHERE kind = ? AND responses = 1 ORDER BY fingerprint, n"
    found = spool.db.execute(query, (CANDIDATES,))
    for _, group in itertools.groupby(found, key=lambda one: one[0]):
        rows = list(itertools.islice(group, ANSWERS))
        if len(rows) > 1:
            for place, text in twins([spool.row(n).responses[0] for _, n in rows]):
                spool.doubt(NEAR_ANSWERS, rows[place][1], 0, text)


def note_near_prompts(spool):
    """Of prompts that share marks, those that are really alike: each names an earlier one."""
    spool.db.execute("CREATE TABLE pairs (n, earlier, PRIMARY KEY (n, earlier)) WITHOUT ROWID")
    for column in COLUMNS:
        pairs = sharing(spool.db.execute(f"SELECT {column}, n FROM marks ORDER BY {column}, n"))
        spool.db.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?)", pairs)
    shared = " + ".join(f"(one.{column} = other.{column})" for column in COLUMNS)
    both = "pairs JOIN marks one ON one.n = pairs.n JOIN marks other ON other.n = pairs.earlier"
    sized = f"min(one.runs, other.runs) >= {ALIKE} * max(one.runs, other.runs)"  # a longer one cannot be ALIKE
    query = f"SELECT pairs.n, earlier FROM {both} WHERE {shared} >= {SHARED} AND {sized} ORDER BY 1, 2"
    for n, group in itertools.groupby(spool.db.execute(query), key=lambda one: one[0]):
        prompt = spool.row(n).prompt
        shingles = shingles_of(prompt)
        others = (spool.row(earlier).prompt for _, earlier in group)
        if like := next((other for other in others if similarity(shingles, shingles_of(other)) >= ALIKE), None):
            spool.doubt_prompt(fingerprint(prompt), n, like.instruction)
    spool.db.execute("DROP TABLE pairs")
    spool.doubt_rows_of_prompts(NEAR_PROMPTS)


def sharing(marks):
    """Of (mark, n) in order, each n with the first and with the last one before it that has the same mark."""
    mark = first = last = None
    for other, n in marks:
        if other != mark:
            mark, first = other, n
        else:
            yield n, last
            if first != last:
                yield n, first
        last = n


def stored_prompts(dataset, rows):
    """{fingerprint: id} of the prompts of these rows that the dataset has."""
    marks = {fingerprint(row.prompt) for row in rows}
    found = Prompt.objects.visible().filter(dataset=dataset, fingerprint__in=marks)
    return dict(found.values_list("fingerprint", "pk"))


def note_like_stored(spool, dataset, marked, marks, stored):
    """New prompts that are nearly the same as one of the dataset."""
    new = [(n, row, shingles) for n, row, shingles in marked if fingerprint(row.prompt) not in stored]
    wanted = {mark for n, _, _ in new for mark in marks[n]}
    sharing = {mark: pks[0] for mark, pks in first_with(dataset, wanted, 1).items()}
    prompts = Prompt.objects.defer("html").in_bulk(set(sharing.values()))
    known = {pk: shingles_of(prompt) for pk, prompt in prompts.items()}
    for n, row, shingles in new:
        candidates = sorted({sharing[mark] for mark in marks[n] if mark in sharing} & known.keys())
        like = next((pk for pk in candidates if similarity(shingles, known[pk]) >= ALIKE), None)
        if like:
            spool.doubt_prompt(fingerprint(row.prompt), n, prompts[like].instruction)


def note_stored(spool, dataset, batch, prompts):
    """Rows that would bring nothing new."""
    rows = [row for _, row, _ in batch if fingerprint(row.prompt) in prompts]
    if not rows:
        return
    found = Response.objects.visible().filter(
        prompt__in={prompts[fingerprint(row.prompt)] for row in rows},
        text_hash__in={sha256(one.text) for row in rows for one in row.responses},
    )
    responses = set(found.values_list("prompt", "source", "text_hash"))
    standing = standing_votes(dataset, rows)
    for n, row, _ in batch:
        prompt = prompts.get(fingerprint(row.prompt))
        known = prompt and all((prompt, one.source, sha256(one.text)) in responses for one in row.responses)
        if known and are_standing(row, standing):
            spool.doubt(STORED, n, -1)


def are_standing(row, standing):
    """Whether all that a row says has been said by the same persons."""
    said = zip(row.votes, vote_keys(row), what_they_say(row), strict=True)
    return all(vote.annotator and standing.get(key, ("",))[0] == verdict for vote, key, verdict in said)
