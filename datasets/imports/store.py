"""Files -> rows -> database. A check reads everything into a spool; storing goes in short batches that let judging
go on, under an Import whose rows are invisible until all are there."""

import contextlib
import functools
import gc
import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.comparisons.generate import generate_for_prompts, regenerate_comparisons, reopen_comparisons
from datasets.db.bulk import match_values, quote_names
from datasets.db.threads import Prefetcher, run_in_threads
from datasets.db.write_lock import batch_transaction, write_turn
from datasets.files.item import FileProblem
from datasets.formats.rows import DEMONSTRATION, JUDGED
from datasets.imports.batch_writer import give_roles, store_batch
from datasets.imports.batches import iter_batches
from datasets.imports.near_duplicates import note_near_duplicates
from datasets.imports.spool import Spool, get_spool_folder
from datasets.imports.undo import CannotUndo, undo_import
from datasets.imports.validate import check_file
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Response

# Rows of a transaction, while people judge and in a hurry; on SQLite nobody else writes meanwhile.
BATCH, LARGE_BATCH = {"postgresql": (200, 2000), "sqlite": (50, 50)}[connection.vendor]
THREADS = {"postgresql": 2, "sqlite": 1}[connection.vendor]
MANY = 2000  # rows: new statistics and a second hand are worth it
GC_THRESHOLDS = gc.get_threshold()
STALE = timedelta(minutes=2)
ABANDONED_AFTER = timedelta(days=7)
LONGEST_WAIT = 600  # seconds for another import into the same dataset


@contextlib.contextmanager
def relaxed_gc():
    """Python looks for cycles after every 700 new objects, and so every few thousand through all that is loaded: of an
    import, whose rows make no cycles, this took a sixth of the time."""
    gc.set_threshold(50_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*GC_THRESHOLDS)


@relaxed_gc()
def check(files, slug, format_name="auto", roles=None, folder=None, run=None, near_duplicates=False):
    """A checked Import (not stored) of [(name, binary stream)]; its rows and refusals are in its spool.

    roles: what is said of their columns. folder: where the files are kept while somebody can be asked of them; raises
    Unsure where that must be. run: the Import that waited for it. near_duplicates: look for them too. Raises
    FileProblem, with `file` set, for a file that cannot be read at all.
    """
    spool = Spool.create()
    dataset = Dataset.objects.filter(slug=slug).first()
    checked_files = []
    try:
        for name, stream in files:
            try:
                checked_files.append(check_file(spool, dataset, name, stream, format_name, roles, folder))
            except FileProblem as problem:
                problem.file = name
                raise
        if near_duplicates:
            note_near_duplicates(spool, dataset)
            spool.count_prompts()  # the page asks for it
        spool.finish()
    except BaseException:
        spool.delete()
        raise
    run = run or Import(slug=slug, files=[name for name, _ in files])
    run.format = ", ".join(dict.fromkeys(format_name for format_name, _ in checked_files))
    run.read_as = [roles for _, roles in checked_files if roles]
    run.folder = folder.name if folder and run.read_as else ""
    return save_checked(run, spool)


def save_checked(run, spool):
    """The Import of a spool, saved with it in one act; where it was checked by somebody else meanwhile, theirs."""
    run.refused, run.state = spool.count("refused"), Import.State.CHECKED
    run.rows = spool.count("rows") + run.refused
    with transaction.atomic():
        if run.pk and not Import.objects.select_for_update().filter(pk=run.pk, state=Import.State.UNSURE).exists():
            spool.delete()
            return Import.objects.get(pk=run.pk)
        run.save()
        spool.close()
        spool.path.rename(get_spool_path(run))
    return run


def wait_for_columns(slug, files, folder, **values):
    """The Import whose files are kept until somebody says which column is what."""
    values |= {"slug": slug, "files": files, "state": Import.State.UNSURE}
    run, _ = Import.objects.get_or_create(folder=folder, defaults=values)
    return run


def ask_columns(run):
    """Let a checked import wait until somebody says anew which column is what; False where it is not there any more."""
    checked = Import.objects.filter(pk=run.pk, state=Import.State.CHECKED).exclude(folder="")
    if not checked.update(state=Import.State.UNSURE, format="", rows=0, refused=0, touched_at=timezone.now()):
        return False
    get_spool_path(run).unlink(missing_ok=True)
    return True


