"""Outside the gateway a call is explained as the gateway decides it."""

from __future__ import annotations

from random import Random

from keys.crypto import secrets
from keys.decision.access import INVALID_CREDENTIALS
from keys.decision.explanation import REFUSALS, explain
from keys.decision.replay import decide
from tests.unit.keys import test_reference
from tests.unit.keys.test_access import API, NOW, PEPPERS, TOKEN, a_call, a_key, a_secret, only

# The names of all checks, in order.
ALL = [
    *("request", "credential", "key", "secret", "timestamp", "retirement"),
    *("account", "owner", "enabled", "expiry", "address", "module", "recording"),
]


def test_the_last_check_is_the_one_for_which_the_gateway_refuses() -> None:
    random = Random(31)
    known = test_reference.services(random, 100)
    seen = set()
    for _ in range(3_000):
        case = test_reference.a_case(random, known)
        reason = test_reference.decided(case)
        checks = explain(case.call, case.key, case.api, now=NOW, peppers=PEPPERS)
        assert all(check.passed for check in checks[:-1]), case
        assert checks[-1].passed is not bool(reason), case
        if reason:
            assert REFUSALS[checks[-1].name] == reason, case
        else:
            assert [check.name for check in checks] == ALL
        seen.add(reason)
        if case.key is not None and case.key.api is case.api and reason not in ("stale_timestamp", "secret_retired"):
            # Whoever knows that the secret matches decides the same without it.
            alike = decide(case.call, case.key, now=NOW).reason
            assert alike == reason or (reason == INVALID_CREDENTIALS and checks[-1].name == "secret"), case
    assert seen == {*REFUSALS.values(), ""}


def test_without_peppers_the_secret_is_taken_to_be_right() -> None:
    wrong = secrets.generate_token("kw", "AbCdEfGh1234").token
    call = a_call(wrong)
    assert explain(call, a_key(), API, now=NOW, peppers=PEPPERS)[-1] == (
        "secret",
        False,
        "no secret of the key matches",
    )
    checks = explain(call, a_key(rules=only("198.51.100.0/24")), API, now=NOW, peppers=None)
    assert [check.name for check in checks] == ["request", "credential", "key", *ALL[6:11]]
    assert checks[-1].explanation == "203.0.113.7; the key admits 198.51.100.0/24"


def test_each_check_says_what_it_saw() -> None:
    old = a_key(secrets=(a_secret(retires_at=NOW - 1),))
    assert explain(a_call(), old, API, now=NOW, peppers=PEPPERS)[-1].explanation == "the secret is retired"
    texts = {check.name: check.explanation for check in explain(a_call(), a_key(), API, now=NOW, peppers=PEPPERS)}
    assert texts["request"] == "GET /customers"
    assert texts["credential"] == "bearer is presented; billing accepts bearer, token"
    assert texts["key"] == "AbCdEfGh1234 is a key of billing"
    assert texts["secret"] == "the current secret of the key matches"
    assert explain(a_call(None), None, API, now=NOW, peppers=PEPPERS)[-1] == (
        "credential", False, "no well-formed credential is presented; billing accepts bearer, token",
    )  # fmt: skip
    assert explain(a_call(), None, API, now=NOW, peppers=PEPPERS)[-1].explanation == "no key has this API ID"
    assert list(REFUSALS) == ALL
    assert explain(a_call(), a_key(deleted=True), API, now=NOW, peppers=PEPPERS)[-1].name == "key"
    slash = a_call(path="/customers/a%2Fb", encoded_slash=True)
    assert explain(slash, a_key(), API, now=NOW, peppers=PEPPERS)[-1].name == "request"
    assert decide(slash, a_key(), now=NOW).reason == "unreadable_request"


def test_no_explanation_holds_a_secret() -> None:
    for call in (a_call(), a_call(kind="basic"), a_call(kind="raw")):
        checks = explain(call, a_key(), API, now=NOW, peppers=PEPPERS)
        assert TOKEN[16:] not in repr(checks)
