import json
import time
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import autodiscover_modules

from datasets.cli import find_dataset
from datasets.models import Job
from optimize import reasons
from optimize.generation import Limits, generate_here
from optimize.models import ModelVersion
from optimize.versions import find_version, list_newest
from optimize.wanted import MOST_ANSWERS, Wanted, count_generations


class Command(BaseCommand):
    help = (
        "Have models answer the prompts of a dataset. Continues where an earlier call stopped; tries failed ones again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name of the dataset")
        parser.add_argument(
            "--model", required=True, nargs="+", action="extend", metavar="NAME", help="or NAME@VERSION"
        )
        parser.add_argument("--n", type=int, default=1, metavar="N", help="answers of each model to each prompt")
        parser.add_argument("--at-once", type=int, metavar="N", help="most requests at a time to one endpoint")
        parser.add_argument("--most-answers", type=int, metavar="N", help="pause after N answers")
        parser.add_argument("--most-tokens", type=int, metavar="N", help="pause after N tokens")
        parser.add_argument("--most-money", type=Decimal, metavar="X", help="pause after X, by the endpoint's prices")

    def handle(self, slug: str, **options: Any) -> None:
        began = time.monotonic()
        dataset = find_dataset(slug)
        check_range("--n", options["n"], MOST_ANSWERS)
        check_range("--at-once", options["at_once"], 256)
        versions = list({version.pk: version for version in map(require_version, options["model"])}.values())
        wanted = Wanted(dataset, versions, options["n"])
        limits = Limits(options["most_answers"], options["most_tokens"], options["most_money"])
        autodiscover_modules("tasks")
        result = generate_here(wanted, options["at_once"], limits)
        counts = count_generations(wanted)
        summary = {"dataset": slug, "wanted": counts.wanted, "done": counts.done, "failed": counts.failed}
        summary |= {"asked": result.get("asked", 0), "responses": result.get("responses", 0)}
        summary["seconds"] = round(time.monotonic() - began, 3)
        if paused := result.get("paused"):
            failure = result.get("failure", "")
            why = reasons.FAILED.get(failure) or reasons.MODEL.get(failure) or ""
            self.stderr.write(" ".join(map(str, filter(None, [reasons.PAUSED[paused], why, result.get("detail")]))))
        elif result["state"] != Job.State.DONE:
            self.stderr.write(f"The task ended as {result['state']}. {result['error']}".strip())
        self.stdout.write(json.dumps(summary))
        if counts.done < counts.wanted:
            raise SystemExit(1)


def check_range(option: str, value: int | None, most: int) -> None:
    """Raises CommandError if a number is out of range."""
    if value is not None and not 1 <= value <= most:
        raise CommandError(f"{option}: a number from 1 to {most}", returncode=2)


def require_version(name: str) -> ModelVersion:
    """The version that a name stands for. Raises CommandError with the models that there are."""
    try:
        return find_version(name)
    except ModelVersion.DoesNotExist:
        there = ", ".join(version.source for version in list_newest()) or "none; add_model adds one"
        raise CommandError(f"There is no model {name}. There are: {there}", returncode=2) from None
