"""Feedback that a product sends: read from JSON as importers read rows, stored one by one, each with its status."""

import json
import math
import threading
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from annotate.questions.stars import FIVE
from api.models import Token
from api.problems import Problem, build_error
from api.rate_limit import RateLimit
from datasets import reasons
from datasets.formats import parsers, rows
from datasets.formats.rows import Refusal
from datasets.models import Dataset
from optimize.feedback import Outcome, UserFeedback, find_outcomes, store_feedback
from optimize.prompts import IMPORTING
from optimize.reasons import FEEDBACK

MOST_AT_ONCE = 1000
RATE = RateLimit(per_second=50, seconds=10)
LISTS = threading.BoundedSemaphore(2)  # that are stored at the same time
IMPORTING_S = 5  # seconds after which to send again what an import stands in the way of

ACTS = ("choice", "stars", "thumb", "edit")
FIELDS = ("key", "user", "system", "messages", "responses", "sources", *ACTS)
VERDICTS: dict[int | str, str] = {0: "left", 1: "right", "tie": "tie", "both_bad": "both_bad"}
THUMBS: dict[int | str, str] = {"up": "up", "down": "down"}
STATUS = {Outcome.NEW: 201, Outcome.KNOWN: 200, Outcome.CONFLICT: 409}
CONFLICT = Refusal("other_body", "key")
WORDS = {**reasons.REFUSED, **FEEDBACK}


def check_rate(token: Token) -> None:
    """Counts a request of a token. Raises Problem 429 if there were too many of them."""
    if seconds := RATE.count(token.digest):
        raise Problem(429, FEEDBACK["too_many_requests"], retry_after=math.ceil(seconds))


def read_body(request: HttpRequest) -> Any:
    """The JSON value of the body. Raises Problem 422."""
    try:
        return json.loads(request.body)
    except ValueError:
        raise build_refusal_problem(422, Refusal("bad_json")) from None
    except RecursionError:
        raise build_refusal_problem(422, Refusal("too_deep")) from None


def receive_one(dataset: Dataset, item: object) -> tuple[int, dict[str, Any]]:
    """Stores feedback. Returns (status, fields of FeedbackOut). Raises Problem if it is refused."""
    status, refusal = store_item(dataset, item)
    if refusal:
        raise build_refusal_problem(status, refusal)
    return status, build_line(item, status)


def receive_list(dataset: Dataset, items: Sequence[object]) -> list[dict[str, Any]]:
    """Stores the items of a list, each for itself. Returns the fields of FeedbackOut of each, in their order.

    Raises Problem: 422 if there are too many, 429 if other lists are being stored.
    """
    if len(items) > MOST_AT_ONCE:
        raise build_refusal_problem(422, Refusal("list_too_long"))
    if not LISTS.acquire(blocking=False):
        raise Problem(429, FEEDBACK["too_many_requests"], retry_after=1)
    try:
        parsed = [parse_item(item) for item in items]
        known = find_outcomes(dataset, [given for given in parsed if isinstance(given, UserFeedback)])
        lines = []
        for item, given in zip(items, parsed, strict=True):
            if isinstance(given, Refusal):
                lines.append(build_line(item, 422, given))
            elif given in known:
                lines.append(build_line(item, STATUS[known[given]], get_conflict(known[given])))
            else:
                lines.append(build_line(item, *store_parsed(dataset, given)))
        return lines
    finally:
        LISTS.release()


def parse_item(item: object) -> UserFeedback | Refusal:
    """The parsed item, or why it is refused."""
    try:
        return parse_feedback(item)
    except Refusal as refusal:
        return refusal
    except RecursionError:
        return Refusal("too_deep")


def store_item(dataset: Dataset, item: object) -> tuple[int, Refusal | None]:
    """Stores an item. Returns (status, why it is refused)."""
    given = parse_item(item)
    return (422, given) if isinstance(given, Refusal) else store_parsed(dataset, given)


def store_parsed(dataset: Dataset, given: UserFeedback) -> tuple[int, Refusal | None]:
    """Stores a parsed item. Returns (status, why it is refused)."""
    try:
        outcome = store_feedback(dataset, given)
    except Refusal as refusal:
        return (503 if refusal.reason == IMPORTING else 422), refusal
    return STATUS[outcome], get_conflict(outcome)


def get_conflict(outcome: Outcome) -> Refusal | None:
    return CONFLICT if outcome == Outcome.CONFLICT else None


def build_line(item: object, status: int, refusal: Refusal | None = None) -> dict[str, Any]:
    """The fields of FeedbackOut. The key is "" if it cannot be read."""
    try:
        key = parsers.parse_name(item.get("key") if isinstance(item, dict) else "", "key")
    except Refusal:
        key = ""
    why = {"reason": refusal.reason, "field": refusal.field} if refusal else {}
    return {"key": key, "status": status, **why}


