"""All settings, one flat file; every value comes from the environment (see .env.example).

Two ways to run: a real installation says where everything is; the embedded one
(`FLEETUI_EMBEDDED=1`, set by `./fleet`) needs no other variable and keeps its data in one folder.
"""

from __future__ import annotations

from pathlib import Path

from celery.schedules import schedule
from csp.constants import NONE, SELF
from django.contrib.messages import constants as message_levels
from django.core.exceptions import ImproperlyConfigured

from fleetui.env import Environment, kept_secret
from fleetui.logs import logging_config
from fleetui.openid import provider_from

# --- Where we are ---------------------------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

EMBEDDED: bool = env.bool("FLEETUI_EMBEDDED", default=False)
DEBUG: bool = env.bool("DEBUG", default=False)
DATA_FOLDER = Path(env.str("FLEETUI_DATA", default=str(BASE_DIR / ".data"))).resolve()
if EMBEDDED:
    DATA_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)

# Bare clones of the fleets' repositories; each worker keeps its own below this folder.
REPOSITORIES_FOLDER = DATA_FOLDER / "repositories"
# A fleet whose address is a folder of this machine: for the embedded installation only, as it
# would let an administrator of the product read the server's own files.
FLEETUI_ALLOW_LOCAL_REPOSITORIES: bool = env.bool(
    "FLEETUI_ALLOW_LOCAL_REPOSITORIES", default=EMBEDDED
)
# The Helm that renders a fleet's own charts for plans: a name on PATH, or a path; empty for none.
HELM_COMMAND: str = env.str("FLEETUI_HELM", default="helm")

# --- Who may talk to us ---------------------------------------------------------------------

