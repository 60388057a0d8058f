import contextlib
import json
import os
import sys
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.core.validators import validate_slug

from datasets import formats, reasons
from datasets.files.item import FileProblem
from datasets.formats import mapping
from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.imports.columns import parse_roles
from datasets.imports.known_prompts import BadList, read_known
from datasets.imports.personal_data import MASKABLE, parse_mask
from datasets.imports.reading import KEEP, TURNS, Options
from datasets.imports.spool import Spool, escape_surrogates
from datasets.imports.summary import build_summary
from datasets.imports.warnings import ALL, KNOWN, SECOND_PASS, parse_warnings
from datasets.models import RESERVED_SLUGS, Dataset, Import

HINTS = {
    "unknown_shape": " --map says which column is what.",
    "counting": " --map counts=from_0 (with the roles of the other columns) counts from 0.",
    "sign": " --map counts=minus_first or counts=plus_first says what the sign means.",
}


class Command(BaseCommand):
    requires_system_checks = ()  # they import all views, which takes twice as long as the rest of the start
    help = "Import files into a dataset; create it if it does not exist. Exit 0: every row stored or a duplicate; "
    help += "1: rows refused, and nothing stored unless --skip-bad-rows; 2: wrong usage or an unreadable file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("files", nargs="+", metavar="FILE", help="JSONL, JSON, CSV or TSV, also .gz; - is stdin")
        parser.add_argument("--format", default="auto", choices=["auto", *formats.get_readable_formats()])
        parser.add_argument("--skip-bad-rows", action="store_true", help="store the other rows when some are refused")
        parser.add_argument("--refused", metavar="FILE", help="write refused rows to this file, as JSON Lines")
        parser.add_argument(
            "--map",
            action="append",
            metavar="WHAT=COLUMN",
            help="the role of a column, such as prompt=Question answer_1=A answer_2=B winner=Best; repeatable",
        )
        parser.add_argument(
            "--verdict",
            action="append",
            default=[],
            metavar="VALUE=ANSWER",
            help="what a value of the winner column means: the number of an answer, tie, both_bad or none; repeatable",
        )
        parser.add_argument(
            "--ignore",
            action="append",
            default=[],
            metavar="COLUMN",
            help="a column that need not be read, although it may bear on learning; repeatable",
        )
        parser.add_argument(
            "--turns",
            choices=TURNS,
            default=KEEP,
            help="prompts whose turns do not alternate: keep them, join the turns of one side, or refuse the row",
        )
        parser.add_argument(
            "--leave-out",
            action="append",
            default=[],
            metavar="DOUBTS",
            help=f"warnings whose rows to leave out, comma-separated or repeated: {', '.join(ALL)}, or all",
        )
        parser.add_argument(
            "--mask",
            action="append",
            default=[],
            metavar="KINDS",
            help=f"what to replace by placeholders such as [EMAIL], comma-separated or repeated: "
            f"{', '.join(MASKABLE)}, or all",
        )
        parser.add_argument(
            "--known",
            metavar="FILE",
            help="a list of prompts to warn about, such as a test set's: one SHA-256 of a normalised prompt per line",
        )
        parser.add_argument("--overlap", type=int, help="judgments wanted per comparison, for a new dataset")
        parser.add_argument("--draft", action="store_true", help="a new dataset is a draft: closed to annotators")

    def handle(
        self,
        slug: str,
        files: list[str],
        format: str,
        skip_bad_rows: bool,
        refused: str | None,
        overlap: int | None,
        draft: bool,
        map: list[str] | None,
        verdict: list[str],
        ignore: list[str],
        turns: str,
        leave_out: list[str],
        mask: list[str],
        known: str | None,
        **options: Any,
    ) -> None:
        started = time.monotonic()
        check_usage(slug, files, overlap, refused)
        left_out, masked = parse_leave_out(leave_out, known), parse_masked(mask)
        check_masked(left_out, masked)
        reading = build_options(format, map or [], verdict, ignore, turns)
        reading = replace(reading, mask=masked, known=read_known_list(known))
        with contextlib.ExitStack() as stack:
            try:
                streams = [(escape_surrogates(os.path.basename(file)), open_input(file, stack)) for file in files]
                run = imports_check.check(streams, slug, reading, near_duplicates=bool(SECOND_PASS & set(left_out)))
            except OSError as error:
                raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from None
            except FileProblem as problem:
                raise CommandError(format_problem(problem), returncode=2) from None
        warnings = imports_check.count_warnings(run)
        for line in [*format_unread(run), *format_warnings(warnings, left_out, masked)]:
            self.stderr.write(line)
        stored = not run.blocking and (skip_bad_rows or not run.refused)
        rows_left_out = imports_check.leave_out(run, left_out) if stored else 0
        if stored:
            state = Dataset.State.DRAFT if draft else Dataset.State.OPEN
            run.dataset_settings = {"overlap": overlap or 1, "state": state}
            imports_store.store(run, hurry=True)
        report_refused(self.stderr, run, refused)
        self.stdout.write(json.dumps(build_summary(run, warnings, time.monotonic() - started), ensure_ascii=False))
        if not stored:
            imports_store.drop(run)
        if run.blocking or (run.refused > rows_left_out and not skip_bad_rows):
            sys.exit(1)


