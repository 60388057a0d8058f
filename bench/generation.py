"""Generation: four answers to each of 1,000 prompts, from a fake endpoint that answers at once.

The baseline is the same requests by the same client, with nothing stored. Judging meanwhile is measured as in
`meanwhile`, against the same people with nothing else going on. An endpoint that answers at once takes as much of the
same CPU as the client: bare requests show its share, and an endpoint that takes PACE_S for each answer is nearer to a
real one on another machine. As a command, `generation.py URL N` sends N bare requests.
"""

import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.judging import Person
    from tests.fake_endpoint import FakeEndpoint

ROOT = Path(__file__).resolve().parent.parent
PROMPTS, ANSWERS, AT_ONCE = 1000, 4, 8
ROUNDS, QUIET_S = 3, 10
COMPARISONS = 3000  # for the judges
PACE_S = 0.05  # seconds per answer of the slower endpoint: 160 answers a second at most
MODEL = "fake-small"
QUIET, BARE, GENERATED, PACED = "quiet", "bare", "generated", "paced"


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.common import get_row_count, measure_command
    from tests.fake_endpoint import run_fake_endpoint

    prompts = get_row_count(PROMPTS)
    with run_fake_endpoint() as fake:
        measure_command(environment, "add_model", "fake", f"--url={fake.url}", f"--model={MODEL}")
        measure_speed(environment, database, folder, fake, prompts)
        measure_judging_meanwhile(environment, database, folder, fake, prompts)


def measure_speed(environment: dict[str, str], database: str, folder: Path, fake: "FakeEndpoint", prompts: int) -> None:
    """Prints seconds, answers per second against bare requests, and peak memory against a quarter of the prompts."""
    from bench.common import measure_command, say

    answers, fewer = prompts * ANSWERS, prompts // 4
    times: dict[str, list[float]] = {"whole": [], GENERATED: [], BARE: []}
    peaks: dict[int, list[float]] = {fewer: [], prompts: []}
    for number in range(ROUNDS):
        times[BARE].append(measure_bare(fake, answers))
        for n in (fewer, prompts):
            slug = import_prompts(environment, folder, f"generation-{number}-{n}", n)
            fake.reset()
            seconds, peak, summary = measure_command(environment, *build_command(slug))
            assert summary["done"] == summary["responses"] == summary["asked"] == n * ANSWERS, summary
            peaks[n].append(peak)
        times["whole"].append(seconds)
        times[GENERATED].append(summary["seconds"])
    whole, generated, bare = (statistics.median(rounds) for rounds in times.values())
    few, many = (statistics.median(rounds) for rounds in peaks.values())
    say("bare-requests", database, answers, answers / bare, "answers/s")
    say("generate-command", database, answers, whole, "s")
    say("generate", database, answers, answers / generated, "answers/s")
    per_answer = 1000 * generated / answers
    say("generate-per-answer", database, answers, per_answer, "ms", "bare-requests, per answer", generated / bare)
    say("generate-memory", database, answers, many, "MiB", f"generate-memory at {fewer * ANSWERS} answers", many / few)


