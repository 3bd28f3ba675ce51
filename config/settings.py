"""Django's settings, all from the environment (config/env.py); the README has a table of the variables. They stay in
one file, in sections, because Django's readers look for a setting there."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from config import places, request_limits
from config.databases import build_databases
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
# Read earlier, by config/environment_file.py.
env.allow("KEYWARD_ENV_FILE")
# The process ID of `manage.py serve`, which sets it for the servers that it starts: they end when it does.
SUPERVISOR = env.number("KEYWARD_SUPERVISOR", None, 1, 2**22)
env.allow("KEYWARD_READY_FD")
env.allow("KEYWARD_STOP_FD")
# Set by `serve gateway` and the gateway's server (config/serve/gunicorn_gateway.py).
GATEWAY = env.choice("KEYWARD_PLANE", "portal", ("portal", "gateway")) == "gateway"
PORT = env.port("PORT", 8000)
GATEWAY_PORT = env.port("GATEWAY_PORT", 8001)
METRICS_PORT = env.number("METRICS_PORT", None, 1, 65535)
GATEWAY_SOCKET = env.text("GATEWAY_SOCKET")
SHUTDOWN_DELAY_SECONDS = env.number("SHUTDOWN_DELAY_SECONDS", 0, 0, 60) or 0
# A proxy in front of the portal terminates TLS. If it runs on another host, set an address that it can reach.
BIND = env.addresses("BIND", ["127.0.0.1"])
GATEWAY_BIND = env.addresses("GATEWAY_BIND", ["127.0.0.1"])
METRICS_BIND = env.addresses("METRICS_BIND", ["127.0.0.1"])
BASE_URL = env.base_url("BASE_URL", f"http://localhost:{PORT}")
HTTPS = BASE_URL.startswith("https://")
if PRODUCTION and not HTTPS and not all(is_loopback(address) for address in BIND):
    env.report(
        f"BIND {','.join(BIND)} would send passwords and sessions in clear text: it must be a loopback address, or "
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
# Only the portal has the keys of revealable tokens, so that a compromised gateway cannot open one.
SEALING_KEYS = {} if GATEWAY else secrets.ring("SEALING_KEYS")
SIGNING_KEYS = secrets.ring("SIGNING_KEYS")
AUDIT_KEYS = secrets.ring("AUDIT_KEYS")
CHECKPOINT_KEY = b"" if GATEWAY else secrets.key("CHECKPOINT_KEY")
GATEWAY_SECRETS = secrets.named_texts("GATEWAY_SECRETS")
# The bearer token with which Prometheus reads the portal's /metrics. Without it there is no such page.
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

# Notices

# Where webhooks may go beside public addresses, and the only networks to which they go by http://.
WEBHOOK_ALLOWED_NETWORKS = env.networks("WEBHOOK_ALLOWED_NETWORKS", wide=True)

# Applications

INSTALLED_APPS = [
    "config",
    "core",
    "accounts",
    "audit",
    "keys",
    # Without autodiscovery: Support's own site (config/admin.py) shows only what is registered with it.
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
    # Outermost, because its chunk holds the frames of all others.
    "config.middleware.FrameStack",
    # Before the others, so that every response, error pages included, has a request ID and a client address.
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
    # Outside allauth's, which redirects too: htmx does not see redirects.
    "config.middleware.HtmxRedirect",
    "allauth.account.middleware.AccountMiddleware",
    "config.sessions.SessionUse",
    "config.token_guard.TokenGuard",
    "config.middleware.RequestActor",
    "config.middleware.MethodPages",
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
FORM_RENDERER = "core.form_renderer.FormRenderer"
INSTALLED_APPS += ["django.forms"]

# Database (config/databases.py)

PGBOUNCER = env.boolean("PGBOUNCER", False)
EMBEDDED_DATABASE = not env.secret("DATABASE_URL")
# Tests that do not test durability switch it off.
EMBEDDED_FSYNC = True
DATABASES = build_databases(env, embedded=EMBEDDED_DATABASE, pooled=PGBOUNCER)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache, shared by all processes

if env.secret("CACHE_URL"):
    CACHES = {"default": env.url("CACHE_URL", "cache", "")}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "django_cache",
            # With Django's default of 300 entries, anyone could evict other entries by creating many.
            "OPTIONS": {"MAX_ENTRIES": 1_000_000},
        }
    }

# Mail

# Prints mail, which only the demo may: in production that would print the links of password resets.
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
# The sender: EMAIL_URL's ?from=, else its user, else keyward@ the portal's host.
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
# Keyward's own rate limits (accounts/signin/rate_limits.py) do not depend on the cache.
ACCOUNT_RATE_LIMITS = False
MFA_ADAPTER = "accounts.signin.sealed_factors.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# The previous and the next code are valid too, for clock skew and slow typing.
MFA_TOTP_TOLERANCE = 1
PASSWORD_RESET_TIMEOUT = 3600
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.signin.reset_tokens.ResetTokenGenerator"  # noqa: S105 - a class

# Sessions, cookies, headers

SESSION_ENGINE = "accounts.signin.session_store"
# The total lifetime of a session, and its lifetime without use.
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
# config.middleware.BodyLimits has a limit for each page and comes first.
DATA_UPLOAD_MAX_MEMORY_SIZE = request_limits.MAX_DOCUMENT_BODY_BYTES
# A file that is searched for tokens is never written to a disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = request_limits.MAX_SEARCHED_BODY_BYTES
# One constant header, no nonce (docs/adr/0018). allauth shows the QR code of TOTP as an image in a data: URL.
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
# The wheel contains them collected.
STATIC_ROOT = places.WHEEL / "collected" if places.IS_INSTALLED else VAR / "static"
STATICFILES_DIRS = [places.FILES / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "config.static_bundles.BundleFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static_storage.StaticStorage"},
}

# No other site uses them.
WHITENOISE_ALLOW_ALL_ORIGINS = False

DEBUG = False
LOGGING_CONFIG = "config.logs.configure"
LOGGING = build_logging_config(json=PRODUCTION)
SILENCED_SYSTEM_CHECKS = [
    # SECURE_SSL_REDIRECT: the proxy in front redirects, and config/wsgi.py takes the scheme from BASE_URL.
    "security.W008",
    # HSTS covers this host alone: subdomains and the preload list are the operator's decision.
    "security.W005",
    "security.W021",
]

if GATEWAY:
    # Secrets of the portal, which a gateway does not read even if they are in its environment.
    for name in ("SEALING_KEYS", "CHECKPOINT_KEY", "EMAIL_URL", "METRICS_TOKEN"):
        env.allow(name)
        env.allow(f"{name}_FILE")
env.refuse_unknown()
env.check()
