"""Where each page stands: the section of the top bar, the tab of a dataset's bar, the pages within a tab."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from annotate.models import Membership
from annotate.wording import Label
from datasets.judgments.progress import count_with_cache
from datasets.models import Comparison, Dataset, Judgment, Prompt


class Tab(NamedTuple):
    """A tab, or a page within one.

    page: name of the URL that it leads to. others: names of the URLs of pages below it.
    """

    key: str
    label: Label
    page: str
    others: tuple[str, ...] = ()


class Link(NamedTuple):
    """A tab as shown. n: its count; None where nothing is counted."""

    label: Label
    url: str
    n: int | None
    is_current: bool


SECTIONS = {  # of the top bar: names of the URLs outside of datasets
    "annotate": ("home", "annotate", "guideline", "history", "judged", "me", "practised", "chat", "chats"),
    "datasets": ("datasets", "upload", "start", "import", "tasks", "task"),
    "models": ("models", "model"),
    "team": ("people", "person-new", "person", "person-link", "timesheet", "hours", "log-all"),
    "help": ("help", "help-page"),
}
TABS = (
    Tab("overview", _("Overview"), "dataset", ("try",)),
    Tab("data", _("Data"), "data", ("data-bulk", "imports", "import", "prompt", "prompt-new", "prompt-edit")),
    Tab("task", _("Task"), "question", ("guidelines", "queue", "question-preview")),
    Tab("annotators", _("Annotators"), "annotators"),
    Tab("judgments", _("Judgments"), "judgments", ("judgment", "record")),
    Tab("review", _("Review"), "flags"),
    Tab("quality", _("Quality"), "report", ("report-part", "gold", "gold-one")),
    Tab("export", _("Export"), "exports", ("bundle",)),
    Tab("optimize", _("Optimize"), "generate", ("policy", "chat-settings")),
    Tab("settings", _("Settings"), "dataset-settings", ("log", "dataset-delete")),
)
INNER = {  # pages within a tab; those of Quality are the parts of the report
    "data": (
        Tab("prompts", _("Prompts"), "data", ("data-bulk", "prompt", "prompt-new", "prompt-edit")),
        Tab("imports", _("Imports"), "imports", ("import",)),
    ),
    "task": (
        Tab("question", _("Question"), "question", ("question-preview",)),
        Tab("guidelines", _("Guidelines"), "guidelines"),
        Tab("queue", _("Pairing and queue"), "queue"),
    ),
    "judgments": (
        Tab("table", _("Table"), "judgments", ("judgment",)),
        Tab("record", _("Chosen and rejected"), "record"),
    ),
    "optimize": (
        Tab("generate", _("Generate"), "generate"),
        Tab("policy", _("Policy"), "policy"),
        Tab("chat", _("Chat"), "chat-settings"),
    ),
    "settings": (
        Tab("general", _("General"), "dataset-settings", ("dataset-delete",)),
        Tab("log", _("Activity log"), "log"),
    ),
}


def count_to_review(dataset: Dataset) -> int:
    """The number of comparisons that are flagged or wait for a reviewer."""
    return Comparison.objects.filter(Comparison.WAITING, dataset=dataset).count()


COUNTS: dict[str, Callable[[Dataset], int]] = {
    "data": lambda dataset: Prompt.objects.visible().filter(dataset=dataset).count(),
    "annotators": lambda dataset: (
        dataset.annotators.count() or Membership.objects.filter(dataset=dataset, judged__gt=0).count()
    ),
    "judgments": lambda dataset: Judgment.objects.votes().filter(dataset=dataset).count(),
    "review": count_to_review,
}


def find_section(page: str, has_dataset_bar: bool) -> str:
    """The section of the top bar to which a page belongs; "" for none.

    page: name of its URL.
    """
    if has_dataset_bar:
        return "datasets"
    return next((section for section, pages in SECTIONS.items() if page in pages), "")


def find_tab(page: str) -> Tab | None:
    """The tab of a dataset's bar to which a page belongs. page: name of its URL."""
    return next((tab for tab in TABS if page in (tab.page, *tab.others)), None)


def build_tabs(dataset: Dataset, page: str) -> list[Link]:
    """All tabs of a dataset, always in the same order, with their counts. page: name of the URL shown."""
    counts = {
        key: count_with_cache(f"tab-{key}-{dataset.pk}", partial(count, dataset)) for key, count in COUNTS.items()
    }
    return [build_link(dataset, tab, page, counts.get(tab.key)) for tab in TABS]


def build_inner_tabs(dataset: Dataset, page: str) -> list[Link]:
    """The pages within the current tab; empty if it has one only. page: name of the URL shown."""
    tab = find_tab(page)
    return [build_link(dataset, inner, page) for inner in INNER.get(tab.key if tab else "", ())]


def build_link(dataset: Dataset, tab: Tab, page: str, count: int | None = None) -> Link:
    return Link(tab.label, reverse(tab.page, args=[dataset.slug]), count, page in (tab.page, *tab.others))
