"""The log row of a call, as text values."""

from __future__ import annotations

from audit.calls.insert import BATCH_COLUMNS
from core.redaction import redact
from keys.decision.access import Decision, Key, PresentedCredential, Secret
from keys.decision.addresses import format_address

Row = tuple[str, ...]

_NO_KEY_COLUMNS = ("", "", "", "", "", "f")
COLUMNS = list(BATCH_COLUMNS)


def build_row(
    api_slug: str, presented: PresentedCredential | None, decision: Decision, secret: Secret | None = None
) -> Row:
    """Return the values in the order of audit.calls.insert.BATCH_COLUMNS. `secret` is the one that matched."""
    call, key, route = decision.call, decision.key, decision.route
    account_id, account, public_id, key_name, owner, mask = _NO_KEY_COLUMNS if key is None else _get_key_columns(key)
    return (
        call.request_id,
        account_id,
        account,
        api_slug,
        public_id,
        key_name,
        owner,
        presented.kind if presented else "",
        call.method,
        call.host,
        # The decision used the path as it was sent; the log redacts it.
        redact(call.path),
        call.query,
        "" if route is None else route.module,
        "" if call.client_address is None else format_address(call.client_address),
        "denied" if decision.reason and not decision.allowed else "allowed",
        decision.reason,
        decision.rule,
        mask,
        "t" if decision.hlr else "f",
        call.proxy,
        call.user_agent,
        "1",
        "f" if secret is None or secret.retires_at is None else "t",
    )


def _get_key_columns(key: Key) -> tuple[str, str, str, str, str, str]:
    return str(key.account_id), key.account, key.public_id, key.name, key.owner, "t" if key.mask else "f"
