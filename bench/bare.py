"""Baseline for the judging queue: a view that reads one joined row by key and renders the comparison template.

Settings and middleware are the product's.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from annotate.comparison_context import AnswerCard, build_button
from annotate.judging.question_spec import build_spec
from config.urls import urlpatterns as pages
from datasets.models import Judgment
from datasets.views.access import anyone


@anyone
def show_bare(request: HttpRequest, pk: int) -> HttpResponse:
    judgment = Judgment.objects.select_related("comparison__prompt", "dataset").get(pk=pk)
    asked, text = build_spec(judgment.dataset, 2), judgment.comparison.prompt.instruction
    context = {
        "dataset": judgment.dataset,
        "judgment": judgment,
        "question": "",
        "prompt": {"instruction": text},
        "answers": [AnswerCard("left", "A", text, text), AnswerCard("right", "B", text, text)],
        "buttons": [build_button(verdict, asked) for verdict in ("left", "tie", "right")],
        "minor": [build_button(verdict, asked) for verdict in ("both_bad", "skip")],
    }
    return render(request, "annotate/_comparison.html", context)


urlpatterns = [path("bare/<int:pk>/", show_bare), *pages]
