"""Header cells of lists that can be sorted."""

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
PAGE_KEYS = ("after", "before")  # another order begins with its first page


@register.simple_tag(takes_context=True)
def sortable(context: Context, column: str, label: Any, kind: str = "") -> SafeString:
    """A `<th>` with a link that sorts by a column and keeps the filters, and `aria-sort` if the list is sorted by it.

    The context has the order in `sorting`, see datasets/views/sorting.py; without one there is no link.

    kind: CSS class; a column that has one is largest or newest first at the first click.
    """
    css = format_html(' class="{}"', kind) if kind else ""
    order = context.get("sorting")
    if order is None:
        return format_html("<th{}>{}</th>", css, label)
    query = context["request"].GET.copy()
    for name in PAGE_KEYS:
        query.pop(name, None)
    falls = order == f"-{column}"
    query["sort"] = f"-{column}" if order == column or (kind and not falls) else column
    state = {column: "ascending", f"-{column}": "descending"}.get(order)
    sort = format_html(' aria-sort="{}"', state) if state else ""
    return format_html('<th{}{}><a href="?{}">{}</a></th>', css, sort, query.urlencode(), label)
