"""Background tasks: their progress and results, and how to cancel them."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from datasets import reasons
from datasets.jobs import worker
from datasets.models import Job
from datasets.views.access import UserRequest, admin_required
from datasets.views.paging import parse_after

JOBS_A_PAGE = 50


@admin_required
@never_cache
def job_page(request: UserRequest, pk: int) -> HttpResponse:
    """The progress of a task, or a redirect to its result once it is done; POST cancels it."""
    job = get_object_or_404(Job, pk=pk)
    if request.method == "POST":
        worker.cancel(job)
        return redirect("task", pk)
    if page := job.arguments.get("page"):  # the task is shown there
        return HttpResponseClientRedirect(page) if request.htmx else redirect(page)
    if worker.is_abandoned(job):
        worker.wake()
    place = build_result_url(job)
    if job.state == Job.State.DONE and "show" not in request.GET:
        assert place is not None, f"no page shows the result of a task of the kind {job.kind}"
        return HttpResponseClientRedirect(place) if request.htmx else redirect(place)
    if request.htmx and not job.is_open:
        return HttpResponseClientRedirect(reverse("task", args=[pk]))
    context = {
        "job": job,
        "what": format_task(job),
        "share": job.share is not None and format_percent(job.share),
        "left": job.seconds_left is not None and format_time_left(job.seconds_left),
        "error": reasons.JOB.get(job.error, job.error),
        "place": place,
        "back": get_retry_link(job),
    }
    return render(request, "datasets/_job.html" if request.htmx else "datasets/job.html", context)


@admin_required
@never_cache
@require_safe
def job_list(request: UserRequest) -> HttpResponse:
    """All tasks, newest first, without those of single messages."""
    jobs = Job.objects.exclude(kind="chat").select_related("created_by", "dataset").order_by("-pk")
    if before := parse_after(request, "before"):
        jobs = jobs.filter(pk__lt=before)
    page = list(jobs[:JOBS_A_PAGE])
    context = {
        "jobs": [
            (job, format_task(job), job.is_open and job.share is not None and format_percent(job.share)) for job in page
        ],
        "earlier": page[-1].pk if len(page) == JOBS_A_PAGE else None,
    }
    return render(request, "datasets/jobs.html", context)


def format_task(job: Job) -> str:
    """A task in words: its kind and its target."""
    arguments = job.arguments
    target = ", ".join(arguments.get("files", [])) or arguments.get("of") or (str(job.dataset) if job.dataset else "")
    return f"{reasons.TASKS[job.kind]}: {target}" if target else str(reasons.TASKS[job.kind])


def format_percent(share: float) -> str:
    return f"{share:.0%}"


def format_time_left(seconds: float) -> str:
    """A rounded duration, in words."""
    if seconds < 90:
        n = max(1, round(seconds))
        return ngettext("%(n)s second", "%(n)s seconds", n) % {"n": n}
    if seconds < 5400:
        n = round(seconds / 60)
        return ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": n}
    n = round(seconds / 3600)
    return ngettext("%(n)s hour", "%(n)s hours", n) % {"n": n}


def build_result_url(job: Job) -> str | None:
    """The page that shows the result of a task; None if it has no result."""
    result = job.result
    if "import" in result:
        return reverse("import", args=[result["import"]])
    if "acted" in result:
        return f"{reverse('data', args=[result['dataset']])}?done={job.pk}"
    if "bundle" in result:
        return reverse("bundle", args=[result["dataset"], result["bundle"]])
    if "report" in result:
        return reverse("report", args=[result["report"]])
    return reverse("dataset", args=[result["dataset"]]) if "dataset" in result else None


def get_retry_link(job: Job) -> tuple[str, str]:
    """The (URL, title) of the page that starts such a task, for a retry."""
    if job.kind == "push" and job.dataset:
        return reverse("bundle", args=[job.dataset.slug, job.arguments["bundle"]]), _("Back to the release")
    if job.kind == "bundle" and job.dataset:
        return reverse("exports", args=[job.dataset.slug]), _("Export")
    if job.dataset:
        return reverse("dataset", args=[job.dataset.slug]), str(job.dataset)
    return reverse("upload"), _("Import data")
