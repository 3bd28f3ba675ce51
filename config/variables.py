"""The meaning of each environment variable, for README's table and the environment files of `keyward init`.
config/settings.py reads the variables."""

from __future__ import annotations

# In the order of README's table. Markdown; names of variables are in backticks.
MEANINGS = {
    "KEYWARD_ENV_FILE": "the environment file that the command `keyward` reads; `none` reads no file",
    "KEYWARD_MODE": "`demo` or `production`, which refuses demo secrets and needs hosts, secrets and a mail server",
    "KEYWARD_VAR": "the folder in which Keyward writes: checkpoints, the embedded PostgreSQL, the demo's secrets",
    "DATABASE_URL": "PostgreSQL 15 or later, as the application: `postgresql://user:password@host:5432/name`",
    "MAINTENANCE_DATABASE_URL": "the same database as the owner's role: migrations, partitions, maintain",
    "REPLICA_DATABASE_URL": "a read replica for pages and exports of the log and the trail; never used for decisions",
    "PGBOUNCER": "`true` if `DATABASE_URL` leads to PgBouncer in transaction mode; run `configure_role` once",
    "CACHE_URL": "a shared cache instead of a table: `rediss://host:6379/0` (needs the package `redis`)",
    "PORT": "the portal's port",
    "BIND": "the addresses that the portal listens on, IPv4 and IPv6, such as `10.0.0.5,fd00::5`; in production, "
    "other than loopback only if `BASE_URL` is `https://`",
    "GATEWAY_PORT": "the gateway's port",
    "GATEWAY_BIND": "the addresses that the gateway listens on",
    "GATEWAY_SOCKET": "a Unix socket on which the gateway listens instead of its port",
    "SHUTDOWN_DELAY_SECONDS": "how long `serve` keeps serving after SIGTERM while `/health/ready` answers 503, so that "
    "a load balancer stops sending requests",
    "METRICS_PORT": "the port of the gateway's metrics, for Prometheus",
    "METRICS_BIND": "the addresses that the metrics listen on",
    "METRICS_TOKEN": "the bearer token with which Prometheus reads the portal's `/metrics`: at least 50 random "
    "characters",
    "BASE_URL": "the portal's address in a browser",
    "ALLOWED_HOSTS": "the portal's host names, separated by commas",
    "TRUSTED_PROXIES": "the proxies in front of the portal, and those in front of your own proxy at the gateway, whose "
    "client addresses are trusted: `127.0.0.1` for a proxy on this machine, or `none`; at most `/8` in production",
    "GATEWAY_SECRETS": "`name:secret,...`: the secret with which each proxy authenticates, 16 to 200 characters; the "
    "name is the log's `proxy`",
    "SECRET_KEY": "signs links and forms: at least 50 random characters",
    "TOKEN_PEPPERS": "digests of tokens: a ring of numbered keys, each base64 of 32 random bytes, `2:base64,1:base64`; "
    "the highest number is in use",
    "SEALING_KEYS": "encrypts revealable tokens, second factors and webhook secrets: a ring, for the portal only",
    "SIGNING_KEYS": "encrypts the secrets that clients sign with: a ring",
    "AUDIT_KEYS": "authenticates the audit trail's chain: a ring",
    "CHECKPOINT_KEY": "signs checkpoints, manifests and digests: base64 of 32 random bytes, for the portal only",
    "EMAIL_URL": "the mail server, `smtp+tls://user:password@host:587?from=address`; `smtp+ssl://`, `smtp://`",
    "SECURITY_MAIL": "the address to which `maintain` and `audit_verify` report tampering",
    "SUPPORT_CONTACT": "Support's e-mail or web address, shown to accounts that are waiting for Support",
    "WEBHOOK_ALLOWED_NETWORKS": "networks that webhooks may reach besides public addresses, such as `10.1.0.0/16`, "
    "also by `http://`",
    "TOKEN_PREFIX": "the prefix of new tokens",
    "KEY_MAX_LIFETIME_DAYS": "the maximum lifetime of keys",
    "LOG_RETENTION_DAYS": "how long API log rows are kept",
    "KEYWARD_DEMO_PASSWORD": "the password of the demo's users",
    "KEYWARD_PASSWORD": "the password for `create_account`, `grant_support` and `changepassword`, instead of standard "
    "input",
}
