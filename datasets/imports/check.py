"""Checks uploads into a spool; __init__.py describes the pipeline."""

import contextlib
import gc
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from datasets.files.item import FileProblem
from datasets.files.streams import Rereadable
from datasets.formats.rows import Refusal, Row
from datasets.imports.near_duplicates import note_near_duplicates
from datasets.imports.personal_data import MASKABLE, mask_row
from datasets.imports.reading import Options, Reading
from datasets.imports.spool import Spool, SpoolRow, get_spool_path
from datasets.imports.validate import (
    BATCH,
    ReadAgain,
    check_file,
    check_row,
    find_standing_labels,
    find_standing_votes,
)
from datasets.models import Dataset, Import

DEFAULT = Options()
PIECE = 1 << 20
GC_THRESHOLDS = gc.get_threshold()


@contextlib.contextmanager
def relaxed_gc() -> Iterator[None]:
    """Runs the garbage collector less often.

    >>> with relaxed_gc():
    ...     gc.get_threshold()[0]
    50000

    By default Python looks for cycles after every 700 new objects, and every few thousand through everything loaded.
    An import creates no cycles; collecting took a sixth of its time.
    """
    gc.set_threshold(50_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*GC_THRESHOLDS)


@relaxed_gc()
def check(
    files: Sequence[tuple[str, Rereadable]],
    slug: str,
    options: Options = DEFAULT,
    folder: Path | None = None,
    run: Import | None = None,
    near_duplicates: bool = False,
) -> Import:
    """A checked Import of files, not stored yet; its rows and refusals are in its spool.

    files: (name, stream); where one cannot seek, a copy is made.
    folder: where the files are kept for an admin to map their columns; without it, an ambiguous file is refused.
    run: the Import that waited in the state `unsure`.
    near_duplicates: whether to make the second pass.

    Raises FileProblem, with `file` set, if a file cannot be read; Unsure if an admin has to map its columns.

    >>> import io
    >>> run = check([("rows.jsonl", io.BytesIO(b'{"prompt": "2 + 2?", "completion": "4"}'))], "sums")
    >>> run.format, run.rows, run.refused
    ('sft', 1, 0)
    """
    dataset = Dataset.objects.filter(slug=slug).first()
    with contextlib.ExitStack() as stack:
        seekable = [(name, make_seekable(stream, stack)) for name, stream in files]
        spool, readings = fill_spool(dataset, seekable, options, folder)
    try:
        if near_duplicates:
            note_near_duplicates(spool, dataset)
            spool.count_prompts()  # cached for the page
        spool.finish()
    except BaseException:
        spool.delete()
        raise
    run = run or Import(slug=slug, files=[name for name, _ in files])
    run.format = ", ".join(dict.fromkeys(reading.name for reading in readings))
    run.read_as = [reading.roles for reading in readings if reading.roles]
    run.folder = folder.name if folder else ""
    unread = Counter[str]()
    for reading in readings:
        unread.update(reading.leftovers.get_unread())
    run.unread = dict(unread)
    run.blocking = list(dict.fromkeys(name for reading in readings for name in reading.leftovers.get_blocking()))
    return save_checked(run, spool)


def fill_spool(
    dataset: Dataset | None, files: Sequence[tuple[str, Rereadable]], options: Options, folder: Path | None
) -> tuple[Spool, list[Reading]]:
    """A spool with the rows and refusals of all files, and how each file was read. Arguments and errors as in `check`.

    A file whose last rows ask for another reading than its first ones is read a second time.
    """
    decided: dict[int, Reading] = {}
    while True:
        spool = Spool.create()
        readings: list[Reading] = []
        try:
            for name, stream in files:
                readings.append(check_file(spool, dataset, name, stream, options, folder, decided.get(len(readings))))
        except BaseException as problem:
            spool.delete()
            if not isinstance(problem, ReadAgain):
                if isinstance(problem, FileProblem):
                    problem.file = files[len(readings)][0]
                raise
            decided[len(readings)] = problem.reading
            for _, stream in files:
                stream.seek(0)
            continue
        return spool, readings


def make_seekable(stream: Rereadable, stack: contextlib.ExitStack) -> Rereadable:
    """The stream, or a copy of one that cannot seek, such as stdin; the stack deletes the copy."""
    if stream.seekable():
        return stream
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    while piece := stream.read(PIECE):
        copy.write(piece)
    copy.seek(0)
    return copy


