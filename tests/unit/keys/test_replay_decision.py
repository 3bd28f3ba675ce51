"""A replay decides about a call as the gateway does, given that its secret matches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from keys.decision.access import INVALID_CREDENTIALS
from keys.decision.authentication import authenticate, select_credential
from keys.decision.replay import ReplayedCalls, decide, replay
from keys.decision.routes import RouteTable
from keys.decision.types import Api, Key
from keys.decision.used_calls import UsedCalls, build_replay_api
from tests.unit.keys import test_reference
from tests.unit.keys.test_access import ADDS, API, LISTS, NOW, PEPPERS, RECORDING, a_call, a_key, only

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


def a_random_key(random: Random, apis: Sequence[Api], shared: Mapping[str, Sequence[Any]], name: str) -> Key:
    """Return a key of few kinds of settings, so that some keys are alike in all, in some, or in none of them."""
    return a_key(
        public_id=name,
        api=random.choice(apis),
        rules=random.choice(shared["rules"]),
        list_ids=random.choice([frozenset(), frozenset(), frozenset({3})]),
        all_modules=random.random() < 0.3,
        module_ids=random.choice(shared["modules"]),
        expires_at=random.choice([None, None, NOW - 1, NOW, NOW + 1, NOW + random.randint(2, 9)]),
        enabled=random.random() < 0.9,
        owner_active=random.random() < 0.9,
        account_active=random.random() < 0.9,
        recordings=random.random() < 0.5,
    )


def some_calls(random: Random, key_ids: Sequence[str]) -> UsedCalls:
    by_path = random.random() < 0.5
    address = random.choice(["203.0.113.7", "203.0.113.9", "198.51.100.1", "2001:db8::1", ""])
    place = random.choice([("GET", "/customers"), ("POST", "/leads"), ("GET", "/recordings/7"), ("GET", "/nowhere")])
    path = place[1] if by_path else random.choice([LISTS.text, ADDS.text, RECORDING.text, ""])
    chosen = random.choices(key_ids, k=random.randint(1, 12))
    return UsedCalls(
        *(address, random.choice(["bearer", "token"]), place[0] if by_path else "", path, ""),
        *(random.random() < 0.1, random.choice(["", "", "ip_not_allowed", "key_expired"]), ""),
        chosen,
        [random.randint(1, 99) for _ in chosen],
        [NOW - random.randint(1, 200_000) for _ in chosen],
    )


def test_keys_decided_together_are_decided_as_each_alone() -> None:
    """What a replay says of thousands of random calls is what the decision about each of them is."""
    random = Random(20)
    changed = refused = admitted = 0
    shared: dict[str, list[Any]] = {
        "rules": [(), only("203.0.113.0/24"), only("203.0.113.9/32"), only("198.51.100.0/24"), only("2001:db8::/32")],
        "modules": [frozenset(), frozenset({1}), frozenset({2}), frozenset({1, 2})],
    }
    apis = [
        build_replay_api(api, [LISTS, ADDS, RECORDING])
        for api in (API, replace(API, unlisted_allowed=True), replace(API, credentials=frozenset({"bearer"})))
    ]
    for _ in range(60):
        names = [f"key{number}" for number in range(8)]
        before = {name: a_random_key(random, apis, shared, name) for name in names}
        # Some keys are one object, as those are that were loaded together.
        before |= {"key6": before["key0"], "key7": before["key0"]}
        after = {name: a_random_key(random, apis, shared, name) for name in names}
        after |= {"key7": after["key0"]}
        calls = [some_calls(random, names) for _ in range(25)]
        expected: dict[str, Counter[Any]] = {"refused": Counter(), "admitted": Counter()}
        allowed = 0
        for used in calls:
            for name, number in zip(used.key_ids, used.calls, strict=True):
                was, will = (decide(used.build_call(), keys[name], now=NOW) for keys in (before, after))
                allowed += number if was.allowed else 0
                if was.allowed != will.allowed:
                    kind = "refused" if was.allowed else "admitted"
                    expected[kind][name, used.address, used.path, was.reason, will.reason] += number
        effect = replay(calls, before, after, now=NOW)
        for kind, replayed in (("refused", effect.refused), ("admitted", effect.admitted)):
            said: Counter[Any] = Counter()
            for each in replayed:
                for name, number in zip(each.used.key_ids, each.used.calls, strict=True):
                    said[name, each.used.address, each.used.path, each.before.reason, each.after.reason] += number
            assert said == expected[kind]
        assert effect.allowed == allowed
        changed += sum(map(len, expected.values()))
        refused += effect.refused_count
        admitted += effect.admitted_count
    assert changed > 500
    assert min(refused, admitted) > 1_000


def test_who_was_let_in_again_since_is_not_locked_out() -> None:
    key = a_key(rules=only("203.0.113.0/24"))
    before, after = {"key": key}, {"key": replace(key, rules=only("203.0.113.9/32"))}
    out = UsedCalls(*("203.0.113.7", "bearer", "", LISTS.text, "", False, "", "customers"), ("key",), (1,), (NOW - 9,))

    def find_locked_out(*others: UsedCalls) -> list[str]:
        api = build_replay_api(API, [LISTS, ADDS])
        keys = ({name: replace(each, api=api) for name, each in state.items()} for state in (before, after))
        return [call.address for call in replay([out, *others], *keys, now=NOW).locked_out]

    inside = out._replace(address="203.0.113.9")
    assert find_locked_out() == ["203.0.113.7"]
    assert find_locked_out(inside._replace(last_seen=(NOW - 10,))) == ["203.0.113.7"]
    # The last call is not refused.
    assert find_locked_out(inside._replace(last_seen=(NOW - 8,))) == []
    # A day later, nobody waits for it.
    assert find_locked_out(out._replace(last_seen=(NOW - 8,), calls=(5,))) == ["203.0.113.7"]
    out = out._replace(last_seen=(NOW - 86_401,))
    assert find_locked_out() == []
