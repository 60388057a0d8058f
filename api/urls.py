"""The URLs of the API and of the page for its tokens."""

from django.urls import include, path, re_path

from api import endpoints, token_views

urlpatterns = [
    path("profile/tokens/", token_views.token_list, name="tokens"),
    path("profile/tokens/<int:pk>/revoke/", token_views.token_revoke, name="token-revoke"),
    path("api/v1/openapi.json", endpoints.openapi, name="api-openapi"),
    path("api/v1/", include(list(endpoints.iter_endpoints()))),
    re_path("^api/", endpoints.answer_not_found, name="api-nothing"),
]
