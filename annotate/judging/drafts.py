"""Drafts: what a person has filled in and not sent yet. Kept on the judgment's row until the verdict, in no export."""

from collections.abc import Mapping

from django.http import QueryDict

from annotate.models import User
from datasets.db.write_lock import batch_transaction, write_turn
from datasets.models import Dataset, Judgment

HELD = (Judgment.State.LEASED, Judgment.State.REOPENED)


def keep_draft(
    user: User, dataset: Dataset, judgment: int, revision: int, entries: Mapping[str, list[str]], at: int
) -> bool:
    """Keeps what is filled in of a judgment that the person holds, in place of the previous draft. Whether it did.

    judgment: its id. entries: values by name of a field, as posted. at: when, in ms since 1970, by the browser's clock.
    """
    mine = Judgment.objects.filter(pk=judgment, annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    draft = {"revision": revision, "at": at, "entries": entries}
    with write_turn(), batch_transaction():
        return bool(mine.filter(state__in=HELD, revision=revision).update(draft=draft))


def read_draft(judgment: Judgment) -> QueryDict | None:
    """The draft as a form would post it; None if there is none for this revision."""
    draft = judgment.draft
    if not draft or draft["revision"] != judgment.revision:
        return None
    data = QueryDict(mutable=True)
    for name, values in draft["entries"].items():
        data.setlist(name, values)
    return data
