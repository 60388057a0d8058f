"""The pages of leads in a large dataset, against a bare view; and the report on it, as a command.

`make bench ONLY=leads ROWS=1000000` makes a dataset of a million judgments, ten for each of its prompts but one in
twenty, which nobody has judged. As a command in the benchmark's environment, `leads.py fill N` makes the dataset with
bulk SQL and `leads.py report` its report.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.judging import Person
    from datasets.models import Dataset

ROOT = Path(__file__).resolve().parent.parent
SLUG, OVERLAP, PEOPLE, SOURCES, ROUNDS = "large", 10, 40, 6, 3
DAYS = 60  # over which the judgments are spread
# Of the prompts, one in that many is not judged, flagged, waits for a reviewer, or is a gold question.
OPEN, FLAGGED, WANTED, GOLD = 20, 500, 50, 100
PAGES = {
    "overview": "",
    "data": "data/",
    "annotators": "annotators/",
    "judgments": "judgments/",
    "judgments-of-a-person": "judgments/?person=account%3Alead7",
    "pairs": "judgments/pairs/",
    "review": "review/",
    "quality": "quality/",
    "agreement": "quality/agreement/",
    "gold": "gold/",
    "export": "export/",
    "export-preview": "export/?format=dpo&mode=majority",
    "release": "bundles/2/",
    "settings": "settings/",
    "log": "log/",
}
EVERYWHERE = {"datasets": "/datasets/", "team": "/team/", "timesheet": "/team/timesheet/"}


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.common import get_row_count, say
    from bench.judging import FORM, Person, serving

    n = get_row_count(100_000)
    run_script(environment, "fill", str(n))
    started, peak = time.monotonic(), run_script(environment, "report")
    say("report", database, n, time.monotonic() - started, "s")
    say("report-memory", database, n, peak, "MiB")
    made = [run_sessions(environment, *words) for words in (("leads", "1", "admin"), ("bare", "1"))]
    with serving(environment) as port:
        lead, annotator = (Person(port, key) for key in made)
        found = FORM.search(annotator.ask("GET", f"/annotate/{SLUG}/"))
        assert found
        bare = statistics.median(measure_requests(lead, f"/bare/{found[1]}/", 20))
        say("leads-bare-view", database, n, bare, "ms")
        paths = {name: f"/datasets/{SLUG}/{path}" for name, path in PAGES.items()} | EVERYWHERE
        for name, path in paths.items():
            first, *times = measure_requests(lead, path, 1 + ROUNDS)
            ms = statistics.median(times)
            say(f"leads-{name}", database, n, ms, "ms", "leads-bare-view", ms / bare)
            say(f"leads-{name}-first", database, n, first, "ms")


def run_script(environment: dict[str, str], *arguments: str) -> float:
    """Runs this file as a command; its peak memory in MiB."""
    process = subprocess.Popen([sys.executable, str(ROOT / "bench/leads.py"), *arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"leads.py {' '.join(arguments)}: status {status}")
    return usage.ru_maxrss / 1024


def run_sessions(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "bench/sessions.py"), *arguments]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return str(json.loads(made.stdout)[0])


def measure_requests(lead: "Person", path: str, rounds: int) -> list[float]:
    """Milliseconds of each of these requests, each on a connection of its own: the server closes idle ones."""
    times = []
    for _ in range(rounds):
        lead.connect()
        started = time.perf_counter()
        lead.ask("GET", path)
        times.append(1000 * (time.perf_counter() - started))
    return times


# In the benchmark's environment


def fill(n: int) -> None:
    """Makes the dataset: about n judgments by PEOPLE."""
    from django.db import connection, transaction

    from annotate.models import Membership, User
    from datasets.bundles.archive import Settings, make_bundle
    from datasets.models import Dataset

    User.objects.bulk_create(User(username=f"lead{k}", password="!") for k in range(PEOPLE))
    dataset = Dataset.objects.create(slug=SLUG, overlap=OVERLAP, review="split", allow_flag=True)
    ids = list(User.objects.filter(username__startswith="lead").order_by("pk").values_list("pk", flat=True))
    Membership.objects.bulk_create(
        Membership(user_id=pk, dataset=dataset, judged=n // PEOPLE, priority=2**62, position=2**62) for pk in ids
    )
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in build_statements(dataset.pk, n // OVERLAP, ids):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    mark_some(dataset)
    for _ in range(2):  # the page of the second one compares it with the first
        make_bundle(dataset, Settings(), "lead0")


def build_statements(dataset: int, prompts: int, people: list[int]) -> list[str]:
    """SQL that inserts prompts, responses, comparisons, judgments and choices, in this order."""
    from annotate.queue.fast_path import build_insert
    from datasets.models import Choice, Comparison, Judgment, Prompt, Response

    words = " ".join(
        ["a", "trainer", "reads", "what", "people", "chose", "and", "an", "answer", "is", "worth", "the", "care"] * 6
    )
    whose = f"dataset_id = {dataset}"
    pairs = f"""FROM (SELECT p.id AS prompt, min(r.id) AS a, max(r.id) AS b FROM datasets_prompt p
        JOIN datasets_response r ON r.prompt_id = p.id WHERE p.{whose} GROUP BY p.id) AS pair"""
    comparisons = f"""FROM (SELECT id, id % 997 AS mixed, {build_split("key", 1)} AS a, {build_split("key", 2)} AS b
        FROM datasets_comparison WHERE {whose} AND open_slots = 0) AS c,
        {build_series(OVERLAP)}"""
    drawn = "((c.mixed * 7 + s.n * 3 + c.id) % 10)"
    verdict = f"CASE WHEN {drawn} < 5 THEN 'left' WHEN {drawn} < 8 THEN 'right' WHEN {drawn} = 8 THEN 'tie' "
    verdict += "ELSE 'both_bad' END"
    whom = " ".join(f"WHEN {place} THEN {pk}" for place, pk in enumerate(people))
    moment = f"((c.id * {OVERLAP} + s.n) % {DAYS * 86400})"
    is_left = "j.verdict <> 'right'"
    left, right = build_item("j", 0), build_item("j", 1)
    return [
        build_insert(
            Prompt,
            f"FROM {build_series(prompts)}",
            dataset=str(dataset),
            fingerprint="'f' || s.n",
            instruction=f"s.n || ' {words}'",
            words="72",
        ),
        build_insert(
            Response,
            f"FROM datasets_prompt p, {build_series(2)} WHERE p.{whose}",
            prompt="p.id",
            text=f"p.id || ' ' || s.n || ' {words} {words}.'",
            text_hash="'h' || s.n",
            source=f"'model-' || ((p.id + s.n * (1 + p.id / {SOURCES} % {SOURCES - 1})) % {SOURCES})",
            candidate="true",
            words="145",
        ),
        build_insert(
            Comparison,
            pairs,
            dataset=str(dataset),
            prompt="pair.prompt",
            key="pair.a || '-' || pair.b",
            wanted=str(OVERLAP),
            open_slots=f"CASE WHEN pair.prompt % {OPEN} = 0 THEN {OVERLAP} ELSE 0 END",
            priority="(pair.prompt * 7919) % 1000003",
            words="360",
        ),
        build_insert(
            Judgment,
            comparisons,
            comparison="c.id",
            dataset=str(dataset),
            annotator=f"CASE ((c.id + s.n) % {len(people)}) {whom} END",
            state="'saved'",
            revision="1",
            order=build_order("c.a", "c.b"),
            verdict=verdict,
            leased_at=build_moment(f"{moment} + 40"),
            decided_at=build_moment(moment),
            seconds="5 + (c.id * 31 + s.n * 17) % 90",
        ),
        build_insert(
            Choice,
            f"FROM datasets_judgment j WHERE j.{whose} AND j.verdict <> 'both_bad'",
            judgment="j.id",
            chosen=f"CASE WHEN {is_left} THEN {left} ELSE {right} END",
            rejected=f"CASE WHEN {is_left} THEN {right} ELSE {left} END",
            strength="CASE WHEN j.verdict = 'tie' THEN 0 ELSE 1 END",
        ),
    ]


def is_postgresql() -> bool:
    from django.db import connection

    return connection.vendor == "postgresql"


def build_series(n: int) -> str:
    """SQL of a table s with the column n, 0 to n - 1."""
    if is_postgresql():
        return f"generate_series(0, {n - 1}) AS s(n)"
    more = f"SELECT 0 UNION ALL SELECT n + 1 FROM more WHERE n < {n - 1}"
    return f"(WITH RECURSIVE more(n) AS ({more}) SELECT n FROM more) AS s"


def build_split(key: str, part: int) -> str:
    """SQL of a part of a comparison's key, 1 or 2."""
    if is_postgresql():
        return f"split_part({key}, '-', {part})::bigint"
    at = f"instr({key}, '-')"
    return f"CAST(substr({key}, {f'1, {at} - 1' if part == 1 else f'{at} + 1'}) AS integer)"


