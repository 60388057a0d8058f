"""/metrics: what a server does and what waits in its database, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. Not with the library prometheus_client: of
several processes it needs an environment variable set before the server's own code runs, and a file per process *and*
kind of metric that nobody removes.
"""

import secrets
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from django.conf import settings
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from django.views.decorators.csrf import csrf_exempt

from config.proxy import find_client_ip
from datasets.counters import ACTS, BOUNDS, OUTCOMES, RENDERING, VERDICTS, WAYS, count_processes, read_totals
from datasets.jobs.worker import BULK, LANE_OF, LANES
from datasets.judgments.progress import count_with_cache
from datasets.models import Comparison, Dataset, Job, Judgment
from datasets.views.access import anyone

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
RECOUNT_S = 5.0  # at least, between two counts in the database

Sample = tuple[str, dict[str, str], float]  # what follows the family's name, labels, value
Gauges = dict[str, list[tuple[dict[str, str], float]]]


@anyone
@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics for those who may read them; for others there is no such page."""
    if not is_permitted(request):
        raise Http404
    gauges = count_with_cache("metrics", count_gauges, RECOUNT_S)
    lines = [*iter_counter_lines(), *iter_gauge_lines(gauges)]
    return HttpResponse("\n".join(lines) + "\n", content_type=CONTENT_TYPE)


def is_permitted(request: HttpRequest) -> bool:
    """Whether a request has the token METRICS_TOKEN, or comes from one of METRICS_NETS."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_given = settings.METRICS_TOKEN and scheme.lower() == "bearer"
    if is_given and secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode()):
        return True
    address = find_client_ip(request) if settings.METRICS_NETS else None
    return address is not None and any(ip_address(address) in net for net in settings.METRICS_NETS)


def iter_counter_lines() -> Iterator[str]:
    """The lines with the counts of all processes of this server since it started."""
    totals = read_totals()
    acts = [("", {"act": act, "outcome": outcome}, totals["act", act, outcome]) for act in ACTS for outcome in OUTCOMES]
    yield from iter_family("chosen_acts_total", "counter", "Requests, by what they do and how they ended", acts)
    seconds: list[Sample] = []
    for act in ACTS:
        sum_so_far = 0.0
        for bound in (*BOUNDS, "+Inf"):
            sum_so_far += totals["bucket", act, str(bound)]
            seconds.append(("_bucket", {"act": act, "le": str(bound)}, sum_so_far))
        seconds += [("_sum", {"act": act}, totals["seconds", act]), ("_count", {"act": act}, sum_so_far)]
    words = "From the arrival of a request to its answer, waiting included"
    yield from iter_family("chosen_act_seconds", "histogram", words, seconds)
    verdicts = [
        ("", {"outcome": outcome, "way": way}, totals["verdict", outcome, way]) for outcome in VERDICTS for way in WAYS
    ]
    yield from iter_family("chosen_verdicts_total", "counter", "Verdicts sent, by what became of them", verdicts)
    plain = [("", {"reason": reason}, totals["rendering", reason]) for reason in RENDERING]
    words = "Texts shown as plain text because a limit of rendering was reached"
    yield from iter_family("chosen_rendering_limits_total", "counter", words, plain)
    words = "Processes of this server that have counted something and still run"
    yield from iter_family("chosen_processes", "gauge", words, [("", {}, count_processes())])


def iter_family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    """The lines of one metric. Labels are our own words: none needs escaping."""
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        pairs = ",".join(f'{label}="{text}"' for label, text in labels.items())
        yield f"{name}{suffix}{f'{{{pairs}}}' if pairs else ''} {value:.15g}"


GAUGES = {
    "chosen_open_comparisons": "Comparisons of open datasets that wait for votes",
    "chosen_leases": "Leased comparisons, live or overdue and not yet given to others",
    "chosen_jobs": "Background jobs that wait or run, by lane",
    "chosen_oldest_waiting_job_seconds": "How long the oldest waiting job of a lane has waited",
}


def iter_gauge_lines(gauges: Gauges) -> Iterator[str]:
    """The lines with the counts in the database."""
    for name, words in GAUGES.items():
        yield from iter_family(name, "gauge", words, (("", labels, value) for labels, value in gauges[name]))


def count_gauges() -> Gauges:
    """{name: [(labels, value)]} of GAUGES, each from a partial index that holds only what is open."""
    autodiscover_modules("tasks")  # registers the lanes of their kinds
    now = timezone.now()
    is_open = Q(open_slots__gt=0, held="", dataset__in=Dataset.objects.filter(state=Dataset.State.OPEN))
    leased = Judgment.objects.filter(state=Judgment.State.LEASED)
    leases = leased.aggregate(live=Count("pk", filter=Q(lease_until__gt=now)), n=Count("pk"))
    jobs = {(lane, state): 0 for lane in LANES for state in Job.OPEN}
    waited = dict.fromkeys(LANES, 0.0)
    for kind, state, created_at in Job.objects.filter(state__in=Job.OPEN).values_list("kind", "state", "created_at"):
        lane = LANE_OF.get(kind, BULK)
        jobs[lane, Job.State(state)] += 1
        if state == Job.State.WAITING:
            waited[lane] = max(waited[lane], (now - created_at).total_seconds())
    return {
        "chosen_open_comparisons": [({}, Comparison.objects.filter(is_open).count())],
        "chosen_leases": [({"state": "live"}, leases["live"]), ({"state": "overdue"}, leases["n"] - leases["live"])],
        "chosen_jobs": [({"lane": lane, "state": state.value}, n) for (lane, state), n in jobs.items()],
        "chosen_oldest_waiting_job_seconds": [({"lane": lane}, seconds) for lane, seconds in waited.items()],
    }
