"""What a call's page says of the decision."""

from __future__ import annotations

from typing import Any

import pytest

from audit.calls.reasons import REFUSED, explain, get_heading
from audit.models import Call
from keys.decision.access import STATUS

USUAL: dict[str, Any] = {
    "decision": "denied", "api": "billing", "account": "acme", "key_id": "0123456789ab", "key_name": "Worker",
    "owner": "Olga", "credential": "bearer", "method": "GET", "path": "/customers", "module": "customers",
    "client_address": "203.0.113.8", "reason": "",
}  # fmt: skip


def call(**columns: Any) -> Call:
    return Call(**USUAL | columns)


def test_every_reason_of_the_gateway_is_put_in_words_and_no_other() -> None:
    assert set(REFUSED) == set(STATUS)
    for reason in STATUS:
        assert get_heading(call(reason=reason)) == REFUSED[reason][0]
        assert explain(call(reason=reason))[0].isupper()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"reason": "unreadable_request", "client_address": None, "path": ""}, "contradictory or ambiguous"),
        (
            {"reason": "invalid_credentials", "key_id": "", "credential": ""},
            ("no credential that billing accepts, or more"),
        ),
        (
            {"reason": "invalid_credentials", "key_id": ""},
            "malformed, of a kind that billing does not accept",
        ),
        ({"reason": "invalid_credentials"}, 'They name the key "Worker", but do not contain a live secret of it'),
        ({"reason": "stale_timestamp", "credential": "signature"}, "its timestamp was more than 300 seconds off"),
        ({"reason": "stale_timestamp", "credential": "recording"}, "signed the link, but it had expired, or"),
        ({"reason": "secret_retired"}, "the overlap has ended"),
        ({"reason": "account_inactive"}, "The account acme was not active, or billing was not enabled for it"),
        ({"reason": "owner_inactive"}, "belongs to Olga, who was deactivated"),
        ({"reason": "key_disabled"}, 'the key "Worker" was disabled'),
        ({"reason": "key_expired"}, 'the key "Worker" was past its expiry'),
        ({"reason": "replayed"}, 'Its nonce had already been used with the key "Worker"'),
        ({"reason": "ip_not_allowed"}, 'came from 203.0.113.8, which the key "Worker" does not allow'),
        ({"reason": "module_not_granted"}, 'GET /customers belongs to the module customers, which the key "Worker"'),
        ({"reason": "module_not_granted", "module": ""}, "GET /customers is not in any module of billing"),
        ({"reason": "recordings_not_allowed", "path": "/recordings/1"}, "GET /recordings/1 is a call recording"),
        ({"reason": "unavailable"}, "could not reach its database"),
        ({"decision": "allowed"}, "203.0.113.8 was allowed, and the module customers is granted."),
        (
            {"decision": "allowed", "reason": "preflight"},
            "a page may call /customers. The policy of billing",
        ),
        ({"decision": "allowed", "module": ""}, "and the route needs no module."),
        ({"decision": "allowed", "credential": "recording"}, "and recordings are allowed."),
        # Of what a later gateway may say, the code at least.
        ({"reason": "too_many_calls"}, "Its code is too_many_calls."),
    ],
)
def test_the_cause_is_named_with_what_was_seen(columns: dict[str, Any], expected: str) -> None:
    assert expected in explain(call(**columns))


def test_what_people_typed_is_never_read_as_a_place_to_fill_in() -> None:
    assert "{path}{0}" in explain(call(reason="module_not_granted", path="{path}{0}", module=""))
