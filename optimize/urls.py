"""The URLs of models, generation, chat and policies."""

from django.urls import path

from datasets.views.moved import moved
from optimize.views import chat, chat_settings, generate, models, policy

urlpatterns = [
    path("models/", models.model_list, name="models"),
    path("models/<str:name>/", models.model_page, name="model"),
    path("models/<str:name>/endpoint/", models.model_endpoint, name="model-endpoint"),
    path("models/<str:name>/probe/", models.model_probe, name="model-probe"),
    path("models/<str:name>/try/", models.model_try, name="model-try"),
    path("chat/<slug:slug>/", chat.chat_page, name="chat"),
    path("chat/<slug:slug>/judge/", chat.judge, name="chat-judge"),
    path("chat/<slug:slug>/go-on/", chat.go_on, name="chat-go-on"),
    path("chat/<slug:slug>/undo/", chat.undo, name="chat-undo"),
    path("chat/<slug:slug>/chats/", chat.chat_list, name="chats"),
    path("datasets/<slug:slug>/chat/", chat_settings.settings_page, name="chat-settings"),
    path("datasets/<slug:slug>/policy/", policy.policy_page, name="policy"),
    path("datasets/new/", generate.start_page, name="start"),
    path("datasets/<slug:slug>/optimize/", moved("generate")),
    path("datasets/<slug:slug>/generate/", generate.generate_page, name="generate"),
]
