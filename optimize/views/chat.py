"""The chat page: say something, judge the answers, go on. Plain forms; htmx only looks whether answers are there."""

import secrets
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging.forms import JudgmentForm, VerdictForm, check_text, restore_newlines
from annotate.judging.question_spec import QuestionSpec, build_spec
from annotate.questions import FLAG
from annotate.queue.fast_path import MAX_ID
from annotate.queue.lease import is_practice_due
from annotate.views.judge import count_judged, format_judged
from annotate.wording import format_verdict
from datasets.db.turns import in_turn
from datasets.judgments import wording
from datasets.models import Dataset, Judgment, Response
from datasets.text.rendered import get_html
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, annotator_required
from optimize import reasons
from optimize.chat import talks
from optimize.chat.deletion import delete_chat
from optimize.chat.verdicts import is_decided
from optimize.models import Chat, ChatSettings, Turn

PAGE_SIZE = 50
KEY_LENGTH = 40


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def chat_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """GET: the person's chat, `?new` an empty one, `?chat=KEY` one of theirs. POST: says something."""
    if request.htmx:
        return answer_poll(request, dataset)
    settings = find_settings_or_404(dataset)
    if request.method == "POST":
        return post_message(request, settings)
    if is_practice_due(request.user, dataset):
        return redirect("practice", dataset.slug)
    return show_chat(request, settings, find_requested_chat(request, dataset))


