"""Nonces of signed requests, each once per key: a row lives until no request that carries it could be let in again.

Written by gateways in the statement that writes the call's row, and swept by them; nothing in the portal reads it.
"""

from __future__ import annotations

from django.db import migrations

TABLE = """
CREATE TABLE gateway_nonce (
    key_id text NOT NULL,
    nonce text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX gateway_nonce_until ON gateway_nonce (until);
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0008_addresses_of_secret_uses")]
    operations = [migrations.RunSQL([TABLE])]
