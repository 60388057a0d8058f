"""Task templates: ready-made annotation tasks that an admin can start from, one module each, discovered at runtime.

A module of this package that defines TEXTS is a template; the module's name is the template's name. It holds data only:

    LABEL     its display name
    SUMMARY   one sentence: what it asks, and when to use it
    ORDER     its place in the list
    SETTINGS  {field of annotate.question_forms.QuestionForm: value}, without criteria and chips
    TEXTS     {language code: Texts}

annotate/task_setup.py applies a template to a dataset.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True)
class Texts:
    """The texts of a template in one language.

    criteria: (name, guideline on one line). chips: the reasons offered. guidelines: Markdown.
    """

    criteria: tuple[tuple[str, str], ...]
    chips: tuple[str, ...]
    guidelines: str


@dataclass(frozen=True)
class TaskTemplate:
    """A template as its module defines it."""

    name: str
    label: str | Promise
    summary: str | Promise
    order: int
    settings: Mapping[str, Any]
    texts: Mapping[str, Texts]


class UnknownTemplate(LookupError):
    """There is no template of this name, or none in this language. Its text lists what there is."""


@functools.cache
def load_templates() -> dict[str, TaskTemplate]:
    """{name: template}, in the order in which they are listed."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules: dict[str, Any] = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    templates = [
        TaskTemplate(name, module.LABEL, module.SUMMARY, module.ORDER, module.SETTINGS, module.TEXTS)
        for name, module in modules.items()
        if hasattr(module, "TEXTS")
    ]
    return {template.name: template for template in sorted(templates, key=lambda one: (one.order, one.name))}


def list_templates() -> list[TaskTemplate]:
    """All templates, in order."""
    return list(load_templates().values())


def find_template(name: str) -> TaskTemplate:
    """The template of this name. Raises UnknownTemplate."""
    if name not in load_templates():
        raise UnknownTemplate(f"There is no task template {name}. There are: {', '.join(load_templates())}")
    return load_templates()[name]


def find_texts(template: TaskTemplate, language: str) -> Texts:
    """The texts of a template in a language, by its code. Raises UnknownTemplate."""
    if language not in template.texts:
        known = ", ".join(template.texts)
        raise UnknownTemplate(f"The task template {template.name} is not there in {language}. It is in: {known}")
    return template.texts[language]
