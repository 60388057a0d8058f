"""Checks uploads into a spool and stores them in the database; __init__.py describes the pipeline.

Rows are stored in short batches, so that judging continues in between, and stay invisible until all are stored.
"""

import contextlib
import functools
import gc
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeAlias

from django.db import IntegrityError, connection, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.comparisons.generate import generate_for_prompts, regenerate_comparisons, reopen_comparisons
from datasets.db.bulk import match_values, quote_names
from datasets.db.threads import Prefetcher, run_in_threads
from datasets.db.write_lock import batch_transaction, write_turn
from datasets.formats.rows import DEMONSTRATION, JUDGED
from datasets.imports.batch_writer import give_roles, store_batch
from datasets.imports.batches import Batch, get_dataset, iter_batches
from datasets.imports.check import relaxed_gc
from datasets.imports.spool import Spool, delete_files, get_spool_path
from datasets.imports.undo import CannotUndo, undo_import
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Response
from datasets.prompts.origins import list_prompts_with_origins, remove_origins

# Rows per transaction, normally and with `hurry`; on SQLite nothing else can write during a transaction.
BATCH, LARGE_BATCH = {"postgresql": (200, 2000), "sqlite": (50, 50)}[connection.vendor]
THREADS = {"postgresql": 2, "sqlite": 1}[connection.vendor]
MANY = 2000  # rows from which new statistics and a second thread pay off
GC_THRESHOLDS = gc.get_threshold()
STALE = timedelta(minutes=2)
ABANDONED_AFTER = timedelta(days=7)
LONGEST_WAIT = 600  # seconds for another import into the same dataset

# (rows done so far, ids of their prompts that need comparisons, ids of their prompts with judged rows)
NewPrompts: TypeAlias = tuple[int, list[int], list[int]]


def store(
    run: Import,
    progress: Callable[[int, int], None] = lambda done, total: None,
    hurry: bool = False,
) -> Import:
    """Stores a checked import completely; creates its dataset, with its settings, if needed.

    Waits for another import into the dataset.

    If two processes call it for the same import, one of them stores it and both wait for the end.

    progress: called with (done, total) after each batch.
    hurry: use large batches and threads, at the expense of annotators.

    Raises TimeoutError after LONGEST_WAIT.

    >>> run = store(run)
    >>> run.prompts, run.responses, run.duplicates
    (1, 2, 0)
    """
    with transaction.atomic():
        run.dataset, created = Dataset.objects.get_or_create(slug=run.slug, defaults=run.dataset_settings)
        if created:
            log(Kind.DATASET, run.slug, after="made", by=run.created_by, dataset=run.dataset)
    if claim_dataset(run):
        delete_files(run)
        store_rows(run, progress, hurry)
    return run


def claim_dataset(run: Import) -> bool:
    """Makes this the one import that its dataset is storing; False if another process has stored it.

    Raises TimeoutError after LONGEST_WAIT.
    """
    checked = Import.objects.filter(pk=run.pk, state=Import.State.CHECKED)
    dataset = run.dataset
    for _ in range(LONGEST_WAIT * 2):
        with contextlib.suppress(IntegrityError), transaction.atomic():
            if checked.update(dataset=dataset, state=Import.State.STORING, touched_at=timezone.now()):
                run.refresh_from_db()
                return True
        run.refresh_from_db()
        if run.state not in (Import.State.CHECKED, *Import.UNFINISHED):
            return False
        resume_unfinished()
        time.sleep(0.5)
    raise TimeoutError(f"another import into {run.slug} is being stored")


