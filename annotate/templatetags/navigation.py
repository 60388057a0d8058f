"""The top bar and the bar of a dataset, for templates/base.html."""

from typing import Any

from django import template
from django.template.context import RequestContext

from annotate.navigation import build_inner_tabs, build_tabs, find_section, find_tab
from datasets.models import Dataset

register = template.Library()


@register.simple_tag(takes_context=True)
def find_bar(context: RequestContext) -> dict[str, Any] | None:
    """The dataset's bar on pages that have one, for admins: {dataset, tabs, inner}."""
    request, dataset = context.get("request"), context.get("dataset")
    page = get_page(context)
    if request is None or not isinstance(dataset, Dataset) or find_tab(page) is None:
        return None
    if not getattr(request.user, "is_admin", False):
        return None
    return {"dataset": dataset, "tabs": build_tabs(dataset, page), "inner": build_inner_tabs(dataset, page)}


@register.simple_tag(takes_context=True)
def find_current_section(context: RequestContext, bar: dict[str, Any] | None) -> str:
    """The section of the top bar that holds this page."""
    return find_section(get_page(context), bar is not None)


def get_page(context: RequestContext) -> str:
    """The name of the URL of the page; "" on error pages."""
    match = getattr(context.get("request"), "resolver_match", None)
    return match.url_name or "" if match else ""
