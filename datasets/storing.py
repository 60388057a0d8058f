"""Rows of the spool -> the database, a batch in one transaction, counting row by row what was new. Whose comparisons
are to be made once all is stored is noted in the spool."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from datasets.files import Item
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, JUDGED, PROMPT, Refused, Row
from datasets.identity import sha256
from datasets.inserting import among, as_array, fresh_ids, insert
from datasets.models import Choice, Comparison, Gold, Import, Judgment, Prompt, Response, RoleGiven, draw_priority
from datasets.tags import MOST
from datasets.words import words, words_of_prompt

ROLE_OF = {CANDIDATES: "candidate", DEMONSTRATION: "demonstration"}


class Ready(NamedTuple):
    """A row of the spool with what can be said of it before the database is asked. mark: the fingerprint of its prompt;
    read: the words of it; texts: (hash, words) of each response."""

    n: int
    file: str
    line: int
    mark: str
    row: Row
    read: int
    texts: list


def made_ready(rows):
    """[Ready] of rows of the spool."""
    return [
        Ready(*place, row, words_of_prompt(row.prompt), [(sha256(one.text), words(one.text)) for one in row.responses])
        for *place, row in rows
    ]


@dataclass(slots=True)
class Stored:
    """A response of the database, as much of it as storing takes."""

    pk: int
    words: int
    roles: set


@dataclass
class Batch:
    """The rows of one transaction, made ready, with what the database has of them."""

    run: Import
    rows: list
    prompts: dict = field(default_factory=dict)  # fingerprint -> (id, words)
    known: list = field(default_factory=list)  # ids of the prompts that were there before this batch
    responses: dict = field(default_factory=dict)  # (prompt id, source, text hash) -> Stored
    answers: list = field(default_factory=list)  # of each row the Stored of its responses
    new_prompts: set = field(default_factory=set)  # ids of what this batch brought
    new_responses: set = field(default_factory=set)
    new_roles: set = field(default_factory=set)  # of responses that were there


def store_batch(run, spool, rows):
    """Store a batch and count, row by row, what was new."""
    batch = Batch(run, rows)
    store_prompts(batch)
    store_responses(batch)
    comparisons, voted = store_comparisons(batch)
    votes, known, asks = [], {}, []
    for (_, file, line, mark, row, *_), answers in zip(rows, batch.answers, strict=True):
        prompt, new = batch.prompts[mark][0], ()
        if row.kind != PROMPT and (row.kind != DEMONSTRATION or run.dataset.ask_demonstrations):
            asks.append((prompt, row.kind == JUDGED))
        brought = count_new(batch, prompt, answers)
        if row.votes:
            try:
                new = new_votes(row, [answer.pk for answer in answers], comparisons, voted)
            except Refused as refused:  # somebody else's import said otherwise after this one was checked
                spool.refuse(file, Item(line, {}, {"row": str(row)}), refused)
                run.refused += 1
                continue
            votes += [(*vote, f"{file}:{line}") for vote in new]
            if row.known is not None:
                known |= {pk: (vote, order, row.known) for pk, order, vote in said_in(row, answers, comparisons)}
        run.prompts += brought[0]
        run.responses += brought[1]
        run.duplicates += not (any(brought) or new)
    spool.ask(asks)
    run.choices += store_votes(run, votes)
    store_known(run, known)


def count_new(batch, prompt, answers):
    """How many (prompts, responses, roles) of one row, given as ids, are new and were not counted before."""
    is_new = prompt in batch.new_prompts
    batch.new_prompts.discard(prompt)
    pks = {answer.pk for answer in answers}
    responses, roles = pks & batch.new_responses, pks & batch.new_roles
    batch.new_responses -= responses
    batch.new_roles -= roles
    return is_new, len(responses), len(roles)


def store_prompts(batch):
    run = batch.run
    wanted, tags = {}, defaultdict(dict)
    for *_, mark, row, read, _ in batch.rows:
        wanted[mark] = row.prompt, read
        if row.tags:
            tags[mark].update(dict.fromkeys(row.tags))
    batch.prompts = known_prompts(run.dataset, wanted)
    batch.known = [pk for pk, _ in batch.prompts.values()]
    add_tags({batch.prompts[mark][0]: tags[mark] for mark in batch.prompts if mark in tags})
    made = []
    new = [mark for mark in wanted if mark not in batch.prompts]
    for mark, pk in zip(new, fresh_ids(Prompt, len(new)), strict=True):
        prompt, read = wanted[mark]
        parts = prompt.system, prompt.turns, prompt.instruction, prompt.input
        made.append((pk, run.dataset_id, mark, *parts, read, list(tags.get(mark, ())), run.pk))
        batch.prompts[mark] = pk, read
        batch.new_prompts.add(pk)
    parts = "system", "turns", "instruction", "input"
    insert(Prompt, ("id", "dataset", "fingerprint", *parts, "words", "tags", "imported"), made)


def known_prompts(dataset, marks):
    """{fingerprint: (id, words)} of the prompts that were there before. PostgreSQL is made to look up one by one: while
    a table grows it knows nothing of it, and would read the whole dataset for every batch."""
    if connection.vendor == "postgresql":
        one = "SELECT id, words FROM datasets_prompt WHERE dataset_id = %s AND fingerprint = mark OFFSET 0"
        with connection.cursor() as cursor:
            query = f"SELECT mark, found.* FROM unnest(%s::text[]) AS mark, LATERAL ({one}) AS found"
            cursor.execute(query, [as_array(list(marks)), dataset.pk])
            return {mark: (pk, read) for mark, pk, read in cursor.fetchall()}
    known = Prompt.objects.filter(among(Prompt, "fingerprint", marks), dataset=dataset)
    return {mark: (pk, read) for mark, pk, read in known.values_list("fingerprint", "pk", "words")}


def add_tags(tags):
    """Add {prompt id: tags} to prompts that were there before."""
    for prompt in Prompt.objects.filter(pk__in=tags) if tags else ():
        if more := [tag for tag in tags[prompt.pk] if tag not in prompt.tags]:
            prompt.tags = [*prompt.tags, *more][:MOST]
            prompt.save(update_fields=["tags"])


def store_responses(batch):
    """Make the responses that are new; one that is known may get a further role (candidate, demonstration), which it
    has once the import is stored."""
    hashes = [text_hash for ready in batch.rows for text_hash, _ in ready.texts]
    batch.responses = known_responses(batch, set(hashes)) if batch.known else {}
    new = fresh_ids(Response, len(hashes))[::-1]
    made, given = {}, []
    for *_, mark, row, _, texts in batch.rows:
        prompt, role, answers = batch.prompts[mark][0], ROLE_OF.get(row.kind), []
        for response, (text_hash, read) in zip(row.responses, texts, strict=True):
            key = prompt, response.source, text_hash
            answer = batch.responses.get(key)
            if answer is None:
                answer = batch.responses[key] = Stored(new.pop(), read, set())
                made[answer.pk] = response.text, answer, key
            if role and role not in answer.roles:
                answer.roles.add(role)
                if answer.pk not in made:
                    given.append(RoleGiven(imported=batch.run, response_id=answer.pk, role=role))
            answers.append(answer)
        batch.answers.append(answers)
    insert_responses(batch.run, made.values())
    RoleGiven.objects.bulk_create(given)
    batch.new_responses.update(made)
    batch.new_roles.update(role.response_id for role in given)


def known_responses(batch, hashes):
    """{(prompt id, source, text hash): Stored} of prompts that were there before."""
    known = Response.objects.filter(among(Response, "prompt", batch.known), among(Response, "text_hash", hashes))
    fields = known.values_list("prompt", "source", "text_hash", "pk", "words", *ROLE_OF.values())
    found = {
        tuple(key): Stored(pk, read, {role for role, has in zip(ROLE_OF.values(), roles, strict=True) if has})
        for *key, pk, read, roles in ((*values[:5], values[5:]) for values in fields)
    }
    of_pk = {answer.pk: answer for answer in found.values()}
    for pk, role in batch.run.roles_given.filter(response__in=of_pk).values_list("response", "role"):
        of_pk[pk].roles.add(role)
    return found


def insert_responses(run, made):
    """Insert [(text, Stored, (prompt id, source, text hash))]."""
    names = ("id", "prompt", "source", "text_hash", "text", "words", "imported", "candidate", "demonstration")
    rows = [
        (answer.pk, *key, text, answer.words, run.pk, "candidate" in answer.roles, "demonstration" in answer.roles)
        for text, answer, key in made
    ]
    insert(Response, names, rows)


def give_roles(run):
    """Let responses that were there before have the roles that this import gives them."""
    for role in ("candidate", "demonstration"):
        given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=given.values("response")).update(**{role: True})


def store_comparisons(batch):
    """({key: id} of the judged rows' pairs, and what was voted on them before); a new one is held until the import is
    done."""
    pairs = {}
    for (*_, mark, row, _, _), answers in zip(batch.rows, batch.answers, strict=True):
        prompt, read = batch.prompts[mark]
        for vote in row.votes:
            pair = [answers[index] for index in vote.pair]
            key = Comparison.key_of([answer.pk for answer in pair])
            pairs[key] = prompt, key, read + sum(answer.words for answer in pair)
    if not pairs:
        return {}, ({}, Counter())
    found = dict(Comparison.objects.filter(among(Comparison, "key", pairs)).values_list("key", "pk"))
    voted = votes_on(found.values(), batch.run) if found else ({}, Counter())
    new = [key for key in pairs if key not in found]
    dataset = batch.run.dataset
    same = dataset.pk, dataset.overlap, dataset.overlap, "importing"
    ids = fresh_ids(Comparison, len(new))
    made = [(pk, *pairs[key], *same, draw_priority()) for pk, key in zip(ids, new, strict=True)]
    names = ("id", "prompt", "key", "words", "dataset", "wanted", "open_slots", "held", "priority")
    insert(Comparison, names, made)
    return found | dict(zip(new, ids, strict=True)), voted


def votes_on(comparisons, run):
    """The imported votes that stand on these: {(comparison, name): what it says} of names,
    {(comparison, what it says): how many} of nobody in particular, without this import's own."""
    votes = Judgment.objects.filter(among(Judgment, "comparison", comparisons), annotator=None)
    named, unnamed = {}, Counter()
    for comparison, name, order, verdict, imported in votes.values_list(
        "comparison", "imported_by", "order", "verdict", "imported"
    ):
        said = order[0] if verdict == "left" else verdict
        if name:
            named[comparison, name] = said
        elif imported != run.pk:
            unnamed[comparison, said] += 1
    return named, unnamed


def new_votes(row, pks, comparisons, voted):
    """[(comparison id, the two responses' ids, Vote)] of a judged row's votes that do not stand already."""
    named, unnamed = voted
    found = []
    for vote in row.votes:
        left, right = (pks[index] for index in vote.pair)
        comparison = comparisons[Comparison.key_of((left, right))]
        said = left if vote.verdict == "left" else vote.verdict
        if vote.annotator:
            if (comparison, vote.annotator) in named:
                if named[comparison, vote.annotator] != said:
                    raise Refused("other_verdict", "annotator")
                continue
            named[comparison, vote.annotator] = said
        elif vote.ordinal <= unnamed[comparison, said]:
            continue
        found.append((comparison, (left, right), vote))
    return found


def store_votes(run, votes):
    """Save [(comparison id, the two responses' ids, Vote, place)]; how many choices they state."""
    same = run.dataset_id, Judgment.State.SAVED, timezone.now(), run.pk
    judgments, choices = [], []
    for pk, (comparison, order, vote, place) in zip(fresh_ids(Judgment, len(votes)), votes, strict=True):
        said = {criterion: {"verdict": [verdict]} for criterion, verdict in vote.also}
        said = {"criteria": said} if said else {}
        judgments.append((pk, comparison, order, vote.verdict, said, vote.annotator, place[-300:], *same))
        choices += [(pk, *choice) for choice in stated(order, vote)]
    what = ("order", "verdict", "said", "imported_by", "imported_from")
    insert(Judgment, ("id", "comparison", *what, "dataset", "state", "decided_at", "imported"), judgments)
    insert(Choice, ("judgment", "chosen", "rejected", "strength", "rank_gap", "criterion"), choices)
    return len(choices)


def said_in(row, answers, comparisons):
    """(comparison id, the two responses' ids, Vote) of each of a row's votes, whether it stands already or not."""
    for vote in row.votes:
        order = tuple(answers[index].pk for index in vote.pair)
        yield comparisons[Comparison.key_of(order)], order, vote


def store_known(run, known):
    """Keep {comparison id: (Vote, the two responses' ids, why)} as known answers, where none is known yet."""
    made = []
    for comparison, (vote, order, why) in known.items():
        choice = vote.verdict == "left"
        made.append(
            Gold(
                comparison_id=comparison,
                dataset=run.dataset,
                verdict="choice" if choice else vote.verdict,
                choices=[list(order)] if choice else [],
                reason=why,
                made_by=run.created_by,
                imported=run,
            )
        )
    Gold.objects.bulk_create(made, ignore_conflicts=True)


def stated(order, vote):
    """What a vote states of its pair, in all and by criteria: (chosen, rejected, strength, rank gap, criterion)."""
    left, right = tuple(order), tuple(order)[::-1]
    if vote.verdict != "both_bad":
        yield *left, vote.strength if vote.verdict == "left" else 0, vote.gap, ""
    for criterion, verdict in vote.also:
        yield *(right if verdict == "right" else left), 1, None, criterion
