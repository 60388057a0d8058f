"""Parts of the OpenAPI document that do not follow from types: filters, generated from their forms, and files."""

from typing import Any

from django import forms
from django.utils.translation import override

from api.schemas import ProblemOut
from datasets.bundles.forms import BundleForm
from datasets.exports.forms import FileForm, FilterForm
from datasets.files.writers import CONTENT_TYPES

ACCESS_RESPONSES = {401: ProblemOut, 403: ProblemOut, 404: ProblemOut}
REFUSAL_RESPONSES = {**ACCESS_RESPONSES, 422: ProblemOut}


def build_parameters(*kinds: type[forms.Form]) -> list[dict[str, Any]]:
    """The fields of forms as query parameters."""
    with override("en"):
        return [
            {
                "in": "query",
                "name": name.replace("_", "-"),
                "required": False,
                "description": str(field.label),
                "schema": build_schema(field),
            }
            for kind in kinds
            for name, field in kind.base_fields.items()
        ]


def build_schema(field: forms.Field) -> dict[str, Any]:
    """The JSON schema of a form field."""
    limits = {"min_value": "minimum", "max_value": "maximum"}
    bounds = {word: getattr(field, name) for name, word in limits.items() if getattr(field, name, None) is not None}
    if isinstance(field, forms.FloatField):
        return {"type": "number", **bounds}
    if isinstance(field, forms.IntegerField):
        return {"type": "integer", **bounds}
    if isinstance(field.widget, forms.SelectMultiple):
        return {"type": "array", "items": build_choices_schema(field)}
    return build_choices_schema(field)


def build_choices_schema(field: forms.Field) -> dict[str, Any]:
    values = [value for value, _label in getattr(field, "choices", ()) if value]
    return {"type": "string", **({"enum": values} if values else {})}


def build_content(*types: str) -> dict[str, Any]:
    """The `content` of a response or body that is a file. types: content types, parameters dropped."""
    return {name.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for name in types}


EXPORT = {
    "parameters": build_parameters(FilterForm, FileForm),
    "responses": {200: {"content": build_content(*CONTENT_TYPES.values())}},
}
BUNDLE = {"parameters": build_parameters(FilterForm, BundleForm)}
ARCHIVE = {"responses": {200: {"content": build_content("application/zip")}}}
CHOICE = {"enum": [0, 1, "tie", "both_bad"], "description": "Which of two responses is better"}
TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
FEEDBACK_ITEM: dict[str, Any] = {
    "type": "object",
    "description": "With one of choice, stars, thumb and edit: docs/api.md",
    "additionalProperties": False,
    "required": ["key", "user", "messages", "responses"],
    "properties": {
        "key": TEXT | {"maxLength": 200, "description": "Yours; the same key again stores nothing new"},
        "user": TEXT | {"maxLength": 200, "description": "Your id of the user; stored only hashed"},
        "system": {"type": "string"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {"role": {"enum": ["system", "user", "assistant"]}, "content": {"type": "string"}},
            },
        },
        "responses": {"type": "array", "minItems": 1, "maxItems": 2, "items": TEXT},
        "sources": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "maxLength": 200}},
        "choice": CHOICE,
        "stars": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"enum": [1, 2, 3, 4, 5]}},
        "thumb": {"enum": ["up", "down"], "description": "Of one response: its label"},
        "edit": TEXT | {"description": "A better text than the first response"},
    },
}
FEEDBACK = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [FEEDBACK_ITEM, {"type": "array", "maxItems": 1000, "items": FEEDBACK_ITEM}]}
            }
        },
    }
}
ROWS = {
    "requestBody": {
        "required": True,
        "description": "JSON Lines, a JSON array, CSV or TSV, also gzipped: docs/formats.md. The type is told by the "
        "content, whatever the header says; only a form with a file in it is refused.",
        "content": build_content("application/x-ndjson", "application/json", "text/csv", "application/gzip"),
    }
}
