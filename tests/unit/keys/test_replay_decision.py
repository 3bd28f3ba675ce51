"""A replay decides about a call as the gateway does, given that its secret matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from keys.decision.access import INVALID_CREDENTIALS
from keys.decision.authentication import authenticate, select_credential
from keys.decision.replay import ReplayedCalls, decide, replay
from keys.decision.routes import RouteTable
from keys.decision.used_calls import UsedCalls, build_replay_api
from tests.unit.keys import test_reference
from tests.unit.keys.test_access import ADDS, API, LISTS, NOW, PEPPERS, a_call, a_key, only

# Refusals for the secret or for what is signed, of which a replay knows nothing.
OF_THE_SECRET = ("stale_timestamp", "secret_retired")


def test_given_that_the_secret_matches_the_decision_is_the_gateways() -> None:
    random = Random(31)
    known = test_reference.services(random, 100)
    seen = set()
    for _ in range(3_000):
        case = test_reference.a_case(random, known)
        reason = test_reference.decided(case)
        if case.key is None or case.key.api is not case.api or reason in OF_THE_SECRET:
            continue
        if reason == INVALID_CREDENTIALS:
            presented = select_credential(case.call, case.api)
            _, secret = authenticate(presented, case.key, case.api, now=NOW, peppers=PEPPERS)
            if presented is not None and presented.kind in case.api.credentials and secret is None:
                # Refused for the secret, or for a deleted key.
                continue
        assert decide(case.call, case.key, now=NOW).reason == reason, case
        seen.add(reason)
    assert {"", "unreadable_request", INVALID_CREDENTIALS, "ip_not_allowed", "module_not_granted"} <= seen


def test_what_no_secret_would_let_through_is_refused() -> None:
    assert decide(a_call(), a_key(), now=NOW).allowed
    assert decide(a_call(None), a_key(), now=NOW).reason == INVALID_CREDENTIALS
    assert decide(a_call(), a_key(deleted=True), now=NOW).reason == INVALID_CREDENTIALS
    slash = a_call(path="/customers/a%2Fb", encoded_slash=True)
    assert decide(slash, a_key(), now=NOW).reason == "unreadable_request"


def test_keys_of_a_group_are_decided_by_what_each_has() -> None:
    names = ("ofBilling111", "ofBilling222", "ofOther11111", "disabled1111")
    wide, narrow = only("203.0.113.0/24"), only("203.0.113.9/32")
    other = replace(API, slug="other", unlisted_allowed=True, routes=RouteTable(()))
    apis = [build_replay_api(API, [LISTS, ADDS]), build_replay_api(other, [])]
    before = {
        names[0]: a_key(public_id=names[0], api=apis[0], rules=wide),
        names[1]: a_key(public_id=names[1], api=apis[0], rules=wide, all_modules=False),
        names[2]: a_key(public_id=names[2], api=apis[1], rules=wide),
        names[3]: a_key(public_id=names[3], api=apis[0], enabled=False),
    }
    after = {name: replace(key, rules=narrow, enabled=True) for name, key in before.items()}
    after[names[3]] = replace(before[names[3]], enabled=True)
    used = UsedCalls(
        *("203.0.113.7", "bearer", "", LISTS.text, "", False, "", "customers"),
        (*names, names[0]),
        (1, 20, 300, 4_000, 50_000),
        (NOW - 5, NOW - 4, NOW - 3, NOW - 2, NOW - 900_000),
    )
    effect = replay([used, used._replace(reason="stale_timestamp")], before, after, now=NOW)

    def count(replayed: Iterable[ReplayedCalls]) -> dict[tuple[tuple[str, ...], str, str], tuple[int, ...]]:
        return {(tuple(r.used.key_ids), r.before.reason, r.after.reason): tuple(r.used.calls) for r in replayed}

    assert count(effect.refused) == {
        ((names[0], names[0]), "", "ip_not_allowed"): (1, 50_000),
        ((names[2],), "", "ip_not_allowed"): (300,),
    }
    assert count(effect.admitted) == {((names[3],), "key_disabled", ""): (4_000,)}
    assert (effect.allowed, effect.refused_count, effect.admitted_count) == (50_301, 50_301, 4_000)
    assert effect.stopped == {names[0], names[2]}
    assert [call.key_id for call in effect.locked_out] == [names[2], names[0]]
