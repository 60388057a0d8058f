from django.urls import path

from analyze import me_views, people_views, views

urlpatterns = [
    path("annotate/<slug:slug>/me/", me_views.me, name="me"),
    path("datasets/<slug:slug>/people/", people_views.annotator_list, name="annotators"),
    path("datasets/<slug:slug>/report/", views.report_page, name="report"),
    path("datasets/<slug:slug>/report/<slug:name>/", views.part_page, name="report-part"),
    path("datasets/<slug:slug>/report/<slug:name>/<slug:table>.csv", views.part_file, name="report-file"),
]