def get_files_folder(run):
    """The folder of an import's files, kept while somebody may yet say what their columns are."""
    return settings.DATA_DIR / "uploads" / Path(run.folder).name


def delete_files(run):
    if run.folder:
        shutil.rmtree(get_files_folder(run), ignore_errors=True)


def get_spool_path(run):
    return get_spool_folder() / f"import-{run.pk}.sqlite3"


def store(run, overlap=None, progress=lambda done, total: None, hurry=False):
    """Store what was checked, all of it; the Import, done. `overlap` is for a dataset that is made here.

    Waits while another import into the same dataset is being stored. Asked for twice, it is stored once; both wait.
    progress(done, total) is called between two batches. hurry: do at once what can be done at once, and leave nothing
    to those who judge.
    """
    with transaction.atomic():
        run.dataset, created = Dataset.objects.get_or_create(slug=run.slug, defaults={"overlap": overlap or 1})
        if created:
            log(Kind.DATASET, run.slug, after="made", by=run.created_by, dataset=run.dataset)
    if claim_dataset(run):
        delete_files(run)
        store_rows(run, progress, hurry)
    return run


def count_warnings(run):
    """{warning: how many rows} of a checked import."""
    spool = Spool(get_spool_path(run))
    counts = spool.count_warnings()
    spool.close()
    return counts


def count_wrong_rows(run):
    """How many rows of an import could not be taken, apart from those that somebody asked to leave out."""
    if not run.refused or not get_spool_path(run).exists():
        return 0
    spool = Spool(get_spool_path(run))
    wrong = spool.db.execute("SELECT count(*) FROM refused WHERE reason <> 'left_out'").fetchone()[0]
    spool.close()
    return wrong


def leave_out(run, warnings):
    """Of a checked import, take the rows with these warnings out; they count as refused. How many."""
    if not warnings:
        return 0
    spool = Spool(get_spool_path(run))
    spool.db.execute("BEGIN")
    removed = sum(spool.leave_out(warning) for warning in warnings)
    spool.db.execute("COMMIT")
    run.refused = spool.count("refused")  # counted anew: also right where an earlier attempt ended before this line
    spool.close()
    run.save(update_fields=["refused"])
    return removed


