"""The versions of a dataset's guideline: its text and what is written of its criteria. The first that says anything is
number 1; each judgment keeps the number that it was made under (0: before there was one)."""

from django.db.models import Count

from datasets.models import Dataset, Guideline, Judgment
from datasets.text.diff import mark_differences
from datasets.text.rendered import render


def normalize_guideline(text, criteria):
    """What counts as the guideline: the text (line ends alike) and the criteria of which something is written."""
    written_criteria = [
        {"name": criterion["name"], "guideline": criterion["guideline"]}
        for criterion in criteria
        if criterion.get("guideline")
    ]
    return text.replace("\r\n", "\n"), written_criteria


def save_version(dataset, by=None):
    """Where the guideline says something else than its newest version, make another, in the caller's transaction, the
    dataset locked. (the number before, None where there was none; the new one), or None where nothing changed."""
    newest = dataset.guidelines.first()
    text, criteria = normalize_guideline(dataset.guideline, dataset.criteria)
    if (text, criteria) == (normalize_guideline(newest.text, newest.criteria) if newest else ("", [])):
        return None
    number = newest.number + 1 if newest else 1
    Guideline.objects.create(dataset=dataset, number=number, text=text, criteria=criteria, made_by=by)
    Dataset.objects.filter(pk=dataset.pk).update(guideline_number=number)
    dataset.guideline_number = number
    return newest and newest.number, number


def render_version(version):
    """A version as one text, rendered."""
    parts = [version.text, *(f"### {criterion['name']}\n\n{criterion['guideline']}" for criterion in version.criteria)]
    return render("\n\n".join(part for part in parts if part))


def render_differences(old, new):
    """The HTML of two versions, each with what the other has not marked."""
    return mark_differences([render_version(old), render_version(new)])


def count_votes_by_version(dataset):
    """{number: how many votes that stand were made here under it}; 0: before there was a version."""
    votes = Judgment.objects.votes().filter(dataset=dataset, annotator__isnull=False).order_by()
    return dict(votes.values_list("guideline").annotate(n=Count("pk")))


def find_unseen_change(dataset, user):
    """When the guideline changed, if that is later than this person's last verdict here; else None."""
    if not dataset.guideline_number:
        return None
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, state=Judgment.State.SAVED)
    last = mine.order_by("-decided_at").values_list("decided_at", flat=True).first()
    changed_at = dataset.guidelines.filter(number=dataset.guideline_number).values_list("made_at", flat=True).first()
    return changed_at if last and changed_at and changed_at > last else None
