import contextlib
import json
import os
import sys
import time

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_slug

from datasets import formats, reasons
from datasets.files.item import FileProblem
from datasets.imports import store as imports_store
from datasets.imports.columns import parse_roles
from datasets.imports.spool import Spool, escape_surrogates
from datasets.imports.summary import build_summary
from datasets.imports.warnings import ALL, SECOND_PASS, parse_warnings
from datasets.models import RESERVED_SLUGS


class Command(BaseCommand):
    requires_system_checks = ()  # they load all pages, in twice the time that the rest takes to start
    help = "Import files into a dataset, which is made when there is none. Exit 0: every row stored or a duplicate; "
    help += "1: rows refused, and nothing stored unless --skip-bad-rows; 2: wrong usage or an unreadable file."

    def add_arguments(self, parser: CommandParser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("files", nargs="+", metavar="FILE", help="JSONL, JSON, CSV or TSV, also .gz; - is stdin")
        parser.add_argument("--format", default="auto", choices=["auto", *formats.get_readable_formats()])
        parser.add_argument("--skip-bad-rows", action="store_true", help="store the rest when rows are refused")
        parser.add_argument("--refused", metavar="FILE", help="write refused rows there, as JSON Lines")
        parser.add_argument(
            "--map",
            action="append",
            metavar="WHAT=COLUMN",
            help="which column is what, as prompt=Question answer_1=A answer_2=B winner=Best; may repeat",
        )
        parser.add_argument(
            "--leave-out",
            action="append",
            default=[],
            metavar="DOUBTS",
            help=f"rows to leave out, with commas or repeated: {', '.join(ALL)}, or all",
        )
        parser.add_argument("--overlap", type=int, help="judgments wanted per comparison, for a new dataset")

    def handle(self, slug, files, format, skip_bad_rows, refused, overlap, map, leave_out, **options):
        started = time.monotonic()
        check_usage(slug, files, overlap, refused)
        roles, warnings = parse_map(map, format), parse_leave_out(leave_out)
        with contextlib.ExitStack() as stack:
            try:
                streams = [(escape_surrogates(os.path.basename(file)), open_input(file, stack)) for file in files]
                run = imports_store.check(
                    streams, slug, format, roles, near_duplicates=bool(SECOND_PASS & set(warnings))
                )
            except OSError as error:
                raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from None
            except FileProblem as problem:
                raise CommandError(format_problem(problem), returncode=2) from None
        for line in format_warnings(run, warnings):
            self.stderr.write(line)
        stored = skip_bad_rows or not run.refused
        left_out = imports_store.leave_out(run, warnings) if stored else 0
        if stored:
            imports_store.store(run, overlap, hurry=True)
        report_refused(self.stderr, run, refused)
        self.stdout.write(json.dumps(build_summary(run, time.monotonic() - started), ensure_ascii=False))
        if not stored:
            imports_store.drop(run)
        if run.refused > left_out and not skip_bad_rows:
            sys.exit(1)


def check_usage(slug, files, overlap, refused):
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


def parse_map(words, format):
    """What --map says of the columns, or None."""
    if words and format != "auto":
        raise CommandError("--map and --format exclude each other", returncode=2)
    try:
        return parse_roles(words) if words else None
    except ValueError as why:
        raise CommandError(f"--map: {reasons.MAPPING[str(why)]}", returncode=2) from None


def parse_leave_out(words):
    try:
        return parse_warnings(words)
    except ValueError as unknown:
        raise CommandError(f"--leave-out: {unknown}: there are {', '.join(ALL)}, all", returncode=2) from None


def format_warnings(run, left_out):
    """A line for each warning: how many rows, and whether they are left out."""
    for warning, rows in imports_store.count_warnings(run).items():
        yield f"{warning}: {rows} ({reasons.WARNINGS[warning]}){', left out' if warning in left_out else ''}"


def open_input(file, stack):
    return sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))


def format_problem(problem):
    """One line: the file, the line, what is wrong."""
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    hint = " --map says which column is what." if problem.code == "unknown_shape" else ""
    return f"{place}: {reasons.format_file_problem(problem)}{hint}"


def report_refused(stderr, run, path):
    """Write the refused rows to the file, and the first ten for the person to see."""
    if path:
        open(path, "w").close()
    if not run.refused:
        return
    spool = Spool(imports_store.get_spool_path(run))
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
