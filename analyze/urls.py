from django.urls import path

from analyze.views import me, people, report

urlpatterns = [
    path("annotate/<slug:slug>/me/", me.me, name="me"),
    path("datasets/<slug:slug>/people/", people.annotator_list, name="annotators"),
    path("datasets/<slug:slug>/report/", report.report_page, name="report"),
    path("datasets/<slug:slug>/report/<slug:name>/", report.part_page, name="report-part"),
    path("datasets/<slug:slug>/report/<slug:name>/<slug:table>.csv", report.part_file, name="report-file"),
]
