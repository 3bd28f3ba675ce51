"""The meaning of each environment variable, for README's table and the environment files of `keyward init`.
config/settings.py reads the variables."""

from __future__ import annotations

# In the order of README's table. Markdown; names of variables are in backticks.
MEANINGS = {
    "KEYWARD_ENV_FILE": "the environment file that the command `keyward` reads; `none` reads none",
    "KEYWARD_MODE": "`demo` or `production`, which refuses demo secrets and needs hosts, secrets and a mail server",
    "KEYWARD_VAR": "the folder in which Keyward writes: checkpoints, the embedded PostgreSQL, the demo's secrets",
    "DATABASE_URL": "PostgreSQL 15 or later, as the application: `postgresql://user:password@host:5432/name`",
    "MAINTENANCE_DATABASE_URL": "the same database as the owner's role: migrations, partitions, maintain",
    "REPLICA_DATABASE_URL": "a replica that pages and exports of the log and the trail read; decisions never do",
    "PGBOUNCER": "`true` where `DATABASE_URL` leads to PgBouncer in transaction mode; run `configure_role` once",
    "CACHE_URL": "a cache for all processes, instead of a table: `rediss://host:6379/0` (needs the package `redis`)",
    "PORT": "where the portal listens",
    "BIND": "the addresses that the portal listens on, IPv4 and IPv6, such as `10.0.0.5,fd00::5`; in production beyond "
    "this machine only if `BASE_URL` is `https://`",
    "GATEWAY_PORT": "where the gateway listens",
    "GATEWAY_BIND": "the addresses that the gateway listens on",
    "GATEWAY_SOCKET": "a Unix socket on which the gateway listens instead of its port",
    "SHUTDOWN_DELAY_SECONDS": "how long `serve` goes on after SIGTERM while `/health/ready` answers 503: the time that "
    "a load balancer needs to send no more requests",
    "METRICS_PORT": "where the gateway's numbers are, for Prometheus",
    "METRICS_BIND": "the addresses on which they are",
    "METRICS_TOKEN": "what Prometheus sends to read the portal's `/metrics`: 50 random characters and more",
    "BASE_URL": "the portal's address, as people reach it",
    "ALLOWED_HOSTS": "the portal's host names, separated by commas",
    "TRUSTED_PROXIES": "the proxies in front of the portal, and those that stand before your own at the gateway: "
    "their word on a client's address is taken. `127.0.0.1` for a proxy on this machine, or `none`; at most `/8` in "
    "production",
    "GATEWAY_SECRETS": "`name:secret,...`: what each proxy proves itself with, 16 to 200 characters; the name is the "
    "log's `proxy`",
    "SECRET_KEY": "signs links and forms: at least 50 random characters",
    "TOKEN_PEPPERS": "digests of tokens: a ring of numbered keys, each base64 of 32 random bytes, `2:base64,1:base64`; "
    "the highest number is in use",
    "SEALING_KEYS": "seal tokens that may be shown again, second factors and secrets of webhooks: a ring; the portal's "
    "alone",
    "SIGNING_KEYS": "seal what clients sign with: a ring",
    "AUDIT_KEYS": "chain the audit trail: a ring",
    "CHECKPOINT_KEY": "signs checkpoints, manifests and digests: base64 of 32 random bytes; the portal's alone",
    "EMAIL_URL": "the mail server, `smtp+tls://user:password@host:587?from=address`; `smtp+ssl://`, `smtp://`",
    "SECURITY_MAIL": "where `maintain` and `audit_verify` send what they find tampered with",
    "SUPPORT_CONTACT": "where accounts reach Support, an e-mail or web address: shown while an account waits for it",
    "WEBHOOK_ALLOWED_NETWORKS": "where webhooks may go beside public addresses, such as `10.1.0.0/16`; to these also "
    "by `http://`",
    "TOKEN_PREFIX": "what tokens begin with",
    "KEY_MAX_LIFETIME_DAYS": "no key lives longer",
    "LOG_RETENTION_DAYS": "how long API log rows are kept",
    "KEYWARD_DEMO_PASSWORD": "the password of the demo's users",
    "KEYWARD_PASSWORD": "what `create_account`, `grant_support` and `changepassword` take instead of standard input",
}
