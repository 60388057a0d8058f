"""The URLs of all apps."""

from django.conf.urls.i18n import urlpatterns as i18n_urls
from django.contrib.auth import views as auth
from django.urls import include, path

from config.health import healthz
from config.sign_in import sign_in

urlpatterns = [
    path("", include("annotate.urls")),
    path("", include("analyze.urls")),
    path("", include("optimize.urls")),
    path("", include("api.urls")),
    path("datasets/", include("datasets.urls")),
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", healthz, name="healthz"),
    path("i18n/", include(i18n_urls)),
]
