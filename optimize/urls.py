"""The URLs of models and generation."""

from django.urls import path

from optimize.views import generate, models

urlpatterns = [
    path("models/", models.model_list, name="models"),
    path("models/<str:name>/", models.model_page, name="model"),
    path("models/<str:name>/endpoint/", models.model_endpoint, name="model-endpoint"),
    path("models/<str:name>/probe/", models.model_probe, name="model-probe"),
    path("models/<str:name>/try/", models.model_try, name="model-try"),
    path("datasets/new/", generate.start_page, name="start"),
    path("datasets/<slug:slug>/generate/", generate.generate_page, name="generate"),
]
