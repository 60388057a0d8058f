"""Background tasks: `generate` asks for wanted answers, `try` asks one model, `probe` looks at an endpoint."""

from typing import Any

from datasets.formats.rows import Prompt
from datasets.jobs.worker import JobFailure, Progress, kind
from datasets.models import Job
from optimize import reasons
from optimize.generation import KIND, run_generation
from optimize.models import ModelVersion
from optimize.trying import probe_endpoint, try_version
from optimize.wire.keys import KeyProblem


@kind(KIND)
def generate(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: ask for wanted answers. Result: see run_generation."""
    try:
        return run_generation(job, progress)
    except KeyProblem as why:
        raise JobFailure(reasons.MODEL[why.reason], paused="key", failure=why.reason) from None


@kind("try")
def try_model(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: three answers of a version to one prompt. Result: {"answers": see try_version}."""
    version = ModelVersion.objects.select_related("endpoint").get(pk=job.arguments["version"])
    return {"answers": try_version(version, Prompt(job.arguments["prompt"]))}


@kind("probe")
def probe_model(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: see what the endpoint of a version honours. It is stored with the endpoint."""
    probe_endpoint(ModelVersion.objects.select_related("endpoint").get(pk=job.arguments["version"]))
    return {}