SECRET_KEY = (
    kept_secret(DATA_FOLDER / "secret-key")
    if EMBEDDED and "SECRET_KEY" not in env
    else env.str("SECRET_KEY")
)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS: list[str] = (
    env.list("ALLOWED_HOSTS", default=LOOPBACK) if EMBEDDED else env.list("ALLOWED_HOSTS")
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Under which people reach the pages: what is written elsewhere, as on a forge, links to it.
PUBLIC_URL: str = env.web_address("PUBLIC_URL")

# --- Telling people -------------------------------------------------------------------------

# Without a mail server nobody is asked whether they want e-mail, and none is sent.
EMAIL_HOST: str = env.str("EMAIL_HOST", default="")
EMAIL_PORT: int = env.int("EMAIL_PORT", default=587)
EMAIL_HOST_USER: str = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD: str = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS: bool = env.bool("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL: str = env.str("EMAIL_FROM", default="fleet-ui@localhost")
# Host names inside a private network that webhooks may nevertheless be sent to.
WEBHOOK_INSIDE_HOSTS: list[str] = env.list("WEBHOOK_INSIDE_HOSTS", default=[])
# An authority of one's own that vouches for webhooks' receivers; empty for the public ones.
WEBHOOK_CA_FILE: str = env.str("WEBHOOK_CA_FILE", default="")

# --- Applications ---------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "django_structlog",
    "lucide",
    "onboarding",
]

MIDDLEWARE = [
    "fleetui.health.ProbeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "onboarding.views.signed_in.SignedInMiddleware",
    "onboarding.views.interruptions.InterruptionMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]

ROOT_URLCONF = "fleetui.urls"
ASGI_APPLICATION = "fleetui.asgi.application"
WSGI_APPLICATION = "fleetui.wsgi.application"

# --- Database -------------------------------------------------------------------------------

DATABASE_DEFAULT = f"sqlite:///{DATA_FOLDER / 'fleetui.sqlite3'}" if EMBEDDED else env.NOTSET
DATABASES = {"default": env.db_url("DATABASE_URL", default=DATABASE_DEFAULT)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for the writer (WAL), and a transaction takes the write lock when it
    # begins instead of failing in the middle (IMMEDIATE).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A process that stops in the midst of a transaction holds what it locked, the trail's end for
    # one: the server ends it, and the others go on. Nothing of ours waits for the world in there.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", "-c idle_in_transaction_session_timeout=15s"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Background work ------------------------------------------------------------------------

# The database row is the truth and the queue; a message only wakes a worker. So a message that is
# lost, late or doubled does no harm, and results are not kept.
REDIS_URL: str = env.str("REDIS_URL", default="memory://" if EMBEDDED else env.NOTSET)

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 900,  # longer than the longest task
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "retry_on_timeout": True,
    }
    if REDIS_URL.startswith("redis")
    else {}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker outlives any absence of the broker
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_max": 0.5}
CELERY_TASK_IGNORE_RESULT = True
# Taken when it is heard: what a lost worker had heard, the sweep finds in the rows. A message that is
# kept until the work is done would be given back to a broker that is gone; a worker can die of that.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_FOLDER / "beat-schedule")
# A wake-up that nobody took before the next one comes is worth nothing: it expires.
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "onboarding.sweep",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "refresh-standings": {
        "task": "onboarding.refresh_standings",
        "schedule": schedule(run_every=2),
        "options": {"expires": 2},
    },
    "lead-offboardings": {
        "task": "onboarding.lead_offboardings",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "check-bulks": {
        "task": "onboarding.check_bulks",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "send-notices": {
        "task": "onboarding.send_notices",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "end-pauses": {
        "task": "onboarding.end_pauses",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "lead-rollouts": {
        "task": "onboarding.lead_rollouts",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "lead-moves": {
        "task": "onboarding.lead_moves",
        "schedule": schedule(run_every=5),
        "options": {"expires": 5},
    },
    "refresh-fleets": {
        "task": "onboarding.refresh_fleets",
        "schedule": schedule(run_every=30),
        "options": {"expires": 30},
    },
}

# --- Templates ------------------------------------------------------------------------------

TEMPLATE_LOADERS: list[object] = [
    "django_cotton.cotton_loader.Loader",
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
if not DEBUG:
    TEMPLATE_LOADERS = [("django.template.loaders.cached.Loader", TEMPLATE_LOADERS)]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": TEMPLATE_LOADERS,
            "builtins": [
                "django.templatetags.static",
                "django_cotton.templatetags.cotton",
                "lucide.templatetags.lucide",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "onboarding.views.frame.frame",
            ],
        },
    }
]
MESSAGE_TAGS = {message_levels.DEBUG: "secondary", message_levels.ERROR: "danger"}  # Bootstrap's

# --- Static files ---------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("FLEETUI_STATIC", default=str(DATA_FOLDER / "static"))).resolve()
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Signing in -----------------------------------------------------------------------------

# An identity provider (OpenID Connect), local accounts with passwords, or both.
OPENID = provider_from(env)
LOCAL_ACCOUNTS: bool = env.bool("LOCAL_ACCOUNTS", default=True)
if OPENID is None and not LOCAL_ACCOUNTS:
    raise ImproperlyConfigured("LOCAL_ACCOUNTS=0 needs OIDC_ISSUER: nobody could sign in.")
# An account counts only while its way of signing in does.
AUTHENTICATION_BACKENDS = [
    *(["django.contrib.auth.backends.ModelBackend"] if LOCAL_ACCOUNTS else []),
    *(["onboarding.views.signed_in.ProviderBackend"] if OPENID else []),
]
# Sessions end when nobody used them for so long, and so long after they began.
SESSION_IDLE_MINUTES: int = env.int("SESSION_IDLE_MINUTES", default=120)
SESSION_HOURS: int = env.int("SESSION_HOURS", default=12)
# Whose word for a visitor's address (X-Forwarded-For) counts: the proxies in front, as networks.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Pages ----------------------------------------------------------------------------------

# How long what was counted of a fleet is kept while nothing moves in it; 0 counts for each page.
COUNTS_KEPT_SECONDS = 30

# --- Security -------------------------------------------------------------------------------

# The embedded installation serves plain HTTP on the loopback address; everything else is HTTPS.
HTTPS: bool = env.bool("FLEETUI_HTTPS", default=not EMBEDDED)
SECURE_SSL_REDIRECT = HTTPS
# What a monitoring system presents at /metrics, which does not exist without it; it is scraped
# beside the proxy that ends TLS.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]
SECURE_HSTS_SECONDS: int = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How often one service token may ask the API, counted by each process for itself.
API_REQUESTS_PER_MINUTE: int = env.int("API_REQUESTS_PER_MINUTE", default=600)
SECURE_REFERRER_POLICY = "same-origin"
# No other host of the domain can set a cookie of such a name (and a browser takes it by https only).
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}fleetui_session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = SESSION_HOURS * 60 * 60
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}fleetui_csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "onboarding.views.interruptions.csrf_failure"
# So many clusters as one file may have can be ticked at once, beside what is asked of them.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4_000
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # the style sheet draws its check marks and arrows by data:
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SILENCED_SYSTEM_CHECKS = [
    # Both would bind other hosts of the domain, of which this installation knows nothing.
    "security.W005",  # HSTS for all subdomains
    "security.W021",  # HSTS preload list
]

# --- Language and time ----------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs -----------------------------------------------------------------------------------

LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO").upper())
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# --- The last: it needs to have seen all others -----------------------------------------------

# What no fleet and no hub may name as a file of its own: it would be sent to an address of theirs.
OWN_SECRET_FILES: list[str] = [*env.own_files(), str(DATA_FOLDER / "secret-key")]
