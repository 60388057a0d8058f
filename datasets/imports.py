"""Files -> rows -> database. A check reads everything into a spool; storing goes in short batches that let judging
go on, under an Import whose rows are invisible until all are there."""

import contextlib
import time
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from datasets.asking import ask, ask_anew, open_again
from datasets.checking import check_file
from datasets.files import FileProblem
from datasets.formats.rows import DEMONSTRATION
from datasets.identity import fingerprint
from datasets.models import Comparison, Dataset, Import, Judgment, Prompt, Response
from datasets.spool import Spool, folder
from datasets.storing import give_roles, store_batch
from datasets.undoing import CannotUndo, undo_import

BATCH = 200
STALE = timedelta(minutes=2)
FORGOTTEN = timedelta(days=7)
LONGEST_WAIT = 600  # seconds for another import into the same dataset


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


def store(run, overlap=None, progress=lambda done, total: None):
    """Store what was checked, all of it; the Import, done. `overlap` is for a dataset that is made here.

    Waits while another import into the same dataset is being stored. Asked for twice, it is stored once; both wait.
    progress(done, total) is called between two batches.
    """
    run.dataset, _ = Dataset.objects.get_or_create(slug=run.slug, defaults={"overlap": overlap or 1})
    if take_turn(run):
        store_rows(run, progress)
    return run


def leave_out(run, chosen):
    """Of a checked import, take the rows with these doubts out; they count as refused."""
    spool = Spool(spool_path(run))
    spool.db.execute("BEGIN")
    taken = sum(spool.leave_out(doubt) for doubt in chosen)
    spool.db.execute("COMMIT")
    spool.close()
    run.refused += taken
    run.save(update_fields=["refused"])


def take_turn(run):
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
        take_up_unfinished()
        time.sleep(0.5)
    raise TimeoutError(f"another import into {run.slug} is being stored")


def store_rows(run, progress=lambda done, total: None):
    """From wherever it stopped to the end. Once all rows are stored the spool only tells which prompts are new."""
    if not spool_path(run).exists():
        ask_anew(run.dataset)
        open_again(Comparison.objects.filter(judgments__imported=run))
        Import.objects.filter(pk=run.pk).update(state=Import.State.DONE)
        return
    spool = Spool(spool_path(run))
    if run.state == Import.State.STORING:
        while batch := spool.rows(run.stored_upto, BATCH):
            with transaction.atomic():
                store_batch(run, spool, batch)
                run.stored_upto = batch[-1][0]
                run.save()
            progress(run.stored_upto, 2 * run.rows)
        with transaction.atomic():
            give_roles(run)
            run.state = Import.State.ASKING
            run.save()
    ask_for_rows(run, spool, progress)
    run.state = Import.State.DONE
    run.save()
    spool.forget_rows() if run.refused else spool.delete()


def ask_for_rows(run, spool, progress):
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
        progress(run.rows + last, 2 * run.rows)


def take_up_unfinished():
    """Finish imports whose process has died; remove those whose spool is gone, and checked ones that nobody came back
    to within a week. (finished, removed)"""
    finished = removed = 0
    for run in Import.objects.filter(state=Import.State.CHECKED, touched_at__lt=timezone.now() - FORGOTTEN):
        drop(run)
        removed += 1
    for run in Import.objects.unfinished().filter(touched_at__lt=timezone.now() - STALE):
        claimed = Import.objects.filter(pk=run.pk, touched_at=run.touched_at).update(touched_at=timezone.now())
        if not claimed:
            continue
        if run.state == Import.State.UNDOING:
            undo_or_keep(run)
            finished += 1
        elif run.state == Import.State.ASKING or spool_path(run).exists():
            store_rows(run)
            finished += 1
        else:
            drop(run)
            removed += 1
    return finished, removed


def undo_or_keep(run):
    """Finish an undo that was interrupted; where somebody has judged since, the import stays."""
    with contextlib.suppress(CannotUndo):
        undo_import(run)


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
