from django.urls import path

from datasets import views

urlpatterns = [
    path("", views.dataset_list, name="datasets"),
    path("upload/", views.upload, name="upload"),
    path("upload/<int:pk>/", views.import_page, name="import"),
    path("<slug:slug>/", views.dataset_page, name="dataset"),
    path("<slug:slug>/settings/", views.dataset_settings, name="dataset-settings"),
    path("<slug:slug>/prompts/<int:pk>/", views.prompt_page, name="prompt"),
    path("<slug:slug>/export/", views.export_page, name="exports"),
    path("<slug:slug>/export/<slug:name>/", views.export_file, name="export"),
]
