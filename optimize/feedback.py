"""Feedback of a product's users on its answers: a choice, stars or an edit is a vote, a thumb labels its answer.

These users have no accounts. The sender's id of a user is stored only as an HMAC under a key derived from SECRET_KEY
and the dataset; a vote bears `user-` and its first 16 hex digits as an imported name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from annotate.questions import pair, stars
from datasets.comparisons import review
from datasets.comparisons.generate import generate_for_prompts
from datasets.db.bulk import match_values
from datasets.db.write_lock import write_turn
from datasets.formats import rows
from datasets.formats.rows import Refusal
from datasets.judgments.said import Said
from datasets.models import Choice, Comparison, Dataset, Judgment, Prompt, Rating, Response
from optimize.models import Feedback
from optimize.prompts import check_imports, ensure_comparison, ensure_prompt, ensure_response

ACCEPTING = (Dataset.State.OPEN, Dataset.State.PAUSED)
MOST_WANTED = 32_767  # that PostgreSQL can store


class Outcome(Enum):
    """NEW: stored. KNOWN: stored before. CONFLICT: the key was sent before with another body."""

    NEW = "new"
    KNOWN = "known"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class UserFeedback:
    """What a user said about one or two answers. One of verdict, stars, thumb and edit is given.

    key: the sender's, once in a dataset.
    user: the sender's id of the user.
    body: all that was sent, as one text.
    verdict: on two answers: left, right, tie or both_bad.
    stars: 1 to 5 for each answer.
    thumb: on one answer: up or down.
    edit: a better answer than the first.
    """

    key: str
    user: str
    body: str
    prompt: rows.Prompt
    responses: tuple[rows.Response, ...]
    verdict: str = ""
    stars: tuple[int, ...] = ()
    thumb: str = ""
    edit: str = ""

    @property
    def act(self) -> str:
        """The name of the field that is given."""
        return next((name for name in ("stars", "thumb", "edit") if getattr(self, name)), "choice")


def store_feedback(dataset: Dataset, given: UserFeedback) -> Outcome:
    """Stores feedback, unless its key is stored already.

    Raises Refusal, and then nothing has changed: `closed`, `other_verdict` if the user said otherwise of the same
    answers before, IMPORTING while an import that holds one of the texts is stored or undone.
    """
    known = find_outcomes(dataset, [given])
    if given in known:
        return known[given]
    try:
        with write_turn(), transaction.atomic():
            return store_new(dataset, given)
    except IntegrityError:  # another request has stored this key meanwhile
        known = find_outcomes(dataset, [given])
        if given not in known:
            raise
        return known[given]


def store_new(dataset: Dataset, given: UserFeedback) -> Outcome:
    """Stores feedback. Raises Refusal, or IntegrityError if its key is stored already; then roll back."""
    hashes = {"body_hash": compute_hash(dataset, "body", given.body)}
    hashes["user_hash"] = compute_hash(dataset, "user", given.user)
    record = Feedback.objects.create(dataset=dataset, key=given.key, **hashes)
    if not Dataset.objects.filter(pk=dataset.pk, state__in=ACCEPTING).exists():
        raise Refusal("closed")
    prompt, _is_new = ensure_prompt(dataset, given.prompt)
    if given.edit:
        return store_edit(record, prompt, given)
    responses = ensure_responses(prompt, given.responses)
    if given.thumb:
        return store_thumb(record, prompt, responses[0], given.thumb)
    return store_vote(record, prompt, responses, given)


def find_outcomes(dataset: Dataset, several: Sequence[UserFeedback]) -> dict[UserFeedback, Outcome]:
    """The outcomes of those whose keys are stored already."""
    keys = match_values(Feedback, "key", [given.key for given in several])
    stored = dict(Feedback.objects.filter(keys, dataset=dataset).values_list("key", "body_hash"))
    return {
        given: Outcome.KNOWN if stored[given.key] == compute_hash(dataset, "body", given.body) else Outcome.CONFLICT
        for given in several
        if given.key in stored
    }


def compute_hash(dataset: Dataset, kind: str, text: str) -> str:
    """HMAC-SHA256 of a text, 64 hex digits; the key depends on SECRET_KEY, the dataset and the kind of text."""
    return salted_hmac(f"optimize.feedback.{kind}.{dataset.pk}", text, algorithm="sha256").hexdigest()


def ensure_responses(prompt: Prompt, answers: Sequence[rows.Response]) -> list[Response]:
    """The responses with these texts and sources, stored if missing.

    Stores them in the order of their texts: two transactions that store the same two do not wait for each other.
    """
    stored = {answer: ensure_response(prompt, answer.text, answer.source) for answer in sorted(answers)}
    return [stored[answer] for answer in answers]


def store_edit(record: Feedback, prompt: Prompt, given: UserFeedback) -> Outcome:
    """Stores a better answer and the vote that prefers it to the first one."""
    dataset = record.dataset
    first, *_others, edit = ensure_responses(prompt, [*given.responses, rows.Response(given.edit, Response.REPAIR)])
    roles = ("demonstration", "candidate") if dataset.ask_repairs else ("demonstration",)
    Response.objects.filter(pk=edit.pk).update(**dict.fromkeys(roles, True))
    outcome = store_vote(record, prompt, [first, edit], given)
    if dataset.ask_repairs:
        generate_for_prompts(dataset, [prompt.pk])
    return outcome


def store_vote(record: Feedback, prompt: Prompt, responses: Sequence[Response], given: UserFeedback) -> Outcome:
    """Stores a vote on these responses, in their order, with the choices and ratings that it states.

    The comparison wants one vote more, so that the queue asks for as many as before.
    """
    order = [response.pk for response in responses]
    comparison = ensure_comparison(prompt, responses)
    check_imports(prompt, *responses)
    verdict = "rate" if given.stars else "right" if given.edit else given.verdict
    said: Said = {"stars": list(given.stars)} if given.stars else {}
    name = f"user-{record.user_hash[:16]}"
    vote = Judgment.objects.filter(comparison=comparison, imported_by=name).first()
    if vote and find_winner(vote.order, vote.verdict, vote.said) != find_winner(order, verdict, said):
        raise Refusal("other_verdict", given.act)
    if vote:
        Feedback.objects.filter(pk=record.pk).update(judgment=vote)
        return Outcome.KNOWN
    vote = Judgment.objects.create(
        comparison=comparison,
        dataset=record.dataset,
        state=Judgment.State.SAVED,
        order=order,
        verdict=verdict,
        said=said,
        imported_by=name,
        decided_at=timezone.now(),
    )
    store_statements(vote)
    raise_wanted(comparison)
    Feedback.objects.filter(pk=record.pk).update(judgment=vote)
    if review.has_review(record.dataset):
        review.refresh(record.dataset, [comparison.pk])
    return Outcome.NEW


def find_winner(order: Sequence[int], verdict: str, said: Said) -> object:
    """What a verdict says, whatever the order of the responses: the id of the better one, the stars of each, or tie or
    both_bad.
    """
    if verdict == "rate":
        return dict(zip(order, said.get("stars", []), strict=False))
    return {"left": order[0], "right": order[-1]}.get(verdict, verdict)


def store_statements(vote: Judgment) -> None:
    """Stores the choices and ratings of a new vote."""
    question = stars if "stars" in vote.said else pair
    Choice.objects.bulk_create(
        Choice(judgment=vote, chosen_id=chosen, rejected_id=rejected, strength=strength, rank_gap=gap)
        for chosen, rejected, strength, gap in question.choices(vote.order, vote.verdict, vote.said)
    )
    Rating.objects.bulk_create(
        Rating(judgment=vote, response_id=response, stars=given)
        for response, given in question.ratings(vote.order, vote.said)
    )


def raise_wanted(comparison: Comparison) -> None:
    """Raises the number of votes that a locked comparison wants, by the one that it has got."""
    wanted = {"wanted": F("wanted") + 1} if comparison.wanted < MOST_WANTED else {"open_slots": F("open_slots") - 1}
    Comparison.objects.filter(pk=comparison.pk).update(**wanted)


def store_thumb(record: Feedback, prompt: Prompt, response: Response, thumb: str) -> Outcome:
    """Stores a thumb; the response is labelled as most users have it, and has no label if as many say otherwise."""
    response = Response.objects.select_for_update(no_key=True).get(pk=response.pk)
    check_imports(prompt, response)
    thumbs = Feedback.objects.filter(response=response).exclude(thumb="")
    before = thumbs.filter(user_hash=record.user_hash).values_list("thumb", flat=True).first()
    if before and before != thumb:
        raise Refusal("other_verdict", "thumb")
    Feedback.objects.filter(pk=record.pk).update(response=response, thumb=thumb)
    up, down = (
        thumbs.filter(thumb=kind).values("user_hash").distinct().count()
        for kind in (Feedback.Thumb.UP, Feedback.Thumb.DOWN)
    )
    Response.objects.filter(pk=response.pk).update(label=None if up == down else up > down)
    return Outcome.KNOWN if before else Outcome.NEW
