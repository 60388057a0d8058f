"""Files -> rows -> database. A check reads everything into a spool; storing goes in short batches that let judging
go on, under an Import whose rows are invisible until all are there."""

import hashlib
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from datasets import formats
from datasets.asking import ask, open_again
from datasets.files import FileProblem, Item, items
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, Refused
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Response
from datasets.spool import Spool, folder

BATCH = 200
SAMPLE = 50
STALE = timedelta(minutes=2)
LONGEST_WAIT = 600  # seconds for another import into the same dataset


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(prompt):
    """What makes a prompt the same prompt: its four parts, to the byte."""
    return sha256(json.dumps([prompt.system, prompt.turns, prompt.instruction, prompt.input]))


# --- checking -------------------------------------------------------------------------------------------------------


def check(files, slug, format="auto"):
    """A checked Import (not stored) of [(name, binary stream)]; its rows and refusals are in its spool.

    Raises FileProblem, with `file` set, for a file that cannot be read at all.
    """
    spool = Spool.create()
    dataset = Dataset.objects.filter(slug=slug).first()
    found = []
    try:
        for name, stream in files:
            try:
                found.append(check_file(spool, dataset, name, stream, format))
            except FileProblem as problem:
                problem.file = name
                raise
        spool.finish()
    except BaseException:
        spool.delete()
        raise
    refused = spool.count("refused")
    run = Import(
        slug=slug,
        files=[name for name, _ in files],
        format=", ".join(dict.fromkeys(found)),
        rows=spool.count("rows") + refused,
        refused=refused,
    )
    run.save()
    spool.close()
    spool.path.rename(spool_path(run))
    return run


def spool_path(run):
    return folder() / f"import-{run.pk}.sqlite3"


def check_file(spool, dataset, name, stream, format):
    """Check one file into the spool; the name of its format."""
    _, found = items(stream)
    sample = list(itertools.islice(found, SAMPLE))
    if not sample:
        raise FileProblem("empty_file")
    format, rename = recognised(sample, format)
    for batch in batches(itertools.chain(sample, found), BATCH):
        check_batch(spool, dataset, name, [(item, read(item, format, rename)) for item in batch])
    return format


def recognised(sample, format):
    """(name of the format, how to spell a row's keys) by the keys of the first rows: as they are, else lower-cased."""
    objects = [item.value for item in sample if isinstance(item.value, dict)]
    if format != "auto" or not objects:
        if not objects:
            raise FileProblem("no_rows", sample[0].value.reason, sample[0].line)
        return format, as_it_is
    for rename in (as_it_is, lower_cased):
        rows = [rename(row) for row in objects]
        if name := formats.detect(set().union(*rows), rows[0]):
            return name, rename
    raise FileProblem("unknown_shape", ", ".join(objects[0])[:300])


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
        return formats.readable()[format].read(rename(item.value))
    except Refused as refused:
        return refused


def check_batch(spool, dataset, file, found):
    """Put rows into the spool; refuse a vote that contradicts an earlier one of the same person."""
    standing = standing_votes(dataset, [row for _, row in found if not isinstance(row, Refused)]) if dataset else {}
    for item, row in found:
        if not isinstance(row, Refused):
            row = check_votes(spool, row, standing, f"{file}:{item.line}")
        if isinstance(row, Refused):
            spool.refuse(file, item, row)
        else:
            spool.add(file, item.line, row)


def check_votes(spool, row, standing, place):
    """The row with its unnamed votes numbered, or the refusal that names the earlier, other verdict."""
    votes = []
    for vote in row.votes:
        key, said = vote_key(row, vote), what_it_says(row, vote)
        if vote.annotator:
            earlier = standing.get(key) or spool.said_before(key, said, place)
            if earlier and earlier[0] != said:
                return Refused("other_verdict", "annotator", earlier[1])
            votes.append(vote)
        else:
            votes.append(replace(vote, ordinal=spool.times(f"{key} {said}")))
    return replace(row, votes=tuple(votes))


def identity(response):
    """What makes a response of a prompt the same response."""
    return sha256(json.dumps([response.source, response.text]))


