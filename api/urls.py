"""The URLs of the API, of the page for its tokens, and of policies as OpenAI's chat API."""

from django.urls import include, path, re_path

from api import chat_completions, endpoints, token_views

urlpatterns = [
    path("profile/tokens/", token_views.token_list, name="tokens"),
    path("profile/tokens/<int:pk>/revoke/", token_views.token_revoke, name="token-revoke"),
    path("v1/models", chat_completions.models, name="v1-models"),
    path("v1/chat/completions", chat_completions.chat_completions, name="v1-chat"),
    path("api/v1/openapi.json", endpoints.openapi, name="api-openapi"),
    path("api/v1/", include(list(endpoints.iter_endpoints()))),
    re_path("^api/", endpoints.answer_not_found, name="api-nothing"),
]
