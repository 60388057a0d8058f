"""Rows of the spool -> the database, a batch in one transaction, counting row by row what was new. Whose comparisons
are to be made once all is stored is noted in the spool."""

from collections import Counter

from django.db import connection
from django.utils import timezone

from datasets.db.bulk import encode_pg_array, insert, insert_lines, match_values, reserve_ids
from datasets.files.item import Item
from datasets.formats.rows import DEMONSTRATION, JUDGED, PROMPT, Refusal
from datasets.imports.batches import PROMPT_COLUMNS, RESPONSE_COLUMNS, ROLE_OF
from datasets.models import Choice, Comparison, Gold, Judgment, Prompt, Response, RoleGiven, draw_priority
from datasets.text.tags import MOST_TAGS


def store_batch(run, spool, batch):
    """Store a batch and count, row by row, what was new."""
    existing_prompts = store_prompts(batch)
    store_responses(batch, existing_prompts)
    comparisons, earlier_votes = store_comparisons(batch)
    votes, gold = [], {}
    for _, file, line, row, prompt, answers, firsts in batch.rows:
        new = ()
        if row.kind != PROMPT and (row.kind != DEMONSTRATION or run.dataset.ask_demonstrations):
            batch.pending.append((prompt.pk, row.kind == JUDGED))
        new_counts = count_new(batch, prompt, answers) if existing_prompts else (*firsts, 0)
        if row.votes:
            try:
                new = pick_new_votes(row, [answer.pk for answer in answers], comparisons, earlier_votes)
            except Refusal as refusal:  # somebody else's import said otherwise after this one was checked
                spool.refuse(file, Item(line, {}, {"row": str(row)}), refusal)
                run.refused += 1
                continue
            votes += [(*vote, f"{file}:{line}") for vote in new]
            if row.known is not None:
                gold |= {pk: (vote, order, row.known) for pk, order, vote in iter_votes(row, answers, comparisons)}
        run.prompts += new_counts[0]
        run.responses += new_counts[1]
        run.duplicates += not (any(new_counts) or new)
    run.choices += store_votes(run, votes)
    store_gold(run, gold)


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
    existing = find_existing_prompts(batch.run.dataset, batch.prompts)
    tags = {}
    for fingerprint, (pk, words) in existing.items():
        prompt = batch.prompts[fingerprint]
        prompt.pk, prompt.words = pk, words
        if prompt.tags:
            tags[pk] = prompt.tags
    add_tags(tags)
    new = [prompt for fingerprint, prompt in batch.prompts.items() if fingerprint not in existing]
    for prompt, pk in zip(new, reserve_ids(Prompt, len(new)), strict=True):
        prompt.pk, prompt.is_new = pk, True
    insert_lines(Prompt, ("id",), PROMPT_COLUMNS, [((prompt.pk,), prompt.line) for prompt in new])
    return {fingerprint: pk for fingerprint, (pk, _) in existing.items()}


# Said so that PostgreSQL looks each up in the index of both columns, whatever it knows of the tables: while they grow
# it knows nothing of this dataset, takes it for empty, and would read all of it for every batch, or for every prompt.
EXISTING_PROMPTS_SQL = """
    SELECT mark, found.id, found.words
    FROM (SELECT %s::bigint AS id OFFSET 0) AS dataset, unnest(%s::text[]) AS mark, LATERAL (
        SELECT id, words FROM datasets_prompt WHERE dataset_id = dataset.id AND fingerprint = mark OFFSET 0
    ) AS found"""