def check_usage(slug: str, files: list[str], overlap: int | None, refused: str | None) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise CommandError(f"{slug}: a short name has letters, digits, - and _ only", returncode=2) from None
    if slug in RESERVED_SLUGS or len(slug) > 80:
        raise CommandError(f"{slug}: this short name cannot be taken", returncode=2)
    if overlap is not None and not 1 <= overlap <= 100:
        raise CommandError("--overlap: from 1 to 100", returncode=2)
    if files.count("-") > 1:
        raise CommandError("stdin can be read once only", returncode=2)
    try:
        if refused:
            open(refused, "a").close()
            if any(file != "-" and os.path.exists(file) and os.path.samefile(file, refused) for file in files):
                raise CommandError(f"--refused: {refused} is a file to read from", returncode=2)
    except OSError as error:
        raise CommandError(f"{refused}: {error.strerror}", returncode=2) from None


def build_options(format_name: str, words: list[str], verdicts: list[str], ignored: list[str], turns: str) -> Options:
    """The options of the check.

    words: of --map; `meta=COLUMN` alone leaves the format to be detected.
    verdicts: of --verdict.
    """
    try:
        roles = parse_roles(words, verdicts)
    except ValueError as why:
        raise CommandError(f"--map: {reasons.MAPPING[str(why)]}", returncode=2) from None
    kept = mapping.get_kept(roles)
    is_mapped = len(kept) < len(roles)
    if is_mapped and format_name != "auto":
        raise CommandError("--map and --format exclude each other, except for --map meta=COLUMN", returncode=2)
    return Options(format_name, roles if is_mapped else None, frozenset(ignored), kept, turns)


def parse_leave_out(words: list[str], known: str | None) -> list[str]:
    """The warnings that --leave-out names.

    known: the file of --known, which the warning of that name needs.
    """
    try:
        left_out = parse_warnings(words)
    except ValueError as unknown:
        raise CommandError(f"--leave-out: {unknown}: there are {', '.join(ALL)}, all", returncode=2) from None
    if KNOWN in left_out and len(left_out) < len(ALL) and not known:
        raise CommandError("--leave-out known: which prompts are known? Give a list with --known FILE", returncode=2)
    return left_out


def parse_masked(words: list[str]) -> frozenset[str]:
    try:
        return parse_mask(words)
    except ValueError as unknown:
        raise CommandError(f"--mask: {unknown}: there are {', '.join(MASKABLE)}, all", returncode=2) from None


def check_masked(left_out: Iterable[str], masked: frozenset[str]) -> None:
    if both := sorted(masked & set(left_out)):
        raise CommandError(f"{', '.join(both)}: --leave-out and --mask exclude each other", returncode=2)


def read_known_list(path: str | None) -> frozenset[bytes]:
    """The hashes in the file of --known; none without one."""
    if not path:
        return frozenset()
    try:
        with open(path, "rb") as file:
            return read_known(file)
    except BadList as problem:
        raise CommandError(
            f"--known: {path}:{problem.line}: this is no SHA-256 of 64 hex digits", returncode=2
        ) from None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None


def format_unread(run: Import) -> Iterator[str]:
    """One line for each column that was not read."""
    for column, rows in run.unread.items():
        if column in run.blocking:
            yield (
                f"{column}: not read in {rows} rows, and it may bear on learning: nothing is stored. "
                f"Say what it is with --map, keep it with --map meta={column}, or give it up with --ignore {column}."
            )
        else:
            yield f"{column}: not read ({rows} rows)"


def format_warnings(
    warnings: dict[str, int], left_out: Iterable[str], masked: Container[str] = frozenset()
) -> Iterator[str]:
    """One line for each warning: the number of its rows, and whether they are left out or masked."""
    for warning, rows in warnings.items():
        fate = ", left out" if warning in left_out else ", masked" if warning in masked else ""
        yield f"{warning}: {rows} ({reasons.WARNINGS[warning]}){fate}"


def open_input(file: str, stack: contextlib.ExitStack) -> BinaryIO:
    return sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))


def format_problem(problem: FileProblem) -> str:
    """The file, the line and the problem, in one line."""
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    hint = HINTS.get(problem.code, "")
    return f"{place}: {reasons.format_file_problem(problem)}{hint}"


def report_refused(stderr: OutputWrapper, run: Import, path: str | None) -> None:
    """Writes the first ten refused rows to stderr, and all of them to the file `path` if there is one."""
    if path:
        open(path, "w").close()
    if not run.refused:
        return
    spool = Spool(imports_spool.get_spool_path(run))
    for refusal in spool.iter_refusals(most=10):
        place = f"{refusal['file']}:{refusal['line']}"
        stderr.write(f"{place}: {refusal['field']}: {reasons.REFUSED[refusal['reason']]} {refusal['detail']}".rstrip())
    if run.refused > 10:
        stderr.write(f"… and {run.refused - 10} more")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            for refusal in spool.iter_refusals():
                del refusal["n"]
                file.write(json.dumps(refusal) + "\n")
    spool.close()
