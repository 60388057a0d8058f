"""The settings. Environment variables override them, all optional; docs/operating.md lists them."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config.private import keep_database_private, keep_private, write_privately
from config.secret import load_secret_key

write_privately()
env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "data").expanduser().resolve()
keep_private(DATA_DIR, BASE_DIR)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or load_secret_key(DATA_DIR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "axes",
    "datasets.apps.DatasetsConfig",
    "annotate.apps.AnnotateConfig",
    "analyze.apps.AnalyzeConfig",
    "optimize.apps.OptimizeConfig",
    "api.apps.ApiConfig",
]

MIDDLEWARE = [
    "config.logs.requests_logged",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.caching_forbidden",
    "csp.middleware.CSPMiddleware",
    "config.middleware.secure_cookies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "datasets.views.request_bodies.large_bodies_bounded",
    "config.middleware.preferences_applied",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.htmx_redirects_adapted",
    "config.middleware.full_disk_reported",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    }
]


def configure_database() -> dict[str, Any]:
    """The database in DATABASE_URL, by default the SQLite file in DATA_DIR, with the options that keep votes safe."""
    url = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'chosen.sqlite3'}"
    config: dict[str, Any] = env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        keep_database_private(Path(config["NAME"]))
        config["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}  # in memory, threads would not compete as in production
    config["CONN_MAX_AGE"] = 600
    config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": configure_database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "annotate.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "annotate.passwords.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "config.sign_in.Throttle"
AXES_CLIENT_IP_CALLABLE = "config.proxy.find_client_address"
AXES_CLIENT_STR_CALLABLE = "config.sign_in.format_client"
AXES_USERNAME_CALLABLE = "config.sign_in.get_tried_name"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = 5
FAILURES_OF_AN_ADDRESS = 50
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source folders: no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# Only the upload page accepts files, and it spools them itself once the user is known.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)

# Whether the web process starts a worker when there is a task; off if separate workers run.
START_WORKERS = env.bool("START_WORKERS", default=True)

# The Hub to which bundles are pushed, and the default token (needs the extra `hub`).
HF_ENDPOINT = env.str("HF_ENDPOINT", default="").rstrip("/")
HF_TOKEN = env.str("HF_TOKEN", default="").strip()

# Private networks in which a model's server may be; public addresses are always allowed.
ENDPOINT_NETS = [
    ip_network(word, strict=False)
    for word in (env.str("ENDPOINT_NETS", default="") or "127.0.0.0/8 ::1").replace(",", " ").split()
]

# Who may read /metrics: clients with the token, and those in these networks; nobody by default.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
METRICS_NETS = [
    ip_network(word, strict=False) for word in env.str("METRICS_NETS", default="").replace(",", " ").split()
]

SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = int(env.str("HSTS_SECONDS", default="") or (3600 if BEHIND_PROXY else 0))
if BEHIND_PROXY:  # the proxy terminates https, sets both headers, and drops those that a client sends
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|metrics)$"]  # requested on this machine, bypassing the proxy
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = True
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains, and
    "security.W021",  # HSTS preloading: not ours to promise for the rest of the domain
    "axes.W002",  # config.sign_in renders the page of axes' middleware, and no other page needs that
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

LOG_FORMAT = env.str("LOG_FORMAT", default="") or "plain"  # or json
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "config.logs.PlainFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "config.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "config.requests": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
        # With JSON, the request's own line has the status 404 or 403 already.
        "django.request": {"level": "ERROR" if LOG_FORMAT == "json" else "WARNING"},
    },
}
