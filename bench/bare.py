"""The measure for the judging queue: a view that reads one joined row by key and renders the template of a comparison,
under the same settings and middleware."""

from django.shortcuts import render
from django.urls import path

from annotate.judging.question_spec import asked_of
from annotate.showing import Answer, button
from config.urls import urlpatterns as pages
from datasets.models import Judgment
from datasets.views.access import anyone


@anyone
def bare(request, pk):
    judgment = Judgment.objects.select_related("comparison__prompt", "dataset").get(pk=pk)
    asked, text = asked_of(judgment.dataset, 2), judgment.comparison.prompt.instruction
    context = {
        "dataset": judgment.dataset,
        "judgment": judgment,
        "question": "",
        "prompt": {"instruction": text},
        "answers": [Answer("left", "A", text, []), Answer("right", "B", text, [])],
        "buttons": [button(verdict, asked) for verdict in ("left", "tie", "right")],
        "minor": [button(verdict, asked) for verdict in ("both_bad", "skip")],
    }
    return render(request, "annotate/_comparison.html", context)


urlpatterns = [path("bare/<int:pk>/", bare), *pages]
