from django.urls import path

from datasets import editing_views, export_views, flag_views, following_views, import_views, job_views, views

urlpatterns = [
    path("", views.dataset_list, name="datasets"),
    path("upload/", import_views.upload, name="upload"),
    path("new/render/", editing_views.rendered, name="rendered"),
    path("upload/tasks/", job_views.job_list, name="tasks"),
    path("upload/tasks/<int:pk>/", job_views.job_page, name="task"),
    path("upload/<int:pk>/", import_views.import_page, name="import"),
    path("<slug:slug>/", views.dataset_page, name="dataset"),
    path("<slug:slug>/settings/", views.dataset_settings, name="dataset-settings"),
    path("<slug:slug>/imports/", import_views.import_list, name="imports"),
    path("<slug:slug>/delete/", views.dataset_delete, name="dataset-delete"),
    path("<slug:slug>/prompts/new/", editing_views.prompt_new, name="prompt-new"),
    path("<slug:slug>/prompts/<int:pk>/edit/", editing_views.prompt_edit, name="prompt-edit"),
    path("<slug:slug>/prompts/<int:pk>/", views.prompt_page, name="prompt"),
    path("<slug:slug>/follow/", following_views.follow_page, name="follow"),
    path("<slug:slug>/judgments/", following_views.judgment_list, name="judgments"),
    path("<slug:slug>/judgments/<int:pk>/", following_views.judgment_page, name="judgment"),
    path("<slug:slug>/people/", following_views.annotator_list, name="annotators"),
    path("<slug:slug>/people/record/", following_views.record_page, name="record"),
    path("<slug:slug>/flags/", flag_views.flag_list, name="flags"),
    path("<slug:slug>/export/", export_views.export_page, name="exports"),
    path("<slug:slug>/export/<slug:name>/", export_views.export_file, name="export"),
    path("<slug:slug>/bundles/", export_views.bundle_make, name="bundles"),
    path("<slug:slug>/bundles/<int:number>/", export_views.bundle_page, name="bundle"),
    path("<slug:slug>/bundles/<int:number>/archive/", export_views.bundle_file, name="bundle-file"),
]
