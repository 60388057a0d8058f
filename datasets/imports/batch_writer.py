"""Rows of the spool -> the database, a batch in one transaction, counting row by row what was new. Whose comparisons
are to be made once all is stored is noted in the spool."""

from collections import Counter

from django.db import connection
from django.utils import timezone

from datasets.db.bulk import among, as_array, fresh_ids, insert, insert_lines
from datasets.files.detect import Item
from datasets.formats.rows import DEMONSTRATION, JUDGED, PROMPT, Refused
from datasets.imports.batches import PROMPT_COLUMNS, RESPONSE_COLUMNS, ROLE_OF
from datasets.models import Choice, Comparison, Gold, Judgment, Prompt, Response, RoleGiven, draw_priority
from datasets.text.tags import MOST


def store_batch(run, spool, batch):
    """Store a batch and count, row by row, what was new."""
    known = store_prompts(batch)
    store_responses(batch, known)
    comparisons, voted = store_comparisons(batch)
    votes, gold = [], {}
    for _, file, line, row, prompt, answers, firsts in batch.rows:
        new = ()
        if row.kind != PROMPT and (row.kind != DEMONSTRATION or run.dataset.ask_demonstrations):
            batch.asks.append((prompt.pk, row.kind == JUDGED))
        brought = count_new(batch, prompt, answers) if known else (*firsts, 0)
        if row.votes:
            try:
                new = new_votes(row, [answer.pk for answer in answers], comparisons, voted)
            except Refused as refused:  # somebody else's import said otherwise after this one was checked
                spool.refuse(file, Item(line, {}, {"row": str(row)}), refused)
                run.refused += 1
                continue
            votes += [(*vote, f"{file}:{line}") for vote in new]
            if row.known is not None:
                gold |= {pk: (vote, order, row.known) for pk, order, vote in said_in(row, answers, comparisons)}
        run.prompts += brought[0]
        run.responses += brought[1]
        run.duplicates += not (any(brought) or new)
    run.choices += store_votes(run, votes)
    store_known(run, gold)


def count_new(batch, prompt, answers):
    """How many (prompts, responses, roles) of one row are new and were not counted before."""
    is_new, prompt.is_new = prompt.is_new, False
    pks = {answer.pk for answer in answers}
    responses, roles = pks & batch.new_responses, pks & batch.new_roles
    batch.new_responses -= responses
    batch.new_roles -= roles
    return is_new, len(responses), len(roles)


def store_prompts(batch):
    """Make the prompts that are new; {fingerprint: id} of those that were there."""
    there = known_prompts(batch.run.dataset, batch.prompts)
    tags = {}
    for mark, (pk, read) in there.items():
        prompt = batch.prompts[mark]
        prompt.pk, prompt.words = pk, read
        if prompt.tags:
            tags[pk] = prompt.tags
    add_tags(tags)
    new = [prompt for mark, prompt in batch.prompts.items() if mark not in there]
    for prompt, pk in zip(new, fresh_ids(Prompt, len(new)), strict=True):
        prompt.pk, prompt.is_new = pk, True
    insert_lines(Prompt, ("id",), PROMPT_COLUMNS, [((prompt.pk,), prompt.line) for prompt in new])
    return {mark: pk for mark, (pk, _) in there.items()}


# Said so that PostgreSQL looks each up in the index of both columns, whatever it knows of the tables: while they grow
# it knows nothing of this dataset, takes it for empty, and would read all of it for every batch, or for every prompt.
KNOWN_PROMPTS = """
    SELECT mark, found.id, found.words
    FROM (SELECT %s::bigint AS id OFFSET 0) AS dataset, unnest(%s::text[]) AS mark, LATERAL (
        SELECT id, words FROM datasets_prompt WHERE dataset_id = dataset.id AND fingerprint = mark OFFSET 0
    ) AS found"""


def known_prompts(dataset, marks):
    """{fingerprint: (id, words)} of the prompts that were there before."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(KNOWN_PROMPTS, [dataset.pk, as_array(list(marks))])
            return {mark: (pk, read) for mark, pk, read in cursor.fetchall()}
    known = Prompt.objects.filter(among(Prompt, "fingerprint", marks), dataset=dataset)
    return {mark: (pk, read) for mark, pk, read in known.values_list("fingerprint", "pk", "words")}


def add_tags(tags):
    """Add {prompt id: tags} to prompts that were there before."""
    for prompt in Prompt.objects.filter(pk__in=tags) if tags else ():
        if more := [tag for tag in tags[prompt.pk] if tag not in prompt.tags]:
            prompt.tags = [*prompt.tags, *more][:MOST]
            prompt.save(update_fields=["tags"])


def store_responses(batch, known):
    """Make the responses that are new. known: the prompts that were there; a response that was there too may get a
    further role (candidate, demonstration), which it has once the import is stored."""
    there = known_responses(batch, known) if known else {}
    new, given = [], []
    for key, answer in batch.answers.items():
        if key in there:
            answer.pk, answer.words, roles = there[key]
            given += [(answer.pk, role) for role in sorted(answer.roles - roles)]
        else:
            new.append((key[0], answer))
    for (_, answer), pk in zip(new, fresh_ids(Response, len(new)), strict=True):
        answer.pk = pk
    lines = [((answer.pk, batch.prompts[mark].pk), answer.line) for mark, answer in new]
    insert_lines(Response, ("id", "prompt"), RESPONSE_COLUMNS, lines)
    RoleGiven.objects.bulk_create(RoleGiven(imported=batch.run, response_id=pk, role=role) for pk, role in given)
    batch.new_responses.update(answer.pk for _, answer in new)
    batch.new_roles.update(pk for pk, _ in given)


def known_responses(batch, known):
    """{(fingerprint, source, text hash): (id, words, roles)} of the responses that were there. known: {fingerprint: id}
    of the prompts that were."""
    mark_of = {pk: mark for mark, pk in known.items()}
    hashes = {text_hash for mark, _, text_hash in batch.answers if mark in known}
    there = Response.objects.filter(among(Response, "prompt", mark_of), among(Response, "text_hash", hashes))
    fields = there.values_list("prompt", "source", "text_hash", "pk", "words", *ROLE_OF.values())
    found = {
        (mark_of[prompt], *key): (pk, read, {role for role, has in zip(ROLE_OF.values(), roles, strict=True) if has})
        for prompt, *key, pk, read, roles in ((*values[:5], values[5:]) for values in fields)
    }
    roles_of = {pk: roles for pk, _, roles in found.values()}
    for pk, role in batch.run.roles_given.filter(response__in=roles_of).values_list("response", "role"):
        roles_of[pk].add(role)
    return found


def give_roles(run):
    """Let responses that were there before have the roles that this import gives them."""
    for role in ("candidate", "demonstration"):
        given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=given.values("response")).update(**{role: True})


def store_comparisons(batch):
    """({key: id} of the judged rows' pairs, and what was voted on them before); a new one is held until the import is
    done."""
    pairs = {}
    for *_, row, prompt, answers, _firsts in batch.rows:
        for vote in row.votes:
            pair = [answers[index] for index in vote.pair]
            key = Comparison.key_of([answer.pk for answer in pair])
            pairs[key] = prompt.pk, key, prompt.words + sum(answer.words for answer in pair)
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