def find_existing_prompts(dataset, fingerprints):
    """{fingerprint: (id, words)} of the prompts that were there before."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(EXISTING_PROMPTS_SQL, [dataset.pk, encode_pg_array(list(fingerprints))])
            return {fingerprint: (pk, words) for fingerprint, pk, words in cursor.fetchall()}
    prompts = Prompt.objects.filter(match_values(Prompt, "fingerprint", fingerprints), dataset=dataset)
    return {fingerprint: (pk, words) for fingerprint, pk, words in prompts.values_list("fingerprint", "pk", "words")}


def add_tags(tags):
    """Add {prompt id: tags} to prompts that were there before."""
    for prompt in Prompt.objects.filter(pk__in=tags) if tags else ():
        if more := [tag for tag in tags[prompt.pk] if tag not in prompt.tags]:
            prompt.tags = [*prompt.tags, *more][:MOST_TAGS]
            prompt.save(update_fields=["tags"])


def store_responses(batch, existing_prompts):
    """Make the responses that are new. existing_prompts: those that were there; a response that was there too may
    get a further role (candidate, demonstration), which it has once the import is stored."""
    existing = find_existing_responses(batch, existing_prompts) if existing_prompts else {}
    new, new_roles = [], []
    for key, answer in batch.answers.items():
        if key in existing:
            answer.pk, answer.words, roles = existing[key]
            new_roles += [(answer.pk, role) for role in sorted(answer.roles - roles)]
        else:
            new.append((key[0], answer))
    for (_, answer), pk in zip(new, reserve_ids(Response, len(new)), strict=True):
        answer.pk = pk
    lines = [((answer.pk, batch.prompts[fingerprint].pk), answer.line) for fingerprint, answer in new]
    insert_lines(Response, ("id", "prompt"), RESPONSE_COLUMNS, lines)
    RoleGiven.objects.bulk_create(RoleGiven(imported=batch.run, response_id=pk, role=role) for pk, role in new_roles)
    batch.new_responses.update(answer.pk for _, answer in new)
    batch.new_roles.update(pk for pk, _ in new_roles)


def find_existing_responses(batch, existing_prompts):
    """{(fingerprint, source, text hash): (id, words, roles)} of the responses that were there.
    existing_prompts: {fingerprint: id} of the prompts that were."""
    fingerprint_of = {pk: fingerprint for fingerprint, pk in existing_prompts.items()}
    hashes = {text_hash for fingerprint, _, text_hash in batch.answers if fingerprint in existing_prompts}
    responses = Response.objects.filter(
        match_values(Response, "prompt", fingerprint_of), match_values(Response, "text_hash", hashes)
    )
    fields = responses.values_list("prompt", "source", "text_hash", "pk", "words", *ROLE_OF.values())
    existing = {
        (fingerprint_of[prompt], *key): (
            pk,
            words,
            {role for role, has in zip(ROLE_OF.values(), roles, strict=True) if has},
        )
        for prompt, *key, pk, words, roles in ((*values[:5], values[5:]) for values in fields)
    }
    roles_of = {pk: roles for pk, _, roles in existing.values()}
    for pk, role in batch.run.roles_given.filter(response__in=roles_of).values_list("response", "role"):
        roles_of[pk].add(role)
    return existing


def give_roles(run):
    """Let responses that were there before have the roles that this import gives them."""
    for role in ("candidate", "demonstration"):
        roles_given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=roles_given.values("response")).update(**{role: True})


def store_comparisons(batch):
    """({key: id} of the judged rows' pairs, and what was voted on them before); a new one is held until the import is
    done."""
    pairs = {}
    for *_, row, prompt, answers, _firsts in batch.rows:
        for vote in row.votes:
            pair = [answers[index] for index in vote.pair]
            key = Comparison.build_key([answer.pk for answer in pair])
            pairs[key] = prompt.pk, key, prompt.words + sum(answer.words for answer in pair)
    if not pairs:
        return {}, ({}, Counter())
    existing = dict(Comparison.objects.filter(match_values(Comparison, "key", pairs)).values_list("key", "pk"))
    earlier_votes = find_earlier_votes(existing.values(), batch.run) if existing else ({}, Counter())
    new = [key for key in pairs if key not in existing]
    dataset = batch.run.dataset
    shared_values = dataset.pk, dataset.overlap, dataset.overlap, "importing"
    ids = reserve_ids(Comparison, len(new))
    new_rows = [(pk, *pairs[key], *shared_values, draw_priority()) for pk, key in zip(ids, new, strict=True)]
    names = ("id", "prompt", "key", "words", "dataset", "wanted", "open_slots", "held", "priority")
    insert(Comparison, names, new_rows)
    return existing | dict(zip(new, ids, strict=True)), earlier_votes


def find_earlier_votes(comparisons, run):
    """The imported votes that stand on these: {(comparison, name): what it says} of names,
    {(comparison, what it says): how many} of nobody in particular, without this import's own."""
    votes = Judgment.objects.filter(match_values(Judgment, "comparison", comparisons), annotator=None)
    named, unnamed = {}, Counter()
    for comparison, name, order, verdict, imported in votes.values_list(
        "comparison", "imported_by", "order", "verdict", "imported"
    ):
        outcome = order[0] if verdict == "left" else verdict
        if name:
            named[comparison, name] = outcome
        elif imported != run.pk:
            unnamed[comparison, outcome] += 1
    return named, unnamed


def pick_new_votes(row, pks, comparisons, earlier_votes):
    """[(comparison id, the two responses' ids, Vote)] of a judged row's votes that do not stand already."""
    named, unnamed = earlier_votes
    votes = []
    for vote in row.votes:
        left, right = (pks[index] for index in vote.pair)
        comparison = comparisons[Comparison.build_key((left, right))]
        outcome = left if vote.verdict == "left" else vote.verdict
        if vote.annotator:
            if (comparison, vote.annotator) in named:
                if named[comparison, vote.annotator] != outcome:
                    raise Refusal("other_verdict", "annotator")
                continue
            named[comparison, vote.annotator] = outcome
        elif vote.ordinal <= unnamed[comparison, outcome]:
            continue
        votes.append((comparison, (left, right), vote))
    return votes


def store_votes(run, votes):
    """Save [(comparison id, the two responses' ids, Vote, place)]; how many choices they state."""
    shared_values = run.dataset_id, Judgment.State.SAVED, timezone.now(), run.pk
    judgments, choices = [], []
    for pk, (comparison, order, vote, place) in zip(reserve_ids(Judgment, len(votes)), votes, strict=True):
        said = {criterion: {"verdict": [verdict]} for criterion, verdict in vote.also}
        said = {"criteria": said} if said else {}
        judgments.append((pk, comparison, order, vote.verdict, said, vote.annotator, place[-300:], *shared_values))
        choices += [(pk, *choice) for choice in iter_choices(order, vote)]
    vote_columns = ("order", "verdict", "said", "imported_by", "imported_from")
    insert(Judgment, ("id", "comparison", *vote_columns, "dataset", "state", "decided_at", "imported"), judgments)
    insert(Choice, ("judgment", "chosen", "rejected", "strength", "rank_gap", "criterion"), choices)
    return len(choices)


def iter_votes(row, answers, comparisons):
    """(comparison id, the two responses' ids, Vote) of each of a row's votes, whether it stands already or not."""
    for vote in row.votes:
        order = tuple(answers[index].pk for index in vote.pair)
        yield comparisons[Comparison.build_key(order)], order, vote


def store_gold(run, gold):
    """Keep {comparison id: (Vote, the two responses' ids, why)} as known answers, where none is known yet."""
    gold_rows = []
    for comparison, (vote, order, reason) in gold.items():
        choice = vote.verdict == "left"
        gold_rows.append(
            Gold(
                comparison_id=comparison,
                dataset=run.dataset,
                verdict="choice" if choice else vote.verdict,
                choices=[list(order)] if choice else [],
                reason=reason,
                made_by=run.created_by,
                imported=run,
            )
        )
    Gold.objects.bulk_create(gold_rows, ignore_conflicts=True)


def iter_choices(order, vote):
    """What a vote states of its pair, in all and by criteria: (chosen, rejected, strength, rank gap, criterion)."""
    left, right = tuple(order), tuple(order)[::-1]
    if vote.verdict != "both_bad":
        yield *left, vote.strength if vote.verdict == "left" else 0, vote.gap, ""
    for criterion, verdict in vote.also:
        yield *(right if verdict == "right" else left), 1, None, criterion