def vote_key(row, vote):
    """The same for the same person and pair, whichever side came first."""
    pair = sorted(identity(row.responses[index]) for index in vote.pair)
    return sha256(json.dumps([fingerprint(row.prompt), pair, vote.annotator]))


def what_it_says(row, vote):
    return identity(row.responses[vote.pair[0]]) if vote.verdict == "left" else vote.verdict


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
    texts = Response.objects.in_bulk({pk for vote in votes for pk in vote[2]})
    found = {}
    for prompt, annotator, order, verdict, place in votes:
        pair = [identity(texts[pk]) for pk in order]
        key = sha256(json.dumps([prompt, sorted(pair), annotator]))
        found[key] = (pair[0] if verdict == "left" else verdict, place)
    return found


# --- storing --------------------------------------------------------------------------------------------------------


def store(run, overlap=None):
    """Store what was checked, all of it; the Import, done. `overlap` is for a dataset that is made here.

    Waits while another import into the same dataset is being stored.
    """
    run.dataset, _ = Dataset.objects.get_or_create(slug=run.slug, defaults={"overlap": overlap or 1})
    take_turn(run)
    store_rows(run)
    return run


def take_turn(run):
    """Become the one import of the dataset that is being stored; TimeoutError after ten minutes."""
    run.state = Import.State.STORING
    for _ in range(LONGEST_WAIT * 2):
        try:
            with transaction.atomic():
                run.save()
            return
        except IntegrityError:
            take_up_unfinished()
            time.sleep(0.5)
    raise TimeoutError(f"another import into {run.slug} is being stored")


def store_rows(run):
    """From wherever it stopped to the end."""
    spool = Spool(spool_path(run))
    if run.state == Import.State.STORING:
        while batch := spool.rows(run.stored_upto, BATCH):
            with transaction.atomic():
                store_batch(run, spool, batch)
                run.stored_upto = batch[-1][0]
                run.save()
        run.state = Import.State.ASKING
        run.save()
    ask_for_rows(run, spool)
    run.state = Import.State.DONE
    run.save()
    spool.db.execute("DELETE FROM rows")
    spool.delete() if not run.refused else spool.close()


def ask_for_rows(run, spool):
    """Make the comparisons that the new rows ask for, and open those that came with a verdict."""
    last = 0
    while batch := spool.rows(last, BATCH):
        last = batch[-1][0]
        fingerprints = {fingerprint(row.prompt) for _, _, _, row in batch}
        prompts = Prompt.objects.filter(dataset=run.dataset, fingerprint__in=fingerprints)
        with transaction.atomic():
            if any(row.kind != DEMONSTRATION for _, _, _, row in batch) or run.dataset.ask_demonstrations:
                ask(run.dataset, prompts)
            open_again(Comparison.objects.filter(prompt__in=prompts, judgments__imported=run))
        Import.objects.filter(pk=run.pk).update(touched_at=timezone.now())


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
        brought = {("prompt", batch.prompts[fingerprint(row.prompt)].pk), *(("response", pk) for pk in pks)} & batch.new
        batch.new -= brought
        try:
            new = new_votes(run, row, pks, comparisons, voted, f"{file}:{line}")
        except Refused as refused:  # somebody else's import said otherwise after this one was checked
            spool.refuse(file, Item(line, {}, dict(row=str(row))), refused)
            fresh["refused"] += 1
            continue
        votes += new
        fresh["duplicates"] += not (brought or new)
        fresh.update(kind for kind, _ in brought)
    Judgment.objects.bulk_create(judgment for judgment, _ in votes)
    choices = [choice for _, choice in votes if choice]
    for choice in choices:
        choice.judgment_id = choice.judgment.pk
    Choice.objects.bulk_create(choices)
    run.prompts += fresh["prompt"]
    run.responses += fresh["response"]
    run.choices += len(choices)
    run.duplicates += fresh["duplicates"]
    run.refused += fresh["refused"]


def store_prompts(batch, rows):
    run = batch.run
    wanted = {fingerprint(row.prompt): row.prompt for row in rows}
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
            imported=run,
        )
        for mark, prompt in wanted.items()
        if mark not in batch.prompts
    ]
    for prompt in Prompt.objects.bulk_create(made):
        batch.prompts[prompt.fingerprint] = prompt
        batch.new.add(("prompt", prompt.pk))


