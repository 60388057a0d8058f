import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.cli import find_dataset
from optimize import reasons
from optimize.policy.picking import answer_text
from optimize.policy.settings import NoAnswer, find_policy

MOST = 16


class Command(BaseCommand):
    help = "Answer a prompt by the dataset's policy: n answers of its models, and the one that people would choose."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--prompt", required=True, metavar="TEXT")
        parser.add_argument("--n", type=int, metavar="N", help=f"answers to pick from, at most {MOST}")

    def handle(self, slug: str, prompt: str, n: int | None, **options: Any) -> None:
        policy = find_policy(find_dataset(slug))
        n = policy.n if n is None else n
        if not 1 <= n <= MOST:
            raise CommandError(f"--n: from 1 to {MOST}", returncode=2)
        if not prompt.strip():
            raise CommandError("--prompt: empty", returncode=2)
        try:
            answered = answer_text(policy, prompt, n)
        except NoAnswer as why:
            status = 2 if why.reason == "no_model" else 1
            raise CommandError(reasons.explain_policy_failure(why.reason), returncode=status) from None
        decision = answered.decision
        summary: dict[str, Any] = {"n": n, "first": answered.first.text, "pick": answered.pick.text}
        summary |= {"picker": decision.picker, "chance": decision.chance, "covered": decision.covered}
        if decision.chance is None:
            summary["chance_reason"] = str(reasons.NO_CHANCE[decision.chance_reason])
        self.stdout.write(json.dumps(summary, ensure_ascii=False))