def build_refusal_problem(status: int, refusal: Refusal) -> Problem:
    """The error response for a refusal."""
    words = f"{WORDS[refusal.reason]} {refusal.detail}".strip()
    retry_after = IMPORTING_S if refusal.reason == IMPORTING else None
    error = build_error(refusal.reason, words, refusal.field)
    return Problem(status, _("Nothing was stored."), [error], retry_after=retry_after)


def parse_feedback(item: object) -> UserFeedback:
    """The feedback in a JSON object, as docs/api.md describes it. Raises Refusal with the field.

    >>> asked = {"messages": [{"role": "user", "content": "Hi"}], "responses": ["Hello!"]}
    >>> given = parse_feedback({"key": "7", "user": "ann", **asked, "thumb": "up"})
    >>> given.prompt.instruction, given.responses[0].text, given.thumb
    ('Hi', 'Hello!', 'up')
    """
    if not isinstance(item, dict):
        raise Refusal("not_an_object", "", type(item).__name__)
    if unknown := sorted(set(item) - set(FIELDS)):
        raise Refusal("unknown_field", unknown[0][:80].encode("utf-8", "replace").decode())
    key, user = parse_id(item, "key"), parse_id(item, "user")
    prompt, responses = parse_prompt(item), parse_responses(item)
    act = parse_act(item, responses)
    body = json.dumps(item, sort_keys=True, separators=(",", ":"))
    return UserFeedback(key, user, body, prompt, responses, **act)


def parse_id(item: rows.RawRow, field: str) -> str:
    """A key or the id of a user: a text or an integer."""
    name = parsers.parse_name(parsers.require_field(item, field), field)
    if not name.strip():
        raise Refusal("missing_field", field)
    return name


def parse_prompt(item: rows.RawRow) -> rows.Prompt:
    """The prompt in `messages`, whose turns alternate; its system text there or in `system`."""
    system = parsers.parse_text(item.get("system"), "system", required=False)
    transcript = parsers.parse_messages(check_list(parsers.require_field(item, "messages"), "messages"), "messages")
    prompt = parsers.build_prompt(transcript, "messages", system)
    if not parsers.is_alternating(prompt):
        raise Refusal("not_alternating", "messages")
    return prompt


def check_list(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refusal("not_a_list", field, type(value).__name__)
    return value


def parse_responses(item: rows.RawRow) -> tuple[rows.Response, ...]:
    """One or two different answers, with their sources where they are given."""
    given = check_list(parsers.require_field(item, "responses"), "responses")
    if len(given) not in (1, 2):
        raise Refusal("wrong_count", "responses")
    texts = [parsers.parse_answer(text, f"responses[{n}]") for n, text in enumerate(given)]
    if len(set(texts)) < len(texts):
        raise Refusal("same_answer", "responses[1]")
    sources = ["" for _ in texts] if item.get("sources") is None else check_list(item["sources"], "sources")
    if len(sources) != len(texts):
        raise Refusal("lengths_differ", "sources")
    names = [parsers.parse_name(source, f"sources[{n}]") for n, source in enumerate(sources)]
    return tuple(map(rows.Response, texts, names))


def parse_act(item: rows.RawRow, responses: Sequence[rows.Response]) -> dict[str, Any]:
    """What the user said, as a field of UserFeedback."""
    acts = [name for name in ACTS if item.get(name) is not None]
    if len(acts) != 1:
        raise Refusal("not_one_act", acts[1] if acts else "choice")
    act, value = acts[0], item[acts[0]]
    if act == "stars":
        return {"stars": parse_stars(value, len(responses))}
    if act == "edit":
        text = parsers.parse_answer(value, "edit")
        if text == responses[0].text:
            raise Refusal("same_answer", "edit")
        return {"edit": text}
    name, known, n = ("verdict", VERDICTS, 2) if act == "choice" else ("thumb", THUMBS, 1)
    if isinstance(value, bool) or not isinstance(value, int | str) or value not in known:
        raise Refusal("off_scale", act, str(value)[:80])
    if len(responses) != n:
        raise Refusal("wrong_count", "responses")
    return {name: known[value]}


def parse_stars(value: object, n: int) -> tuple[int, ...]:
    """A number from 1 to 5 for each of n answers."""
    given = check_list(value, "stars")
    if len(given) != n:
        raise Refusal("wrong_count", "stars")
    for place, number in enumerate(given):
        if isinstance(number, bool | str):
            raise Refusal("off_scale", f"stars[{place}]", str(number)[:80])
    return tuple(parsers.parse_scale_value(number, f"stars[{place}]", FIVE) for place, number in enumerate(given))