def measure_judging_meanwhile(
    environment: dict[str, str], database: str, folder: Path, fake: "FakeEndpoint", prompts: int
) -> None:
    """Prints the p95 of judging: quiet, and while requests are sent and answers are generated."""
    from bench.common import measure_command, say, write_wide_rows
    from bench.judging import Person, serving
    from bench.meanwhile import PEOPLE, measure_judging

    write_wide_rows(folder / "generation.jsonl", COMPARISONS)
    measure_command(environment, "import_dataset", "load", str(folder / "generation.jsonl"), f"--overlap={PEOPLE}")
    made = subprocess.run(
        [sys.executable, str(ROOT / "bench/sessions.py"), "generation", str(PEOPLE)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rounds: dict[str, list[float]] = {QUIET: [], GENERATED: [], BARE: [], PACED: []}
    with serving(environment) as port:
        people = [Person(port, key) for key in json.loads(made.stdout)]
        measure_judging(people, 5)  # the first requests load the code
        for number in range(ROUNDS):
            rounds[QUIET].append(find_p95(measure_judging(people, QUIET_S)))
            for condition, n, delay_s in (
                (GENERATED, prompts // 4, 0.0),
                (BARE, prompts // 2, 0.0),
                (PACED, prompts // 4, PACE_S),
            ):
                if condition == BARE:
                    command = build_bare_command(fake, n * ANSWERS)
                else:
                    slug = import_prompts(environment, folder, f"generation-{condition}-{number}", n)
                    command = [sys.executable, str(ROOT / "manage.py"), *build_command(slug)]
                fake.reset(delay_s=delay_s)
                rounds[condition].append(measure_p95_during(command, environment, people, fake))
    name, quiet = "submit-and-next-p95", rounds[QUIET]
    say(f"{name}-quiet", database, PEOPLE, statistics.median(quiet), "ms")
    for condition, suffix in ((BARE, "bare-requests"), (GENERATED, "generated"), (PACED, "generated-at-a-pace")):
        ratio = statistics.median(then / before for then, before in zip(rounds[condition], quiet, strict=True))
        value = statistics.median(rounds[condition])
        say(f"{name}-while-{suffix}", database, PEOPLE, value, "ms", f"{name}-quiet", ratio)


def measure_p95_during(
    command: list[str], environment: dict[str, str], people: "list[Person]", fake: "FakeEndpoint"
) -> float:
    """The p95 of judging in ms, from the first request that a command sends until the command ends."""
    from bench.meanwhile import measure_judging

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None and not fake.count_requests():
            time.sleep(0.05)
        took = measure_judging(people, 600, process)
    assert process.returncode == 0, command
    return find_p95(took)


def find_p95(sorted_times: list[float]) -> float:
    """The p95 in ms."""
    from bench.judging import compute_percentile

    return compute_percentile(sorted_times, 0.95)


def import_prompts(environment: dict[str, str], folder: Path, slug: str, n: int) -> str:
    """The slug of a new dataset of n prompts without answers."""
    from bench.common import draw_text, measure_command

    rng, path = random.Random(n), folder / f"{slug}.jsonl"
    with open(path, "w") as file:
        for number in range(n):
            file.write(json.dumps({"prompt": f"{number} {draw_text(rng, 20)}"}) + "\n")
    _, _, summary = measure_command(environment, "import_dataset", slug, str(path))
    assert summary["rows"] == n
    return slug


def build_command(slug: str) -> list[str]:
    """The arguments of manage.py that generate the answers of a dataset."""
    return ["generate", slug, "--model", "fake", f"--n={ANSWERS}", f"--at-once={AT_ONCE}"]


def build_bare_command(fake: "FakeEndpoint", n: int) -> list[str]:
    """The command that sends n bare requests."""
    return [sys.executable, str(ROOT / "bench/generation.py"), fake.url, str(n)]


def measure_bare(fake: "FakeEndpoint", n: int) -> float:
    """Seconds of n bare requests, without the start of their process."""
    fake.reset()
    done = subprocess.run(build_bare_command(fake, n), stdout=subprocess.PIPE, text=True, check=True)
    seconds: float = json.loads(done.stdout)["seconds"]
    return seconds


def send_bare(url: str, n: int) -> None:
    """Sends n requests like those of generation, stores nothing, and prints the seconds."""
    from bench.common import draw_text
    from optimize.wire.addresses import parse_networks
    from optimize.wire.client import Client, Target

    client, target, rng = Client(parse_networks(["127.0.0.0/8"]), AT_ONCE), Target(url), random.Random(n)
    texts = [f"{number // ANSWERS} {draw_text(rng, 20)}" for number in range(n)]
    sampling = {"model": MODEL, "temperature": 1.0, "top_p": 1.0, "max_tokens": 1024}

    def ask(number: int) -> bool:
        messages = [{"role": "user", "content": texts[number]}]
        return bool(client.complete(target, {**sampling, "messages": messages, "seed": number}).text)

    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert all(pool.map(ask, range(n)))
    print(json.dumps({"seconds": time.monotonic() - started}))
    client.close()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    send_bare(sys.argv[1], int(sys.argv[2]))