@relaxed_gc()
def store_rows(
    run: Import, progress: Callable[[int, int], None] = lambda done, total: None, hurry: bool = False
) -> None:
    """Stores a claimed import from where it stopped to the end; arguments as for store.

    In the state `asking` the spool is needed only to find the new prompts; without it, all comparisons are regenerated.

    >>> claim_dataset(run)
    True
    >>> store_rows(run)
    >>> run.state == Import.State.DONE
    True
    """
    if not get_spool_path(run).exists():
        regenerate_comparisons(get_dataset(run))
        open_with_votes(run, Comparison.objects.filter(judgments__imported=run))
        Import.objects.filter(pk=run.pk).update(state=Import.State.DONE)
        return
    spool = Spool(get_spool_path(run))
    most = LARGE_BATCH if hurry else BATCH
    from_the_start = run.state == Import.State.STORING and not run.stored_upto
    if run.state == Import.State.STORING:
        spool.open_pending()
        with Prefetcher(iter_batches(run, spool, most), hurry) as prefetcher:
            while batch := prefetcher.wait_next():
                with write_turn(), batch_transaction():
                    store_batch(run, spool, batch)
                    run.stored_upto = batch.rows[-1].n
                    run.save()
                    prefetcher.begin_next(functools.partial(release_batch, spool, batch))
                progress(run.stored_upto, 2 * run.rows)
        with transaction.atomic():
            give_roles(run)
            run.state = Import.State.ASKING
            run.save()
        analyze_tables(run, Prompt, Response)
    prompts = iter_noted_prompts(spool, most) if from_the_start else iter_stored_prompts(run, spool, most)
    generate_comparisons(run, prompts, progress, THREADS if hurry and run.rows >= MANY else 1)
    run.state = Import.State.DONE
    run.save()
    analyze_tables(run, Comparison, Judgment, Choice)
    if run.refused:
        spool.forget_rows()
    else:
        spool.delete()


def release_batch(spool: Spool, batch: Batch) -> None:
    """Notes which prompts of a stored batch need comparisons, and frees its memory, which takes time too."""
    spool.note_pending(batch.pending)
    batch.rows.clear()
    batch.prompts.clear()
    batch.answers.clear()


def analyze_tables(run: Import, *models: type[Model]) -> None:
    """Updates PostgreSQL's statistics of these tables after a large import.

    With the old ones, until autovacuum runs, it would scan whole tables for each batch of comparisons or of an export.
    Texts and their hashes are left out: they take longest to sample, and each is almost unique.
    """
    if connection.vendor == "postgresql" and run.rows >= MANY:
        tables = ", ".join(f"{model._meta.db_table} ({quote_analyzed_columns(model)})" for model in models)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL default_statistics_target TO 30")  # samples 9,000 rows; the default is more
            cursor.execute(f"ANALYZE {tables}")


def quote_analyzed_columns(model: type[Model]) -> str:
    """The columns that queries filter by, quoted for SQL."""
    texts = {"text", "text_hash", "fingerprint", "system", "instruction", "input", "turns", "key"}
    return quote_names([field for field in model._meta.concrete_fields if field.name not in texts])


def generate_comparisons(
    run: Import, prompts: Iterable[NewPrompts], progress: Callable[[int, int], None], threads: int
) -> None:
    """Creates the comparisons of an import's new prompts, and opens those with imported votes, batch by batch."""

    def generate_batch(batch: NewPrompts) -> None:
        done, prompt_ids, judged_ids = batch
        with write_turn(), batch_transaction():
            if prompt_ids:
                generate_for_prompts(get_dataset(run), prompt_ids)
            if judged_ids:
                open_with_votes(run, list_judged_comparisons(run, judged_ids))
            Import.objects.filter(pk=run.pk).update(touched_at=timezone.now())
        progress(run.rows + done, 2 * run.rows)

    run_in_threads(threads, generate_batch, prompts)


def iter_noted_prompts(spool: Spool, most: int) -> Iterator[NewPrompts]:
    """The new prompts that release_batch has noted, `most` at a time."""
    last = done = 0
    while batch := spool.list_pending(last, most):
        last, done = batch[-1][0], done + sum(rows for _, rows, _ in batch)
        yield done, [prompt for prompt, *_ in batch], [prompt for prompt, _, judged in batch if judged]


