"""Background tasks: `generate` asks for wanted answers, `chat` for those of a turn, `try` asks one model, `probe` looks
at an endpoint.
"""

from typing import Any

from datasets.formats.rows import Prompt
from datasets.jobs.lanes import repeat_every
from datasets.jobs.worker import JobFailure, Progress, kind
from datasets.models import Job
from optimize import reasons
from optimize.chat.answering import answer_turn
from optimize.chat.deletion import delete_expired
from optimize.chat.talks import KIND as CHAT
from optimize.generation import KIND, run_generation
from optimize.models import ModelVersion, Turn
from optimize.policy.settings import KIND as POLICY
from optimize.policy.settings import NoAnswer
from optimize.trying import probe_endpoint, try_version
from optimize.wire.keys import KeyProblem


@kind(KIND, lane="generate")
def generate(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: ask for wanted answers. Result: see run_generation."""
    try:
        return run_generation(job, progress)
    except KeyProblem as why:
        raise JobFailure(reasons.MODEL[why.reason], paused="key", failure=why.reason) from None


@kind(CHAT, lane="chat")
def chat(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: get the answers of a turn, if it still waits for them."""
    asked = Turn.objects.filter(pk=job.arguments["turn"], state=Turn.State.ASKED)
    turn = asked.select_related("chat__user", "chat__dataset", "prompt").first()
    if turn is None:
        return {"dataset": job.dataset.slug} if job.dataset else {}
    answer_turn(turn, lambda: progress(0, 1))
    return {"dataset": turn.chat.dataset.slug}


@kind(POLICY, lane="generate")
def policy(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: see how the policy of a dataset answers its prompts. Result: see trial.try_policy."""
    from optimize.policy.trial import try_policy

    assert job.dataset is not None
    try:
        return try_policy(job.dataset, job.arguments["prompts"], progress)
    except NoAnswer as why:
        raise JobFailure(reasons.explain_policy_failure(why.reason)) from None


repeat_every(3600)(delete_expired)


@kind("try", lane="chat")
def try_model(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: three answers of a version to one prompt. Result: {"answers": see try_version}."""
    version = ModelVersion.objects.select_related("endpoint").get(pk=job.arguments["version"])
    return {"answers": try_version(version, Prompt(job.arguments["prompt"]))}


@kind("probe", lane="chat")
def probe_model(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: see what the endpoint of a version honours. It is stored with the endpoint."""
    probe_endpoint(ModelVersion.objects.select_related("endpoint").get(pk=job.arguments["version"]))
    return {}
