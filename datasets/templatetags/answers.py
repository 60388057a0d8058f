"""Rendered texts in templates."""

from django import template
from django.utils.safestring import SafeString

from datasets.models import Response
from datasets.text.shown import FOLD, show_html, show_raw

register = template.Library()


@register.filter("shown")
def show(html: str, reasoning: str = "") -> SafeString:
    """Stored HTML as a page shows it. reasoning: one of Dataset.Reasoning; "" folds it."""
    return show_html(html, reasoning or FOLD)


@register.filter("raw")
def show_raw_response(response: Response) -> SafeString:
    """The raw text of a response, for admins: reasoning is folded."""
    return show_raw(response.text, response.reasoning)
