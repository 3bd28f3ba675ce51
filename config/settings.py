"""Django's settings, all from the environment (config/env.py); the README has a table of the variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from config import places, request_limits
from config.env import Environment, is_loopback
from config.logs import build_logging_config
from config.secrets import Secrets, make_private_folder

env = Environment(os.environ)
VERSION = places.read_version()

# Mode and places

KEYWARD_MODE = env.choice("KEYWARD_MODE", "demo", ("demo", "production"))
PRODUCTION = env.production = KEYWARD_MODE == "production"
VAR = Path(env.text("KEYWARD_VAR", str(places.get_default_var()))).absolute()
with env.reporting():
    make_private_folder(VAR)
DEMO_PASSWORD = env.matching("KEYWARD_DEMO_PASSWORD", "", r".{10,128}", "10 to 128 characters", secret=True)
if PRODUCTION and DEMO_PASSWORD:
    env.report("KEYWARD_DEMO_PASSWORD is set: production has no demo, and must not be given its password.")
env.allow("KEYWARD_PASSWORD")
# Read before the settings are (config/environment_file.py).
env.allow("KEYWARD_ENV_FILE")
# Set by `manage.py serve` for the servers it starts: its process number, with which they end.
SUPERVISOR = env.number("KEYWARD_SUPERVISOR", None, 1, 2**22)
env.allow("KEYWARD_READY_FD")
# Set by `serve gateway` and the gateway's server (config/serve/gunicorn_gateway.py).
GATEWAY = env.choice("KEYWARD_PLANE", "portal", ("portal", "gateway")) == "gateway"
PORT = env.port("PORT", 8000)
GATEWAY_PORT = env.port("GATEWAY_PORT", 8001)
METRICS_PORT = env.number("METRICS_PORT", None, 1, 65535)
GATEWAY_SOCKET = env.text("GATEWAY_SOCKET")
# A proxy that ends TLS stands before the portal; on another host it needs another address here.
BIND = env.addresses("BIND", ["127.0.0.1"])
GATEWAY_BIND = env.addresses("GATEWAY_BIND", ["127.0.0.1"])
METRICS_BIND = env.addresses("METRICS_BIND", ["127.0.0.1"])
BASE_URL = env.base_url("BASE_URL", f"http://localhost:{PORT}")
HTTPS = BASE_URL.startswith("https://")
if PRODUCTION and not HTTPS and not all(is_loopback(address) for address in BIND):
    env.report(
        f"BIND {','.join(BIND)} would serve passwords and sessions in clear: it must be a loopback address, or "
        f"BASE_URL {BASE_URL!r} an https:// one, served by a proxy that ends TLS."
    )
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
if PRODUCTION and not env.text("ALLOWED_HOSTS"):
    env.report("ALLOWED_HOSTS is not set: production needs the portal's host names, such as keys.example.com.")
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
if PRODUCTION and not env.text("TRUSTED_PROXIES"):
    env.report(
        "TRUSTED_PROXIES is not set: production needs the addresses of the proxies in front of the portal, such as "
        "127.0.0.1 (without it every user has the proxy's address), or none where clients connect directly."
    )
if len({PORT, GATEWAY_PORT, METRICS_PORT}) != 3:
    env.report(f"PORT {PORT}, GATEWAY_PORT {GATEWAY_PORT} and METRICS_PORT {METRICS_PORT} must differ.")

# Secrets

secrets = Secrets(env, folder=VAR / "secrets")
SECRET_KEY = secrets.text("SECRET_KEY")
TOKEN_PEPPERS = secrets.ring("TOKEN_PEPPERS")
# Those of revealable tokens are the portal's alone: a gateway that was broken into cannot open one.
SEALING_KEYS = {} if GATEWAY else secrets.ring("SEALING_KEYS")
SIGNING_KEYS = secrets.ring("SIGNING_KEYS")
AUDIT_KEYS = secrets.ring("AUDIT_KEYS")
CHECKPOINT_KEY = b"" if GATEWAY else secrets.key("CHECKPOINT_KEY")
GATEWAY_SECRETS = secrets.named("GATEWAY_SECRETS")
# What Prometheus shows at the portal's /metrics; without it there is no such page.
METRICS_TOKEN = "" if GATEWAY else secrets.optional_text("METRICS_TOKEN")

# Keys and logs

TOKEN_PREFIX = env.matching("TOKEN_PREFIX", "kw", r"[a-z][a-z0-9]{1,9}", "2 to 10 small letters and digits")
SECURITY_MAIL = env.matching(
    "SECURITY_MAIL", "", r"[^@\s,]+@[^@\s,]+", "one e-mail address, such as security@example.com"
)
LOG_RETENTION_DAYS = env.number("LOG_RETENTION_DAYS", 400, 1, 36500)
KEY_MAX_LIFETIME_DAYS = env.number("KEY_MAX_LIFETIME_DAYS", None, 1, 36500)

# Support

SUPPORT_CONTACT = env.matching(
    "SUPPORT_CONTACT", "", r"[^\s@:/<>\"']+@[^\s@:/<>\"']+|https?://[^\s<>\"']+", "an e-mail address or a web address"
)

# Applications

INSTALLED_APPS = [
    "config",
    "core",
    "accounts",
    "audit",
    "keys",
    # Without its autodiscovery: Support's own site (config/admin.py) shows what it is given, and no more.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "heroicons",
    "django_filters",
    "import_export",
]
MIDDLEWARE = [
    # Outermost, so that it holds the frames of all others.
    "config.middleware.FrameStack",
    # First of the others: everything after it, an error page too, has a request ID and a client address.
    "config.portal_metrics.middleware.RequestMetrics",
    "config.middleware.RequestIdentity",
    "config.middleware.SafeHeaders",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.ConstantPolicy",
    "config.health.HealthChecks",
    "config.portal_metrics.middleware.MetricsEndpoint",
    "config.middleware.BodyLimits",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "config.sessions.DigestedSessions",
    "config.sessions.SessionLimits",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Before allauth's, which redirects too: htmx cannot see a redirect.
    "config.middleware.HtmxRedirect",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "config.token_guard.TokenGuard",
    "config.middleware.RequestActor",
    "config.sessions.SecondFactorFirst",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [places.FILES / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.menu.build_menu",
                "config.token_guard.build_finder_context",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
INSTALLED_APPS += ["django.forms"]

# Database: the application's role, and the owner's for migrations and maintenance

PGBOUNCER = env.boolean("PGBOUNCER", False)
# Through PgBouncer they would not reach the server: there ALTER ROLE ... SET does it (docs/operations.md).
LIMITS = "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
# What the pages read is in memory or on disks without heads: looking a few hundred rows up is cheap.
LIMITS += " -c random_page_cost=1.1"


def build_database(name: str, options: dict[str, Any]) -> dict[str, Any]:
    url = env.url(name, "db", "")
    given = url.get("OPTIONS", {})
    # A socket's folder, as libpq's URLs have it: postgresql://user:password@/name?host=/run/postgresql
    host = given.pop("host", url["HOST"])
    return url | {"ENGINE": "django.db.backends.postgresql", "HOST": host, "OPTIONS": given | options}


def build_embedded_database(user: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"ENGINE": "config.embedded.backend", "NAME": "keyward", "USER": user, "OPTIONS": options}


_options: dict[str, Any] = {"application_name": "keyward-portal", "connect_timeout": 5}
_limited = _options if PGBOUNCER else _options | {"options": LIMITS}
EMBEDDED_DATABASE = not env.secret("DATABASE_URL")
# Tests that do not test durability may switch it off for the embedded server.
EMBEDDED_FSYNC = True
if EMBEDDED_DATABASE:
    DATABASES = {
        "default": build_embedded_database("keyward_app", _limited),
        "maintenance": build_embedded_database("keyward_owner", _options),
    }
else:
    owner = "MAINTENANCE_DATABASE_URL" if env.secret("MAINTENANCE_DATABASE_URL") else "DATABASE_URL"
    DATABASES = {"default": build_database("DATABASE_URL", _limited), "maintenance": build_database(owner, _options)}
if env.secret("REPLICA_DATABASE_URL"):
    DATABASES["replica"] = build_database("REPLICA_DATABASE_URL", _limited)
for name in DATABASES.keys() - {"maintenance"}:
    DATABASES[name] |= {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": PGBOUNCER,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache (every process sees the same one)

if env.secret("CACHE_URL"):
    CACHES = {"default": env.url("CACHE_URL", "cache", "")}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "django_cache",
            # Django's default of 300 entries would let anyone push a limit's counter out by asking for many others.
            "OPTIONS": {"MAX_ENTRIES": 1_000_000},
        }
    }

# Mail

# In the demo mail is printed; so would be, in production, every link that resets a password.
CONSOLE = "consolemail://"
EMAIL = env.url("EMAIL_URL", "email", CONSOLE)
UNDELIVERED = ("console", "dummy", "locmem")
if PRODUCTION and not GATEWAY and EMAIL["EMAIL_BACKEND"].split(".")[-2] in UNDELIVERED:
    env.report(
        "EMAIL_URL is not set to a mail server: production needs one, such as smtp+tls://user:password@host:587, for "
        "invitations, password resets and notices."
    )
EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = EMAIL["EMAIL_HOST"] or "localhost", EMAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL["EMAIL_HOST_USER"] or "", EMAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_TLS", False), EMAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH, EMAIL_TIMEOUT = EMAIL["EMAIL_FILE_PATH"], 10
# The sender is EMAIL_URL's ?from=, else the user who sends, else keyward@ the portal's own host.
_sender = EMAIL.get("OPTIONS", {}).get("FROM") or (EMAIL_HOST_USER if "@" in EMAIL_HOST_USER else "")
DEFAULT_FROM_EMAIL = f"Keyward <{_sender or 'keyward@' + str(urlsplit(BASE_URL).hostname)}>"

# Sign-in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "accounts.signin.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGOUT_REDIRECT_URL
ACCOUNT_SESSION_REMEMBER = False
# Limits are our own (accounts/signin/rate_limits.py): they hold whatever the cache forgets.
ACCOUNT_RATE_LIMITS = False
MFA_ADAPTER = "accounts.signin.sealed_factors.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# The code before and the one after count too: clocks and people are slow.
MFA_TOTP_TOLERANCE = 1
USERSESSIONS_TRACK_ACTIVITY = True
PASSWORD_RESET_TIMEOUT = 3600
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.signin.reset_tokens.ResetTokenGenerator"  # noqa: S105 - a class

# Sessions, cookies, headers

SESSION_ENGINE = "accounts.signin.session_store"
# However much a session is used, and without being used.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_SECONDS = 30 * 60
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What each page takes is BodyLimits' to say, which comes first.
DATA_UPLOAD_MAX_MEMORY_SIZE = request_limits.MAX_DOCUMENT_BODY_BYTES
# One constant header, no nonce (docs/adr): allauth's TOTP code is an image in a data: URL.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

# Language, time, files

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# The wheel brings them collected.
STATIC_ROOT = places.WHEEL / "collected" if places.IS_INSTALLED else VAR / "static"
STATICFILES_DIRS = [places.FILES / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Only our own pages use them.
WHITENOISE_ALLOW_ALL_ORIGINS = False

DEBUG = False
LOGGING_CONFIG = "config.logs.configure"
LOGGING = build_logging_config(json=PRODUCTION)
SILENCED_SYSTEM_CHECKS = [
    # The portal never sees http: config/wsgi.py takes the scheme from BASE_URL, and the proxy in front redirects.
    "security.W008",
    # HSTS speaks for this host alone; its siblings and the preload list are not ours to decide.
    "security.W005",
    "security.W021",
]

if GATEWAY:
    # The portal's own; a gateway that is started with them in its environment does not read them.
    for name in ("SEALING_KEYS", "CHECKPOINT_KEY", "EMAIL_URL", "METRICS_TOKEN"):
        env.allow(name)
        env.allow(f"{name}_FILE")
env.refuse_unknown()
env.check()
