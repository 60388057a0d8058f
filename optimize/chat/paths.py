"""The chats of a dataset for an export, by the answers with which they went on."""

from django.db.models import OuterRef, QuerySet, Subquery

from datasets.exports.conversations import Path
from datasets.models import Dataset
from optimize.models import Chat, Turn


def list_paths(dataset: Dataset) -> QuerySet[Chat, Path]:
    """The chats of a dataset by id, as values: its id, and the prompt and the answer of the last turn with a chosen
    answer, None without one.
    """
    last = Turn.objects.filter(chat=OuterRef("pk")).exclude(chosen=None).order_by("-number")
    chats = Chat.objects.filter(dataset=dataset).order_by("pk")
    chats = chats.annotate(said=Subquery(last.values("prompt")[:1]), answer=Subquery(last.values("chosen")[:1]))
    return chats.values_list("pk", "said", "answer")