def build_order(first: str, second: str) -> str:
    """SQL of an order of two answers, as JSON: in every other judgment the other way round."""
    make = "jsonb_build_array" if is_postgresql() else "json_array"
    return f"CASE WHEN (c.id + s.n) % 2 = 0 THEN {make}({first}, {second}) ELSE {make}({second}, {first}) END"


def build_item(table: str, place: int) -> str:
    """SQL of an answer in a judgment's order."""
    order = f'{table}."order"'
    return f"({order} ->> {place})::bigint" if is_postgresql() else f"json_extract({order}, '$[{place}]')"


def build_moment(seconds: str) -> str:
    """SQL of the moment that many seconds ago."""
    if is_postgresql():
        return f"now() - ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({seconds}) || ' seconds')"


def mark_some(dataset: "Dataset") -> None:
    """Flags, splits and gold questions, as many as a large dataset has."""
    from datasets.models import Comparison, Gold, Judgment

    judged = Comparison.objects.filter(dataset=dataset, open_slots=0)
    flagged = list(judged.order_by("pk").values_list("pk", flat=True)[::FLAGGED])
    Comparison.objects.filter(pk__in=flagged).update(held=Comparison.FLAGGED)
    wanted = list(judged.filter(held="").order_by("pk").values_list("pk", flat=True)[::WANTED])
    for start in range(0, len(wanted), 500):
        Comparison.objects.filter(pk__in=wanted[start : start + 500]).update(review="wanted")
    gold = list(judged.filter(held="", review="").order_by("pk")[::GOLD])
    Gold.objects.bulk_create(Gold(comparison=one, dataset=dataset, verdict="tie") for one in gold)
    for start in range(0, len(gold), 500):
        pks = [one.pk for one in gold[start : start + 500]]
        Comparison.objects.filter(pk__in=pks).update(held=Comparison.GOLD)
        Judgment.objects.filter(comparison__in=pks).update(purpose=Judgment.Purpose.GOLD)


def report() -> None:
    from analyze.report import make_report
    from datasets.models import Dataset

    make_report(Dataset.objects.get(slug=SLUG))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
    else:
        report()
