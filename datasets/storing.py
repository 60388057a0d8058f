"""Rows of the spool -> the database, a batch in one transaction, counting row by row what was new."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from django.utils import timezone

from datasets.files import Item
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, Refused
from datasets.identity import fingerprint, sha256
from datasets.models import Choice, Comparison, Import, Judgment, Prompt, Response, RoleGiven
from datasets.tags import MOST
from datasets.words import words, words_of_prompt


@dataclass
class Batch:
    """The rows of one transaction with what the database has of them."""

    run: Import
    prompts: dict  # fingerprint -> Prompt
    responses: dict  # (prompt id, source, text hash) -> Response
    new: set  # ids of prompts and of responses that this batch brought, as ("prompt", id) or ("response", id)


def store_batch(run, spool, rows):
    """Store a batch and count, row by row, what was new."""
    batch = Batch(run, {}, {}, set())
    store_prompts(batch, [row for *_, row in rows])
    store_responses(batch, [row for *_, row in rows])
    comparisons = store_comparisons(batch, [row for *_, row in rows])
    voted = votes_on(comparisons.values(), run)
    fresh, votes = Counter(), []
    for _, file, line, row in rows:
        pks = response_pks(batch, row)
        mentioned = {("prompt", batch.prompts[fingerprint(row.prompt)].pk)}
        mentioned |= {(kind, pk) for kind in ("response", "role") for pk in pks}
        brought = mentioned & batch.new
        batch.new -= brought
        try:
            new = new_votes(run, row, pks, comparisons, voted, f"{file}:{line}")
        except Refused as refused:  # somebody else's import said otherwise after this one was checked
            spool.refuse(file, Item(line, {}, {"row": str(row)}), refused)
            fresh["refused"] += 1
            continue
        votes += new
        fresh["duplicates"] += not (brought or new)
        fresh.update(kind for kind, _ in brought)
    Judgment.objects.bulk_create(judgment for judgment, _ in votes)
    choices = [choice for _, made in votes for choice in made]
    Choice.objects.bulk_create(choices)
    run.prompts += fresh["prompt"]
    run.responses += fresh["response"]
    run.choices += len(choices)
    run.duplicates += fresh["duplicates"]
    run.refused += fresh["refused"]


def store_prompts(batch, rows):
    run = batch.run
    wanted, tags = {}, defaultdict(dict)
    for row in rows:
        wanted[fingerprint(row.prompt)] = row.prompt
        tags[fingerprint(row.prompt)].update(dict.fromkeys(row.tags))
    known = Prompt.objects.filter(dataset=run.dataset, fingerprint__in=wanted)
    batch.prompts = {prompt.fingerprint: prompt for prompt in known}
    made = [
        Prompt(
            dataset=run.dataset,
            fingerprint=mark,
            system=prompt.system,
            turns=prompt.turns,
            instruction=prompt.instruction,
            input=prompt.input,
            words=words_of_prompt(prompt),
            tags=list(tags[mark]),
            imported=run,
        )
        for mark, prompt in wanted.items()
        if mark not in batch.prompts
    ]
    for prompt in known:
        if more := [tag for tag in tags[prompt.fingerprint] if tag not in prompt.tags]:
            prompt.tags = [*prompt.tags, *more][:MOST]
            prompt.save(update_fields=["tags"])
    for prompt in Prompt.objects.bulk_create(made):
        batch.prompts[prompt.fingerprint] = prompt
        batch.new.add(("prompt", prompt.pk))


def key_of(response):
    return response.prompt_id, response.source, response.text_hash


def response_keys(batch, row):
    prompt = batch.prompts[fingerprint(row.prompt)].pk
    return [(prompt, response.source, sha256(response.text)) for response in row.responses]


def response_pks(batch, row):
    return [batch.responses[key].pk for key in response_keys(batch, row)]


def store_responses(batch, rows):
    """Make the responses that are new; one that is known may get a further role (candidate, demonstration), which it
    has once the import is stored."""
    known = Response.objects.filter(
        prompt__in=[prompt.pk for prompt in batch.prompts.values()],
        text_hash__in={sha256(response.text) for row in rows for response in row.responses},
    )
    batch.responses = {key_of(response): response for response in known}
    for given in batch.run.roles_given.filter(response__in=known).select_related("response"):
        setattr(batch.responses[key_of(given.response)], given.role, True)
    made, given = {}, []
    for row in rows:
        for key, response in zip(response_keys(batch, row), row.responses, strict=True):
            stored = batch.responses.get(key)
            if stored is None:
                prompt, source, mark = key
                stored = Response(
                    prompt_id=prompt,
                    source=source,
                    text_hash=mark,
                    text=response.text,
                    words=words(response.text),
                    imported=batch.run,
                )
                batch.responses[key] = made[key] = stored
            role = {CANDIDATES: "candidate", DEMONSTRATION: "demonstration"}.get(row.kind)
            if role and not getattr(stored, role):
                setattr(stored, role, True)
                if key not in made:
                    given.append(RoleGiven(imported=batch.run, response=stored, role=role))
    batch.new |= {("response", r.pk) for r in Response.objects.bulk_create(made.values())}
    RoleGiven.objects.bulk_create(given)
    batch.new |= {("role", role.response.pk) for role in given}


def give_roles(run):
    """Let responses that were there before have the roles that this import gives them."""
    for role in ("candidate", "demonstration"):
        given = run.roles_given.filter(role=role)
        Response.objects.filter(pk__in=given.values("response")).update(**{role: True})


def store_comparisons(batch, rows):
    """{key: Comparison} of the judged rows' pairs; a new one is held until the import is done."""
    prompts, length = {}, {response.pk: response.words for response in batch.responses.values()}
    for row in rows:
        pks = response_pks(batch, row)
        for vote in row.votes:
            pair = [pks[index] for index in vote.pair]
            prompt = batch.prompts[fingerprint(row.prompt)]
            prompts[Comparison.key_of(pair)] = prompt.pk, prompt.words + sum(length[pk] for pk in pair)
    found = {comparison.key: comparison for comparison in Comparison.objects.filter(key__in=prompts)}
    overlap = batch.run.dataset.overlap
    made = [
        Comparison(
            dataset=batch.run.dataset,
            prompt_id=prompt,
            key=key,
            wanted=overlap,
            open_slots=overlap,
            words=read,
            held="importing",
        )
        for key, (prompt, read) in prompts.items()
        if key not in found
    ]
    return found | {comparison.key: comparison for comparison in Comparison.objects.bulk_create(made)}