def iter_stored_prompts(run: Import, spool: Spool, most: int) -> Iterator[NewPrompts]:
    """The new prompts of an import that was interrupted, looked up by the fingerprints of `most` rows at a time."""
    last = 0
    while batch := spool.list_fingerprints(last, most):
        last = batch[-1][0]
        fingerprints, kinds = {fingerprint for _, fingerprint, _ in batch}, {kind for *_, kind in batch}
        stored = Prompt.objects.filter(match_values(Prompt, "fingerprint", fingerprints), dataset=run.dataset)
        prompts = list(stored.values_list("pk", flat=True))
        needs_comparisons = kinds != {DEMONSTRATION} or get_dataset(run).ask_demonstrations
        yield last, prompts if needs_comparisons else [], prompts if JUDGED in kinds else []


def list_judged_comparisons(run: Import, prompts: Iterable[int]) -> QuerySet[Comparison]:
    """The comparisons of these prompts that have votes of an import.

    The query starts from the prompts, not from the import, which may have a million votes.
    """
    judgments = Judgment.objects.filter(
        comparison__in=Comparison.objects.filter(match_values(Comparison, "prompt", prompts))
    )
    imports_of = judgments.values_list("comparison", "imported")
    mine = {comparison for comparison, imported in imports_of if imported == run.pk}
    return Comparison.objects.filter(match_values(Comparison, "id", mine))


def open_with_votes(run: Import, comparisons: QuerySet[Comparison]) -> None:
    """Opens comparisons with imported votes; those that the votes leave undecided go to a reviewer."""
    opened, dataset = reopen_comparisons(comparisons), get_dataset(run)
    dataset.refresh_from_db(fields=["review"])
    if review.has_review(dataset):
        review.refresh(dataset, opened)


def resume_unfinished() -> tuple[int, int]:
    """Resumes imports whose process has died. Returns the numbers of (finished, removed) imports.

    Removes those whose spool is missing, and those that have waited for a decision longer than ABANDONED_AFTER.

    >>> resume_unfinished()
    (0, 0)
    """
    finished = removed = 0
    for run in Import.objects.filter(state__in=Import.WAITING, touched_at__lt=timezone.now() - ABANDONED_AFTER):
        drop(run)
        removed += 1
    for run in Import.objects.unfinished().filter(touched_at__lt=timezone.now() - STALE):
        if claim_abandoned(run):
            is_finished = resume(run)
            finished, removed = finished + is_finished, removed + (not is_finished)
    return finished, removed


def is_abandoned(run: Import) -> bool:
    """Whether an unfinished import has shown no progress for the time STALE.

    >>> is_abandoned(run)
    False
    """
    return run.state in Import.UNFINISHED and run.touched_at < timezone.now() - STALE


def claim_abandoned(run: Import) -> bool:
    """Claims an abandoned import for this process; False if another process has claimed it.

    >>> claim_abandoned(run), claim_abandoned(run)
    (True, False)
    """
    return Import.objects.filter(pk=run.pk, touched_at=run.touched_at).update(touched_at=timezone.now()) == 1


def resume(run: Import, progress: Callable[[int, int], None] = lambda done, total: None) -> bool:
    """Finishes a claimed import; False if it is removed instead because its spool is missing.

    >>> claim_dataset(run)
    True
    >>> resume(run)
    True
    """
    if run.state == Import.State.UNDOING:
        undo_or_keep(run)
    elif run.state == Import.State.ASKING or get_spool_path(run).exists():
        store_rows(run, progress)
    else:
        drop(run)
        return False
    return True


def undo_or_keep(run: Import) -> None:
    """Finishes an interrupted undo; if an annotator has judged since, the import stays."""
    with contextlib.suppress(CannotUndo):
        undo_import(run)


def drop(run: Import) -> None:
    """Deletes an import that is not finished, everything that it has stored, its spool and its files.

    >>> drop(run)
    >>> get_spool_path(run).exists()
    False
    """
    path = get_spool_path(run)
    with transaction.atomic():
        Judgment.objects.filter(imported=run).delete()
        Comparison.objects.filter(held="importing", prompt__dataset=run.dataset, judgments=None).delete()
        Response.objects.filter(imported=run).delete()
        Prompt.objects.filter(imported=run).delete()
        remove_origins(run, list_prompts_with_origins(run, run.dataset))
        run.delete()
    path.unlink(missing_ok=True)
    delete_files(run)