def answer_poll(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """What a waiting page asks every now and then: nothing, or to load the page again."""
    answer = HttpResponse(status=204)
    if not talks.is_waiting(request.user, dataset, clean_key(request.GET.get("chat", ""))):
        answer["HX-Refresh"] = "true"
    return answer


def post_message(request: UserRequest, settings: ChatSettings) -> HttpResponse:
    """Says what the form holds; if that is not possible, shows the page with the text kept."""
    check_text(request.POST)
    text, key = restore_newlines(request.POST.get("text", "")), clean_key(request.POST.get("key", ""))
    try:
        number = parse_number(request.POST.get("number", "")) or 1
        talks.say(request.user, settings, key or draw_key(), number, text)
    except talks.CannotChat as why:
        messages.error(request, str(reasons.CHAT[why.reason]))
        chat = talks.find_chat(request.user, settings.dataset, key) if key else None
        return show_chat(request, settings, chat, text=text, status=422)
    return redirect_to_chat(request, settings.dataset, key)


@in_turn
@annotator_required
@never_cache
def judge(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Saves the verdict on the answers of a turn."""
    settings, turn = find_settings_or_404(dataset), find_judged_turn(request, dataset)
    if request.method != "POST" or turn is None or turn.judgment is None:
        return redirect("chat", dataset.slug)
    form = VerdictForm(dataset, build_chat_spec(turn.judgment), request.POST, turn.judgment.order)
    if not form.is_valid():
        return show_chat(request, settings, turn.chat, form=form, status=422)
    talks.judge(turn, settings, form.cleaned_data["revision"], form.submission)
    return redirect_to_chat(request, dataset, turn.chat.key)


@in_turn
@annotator_required
@never_cache
def go_on(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """After "both bad": stores a better answer, or asks again (`again`); after a failure, asks again."""
    settings, turn = find_settings_or_404(dataset), find_posted_turn(request, dataset)
    if request.method != "POST" or turn is None:
        return redirect("chat", dataset.slug)
    check_text(request.POST)
    text = restore_newlines(request.POST.get("text", ""))
    try:
        if "again" in request.POST:
            talks.ask_again(turn)
        else:
            talks.write_better(turn, parse_number(request.POST.get("revision", "")), text)
    except talks.CannotChat as why:
        messages.error(request, str(reasons.CHAT[why.reason]))
        return show_chat(request, settings, turn.chat, text=text, status=422)
    return redirect_to_chat(request, dataset, turn.chat.key)


@in_turn
@annotator_required
@never_cache
def undo(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Reopens the verdict on the last turn."""
    find_settings_or_404(dataset)
    form, turn = JudgmentForm(request.POST), find_judged_turn(request, dataset)
    if request.method != "POST" or turn is None or not form.is_valid():
        return redirect("chat", dataset.slug)
    talks.undo_verdict(turn, form.cleaned_data["revision"])
    return redirect_to_chat(request, dataset, turn.chat.key)


@annotator_required
@never_cache
def chat_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The person's chats in this dataset. POST `key` and `act`: ends or deletes one."""
    find_settings_or_404(dataset)
    mine = Chat.objects.filter(user=request.user, dataset=dataset)
    if request.method == "POST":
        chat = mine.filter(key=clean_key(request.POST.get("key", ""))).first()
        if chat is not None and request.POST.get("act") == "end":
            talks.end_chat(chat)
            return redirect(build_address(dataset, chat.key))
        if chat is not None and request.POST.get("act") == "delete":
            delete_chat(chat)
            messages.success(request, _("Chat deleted."))
        return redirect("chats", dataset.slug)
    before = parse_number(request.GET.get("before", ""))
    page = mine.filter(pk__lt=before) if before else mine
    chats = list(page.annotate(count=Count("turns")).order_by("-pk")[:PAGE_SIZE])
    first = {turn.chat_id: turn for turn in Turn.objects.filter(chat__in=chats, number=1).select_related("prompt")}
    context = {
        "dataset": dataset,
        "chats": [(chat, first[chat.pk].prompt.instruction if chat.pk in first else "…", chat.count) for chat in chats],
        "older": chats[-1].pk if len(chats) == PAGE_SIZE else None,
    }
    return render(request, "optimize/chats.html", context)


def find_settings_or_404(dataset: Dataset) -> ChatSettings:
    """The settings of the dataset's chat. Raises Http404 if it has none."""
    settings = talks.find_settings(dataset)
    if settings is None:
        raise Http404
    settings.dataset = dataset
    return settings


def find_requested_chat(request: UserRequest, dataset: Dataset) -> Chat | None:
    """The chat that the address names; None for an empty one. Raises Http404 if it is not the person's own."""
    if "new" in request.GET:
        return None
    key = clean_key(request.GET.get("chat", ""))
    chat = talks.find_chat(request.user, dataset, key)
    if key and chat is None:
        raise Http404
    return chat


def find_judged_turn(request: UserRequest, dataset: Dataset) -> Turn | None:
    """The person's turn with the posted judgment; of several the one that waits for a verdict, else the newest."""
    form = JudgmentForm(request.POST)
    if not form.is_valid() or form.cleaned_data["judgment"] > MAX_ID:
        return None
    mine = Turn.objects.filter(judgment=form.cleaned_data["judgment"], chat__user=request.user, chat__dataset=dataset)
    turns = mine.select_related("chat__user", "chat__dataset", "judgment__dataset", "judgment__comparison")
    return min(turns, key=lambda turn: (turn.state != Turn.State.ANSWERED, -turn.pk), default=None)


def find_posted_turn(request: UserRequest, dataset: Dataset) -> Turn | None:
    """The person's turn that the form names."""
    mine = Turn.objects.filter(chat__user=request.user, chat__dataset=dataset)
    related = ("chat__user", "chat__dataset", "judgment__dataset", "judgment__comparison")
    return mine.select_related(*related).filter(pk=parse_number(request.POST.get("turn", ""))).first()


def redirect_to_chat(request: UserRequest, dataset: Dataset, key: str) -> HttpResponse:
    """To the page that shows this chat."""
    current = talks.find_chat(request.user, dataset)
    return redirect(build_address(dataset, "" if current and current.key == key else key))


def build_address(dataset: Dataset, key: str) -> str:
    """The address of a chat; without a key of the current one."""
    return reverse("chat", args=[dataset.slug]) + (f"?chat={key}" if key else "")


def clean_key(text: str) -> str:
    """A key as it may be looked up."""
    return text.replace("\0", "")[:KEY_LENGTH]


def parse_number(text: str) -> int:
    """A number of at most 18 digits; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def draw_key() -> str:
    """A new chat's key."""
    return secrets.token_urlsafe(16)


def build_chat_spec(judgment: Judgment) -> QuestionSpec:
    """What a chat asks about its answers: the dataset's question, without flags."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    return replace(spec, verdicts=tuple(verdict for verdict in spec.verdicts if verdict != FLAG))


def show_chat(
    request: UserRequest,
    settings: ChatSettings,
    chat: Chat | None,
    form: VerdictForm | None = None,
    text: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page of a chat.

    chat: None for an empty one. form: a refused verdict. text: to be kept in the text area.
    """
    dataset = settings.dataset
    if chat is not None:
        chat.dataset = dataset
    turn = talks.find_last_turn(chat) if chat else None
    if turn is not None:
        turn = talks.update_turn(turn)
    is_waiting = turn is not None and turn.state == Turn.State.ASKED
    context: dict[str, Any] = {
        "dataset": dataset,
        "settings": settings,
        "chat": chat,
        "turn": turn,
        "text": text,
        "key": chat.key if chat else draw_key(),
        "number": turn.number + 1 if turn else 1,
        "judged": format_judged(count_judged(request.user, dataset)),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
        "is_waiting": is_waiting,
    }
    if turn is not None and turn.state == Turn.State.ANSWERED and turn.judgment:
        judgment, differing = turn.judgment, "differences" in request.GET
        context |= build_comparison_context(judgment, form, differing, build_chat_spec(judgment))
        context |= {"action": reverse("chat-judge", args=[dataset.slug]), "flags": None}
        return render(request, "optimize/chat_compare.html", context, status=status)
    if turn is not None:
        context |= describe_turn(turn, settings)
    return render(request, "optimize/chat.html", context, status=status)


def describe_turn(turn: Turn, settings: ChatSettings) -> dict[str, Any]:
    """The chat up to its last turn, and how it stands."""
    prompt, answers = get_html(turn.prompt_id, [turn.chosen_id] if turn.chosen_id else [])
    said = [(role, html) for role, html in prompt["turns"]]
    said.append(("user", prompt["instruction"]))
    said += [("assistant", answer.html) for answer in answers]
    judgment = turn.judgment
    bad = talks.needs_better(turn) and judgment is not None
    bad_answers = get_html(turn.prompt_id, judgment.order)[1] if bad and judgment else []
    return {
        "said": said,
        "note": explain_choice(turn) if turn.state == Turn.State.OVER else "",
        "needs_better": bad,
        "bad": [answer.html for answer in bad_answers],
        "failed": turn.state == Turn.State.FAILED,
        "why": str(reasons.FAILED.get(turn.error) or reasons.MODEL.get(turn.error) or ""),
        "may_undo": judgment is not None and judgment.state == Judgment.State.SAVED and not turn.chat.is_over,
        "names": list_names(turn.chat) if turn.chat.is_over and settings.show_names else [],
    }


def explain_choice(turn: Turn) -> str:
    """Why the chat goes on with this answer, where the verdict alone does not say it."""
    judgment = turn.judgment
    if judgment is None:
        return _("The answers were identical, so there was nothing to choose.")
    letters = dict(zip(judgment.order, wording.LETTERS, strict=False))
    letter = letters.get(turn.chosen_id or 0, "")
    if judgment.decided_at and judgment.decided_at < turn.said_at:
        verdict = format_verdict(judgment.verdict)
        return _("You judged these answers before: %(verdict)s. The chat continues from there.") % {"verdict": verdict}
    if len(judgment.order) > 1 and letter and not is_decided(judgment):
        return _("Tie. The chat continues with answer %(letter)s.") % {"letter": letter}
    return ""


def list_names(chat: Chat) -> list[list[tuple[str, str, bool]]]:
    """For each turn of a chat its answers: (letter, source, whether the chat went on with it)."""
    turns = list(chat.turns.select_related("judgment").order_by("number"))
    orders = [turn.judgment.order if turn.judgment else [turn.chosen_id] if turn.chosen_id else [] for turn in turns]
    shown = Response.objects.filter(pk__in={pk for order in orders for pk in order})
    sources = dict(shown.values_list("pk", "source"))
    return [
        [
            (letter, sources.get(pk, ""), pk == turn.chosen_id)
            for letter, pk in zip(wording.LETTERS, order, strict=False)
        ]
        for turn, order in zip(turns, orders, strict=True)
    ]
