"""Which act of a person a request is, for the counters of /metrics."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from datasets.counters import count_act

UNCOUNTED = ("healthz", "metrics")
LEADS = ("admin_required", "dataset_admin_required")  # guards of datasets/views/access.py
ACT_OF = {  # {name of a URL: its act}; of the others, see find_act
    "annotate": "page",
    "ahead": "next",
    "undo": "undo",
    "draft": "draft",
    "differences": "differences",
    "give-back": "give_back",
    "practice": "practice",
    "practised": "practice",
    "review": "review",
    "review-undo": "review",
}
ACT_OF_PREFIX = {"chat": "chat", "api": "api", "v1": "policy"}  # {first word of a URL's name: its act}


def count_request(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """Counts a request that was answered. seconds: since its body had arrived."""
    act = find_act(request)
    if act:
        status = response.status_code
        count_act(act, "done" if status < 400 else "refused" if status < 500 else "failed", seconds)


def find_act(request: HttpRequest) -> str | None:
    """The act that a request is, of counters.ACTS; None if it is not counted."""
    match = request.resolver_match
    if match is None:
        return "static" if request.path_info.startswith("/static/") else "other"
    name = match.url_name or ""
    if name == "annotate" and request.method == "POST":
        return "verdict" if "HX-Request" in request.headers else "verdict_without_script"
    if name in UNCOUNTED:
        return None
    act = ACT_OF.get(name) or ACT_OF_PREFIX.get(name.partition("-")[0])
    if act is None or name == "chat-settings":
        guard = getattr(match.func, "access", None)
        return "lead" if getattr(guard, "__name__", "") in LEADS else "other"
    return act
