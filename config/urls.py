from django.conf.urls.i18n import urlpatterns as i18n_urls
from django.contrib.auth import views as auth
from django.urls import include, path

from config.health import healthz

urlpatterns = [
    path("", include("annotate.urls")),
    path("datasets/", include("datasets.urls")),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", healthz, name="healthz"),
    path("i18n/", include(i18n_urls)),
]
