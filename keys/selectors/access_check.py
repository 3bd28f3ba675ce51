"""Say what the gateway would decide about a call, check by check, from the settings as they are."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from keys import models
from keys.decision.access import CheckResult
from keys.decision.addresses import Address
from keys.decision.explanation import REFUSALS, UNKNOWN_KEY, explain
from keys.decision.routes import UnreadablePath, parse_encoded_slashes, parse_path
from keys.decision.types import STATUS, Api, Call, Key, PresentedCredential, Secret
from keys.selectors.decision import load_api
from keys.selectors.decision_keys import load_keys

# Which kind of credential is assumed where an API accepts several.
KINDS = ("bearer", "token", "raw", "api_key", "basic", "signature")
LABELS = {
    "request": "Readable request",
    "credential": "Credential",
    "key": "Key",
    "secret": "Secret",
    "timestamp": "Timestamp",
    "retirement": "Old secret",
    "account": "Account",
    "owner": "Owner",
    "enabled": "Enabled",
    "expiry": "Expiry",
    "address": "Client address",
    "module": "Route and module",
    "recording": "Recordings",
}
# Checks of a secret, which are left out without a token.
_OF_SECRET = ("secret", "timestamp", "retirement")
UNREADABLE_PATH = (
    "two programs could read the path differently, such as one with .., //, a backslash, broken or doubled encoding"
)


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """The call to decide about. `target` is path and query as the client sends them; without `at` it is made now.

    `token` is what is presented, empty to take the secret for right. `public_id` is the key's API ID; None if what is
    presented is no token. `api` is the API that is called; None for the key's own.
    """

    method: str
    target: str
    client_address: Address
    public_id: str | None
    token: str = ""
    api: models.Api | None = None
    at: datetime | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.method}, {self.public_id})"


@dataclass(frozen=True, slots=True)
class Step:
    """A check of the gateway: `passed` is None if an earlier one has decided."""

    name: str
    passed: bool | None
    explanation: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.name]


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """The checks in order, and the code of the refusal; empty if the call is allowed."""

    steps: tuple[Step, ...]
    reason: str
    api: str
    at: datetime
    key: models.Key | None
    with_token: bool

    @property
    def status(self) -> int:
        return STATUS[self.reason] if self.reason else 200


class UnknownApi(LookupError):
    """There is no key with this API ID, and so no API that is called, unless one is named."""


def check_access(keys: QuerySet[models.Key], call: CheckedCall) -> AccessCheck:
    """Return what the gateway would decide. `keys` are those that may be named, deleted ones included; others are
    treated as unknown. Raise UnknownApi."""
    row = keys.filter(public_id=call.public_id).select_related("api").defer("api__document").first()
    loaded = load_keys(models.Key.objects.filter(pk__in=[row.pk] if row else []))
    key = next(iter(loaded.keys.values()), None)
    called = call.api or (row.api if row else None)
    if called is None:
        raise UnknownApi
    api = load_api(called.pk).api
    if key is not None:
        # One object for the API, whichever way it was found.
        key = replace(
            key, secrets=_load_secrets(key) if call.token else (), api=api if key.api.id == api.id else key.api
        )
    unknown = f"the key {call.public_id} is deleted" if row and row.deleted_at else UNKNOWN_KEY
    now = call.at.timestamp() if call.at else time.time()
    checks = _explain(call, key, api, now, unknown)
    steps = _list_steps(checks, with_token=bool(call.token) or call.public_id is None)
    last = checks[-1]
    return AccessCheck(
        tuple(steps),
        "" if last.passed else REFUSALS[last.name],
        api.slug,
        datetime.fromtimestamp(now).astimezone(),
        row,
        bool(call.token),
    )


def _explain(call: CheckedCall, key: Key | None, api: Api, now: float, unknown: str) -> list[CheckResult]:
    read = build_call(call, key, api)
    if read is None:
        return [CheckResult("request", False, UNREADABLE_PATH)]
    with_secret = bool(call.token) or call.public_id is None
    return explain(read, key, api, now=now, peppers=settings.TOKEN_PEPPERS if with_secret else None, unknown=unknown)


def build_call(call: CheckedCall, key: Key | None, api: Api) -> Call | None:
    """Return the call as the gateway reads it from its proxy; None if its path is unreadable."""
    raw, _, query = call.target.encode().decode("latin-1").partition("?")
    slashed = None
    if "#" in query:
        return None
    try:
        path = parse_path(raw)
    except UnreadablePath:
        slashed = parse_encoded_slashes(raw)
        if slashed is None:
            return None
        path = slashed
    presented = link = None
    if call.public_id is not None:
        kind = next((kind for kind in KINDS if kind in api.credentials), "bearer")
        presented = PresentedCredential(kind, call.public_id, call.token, key.username if key else "")
        # On the route of a recording the link counts, and nothing else; elsewhere none.
        link = presented._replace(kind="recording")
    return Call(
        request_id="",
        proxy="",
        method=call.method,
        host="",
        path=path,
        query="",
        user_agent="",
        client_address=call.client_address,
        presented=presented,
        link=link,
        sent_query=query,
        encoded_slash=slashed is not None,
    )


def _load_secrets(key: Key) -> tuple[Secret, ...]:
    rows = models.Secret.objects.filter(key=key.id).order_by("-retires_at")
    return tuple(
        Secret(
            row.pk,
            bytes(row.digest),
            row.pepper_id,
            row.retires_at.timestamp() if row.retires_at else None,
            row.ends_on_use,
        )
        for row in rows
    )


def _list_steps(checks: Iterable[CheckResult], *, with_token: bool) -> Iterable[Step]:
    by_name = {check.name: check for check in checks}
    for name in REFUSALS:
        check = by_name.get(name)
        if check is not None:
            yield Step(name, check.passed, check.explanation)
        elif with_token or name not in _OF_SECRET:
            yield Step(name, None)
