"""What goes wrong, as JSON: always the same shape, in words and in codes."""

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, JsonResponse, UnreadablePostError
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError, HttpError, ValidationError

from datasets import reasons

MAX_REFUSALS = 100


class Problem(Exception):
    """An answer that is no success. errors: [{field, reason, words, line}]; more: what else is in the body."""

    def __init__(self, status, detail, errors=(), **more):
        super().__init__(detail)
        self.status, self.body = status, {"detail": str(detail), "errors": list(errors), **more}


def build_error(reason, words, field="", line=None):
    return {"field": field, "reason": reason, "words": str(words), "line": line}


def build_form_problem(*forms):
    """422 for what forms refuse, by the names of their fields; `all` is the form as a whole."""
    entries = [
        build_error(why.code or "invalid", " ".join(why.messages), form.add_prefix(name).replace("__all__", "all"))
        for form in forms
        for name, errors in form.errors.as_data().items()
        for why in errors
    ]
    return Problem(422, _("Some of this is not valid."), entries)


def build_file_problem(problem):
    """422 for a body that cannot be read as rows."""
    words = f"{reasons.FILE[problem.code]} {problem.detail}".strip()
    entry = build_error(problem.code, words, line=problem.line or None)
    return Problem(422, _("The rows cannot be read: nothing is stored."), [entry], summary=None)


def build_refusal_errors(refusals):
    """The errors of refused rows, as their spool tells them."""
    return [
        build_error(
            refusal["reason"],
            f"{reasons.REFUSED[refusal['reason']]} {refusal['detail']}".strip(),
            refusal["field"],
            refusal["line"],
        )
        for refusal in refusals
    ]


def answer(request, problem):
    return JsonResponse(problem.body, status=problem.status)


def refuse_unauthenticated(request, why):
    """401: with a word on how to come in."""
    response = answer(request, Problem(401, _("Send a token that works: Authorization: Bearer …")))
    response["WWW-Authenticate"] = 'Bearer realm="chosen"'
    return response


def refuse_invalid(request, why):
    """422 for what the types refuse."""
    entries = [build_error(issue["type"], issue["msg"], ".".join(map(str, issue["loc"][1:]))) for issue in why.errors]
    return answer(request, Problem(422, _("Some of this is not valid."), entries))


def answer_failure(request, why):
    """500: what nobody thought of, told in the server's log."""
    logging.getLogger("django.request").error("%s: %s", request.path, why, exc_info=why)
    return answer(request, Problem(500, _("Something went wrong here. The server's log says what.")))


def add_handlers(api):
    """Teach the API to answer so. Where several fit, it takes the nearest class."""
    api.add_exception_handler(Problem, answer)
    api.add_exception_handler(AuthenticationError, refuse_unauthenticated)
    api.add_exception_handler(ValidationError, refuse_invalid)
    api.add_exception_handler(Exception, answer_failure)
    handlers = {
        Http404: lambda why: Problem(404, _("There is nothing of this name here.")),
        HttpError: lambda why: Problem(why.status_code, why.message),
        RequestDataTooBig: lambda why: Problem(413, _("This is too large.")),
        UnreadablePostError: lambda why: Problem(400, _("The body is cut off: nothing is stored.")),
    }
    for kind, build in handlers.items():
        api.add_exception_handler(kind, lambda request, why, build=build: answer(request, build(why)))