def save_checked(run: Import, spool: Spool) -> Import:
    """Saves an import together with its spool. If another process has checked it meanwhile, the other one is kept."""
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


def wait_for_columns(slug: str, files: list[str], folder: str, **values: Any) -> Import:
    """The Import, in the state `unsure`, whose files are kept until an admin maps their columns.

    >>> wait_for_columns("moons", ["a.csv"], "task-1").state == Import.State.UNSURE
    True
    """
    values |= {"slug": slug, "files": files, "state": Import.State.UNSURE}
    run, _ = Import.objects.get_or_create(folder=folder, defaults=values)
    return run


def ask_columns(run: Import) -> bool:
    """Returns a checked import to the state `unsure`; False if it is not checked any more or its files are deleted.

    >>> ask_columns(run)
    False
    """
    checked = Import.objects.filter(pk=run.pk, state=Import.State.CHECKED).exclude(folder="")
    if not checked.update(state=Import.State.UNSURE, format="", rows=0, refused=0, touched_at=timezone.now()):
        return False
    get_spool_path(run).unlink(missing_ok=True)
    return True


def count_warnings(run: Import) -> dict[str, int]:
    """{warning: number of rows} of a checked import.

    >>> count_warnings(run)
    {'names_model': 1}
    """
    spool = Spool(get_spool_path(run))
    counts = spool.count_warnings()
    spool.close()
    return counts


def count_wrong_rows(run: Import) -> int:
    """The number of rows that were refused as invalid, without those that were left out on request.

    >>> count_wrong_rows(run)
    0
    """
    if not run.refused or not get_spool_path(run).exists():
        return 0
    spool = Spool(get_spool_path(run))
    wrong = spool.db.execute("SELECT count(*) FROM refused WHERE reason <> 'left_out'").fetchone()[0]
    spool.close()
    return wrong


def mask(run: Import, kinds: Iterable[str]) -> int:
    """Masks keys or personal data in the rows of a checked import that hold them. Returns their number.

    Refuses rows whose two answers become equal, and those whose vote or label then contradicts another.

    kinds: see personal_data.MASKABLE.

    >>> mask(run, ["personal_data", "keys"])
    0
    """
    wanted = [kind for kind in MASKABLE if kind in kinds]
    if not wanted:
        return 0
    spool = Spool(get_spool_path(run))
    dataset = Dataset.objects.filter(slug=run.slug).first()
    masked = last = 0
    spool.db.execute("BEGIN")
    while rows := spool.list_warned(wanted, last, BATCH):
        last = rows[-1][0]
        masked += mask_batch(spool, dataset, rows, wanted)
    spool.forget_tallies()
    spool.db.execute("COMMIT")
    run.refused = spool.count("refused")
    spool.close()
    run.save(update_fields=["refused"])
    return masked


def mask_batch(spool: Spool, dataset: Dataset | None, rows: Iterable[SpoolRow], kinds: Collection[str]) -> int:
    """Masks rows of a spool. Returns the number of those that change; a second call changes nothing."""
    changed: list[tuple[SpoolRow, Row]] = []
    for spool_row in rows:
        n, file, line, _, row = spool_row
        try:
            masked = mask_row(row, kinds)
        except Refusal as refusal:
            spool.remove_row(n, file, line, row, refusal)
        else:
            if masked is not row:
                changed.append((spool_row, masked))
    masked_rows = [masked for _, masked in changed]
    standing = find_standing_votes(dataset, masked_rows) if dataset else {}
    labels = find_standing_labels(dataset, masked_rows) if dataset else {}
    for (n, file, line, _, row), masked in changed:
        checked = check_row(spool, masked, standing, labels, f"{file}:{line}")
        if isinstance(checked, Refusal):
            spool.remove_row(n, file, line, row, checked)
        else:
            spool.update_row(n, checked)
    return len(changed)


def leave_out(run: Import, warnings: Iterable[str]) -> int:
    """Refuses the rows of a checked import that have one of these warnings. Returns their number.

    >>> leave_out(run, ["names_model"]), run.refused
    (1, 1)
    """
    if not warnings:
        return 0
    spool = Spool(get_spool_path(run))
    spool.db.execute("BEGIN")
    removed = sum(spool.leave_out(warning) for warning in warnings)
    spool.forget_tallies()
    spool.db.execute("COMMIT")
    run.refused = spool.count("refused")  # recounted, because an earlier attempt may have died before this line
    spool.close()
    run.save(update_fields=["refused"])
    return removed
