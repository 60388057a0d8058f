"""Error responses as JSON, all of the same shape, with messages and codes."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

from django.core.exceptions import RequestDataTooBig
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from datasets import reasons
from datasets.files.item import FileProblem
from datasets.imports.spool import RefusedRow
from datasets.views.request_bodies import drain_or_close

MAX_REFUSALS = 100


class ErrorEntry(TypedDict):
    """One error of a problem; see schemas.Error."""

    field: str
    reason: str
    words: str
    line: int | None


class Problem(Exception):
    """An error response.

    retry_after: seconds after which to try again.
    more: further fields of the body.
    """

    def __init__(
        self,
        status: int,
        detail: str | Promise,
        errors: Iterable[ErrorEntry] = (),
        retry_after: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after
        self.body: dict[str, Any] = {"detail": str(detail), "errors": list(errors), **more}


def build_error(reason: str, words: str | Promise, field: str = "", line: int | None = None) -> ErrorEntry:
    """One error of a problem.

    reason: a code.
    field: empty if the error concerns the whole request.
    """
    return {"field": field, "reason": reason, "words": str(words), "line": line}


def build_form_problem(*forms: BaseForm) -> Problem:
    """The 422 for invalid forms, with one error per message; the field `all` is a form as a whole."""
    entries = [
        build_error(why.code or "invalid", " ".join(why.messages), form.add_prefix(name).replace("__all__", "all"))
        for form in forms
        for name, errors in form.errors.as_data().items()
        for why in errors
    ]
    return Problem(422, _("Some fields are invalid."), entries)


def build_file_problem(problem: FileProblem) -> Problem:
    """The 422 for a body that cannot be read as rows."""
    words = f"{reasons.FILE[problem.code]} {problem.detail}".strip()
    entry = build_error(problem.code, words, line=problem.line or None)
    return Problem(422, _("The rows cannot be read; nothing was stored."), [entry], summary=None)


def build_refusal_errors(refusals: Iterable[RefusedRow]) -> list[ErrorEntry]:
    """The errors for refused rows."""
    return [
        build_error(
            refusal["reason"],
            f"{reasons.REFUSED[refusal['reason']]} {refusal['detail']}".strip(),
            refusal["field"],
            refusal["line"],
        )
        for refusal in refusals
    ]


def answer(request: HttpRequest, problem: Problem) -> JsonResponse:
    """The response for a problem."""
    response = JsonResponse(problem.body, status=problem.status)
    if problem.retry_after is not None:
        response["Retry-After"] = problem.retry_after
    return response


def refuse_unauthenticated(request: HttpRequest, why: AuthenticationError) -> HttpResponse:
    """401, naming the required scheme."""
    response = answer(request, Problem(401, _("Send a valid token: Authorization: Bearer …")))
    response["WWW-Authenticate"] = 'Bearer realm="chosen"'
    return response


def refuse_invalid(request: HttpRequest, why: ValidationError) -> HttpResponse:
    """422 for values that violate the schemas."""
    entries = [build_error(issue["type"], issue["msg"], ".".join(map(str, issue["loc"][1:]))) for issue in why.errors]
    return answer(request, Problem(422, _("Some fields are invalid."), entries))


def refuse_too_large(request: HttpRequest, why: RequestDataTooBig) -> HttpResponse:
    """413. Reads the rest of the body, as many clients read no response before they have sent all of it."""
    return drain_or_close(answer(request, Problem(413, _("The content is too large."))), request)


def answer_failure(request: HttpRequest, why: Exception) -> HttpResponse:
    """500 for an unexpected exception, which is logged."""
    logging.getLogger("django.request").error("%s: %s", request.path, why, exc_info=why)
    return answer(request, Problem(500, _("Internal error. See the server log.")))


def add_handlers(api: NinjaAPI) -> None:
    """Registers these responses as exception handlers; ninja picks the one of the nearest base class."""
    responses: dict[type[Exception], Callable[..., HttpResponse]] = {
        Problem: answer,
        AuthenticationError: refuse_unauthenticated,
        ValidationError: refuse_invalid,
        RequestDataTooBig: refuse_too_large,
        Exception: answer_failure,
    }
    problems: dict[type[Exception], Callable[[Any], Problem]] = {
        Http404: lambda why: Problem(404, _("Nothing with this name exists here.")),
        HttpError: lambda why: Problem(why.status_code, why.message),
        UnreadablePostError: lambda why: Problem(400, _("The body is cut off; nothing was stored.")),
    }
    for kind, build in problems.items():
        responses[kind] = answer_with(build)
    for kind, respond in responses.items():
        api.add_exception_handler(kind, respond)


def answer_with(build: Callable[[Any], Problem]) -> Callable[..., HttpResponse]:
    """A handler that answers with the problem built from an exception."""
    return lambda request, why: answer(request, build(why))
