from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404
from django.shortcuts import render as render_template
from django.views.decorators.http import require_safe

from datasets.comparisons import flags
from datasets.comparisons.gold import may_make
from datasets.judgments import listing, outcomes, statistics, wording
from datasets.judgments.pauses import paused_here
from datasets.judgments.progress import progress, verdicts
from datasets.models import Judgment
from datasets.text.rendered import shown_prompt
from datasets.views.access import dataset_admin_required

RECORD_A_PAGE = 25
OTHERS_SHOWN = 200


@dataset_admin_required
@require_safe
def judgment_list(request, dataset):
    form = listing.JudgmentFilter(dataset, request.GET)
    context = {"form": form, "filtered": any(request.GET.get(name) for name in form.fields)}
    if form.is_valid():
        page, older = listing.page_of(form.kept(listing.acts(dataset)), before_of(request))
        context |= {"judgments": listing.described(page)} | links(request, "before", older)
    return render(request, dataset, "judgments", context, status=200 if form.is_valid() else 422)


@dataset_admin_required
@require_safe
def judgment_page(request, dataset, pk):
    """What one person saw and said, and what others said of the same comparison."""
    there = listing.with_speed(Judgment.objects.visible().filter(dataset=dataset).select_related("annotator"))
    judgment = get_object_or_404(there.select_related("comparison__prompt"), pk=pk)
    others = there.filter(comparison=judgment.comparison_id).exclude(pk=pk).order_by("decided_at", "pk")[:OTHERS_SHOWN]
    answers, others = outcomes.answers_of(judgment), listing.described(list(others), judgment.order)
    context = {
        "judgment": listing.described([judgment])[0],
        "strength": wording.strength(judgment.verdict),
        "criteria": wording.by_criteria(judgment, listing.letters_in(judgment.order), dataset.criteria),
        "reasons": wording.reasons(judgment, dataset.chips),
        "prompt": shown_prompt(judgment.comparison.prompt).html,
        "answers": answers[: len(judgment.order)],
        "written": answers[len(judgment.order) :],
        "others": outcomes.letters_of(others, judgment.order),
        "decision": next((one for one in others if one.decides), None),
        "can_be_gold": may_make(judgment),
    }
    return render(request, dataset, "judgment", context)


@dataset_admin_required
@require_safe
def record_page(request, dataset):
    """What a person, or everybody, chose and rejected."""
    person = person_in(request, "person")
    votes = Judgment.objects.votes().filter(dataset=dataset, decided_at__isnull=False)
    theirs = votes.filter(listing.by(person)) if person else votes
    page, older = listing.page_of(theirs, before_of(request), RECORD_A_PAGE)
    context = {
        "person": person,
        "numbers": statistics.numbers_of(dataset, [person])[0] if person else None,
        "record": outcomes.record(listing.described(page)),
    }
    return render(request, dataset, "record", context | links(request, "before", older))


@dataset_admin_required
@require_safe
def follow_page(request, dataset):
    days, shares = statistics.days(dataset), statistics.verdict_shares(verdicts(dataset))
    context = {
        "progress": progress(dataset),
        "votes": shares["choice"].whole,
        "verdicts": [(kind, listing.VERDICTS[kind][0], share) for kind, share in shares.items()],
        "agreement": statistics.agreement(dataset),
        "pace": statistics.pace(dataset, days),
        "days": list(zip(days.dates, days.totals, strict=True)),
        "most": max(days.totals, default=0),
        "people": [(person, n, days.people.get(person.pk)) for person, n in statistics.busiest(dataset)],
        "most_of_a_person": max((n for ns in days.people.values() for n in ns), default=0),
    }
    return render(request, dataset, "follow", context)


def render(request, dataset, name, context, status=200):
    """A page of those that look at a dataset; all of them say whether anything is flagged, and who is
    paused."""
    context |= {"dataset": dataset, "flags": flags.counts(dataset), "paused": paused_here(dataset)}
    return render_template(request, f"datasets/{name}.html", context, status=status)


def before_of(request):
    """(moment, id) before which a list goes on; None at its beginning."""
    key = request.GET.get("before")
    try:
        return listing.read_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None


def person_in(request, name):
    """The person whom a field of the address names; None where it names nobody."""
    token = request.GET.get(name)
    person = listing.person_of(token) if token else None
    if token and person is None:
        raise BadRequest(name)
    return person


def links(request, name, key):
    """The queries of the pages to go to: `more`, where the list goes on after this key, and `first`, its beginning."""
    query = request.GET.copy()
    was = query.pop(name, None)
    first = query.urlencode()
    query[name] = key or ""
    return {"more": query.urlencode() if key else None, "first": first if was else None}