def votes_on(comparisons, run):
    """The imported votes that stand on these: {(comparison, name): what it says} of names,
    {(comparison, what it says): how many} of nobody in particular, without this import's own."""
    votes = Judgment.objects.filter(comparison__in=[c.pk for c in comparisons], annotator=None)
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


def new_votes(run, row, pks, comparisons, voted, place):
    """[(Judgment, [Choice, …])], not saved yet, of a judged row's votes that do not stand already."""
    named, unnamed = voted
    found = []
    for vote in row.votes:
        left, right = (pks[index] for index in vote.pair)
        comparison = comparisons[Comparison.key_of((left, right))]
        said = left if vote.verdict == "left" else vote.verdict
        if vote.annotator:
            if (comparison.pk, vote.annotator) in named:
                if named[comparison.pk, vote.annotator] != said:
                    raise Refused("other_verdict", "annotator")
                continue
            named[comparison.pk, vote.annotator] = said
        elif vote.ordinal <= unnamed[comparison.pk, said]:
            continue
        found.append(imported_vote(run, comparison, (left, right), vote, place))
    return found


def imported_vote(run, comparison, order, vote, place):
    said = {"criteria": {criterion: {"verdict": [verdict]} for criterion, verdict in vote.also}} if vote.also else {}
    judgment = Judgment(
        comparison=comparison,
        dataset=run.dataset,
        state=Judgment.State.SAVED,
        order=list(order),
        verdict=vote.verdict,
        said=said,
        decided_at=timezone.now(),
        imported=run,
        imported_by=vote.annotator,
        imported_from=place[-300:],
    )
    return judgment, [Choice(judgment=judgment, **choice) for choice in stated(order, vote)]


def stated(order, vote):
    """What a vote states of its pair, in all and by criteria, as fields of a Choice."""
    left = {"chosen_id": order[0], "rejected_id": order[1]}
    right = {"chosen_id": order[1], "rejected_id": order[0]}
    if vote.verdict != "both_bad":
        yield {**left, "strength": vote.strength if vote.verdict == "left" else 0, "rank_gap": vote.gap}
    for criterion, verdict in vote.also:
        yield {**(right if verdict == "right" else left), "criterion": criterion}
