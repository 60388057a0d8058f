from django.urls import path

from analyze.views import judgments, me, overview, people, report, review
from datasets.views.moved import moved

urlpatterns = [
    path("annotate/<slug:slug>/me/", me.me, name="me"),
    path("datasets/<slug:slug>/", overview.dataset_page, name="dataset"),
    path("datasets/<slug:slug>/annotators/", people.annotator_list, name="annotators"),
    path("datasets/<slug:slug>/judgments/", judgments.judgment_list, name="judgments"),
    path("datasets/<slug:slug>/judgments.csv", judgments.judgment_file, name="judgments-file"),
    path("datasets/<slug:slug>/judgments/pairs/", judgments.record_page, name="record"),
    path("datasets/<slug:slug>/review/", review.inbox_page, name="flags"),
    path("datasets/<slug:slug>/quality/", report.report_page, name="report"),
    path("datasets/<slug:slug>/quality/<slug:name>/", report.part_page, name="report-part"),
    path("datasets/<slug:slug>/quality/<slug:name>/<slug:table>.csv", report.part_file, name="report-file"),
    path("datasets/<slug:slug>/follow/", moved("dataset")),
    path("datasets/<slug:slug>/people/", moved("annotators")),
    path("datasets/<slug:slug>/report/", moved("report")),
    path("datasets/<slug:slug>/report/<slug:name>/", moved("report-part")),
    path("datasets/<slug:slug>/report/<slug:name>/<slug:table>.csv", moved("report-file")),
]
