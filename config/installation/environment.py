"""The variables of a new installation: fresh secrets, and the ones that a gateway gets."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config.env import KEY_BYTES
from config.serve.planes import GATEWAY

GATEWAY_FILE = "gateway.env"
RINGS = ("TOKEN_PEPPERS", "SEALING_KEYS", "SIGNING_KEYS", "AUDIT_KEYS")
# Set by the gateway's process, and on a gateway's own host.
OF_THE_PORTAL_ALONE = (*GATEWAY.withheld, "KEYWARD_VAR")


@dataclass(frozen=True)
class NewInstallation:
    """The operator's options for an installation, with freshly generated passwords and secrets."""

    base_url: str
    email_url: str
    # Host and port of a PostgreSQL server; empty for the embedded one.
    database: str
    var: str
    owner_password: str = field(default_factory=lambda: secrets.token_hex(24))
    application_password: str = field(default_factory=lambda: secrets.token_hex(24))
    gateway_secret: str = field(default_factory=lambda: secrets.token_hex(32))

    def build_variables(self) -> dict[str, str]:
        """Return the environment of the whole installation except its database."""
        return {
            "KEYWARD_MODE": "production",
            "KEYWARD_VAR": self.var,
            "BASE_URL": self.base_url,
            "ALLOWED_HOSTS": self.host,
            "TRUSTED_PROXIES": "127.0.0.1",
            "EMAIL_URL": self.email_url,
            "SECRET_KEY": secrets.token_urlsafe(48),
            **{name: f"1:{_make_key()}" for name in RINGS},
            "CHECKPOINT_KEY": _make_key(),
            "GATEWAY_SECRETS": f"nginx:{self.gateway_secret}",
        }

    def build_database_variables(self) -> dict[str, str]:
        """Return the URLs of the database that roles.sql creates, one for each role."""
        place = self.database or "localhost:5432"
        return {
            "DATABASE_URL": f"postgresql://keyward_app:{self.application_password}@{place}/keyward",
            "MAINTENANCE_DATABASE_URL": f"postgresql://keyward_owner:{self.owner_password}@{place}/keyward",
        }

    @property
    def host(self) -> str:
        return str(urlsplit(self.base_url).hostname)


def select_for_gateway(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables that a gateway may have."""
    return {name: value for name, value in variables.items() if name not in OF_THE_PORTAL_ALONE}


def _make_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
