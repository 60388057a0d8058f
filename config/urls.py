"""The URLs of all apps."""

from django.conf.urls.i18n import urlpatterns as i18n_urls
from django.contrib.auth import views as auth
from django.urls import include, path

from config.health import healthz
from config.help import help_index, help_page
from config.metrics import metrics
from config.sign_in import sign_in

urlpatterns = [
    path("", include("annotate.urls")),
    path("", include("optimize.urls")),
    path("", include("api.urls")),
    path("datasets/", include("datasets.urls")),
    path("", include("analyze.urls")),  # after the others: datasets/upload/ and datasets/new/ are no datasets
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("help/", help_index, name="help"),
    path("help/<slug:name>/", help_page, name="help-page"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("i18n/", include(i18n_urls)),
]
