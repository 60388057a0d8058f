"""Stores batches of spooled rows, each in one transaction, and counts what is new row by row. The prompts that need
comparisons are noted in the batch; the comparisons are created after the last batch.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from django.db import connection
from django.utils import timezone

from datasets.db.bulk import Values, encode_pg_array, insert, insert_lines, match_values, reserve_ids
from datasets.files.item import Item
from datasets.formats.rows import DEMONSTRATION, JUDGED, PROMPT, Refusal, Row, Vote
from datasets.imports.batches import (
    PROMPT_COLUMNS,
    RESPONSE_COLUMNS,
    ROLE_OF,
    AnswerKey,
    Batch,
    BatchAnswer,
    BatchPrompt,
    get_dataset,
)
from datasets.imports.spool import Spool
from datasets.models import (
    Choice,
    Comparison,
    Dataset,
    Gold,
    Import,
    Judgment,
    Prompt,
    Response,
    RoleGiven,
    draw_priority,
)
from datasets.prompts.origins import Origin, extend_origins
from datasets.text.tags import MOST_TAGS

LABEL_OF = {"good": True, "bad": False}  # {role of RoleGiven: the label that it stands for}
ROLE_OF_LABEL = {label: role for role, label in LABEL_OF.items()}

Order: TypeAlias = tuple[int, int]  # the ids of the two responses of a vote
Outcome: TypeAlias = int | str  # the id of the better response, `tie` or `both_bad`
NewVote: TypeAlias = tuple[int, Order, Vote]  # (comparison id, order, vote)
PlacedVote: TypeAlias = tuple[int, Order, Vote, str]  # the same with `file:line`
# ({(comparison id, annotator): outcome}, the number of anonymous votes by (comparison id, outcome))
EarlierVotes: TypeAlias = tuple[dict[tuple[int, str], Outcome], Counter[tuple[int, Outcome]]]
Existing: TypeAlias = tuple[int, int, set[str]]  # (id, words, roles) of a response; its label is a role, see LABEL_OF


def store_batch(run: Import, spool: Spool, batch: Batch) -> None:
    """Stores a batch and adds its counts to the import, which the caller saves.

    A vote or label that contradicts one stored since the check is refused: `spool` gets the refusal.

    >>> from datasets.imports.batches import iter_batches
    >>> for batch in iter_batches(run, spool, 200):
    ...     store_batch(run, spool, batch)
    >>> run.prompts, run.responses
    (1, 2)
    """
    existing_prompts = store_prompts(batch)
    store_responses(batch, existing_prompts)
    comparisons, earlier_votes = store_comparisons(batch)
    votes: list[PlacedVote] = []
    gold: dict[int, tuple[Vote, Order, str]] = {}
    ask_demonstrations = get_dataset(run).ask_demonstrations
    for _, file, line, row, prompt, answers, firsts in batch.rows:
        new: Sequence[NewVote] = ()
        if row.label is not None and any(answer.label != row.label for answer in answers):
            spool.refuse(file, Item(line, {}, {"row": str(row)}), Refusal("other_verdict", "label"))
            run.refused += 1
            continue
        if row.kind != PROMPT and (row.kind != DEMONSTRATION or ask_demonstrations):
            batch.pending.append((prompt.pk, row.kind == JUDGED))
        new_counts = count_new(batch, prompt, answers) if existing_prompts else (*firsts, 0)
        if row.votes:
            try:
                new = pick_new_votes(row, [answer.pk for answer in answers], comparisons, earlier_votes)
            except Refusal as refusal:  # another import stored a different vote after this one was checked
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


def count_new(batch: Batch, prompt: BatchPrompt, answers: Iterable[BatchAnswer]) -> tuple[bool, int, int]:
    """Numbers of (prompts, responses, roles) of a row that are new and not yet counted; marks them as counted."""
    is_new, prompt.is_new = prompt.is_new, False
    pks = {answer.pk for answer in answers}
    responses, roles = pks & batch.new_responses, pks & batch.new_roles
    batch.new_responses -= responses
    batch.new_roles -= roles
    return is_new, len(responses), len(roles)


def store_prompts(batch: Batch) -> dict[str, int]:
    """Inserts the new prompts of a batch. Returns {fingerprint: id} of those that existed before."""
    existing = find_existing_prompts(get_dataset(batch.run), batch.prompts)
    tags: dict[int, Collection[str]] = {}
    origins: dict[int, Sequence[Origin]] = {}
    for fingerprint, (pk, words) in existing.items():
        prompt = batch.prompts[fingerprint]
        prompt.pk, prompt.words = pk, words
        if prompt.tags:
            tags[pk] = prompt.tags
        if prompt.origins:
            origins[pk] = prompt.origins
    add_missing_tags(tags)
    extend_origins(origins)
    new = [prompt for fingerprint, prompt in batch.prompts.items() if fingerprint not in existing]
    for prompt, pk in zip(new, reserve_ids(Prompt, len(new)), strict=True):
        prompt.pk, prompt.is_new = pk, True
    insert_lines(Prompt, ("id",), PROMPT_COLUMNS, [((prompt.pk,), prompt.line) for prompt in new])
    return {fingerprint: pk for fingerprint, (pk, _) in existing.items()}


# Each OFFSET 0 keeps PostgreSQL from flattening the query, so that it looks up each fingerprint in the index of both
# columns. Its statistics lag behind while the tables grow: it would take the dataset for empty and read all of it for
# every batch or every prompt.
EXISTING_PROMPTS_SQL = """
    SELECT mark, found.id, found.words
    FROM (SELECT %s::bigint AS id OFFSET 0) AS dataset, unnest(%s::text[]) AS mark, LATERAL (
        SELECT id, words FROM datasets_prompt WHERE dataset_id = dataset.id AND fingerprint = mark OFFSET 0
    ) AS found"""


def find_existing_prompts(dataset: Dataset, fingerprints: Collection[str]) -> dict[str, tuple[int, int]]:
    """{fingerprint: (id, words)} of the prompts that the dataset already has.

    >>> find_existing_prompts(dataset, ["unknown"])
    {}
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(EXISTING_PROMPTS_SQL, [dataset.pk, encode_pg_array(list(fingerprints))])
            return {fingerprint: (pk, words) for fingerprint, pk, words in cursor.fetchall()}
    prompts = Prompt.objects.filter(match_values(Prompt, "fingerprint", fingerprints), dataset=dataset)
    return {fingerprint: (pk, words) for fingerprint, pk, words in prompts.values_list("fingerprint", "pk", "words")}