def claim_dataset(run):
    """Become the one import of the dataset that is being stored; False where somebody else has stored this very one.

    TimeoutError after ten minutes.
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
def store_rows(run, progress=lambda done, total: None, hurry=False):
    """From wherever it stopped to the end. Once all rows are stored the spool only tells which prompts are new."""
    if not get_spool_path(run).exists():
        regenerate_comparisons(run.dataset)
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
    spool.forget_rows() if run.refused else spool.delete()


def release_batch(spool, batch):
    """Note what a batch that is stored asks for, and forget it here and now: that takes a moment, too."""
    spool.note_pending(batch.pending)
    for part in (batch.rows, batch.prompts, batch.answers):
        part.clear()


def analyze_tables(run, *models):
    """PostgreSQL plans by what it last knew of the tables; after many rows, and until it looks by itself, it would read
    them whole for each part of what is asked, or of an export. Texts and their hashes, which take longest to look at,
    it need not know: each is as good as unique."""
    if connection.vendor == "postgresql" and run.rows >= MANY:
        tables = ", ".join(f"{model._meta.db_table} ({quote_analyzed_columns(model)})" for model in models)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL default_statistics_target TO 30")  # of 9,000 rows; it looks at more by itself
            cursor.execute(f"ANALYZE {tables}")


def quote_analyzed_columns(model):
    """The columns that PostgreSQL chooses rows by."""
    texts = {"text", "text_hash", "fingerprint", "system", "instruction", "input", "turns", "key"}
    return quote_names([field for field in model._meta.concrete_fields if field.name not in texts])


def generate_comparisons(run, prompts, progress, threads):
    """Make the comparisons that the new rows ask for, and open those that came with a verdict. prompts: (how many rows
    so far, [prompt id], those of them with judged rows), some at a time."""

    def generate_batch(batch):
        done, prompt_ids, judged_ids = batch
        with write_turn(), batch_transaction():
            if prompt_ids:
                generate_for_prompts(run.dataset, prompt_ids)
            if judged_ids:
                open_with_votes(run, list_judged_comparisons(run, judged_ids))
            Import.objects.filter(pk=run.pk).update(touched_at=timezone.now())
        progress(run.rows + done, 2 * run.rows)

    run_in_threads(threads, generate_batch, prompts)


def iter_noted_prompts(spool, most):
    """The prompts as storing has noted them."""
    last = done = 0
    while batch := spool.list_pending(last, most):
        last, done = batch[-1][0], done + sum(rows for _, rows, _ in batch)
        yield done, [prompt for prompt, *_ in batch], [prompt for prompt, _, judged in batch if judged]


def iter_stored_prompts(run, spool, most):
    """The same of an import that was interrupted."""
    last = 0
    while batch := spool.list_fingerprints(last, most):
        last = batch[-1][0]
        fingerprints, kinds = {fingerprint for _, fingerprint, _ in batch}, {kind for *_, kind in batch}
        stored = Prompt.objects.filter(match_values(Prompt, "fingerprint", fingerprints), dataset=run.dataset)
        prompts = list(stored.values_list("pk", flat=True))
        needs_comparisons = kinds != {DEMONSTRATION} or run.dataset.ask_demonstrations
        yield last, prompts if needs_comparisons else [], prompts if JUDGED in kinds else []


def list_judged_comparisons(run, prompts):
    """The comparisons of these prompts on which an import brought votes. What it brought elsewhere is not looked at:
    there may be a million."""
    judgments = Judgment.objects.filter(
        comparison__in=Comparison.objects.filter(match_values(Comparison, "prompt", prompts))
    )
    imports_of = judgments.values_list("comparison", "imported")
    mine = {comparison for comparison, imported in imports_of if imported == run.pk}
    return Comparison.objects.filter(match_values(Comparison, "id", mine))


def open_with_votes(run, comparisons):
    """Open those that an import brought a verdict on; what these leave undecided goes to a reviewer."""
    opened = reopen_comparisons(comparisons)
    run.dataset.refresh_from_db(fields=["review"])
    if review.has_review(run.dataset):
        review.refresh(run.dataset, opened)


def resume_unfinished():
    """Finish imports whose process has died; remove those whose spool is gone, and those that wait for a decision which
    nobody made within a week. (finished, removed)"""
    finished = removed = 0
    for run in Import.objects.filter(state__in=Import.WAITING, touched_at__lt=timezone.now() - ABANDONED_AFTER):
        drop(run)
        removed += 1
    for run in Import.objects.unfinished().filter(touched_at__lt=timezone.now() - STALE):
        if claim_abandoned(run):
            is_finished = resume(run)
            finished, removed = finished + is_finished, removed + (not is_finished)
    return finished, removed


def is_abandoned(run):
    """Whether an import was begun and nobody has been at it for a while."""
    return run.state in Import.UNFINISHED and run.touched_at < timezone.now() - STALE


def claim_abandoned(run):
    """Become the one that finishes an abandoned import; False where somebody else is."""
    return Import.objects.filter(pk=run.pk, touched_at=run.touched_at).update(touched_at=timezone.now()) == 1


def resume(run, progress=lambda done, total: None):
    """Finish a claimed import; False where it is removed instead, as its spool is gone."""
    if run.state == Import.State.UNDOING:
        undo_or_keep(run)
    elif run.state == Import.State.ASKING or get_spool_path(run).exists():
        store_rows(run, progress)
    else:
        drop(run)
        return False
    return True


def undo_or_keep(run):
    """Finish an undo that was interrupted; where somebody has judged since, the import stays."""
    with contextlib.suppress(CannotUndo):
        undo_import(run)


def drop(run):
    """Remove an import and, where it was not finished, all that it had stored."""
    path = get_spool_path(run)
    with transaction.atomic():
        Judgment.objects.filter(imported=run).delete()
        Comparison.objects.filter(held="importing", prompt__dataset=run.dataset, judgments=None).delete()
        Response.objects.filter(imported=run).delete()
        Prompt.objects.filter(imported=run).delete()
        run.delete()
    path.unlink(missing_ok=True)
    delete_files(run)