def response_keys(batch, row):
    prompt = batch.prompts[fingerprint(row.prompt)].pk
    return [(prompt, response.source, sha256(response.text)) for response in row.responses]


def response_pks(batch, row):
    return [batch.responses[key].pk for key in response_keys(batch, row)]


def store_responses(batch, rows):
    """Make the responses that are new; one that is known may get a further role (candidate, demonstration)."""
    known = Response.objects.filter(
        prompt__in=[prompt.pk for prompt in batch.prompts.values()],
        text_hash__in={sha256(response.text) for row in rows for response in row.responses},
    )
    batch.responses = {(r.prompt_id, r.source, r.text_hash): r for r in known}
    made, changed = {}, {}
    for row in rows:
        for key, response in zip(response_keys(batch, row), row.responses, strict=True):
            stored = batch.responses.get(key)
            if stored is None:
                prompt, source, mark = key
                stored = Response(
                    prompt_id=prompt, source=source, text_hash=mark, text=response.text, imported=batch.run
                )
                batch.responses[key] = made[key] = stored
            role = {CANDIDATES: "candidate", DEMONSTRATION: "demonstration"}.get(row.kind)
            if role and not getattr(stored, role):
                setattr(stored, role, True)
                if key not in made:
                    changed[key] = stored
    batch.new |= {("response", r.pk) for r in Response.objects.bulk_create(made.values())}
    Response.objects.bulk_update(changed.values(), ["candidate", "demonstration"])
    batch.new |= {("role", r.pk) for r in changed.values()}


def store_comparisons(batch, rows):
    """{key: Comparison} of the judged rows' pairs; a new one is held until the import is done."""
    prompts = {}
    for row in rows:
        pks = response_pks(batch, row)
        for vote in row.votes:
            key = Comparison.key_of(pks[index] for index in vote.pair)
            prompts[key] = batch.prompts[fingerprint(row.prompt)].pk
    found = {comparison.key: comparison for comparison in Comparison.objects.filter(key__in=prompts)}
    overlap = batch.run.dataset.overlap
    made = [
        Comparison(
            dataset=batch.run.dataset, prompt_id=prompt, key=key, wanted=overlap, open_slots=overlap, held="importing"
        )
        for key, prompt in prompts.items()
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
    """[(Judgment, Choice or None)], not saved yet, of a judged row's votes that do not stand already."""
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
    judgment = Judgment(
        comparison=comparison,
        dataset=run.dataset,
        state=Judgment.State.SAVED,
        order=list(order),
        verdict=vote.verdict,
        decided_at=timezone.now(),
        imported=run,
        imported_by=vote.annotator,
        imported_from=place[-300:],
    )
    if vote.verdict == "both_bad":
        return judgment, None
    strength = 1 if vote.verdict == "left" else 0
    return judgment, Choice(judgment=judgment, chosen_id=order[0], rejected_id=order[1], strength=strength)


# --- what is left of interrupted imports -------------------------------------------------------------------------------


def take_up_unfinished():
    """Finish imports whose process has died; remove those whose spool is gone. (finished, removed)"""
    finished = removed = 0
    for run in Import.objects.unfinished().filter(touched_at__lt=timezone.now() - STALE):
        claimed = Import.objects.filter(pk=run.pk, touched_at=run.touched_at).update(touched_at=timezone.now())
        if not claimed:
            continue
        if spool_path(run).exists():
            store_rows(run)
            finished += 1
        else:
            drop(run)
            removed += 1
    return finished, removed


def drop(run):
    """Remove an import and, where it was not finished, all that it had stored."""
    path = spool_path(run)
    with transaction.atomic():
        Judgment.objects.filter(imported=run).delete()
        Comparison.objects.filter(held="importing", prompt__dataset=run.dataset, judgments=None).delete()
        Response.objects.filter(imported=run).delete()
        Prompt.objects.filter(imported=run).delete()
        run.delete()
    path.unlink(missing_ok=True)