def add_missing_tags(tags: Mapping[int, Collection[str]]) -> None:
    """Adds {prompt id: tags} to existing prompts, up to MOST_TAGS per prompt."""
    for prompt in Prompt.objects.filter(pk__in=tags) if tags else ():
        if more := [tag for tag in tags[prompt.pk] if tag not in prompt.tags]:
            prompt.tags = [*prompt.tags, *more][:MOST_TAGS]
            prompt.save(update_fields=["tags"])


def store_responses(batch: Batch, existing_prompts: Mapping[str, int]) -> None:
    """Inserts the new responses of a batch.

    An existing response may get a further role (candidate, demonstration) or a label. It is recorded as RoleGiven and
    takes effect in give_roles, once the whole import is stored. Where a label differs from the stored one, the batch's
    answer gets the stored one, and nothing from the rows that contradict it.

    existing_prompts: {fingerprint: id} of the prompts that existed before.
    """
    existing = find_existing_responses(batch, existing_prompts) if existing_prompts else {}
    new: list[tuple[str, BatchAnswer]] = []
    new_roles: list[tuple[int, str]] = []
    for key, answer in batch.answers.items():
        if key in existing:
            answer.pk, answer.words, roles = existing[key]
            roles_of_rows = answer.roles if answer.label is None else collect_labelled_roles(answer, roles)
            new_roles += [(answer.pk, role) for role in sorted(roles_of_rows - roles)]
        else:
            new.append((key[0], answer))
    for (_, answer), pk in zip(new, reserve_ids(Response, len(new)), strict=True):
        answer.pk = pk
    lines = [((answer.pk, batch.prompts[fingerprint].pk), answer.line) for fingerprint, answer in new]
    insert_lines(Response, ("id", "prompt"), RESPONSE_COLUMNS, lines)
    RoleGiven.objects.bulk_create(RoleGiven(imported=batch.run, response_id=pk, role=role) for pk, role in new_roles)
    batch.new_responses.update(answer.pk for _, answer in new)
    batch.new_roles.update(pk for pk, _ in new_roles)


