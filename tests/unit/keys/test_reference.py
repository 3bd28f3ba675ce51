"""The decision against a slow and obvious one, on many generated cases: they never differ."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from random import Random
from uuid import UUID

import pytest

from keys.crypto import secrets
from keys.decision import access
from keys.decision.access import INVALID_CREDENTIALS, STATUS, Api, Call, Key, PresentedCredential, Proof, Secret
from keys.decision.addresses import build_rules
from keys.decision.routes import Route, RouteTable
from tests.unit.keys import reference
from tests.unit.keys.reference import Asked, Held, Holder, Piece, Service, Shown, Way

NOW = 1_800_000_000.0
PEPPERS = {1: b"1" * 32, 2: b"2" * 32}
PUBLIC_ID = "AbCdEfGh1234"
TOKENS = [secrets.generate_token("kw", PUBLIC_ID).token for _ in range(3)]
KINDS = ["bearer", "token", "raw", "api_key", "basic", "signature", "recording"]
SEGMENTS = ["a", "b", "{x}", "{x}", "f{x}", "{x}z", "f{x}z"]
TEXTS = ["a", "b", "f", "fz", "fiz", "Z", "a-b"]
VALUES = [("m", "1"), ("m", "2"), ("n", "1"), ("n", "a b"), ("n", "a+b")]
PIECES = [
    *(Piece(f"{name}={value}", name, value) for name in "mn" for value in ("1", "2", "3", "")),
    *(Piece("%6d=%31", "m", "1"), Piece("m", "m"), Piece("n=a%20b", "n", "a b"), Piece("n=a%2Bb", "n", "a+b")),
    *(Piece("n=a+b", "n", "a+b"), Piece("other=1", "other", "1"), Piece("", ""), Piece("other[]=1", "other[]", "1")),
    *(Piece(text, text.partition("=")[0], "1", "m") for text in ("m[]=1", "m[0]=1", "M=1")),
    *(Piece("%20m=1", " m", "1", "m"), Piece("other=1;m=2", "other", "1;m=2", "m"), Piece("n=1;", "n", "1;", "n")),
]
ADDRESSES = [ip_address(text) for text in ("203.0.113.7", "203.0.113.200", "10.0.0.1", "2001:db8::1", "2001:db9::1")]
NETWORKS = [
    ip_network(text)
    for text in ("203.0.113.0/25", "203.0.113.7", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.0/24")
]


@dataclass
class Case:
    """The same case for both."""

    asked: Asked
    holder: Holder | None
    service: Service
    call: Call
    key: Key | None
    api: Api


def services(random: Random, count: int) -> list[tuple[Service, Api]]:
    made = []
    for number in range(count):
        ways: list[Way] = []
        for _ in range(random.randint(1, 7)):
            segments = tuple(random.choice(SEGMENTS) for _ in range(random.randint(1, 3)))
            if ways and random.random() < 0.4:
                segments = random.choice(ways).segments
            conditions = dict(random.sample(VALUES, random.choice([0, 0, 0, 1, 2])))
            way = Way(random.choice(["GET", "GET", "POST"]), segments, conditions, random.randint(1, 3))
            # Of two that are equally specific nothing says which decides: an API cannot have them.
            if not any(
                way.method == other.method
                and [*map(reference.variability, segments)] == [*map(reference.variability, other.segments)]
                and len(conditions) == len(other.conditions)
                for other in ways
            ):
                ways.append(way)
        if random.random() < 0.3:
            ways.append(Way("GET", ("recordings", "{x}"), {}, 1, recording=True))
        kinds = set(random.sample(KINDS, random.randint(2, 7)))
        routes = [
            Route(
                way.module, f"module-{way.module}", way.method, "/" + "/".join(way.segments), False, way.recording,
                tuple(sorted(way.conditions.items())),
            )
            for way in ways
        ]  # fmt: skip
        api = Api(
            number, f"api-{number}", frozenset(kinds), random.random() < 0.2, ((1, "module-1"),), RouteTable(routes)
        )
        made.append((Service(number, kinds, api.unlisted_allowed, ways), api))
    return made


def a_time(random: Random) -> float | None:
    return random.choice([None, None, None, NOW - 1, NOW, NOW + 0.001, NOW + 3600])


def usually(random: Random) -> bool:
    return random.random() < 0.96


def a_holder(random: Random, api: int) -> Holder:
    tokens = random.sample(TOKENS, random.choice([0, 1, 1, 1, 2, 2]))
    return Holder(
        api=api if usually(random) else -1,
        secrets=[
            Held(token, a_time(random) if place else None, usually(random), usually(random))
            for place, token in enumerate(tokens)
        ],
        username=random.choice(["", "pbx", "pbx", "Zoë"]),
        deleted=not usually(random),
        account_active=usually(random),
        api_enabled=usually(random),
        owner_active=usually(random),
        enabled=usually(random),
        expires_at=a_time(random) if random.random() < 0.3 else None,
        networks=random.sample(NETWORKS, random.choice([0, 0, 1, 2, 3])),
        lists=random.choice([0, 0, 0, 1]),
        all_modules=random.random() < 0.5,
        modules=set(random.sample([1, 2, 3], random.randint(0, 3))),
        recordings=random.random() < 0.5,
    )


def a_key(holder: Holder, api: Api, other: Api) -> Key:
    return Key(
        id=1, public_id=PUBLIC_ID, name="Shop", account_id=7, account="acme", account_active=holder.account_active,
        owner_id=3, owner="alice", owner_active=holder.owner_active, api=api if holder.api == api.id else other,
        api_enabled=holder.api_enabled, enabled=holder.enabled, deleted=holder.deleted, expires_at=holder.expires_at,
        all_modules=holder.all_modules, module_ids=frozenset(holder.modules), rules=build_rules(holder.networks),
        secrets=tuple(
            Secret(
                UUID(int=place), secrets.compute_digest(held.token, PEPPERS[1 + place % 2]),
                1 + place % 2 if held.pepper_known else 9, held.retires_at, False, held.token if held.opens else None,
            )
            for place, held in enumerate(holder.secrets)
        ),
        list_ids=frozenset(range(holder.lists)), username=holder.username, recordings=holder.recordings,
    )  # fmt: skip


def a_credential(random: Random, kind: str, holder: Holder | None) -> tuple[Shown, PresentedCredential]:
    tokens = [secret.token for secret in holder.secrets] if holder is not None else []
    token = random.choice(tokens or TOKENS) if usually(random) else random.choice(TOKENS)
    if kind in ("signature", "recording"):
        text = f"what is signed {random.randint(1, 9)}"
        key = token if usually(random) else token.lower()
        signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
        earliest = int(NOW) + random.choice([-600, -600, -301, -1, 0, 0, 1])
        latest = earliest + random.choice([600, 600, 600, 300])
        nonce = "n" * 16 if kind == "signature" else ""
        shown = Shown(kind, signed=text, signature=signature, earliest=earliest, latest=latest)
        return shown, PresentedCredential(kind, PUBLIC_ID, "", proof=Proof(text, signature, earliest, latest, nonce))
    username = random.choice(["pbx", "pbx", "Zoë", "zoë", ""]) if kind == "basic" else ""
    return Shown(kind, token, username), PresentedCredential(kind, PUBLIC_ID, token, username)


def a_case(random: Random, known: list[tuple[Service, Api]]) -> Case:
    (service, api), (_, other) = random.sample(known, 2)
    holder = a_holder(random, service.number) if usually(random) else None
    way = random.choice(service.ways)
    recording = random.random() < 0.15
    segments = tuple(
        segment if "{" not in segment else segment.replace("{x}", random.choice(["i", "ab", "a"]))
        for segment in (("recordings", "{x}") if recording else way.segments)
    )
    if not usually(random):
        segments = tuple(random.choice(TEXTS) for _ in range(random.randint(1, 3)))
    pieces = random.sample(PIECES, random.choice([0, 0, 1, 1, 2, 3]))
    if random.random() < 0.5:
        pieces += [Piece(f"{name}={value}".replace(" ", "%20").replace("+", "%2B"), name, value)
                   for name, value in way.conditions.items()]  # fmt: skip
    kind = random.choice(sorted(service.kinds - {"recording"} or {"bearer"})) if usually(random) else "bearer"
    shown, presented = a_credential(random, kind, holder) if usually(random) else (None, None)
    link, linked = a_credential(random, "recording", holder) if random.random() < 0.7 else (None, None)
    address = random.choice(ADDRESSES) if usually(random) else None
    method = random.choice([way.method, way.method, way.method, "HEAD", "GET", "PUT"])
    whoami = random.random() < 0.05
    requested = Asked(method, segments, pieces, address, shown, link, whoami)
    query = "&".join(piece.text for piece in pieces)
    call = Call(
        "id", "edge", method, "", "/" + "/".join(segments), query, "", address, presented, linked, query, whoami
    )
    return Case(requested, holder, service, call, a_key(holder, api, other) if holder is not None else None, api)


def decided(case: Case) -> str:
    """As gateway/group_commit.py puts the pieces together."""
    if not access.has_unambiguous_route(case.call, case.api):
        return "unreadable_request"
    presented = access.select_credential(case.call, case.api)
    reason, secret = access.authenticate(presented, case.key, case.api, now=NOW, peppers=PEPPERS)
    if reason or case.key is None or secret is None:
        return reason or INVALID_CREDENTIALS
    decision = access.authorise(case.call, case.key, now=NOW)
    assert [check.passed for check in decision.checks][:-1] == [True] * (len(decision.checks) - 1)
    assert decision.checks[-1].passed is decision.allowed
    return decision.reason


@pytest.mark.quality(1)
def test_the_decision_is_the_obvious_one(full: bool, fast: bool, figure: Callable[[str], None]) -> None:
    count = 100_000 if full else 2_000 if fast else 5_000
    random = Random(20_261_120)
    known = services(random, 400)
    seen: Counter[str] = Counter()
    for number in range(count):
        case = a_case(random, known)
        expected = reference.decide(case.asked, case.holder, case.service, NOW)
        assert decided(case) == expected, (number, case)
        seen[expected] += 1
    assert set(seen) == STATUS.keys() - {"replayed", "unavailable"} | {""}
    assert min(seen.values()) >= count / 2_000, seen
    figure(f"{count:,} generated decisions as a reference model makes them, {seen['']:,} of them allowed, 0 different")
