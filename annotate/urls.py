from django.urls import path

from annotate import views

urlpatterns = [
    path("", views.home, name="home"),
    path("annotate/<slug:slug>/", views.annotate, name="annotate"),
    path("annotate/<slug:slug>/undo/", views.undo_last, name="undo"),
]