def collect_labelled_roles(answer: BatchAnswer, roles: Collection[str]) -> set[str]:
    """The roles of a labelled answer, its label among them. If the stored response has the other label, the answer gets
    that one, and no role.

    roles: of the stored response.
    """
    label: bool = answer.label  # type: ignore[assignment]  # the answer is labelled
    if ROLE_OF_LABEL[not label] in roles:
        answer.label = not label
        return set()
    return answer.roles | {ROLE_OF_LABEL[label]}


def find_existing_responses(batch: Batch, existing_prompts: Mapping[str, int]) -> dict[AnswerKey, Existing]:
    """The responses that existed before.

    existing_prompts: {fingerprint: id} of the prompts that existed before.
    """
    fingerprint_of = {pk: fingerprint for fingerprint, pk in existing_prompts.items()}
    hashes = {text_hash for fingerprint, _, text_hash in batch.answers if fingerprint in existing_prompts}
    responses = Response.objects.filter(
        match_values(Response, "prompt", fingerprint_of), match_values(Response, "text_hash", hashes)
    )
    fields = responses.values_list("prompt", "source", "text_hash", "pk", "words", "label", *ROLE_OF.values())
    existing: dict[AnswerKey, Existing] = {}
    for prompt, source, text_hash, pk, words, label, *flags in fields:
        roles = {role for role, has in zip(ROLE_OF.values(), flags, strict=True) if has}
        roles |= set() if label is None else {ROLE_OF_LABEL[label]}
        existing[fingerprint_of[prompt], source, text_hash] = pk, words, roles
    roles_of = {pk: roles for pk, _, roles in existing.values()}
    for pk, role in batch.run.roles_given.filter(response__in=roles_of).values_list("response", "role"):
        roles_of[pk].add(role)
    return existing


def give_roles(run: Import) -> None:
    """Applies the roles and labels that an import gives to responses that existed before it.

    >>> response = dataset.prompts.first().responses.first()
    >>> given = run.roles_given.create(response=response, role="demonstration")
    >>> give_roles(run)
    >>> response.refresh_from_db(); response.demonstration
    True
    """
    for role in ("candidate", "demonstration"):
        roles_given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=roles_given.values("response")).update(**{role: True})
    for role, label in LABEL_OF.items():
        labels_given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=labels_given.values("response")).update(label=label)


def store_comparisons(batch: Batch) -> tuple[dict[str, int], EarlierVotes]:
    """Inserts the new comparisons of the judged rows, held as `importing` until the import is done.

    Returns ({key: id} of all their pairs, the earlier votes on them).
    """
    pairs: dict[str, tuple[int, str, int]] = {}
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
    dataset = get_dataset(batch.run)
    shared_values = dataset.pk, dataset.overlap, dataset.overlap, "importing"
    ids = reserve_ids(Comparison, len(new))
    new_rows = [(pk, *pairs[key], *shared_values, draw_priority()) for pk, key in zip(ids, new, strict=True)]
    names = ("id", "prompt", "key", "words", "dataset", "wanted", "open_slots", "held", "priority")
    insert(Comparison, names, new_rows)
    return existing | dict(zip(new, ids, strict=True)), earlier_votes


def find_earlier_votes(comparisons: Collection[int], run: Import) -> EarlierVotes:
    """The imported votes that stand on comparisons: those with an annotator's name, and the counts of anonymous ones.

    The counts leave out this import's own votes.

    comparisons: their ids.
    """
    votes = Judgment.objects.filter(match_values(Judgment, "comparison", comparisons), annotator=None)
    named: dict[tuple[int, str], Outcome] = {}
    unnamed: Counter[tuple[int, Outcome]] = Counter()
    for comparison, name, order, verdict, imported in votes.values_list(
        "comparison", "imported_by", "order", "verdict", "imported"
    ):
        outcome = order[0] if verdict == "left" else verdict
        if name:
            named[comparison, name] = outcome
        elif imported != run.pk:
            unnamed[comparison, outcome] += 1
    return named, unnamed


def pick_new_votes(
    row: Row, pks: Sequence[int], comparisons: Mapping[str, int], earlier_votes: EarlierVotes
) -> list[NewVote]:
    """The votes of a judged row that are not stored yet; adds them to the earlier votes.

    pks: the ids of the row's responses.
    comparisons: {key: id}.

    Raises Refusal if an annotator's earlier vote on the pair differs.
    """
    named, unnamed = earlier_votes
    votes: list[NewVote] = []
    for vote in row.votes:
        left, right = (pks[index] for index in vote.pair)
        comparison = comparisons[Comparison.build_key((left, right))]
        outcome: Outcome = left if vote.verdict == "left" else vote.verdict
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


def store_votes(run: Import, votes: Sequence[PlacedVote]) -> int:
    """Inserts votes as saved judgments with their choices. Returns the number of choices."""
    shared_values = run.dataset_id, Judgment.State.SAVED, timezone.now(), run.pk
    judgments: list[Values] = []
    choices: list[Values] = []
    margins: list[Values] = []  # choices that have one; most imports have none
    for pk, (comparison, order, vote, place) in zip(reserve_ids(Judgment, len(votes)), votes, strict=True):
        by_criterion = {criterion: {"verdict": [verdict]} for criterion, verdict in vote.also}
        said = {"criteria": by_criterion} if by_criterion else {}
        judgments.append((pk, comparison, order, vote.verdict, said, vote.annotator, place[-300:], *shared_values))
        stated = [(pk, *choice) for choice in iter_choices(order, vote)]
        if vote.margin is not None and vote.verdict != "both_bad":
            overall, *stated = stated
            margins.append((*overall, vote.margin))
        choices += stated
    vote_columns = ("order", "verdict", "said", "imported_by", "imported_from")
    insert(Judgment, ("id", "comparison", *vote_columns, "dataset", "state", "decided_at", "imported"), judgments)
    choice_columns = ("judgment", "chosen", "rejected", "strength", "rank_gap", "criterion")
    insert(Choice, choice_columns, choices)
    insert(Choice, (*choice_columns, "margin"), margins)
    return len(choices) + len(margins)


def iter_votes(row: Row, answers: Sequence[BatchAnswer], comparisons: Mapping[str, int]) -> Iterator[NewVote]:
    """All votes of a row, new or not.

    comparisons: {key: id}.
    """
    for vote in row.votes:
        order = answers[vote.pair[0]].pk, answers[vote.pair[1]].pk
        yield comparisons[Comparison.build_key(order)], order, vote


def store_gold(run: Import, gold: Mapping[int, tuple[Vote, Order, str]]) -> None:
    """Stores known answers, for comparisons that have none yet.

    gold: {comparison id: (vote, order, reason)}.
    """
    gold_rows = []
    for comparison, (vote, order, reason) in gold.items():
        choice = vote.verdict == "left"
        gold_rows.append(
            Gold(
                comparison_id=comparison,
                dataset=get_dataset(run),
                verdict="choice" if choice else vote.verdict,
                choices=[list(order)] if choice else [],
                order=list(order),
                reason=reason,
                made_by=run.created_by,
                imported=run,
            )
        )
    Gold.objects.bulk_create(gold_rows, ignore_conflicts=True)


def iter_choices(order: Order, vote: Vote) -> Iterator[tuple[int, int, int, int | None, str]]:
    """The choices of a vote: (chosen, rejected, strength, rank gap, criterion), "" for the verdict as a whole."""
    left, right = order, order[::-1]
    if vote.verdict != "both_bad":
        yield *left, vote.strength if vote.verdict == "left" else 0, vote.gap, ""
    for criterion, verdict in vote.also:
        yield *(right if verdict == "right" else left), 1, None, criterion
