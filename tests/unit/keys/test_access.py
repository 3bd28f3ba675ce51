"""The decision: who holds the secret, and what the key may do. Each check in its order, each refusal by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest

from keys.crypto import secrets
from keys.decision.access import (
    CHECKS,
    INVALID_CREDENTIALS,
    STATUS,
    Api,
    Call,
    Key,
    PresentedCredential,
    Secret,
    authenticate,
    authorise,
    authorise_preflight,
    select_credential,
)
from keys.decision.addresses import build_rules, parse_address, parse_network
from keys.decision.routes import Route, RouteTable

NOW = 1_800_000_000.0
PEPPERS = {1: b"1" * 32, 2: b"2" * 32}
TOKEN = secrets.generate_token("kw", "AbCdEfGh1234").token
OLD_TOKEN = secrets.generate_token("kw", "AbCdEfGh1234").token

LISTS = Route(1, "customers", "GET", "/customers")
ADDS = Route(2, "leads", "POST", "/leads", adds_leads=True)
REPORT = Route(1, "customers", "GET", "/reports", conditions=(("menu", "1"),))
RECORDING = Route(2, "leads", "GET", "/recordings/{lead}", recording=True)
API = Api(
    id=5,
    slug="billing",
    credentials=frozenset({"bearer", "token"}),
    unlisted_allowed=False,
    modules=((1, "customers"), (2, "leads")),
    routes=RouteTable([LISTS, ADDS, RECORDING]),
)


def a_secret(token: str = TOKEN, *, pepper: int = 2, retires_at: float | None = None) -> Secret:
    return Secret(UUID(int=pepper), secrets.compute_digest(token, PEPPERS[pepper]), pepper, retires_at)


def a_key(**changes) -> Key:
    key = Key(
        id=1,
        public_id="AbCdEfGh1234",
        name="Shop",
        account_id=7,
        account="acme",
        account_active=True,
        owner_id=3,
        owner="alice",
        owner_active=True,
        api=API,
        api_enabled=True,
        enabled=True,
        deleted=False,
        expires_at=None,
        all_modules=True,
        module_ids=frozenset(),
        rules=(),
        secrets=(a_secret(),),
    )
    return replace(key, **changes)


def a_call(token: str | None = TOKEN, kind: str = "bearer", **changes) -> Call:
    presented = None if token is None else PresentedCredential(kind, secrets.parse_token(token) or "", token)
    values = {"method": "GET", "path": "/customers", "query": "", "client_address": parse_address("203.0.113.7")}
    return Call(
        request_id="0196f0c5-0000-7000-8000-000000000001",
        proxy="edge",
        host="api.example.com",
        user_agent="curl/8",
        presented=presented,
        **(values | changes),
    )


def only(*networks: str):
    return build_rules(map(parse_network, networks))


def reason(call: Call, key: Key | None, api: Api = API, now: float = NOW) -> str:
    return authenticate(select_credential(call, api), key, api, now=now, peppers=PEPPERS)[0]


class TestAuthenticate:
    @pytest.mark.parametrize("kind", ["bearer", "token"])
    def test_the_right_secret_in_a_form_that_the_api_takes(self, kind):
        assert authenticate(a_call(kind=kind).presented, a_key(), API, now=NOW, peppers=PEPPERS) == ("", a_secret())

    def test_a_secret_under_an_older_pepper(self):
        assert reason(a_call(), a_key(secrets=(a_secret(pepper=1),))) == ""

    def test_the_old_secret_during_an_overlap_and_after(self):
        key = a_key(secrets=(a_secret(), a_secret(OLD_TOKEN, pepper=1, retires_at=NOW + 1)))
        assert reason(a_call(OLD_TOKEN), key) == ""
        assert reason(a_call(OLD_TOKEN), key, now=NOW + 1) == "secret_retired"
        assert reason(a_call(), key, now=NOW + 1) == ""

    @pytest.mark.parametrize(
        ("call", "key"),
        [
            (a_call(None), a_key()),
            (a_call(kind="raw"), a_key()),
            (a_call(kind="api_key"), a_key()),
            (a_call(), None),
            (a_call(OLD_TOKEN), a_key()),
            (a_call(), a_key(deleted=True)),
            (a_call(), a_key(deleted=True, secrets=())),
            (a_call(), a_key(secrets=())),
            (a_call(), a_key(api=replace(API, id=6, slug="sip-caller"))),
            (a_call(), a_key(secrets=(Secret(UUID(int=9), secrets.compute_digest(TOKEN, PEPPERS[2]), 9, None),))),
        ],
        ids=[
            *("none", "kind not taken", "other kind not taken", "unknown key", "wrong secret", "deleted"),
            *("deleted and destroyed", "no secret", "key of another API", "pepper that is not here"),
        ],
    )
    def test_everything_else_is_one_refusal(self, call, key):
        assert authenticate(call.presented, key, API, now=NOW, peppers=PEPPERS) == (INVALID_CREDENTIALS, None)

    def test_a_state_is_never_told_without_the_secret(self):
        key = a_key(enabled=False, account_active=False, expires_at=NOW - 1, secrets=(a_secret(retires_at=NOW - 1),))
        assert reason(a_call(OLD_TOKEN), key) == INVALID_CREDENTIALS

    @pytest.mark.parametrize("key", [None, a_key(), a_key(secrets=()), a_key(secrets=(a_secret(OLD_TOKEN),))])
    def test_known_or_unknown_costs_one_digest(self, key, monkeypatch):
        digest = Mock(wraps=secrets.compute_digest)
        monkeypatch.setattr(secrets, "compute_digest", digest)
        reason(a_call(), key)
        assert digest.call_count == 1


# Each refusal of a proved key, in the order of the contract: what breaks it on the key, or on the call.
BROKEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("account_inactive", {"account_active": False}, {}),
    ("owner_inactive", {"owner_active": False}, {}),
    ("key_disabled", {"enabled": False}, {}),
    ("key_expired", {"expires_at": NOW}, {}),
    ("ip_not_allowed", {"rules": only("198.51.100.0/24")}, {}),
    ("module_not_granted", {}, {"path": "/unlisted"}),
]


class TestAuthorise:
    def test_a_plain_key_may_make_a_call_of_any_module(self):
        decision = authorise(a_call(), a_key(), now=NOW)
        assert (decision.allowed, decision.status, decision.route, decision.address_rule) == (True, 200, LISTS, None)

    @pytest.mark.parametrize(("refusal", "key", "call"), BROKEN, ids=[refusal for refusal, _, _ in BROKEN])
    def test_each_check_refuses_by_its_name(self, refusal, key, call):
        decision = authorise(a_call(**call), a_key(**key), now=NOW)
        assert (decision.allowed, decision.reason, decision.status) == (False, refusal, STATUS[refusal])

    @pytest.mark.parametrize("first", range(len(BROKEN)))
    def test_of_several_the_first_in_order_decides(self, first):
        key: dict[str, Any] = {}
        call: dict[str, Any] = {}
        for _, key_change, call_change in BROKEN[first:]:
            key |= key_change
            call |= call_change
        assert authorise(a_call(**call), a_key(**key), now=NOW).reason == BROKEN[first][0]

    def test_the_contract_lists_every_check(self):
        refusals = [refusal for refusal, _, _ in BROKEN]
        assert [check.refusal for check in CHECKS] == [*refusals, "recordings_not_allowed"]

    def test_a_recording_needs_the_key_s_flag_and_no_module(self):
        call = a_call(path="/recordings/lead-7")
        refused = authorise(call, a_key(), now=NOW)
        assert (refused.reason, refused.route) == ("recordings_not_allowed", RECORDING)
        assert authorise(call, a_key(all_modules=False, recordings=True), now=NOW).allowed

    def test_a_question_about_the_key_itself_needs_no_module(self):
        assert authorise(a_call(path="/unlisted", whoami=True), a_key(all_modules=False), now=NOW).allowed
        assert authorise(a_call(whoami=True), a_key(enabled=False), now=NOW).reason == "key_disabled"

    def test_an_api_that_is_not_enabled_for_the_account(self):
        assert authorise(a_call(), a_key(api_enabled=False), now=NOW).reason == "account_inactive"

    def test_expiry_is_the_first_moment_refused(self):
        assert authorise(a_call(), a_key(expires_at=NOW + 0.001), now=NOW).allowed
        assert not authorise(a_call(), a_key(expires_at=NOW), now=NOW).allowed

    def test_the_address_rule_that_admits_is_named(self):
        decision = authorise(a_call(), a_key(rules=only("10.0.0.0/8", "203.0.113.0/24")), now=NOW)
        assert decision.allowed
        assert decision.rule == "203.0.113.0/24; GET /customers"

    def test_without_an_address_nothing_is_admitted(self):
        assert authorise(a_call(client_address=None), a_key(), now=NOW).reason == "ip_not_allowed"

    def test_an_ipv6_client_is_not_let_in_by_every_ipv4_address(self):
        call = a_call(client_address=parse_address("2001:db8::1"))
        assert authorise(call, a_key(rules=only("0.0.0.0/0")), now=NOW).reason == "ip_not_allowed"

    def test_a_key_without_the_module_is_refused_and_the_route_is_named(self):
        decision = authorise(a_call(), a_key(all_modules=False, module_ids=frozenset({2})), now=NOW)
        assert (decision.reason, decision.route, decision.rule) == ("module_not_granted", LISTS, "GET /customers")

    def test_a_key_with_the_module_passes(self):
        assert authorise(a_call(), a_key(all_modules=False, module_ids=frozenset({1})), now=NOW).allowed

    def test_a_key_with_no_module_has_none(self):
        assert not authorise(a_call(), a_key(all_modules=False), now=NOW).allowed

    def test_unlisted_routes_pass_only_where_the_policy_says_so(self):
        key = a_key(api=replace(API, unlisted_allowed=True))
        decision = authorise(a_call(path="/unlisted"), key, now=NOW)
        assert (decision.allowed, decision.route) == (True, None)

    @pytest.mark.parametrize(
        ("hlr", "method", "path", "looked_up"),
        [(True, "POST", "/leads", True), (False, "POST", "/leads", False), (True, "GET", "/customers", False)],
    )
    def test_numbers_are_looked_up_where_the_key_says_so_and_the_route_adds_leads(self, hlr, method, path, looked_up):
        decision = authorise(a_call(method=method, path=path), a_key(hlr=hlr), now=NOW)
        assert decision.allowed
        assert decision.hlr is looked_up


class TestChecks:
    def test_an_allowed_call_passed_all(self):
        checks = authorise(a_call(), a_key(rules=only("203.0.113.0/24")), now=NOW).checks
        names = ["account", "owner", "enabled", "expiry", "address", "module", "recording"]
        assert [check.name for check in checks] == names
        assert all(check.passed for check in checks)

    def test_they_end_with_the_one_that_decided_and_say_what_it_saw(self):
        checks = authorise(a_call(), a_key(rules=only("198.51.100.0/24")), now=NOW).checks
        assert checks[-1].name == "address"
        assert not checks[-1].passed
        assert checks[-1].explanation == "203.0.113.7; the key admits 198.51.100.0/24"

    def test_an_expiry_is_told_with_its_date(self):
        checks = authorise(a_call(), a_key(expires_at=NOW - 60), now=NOW).checks
        assert checks[-1].explanation == "the key expires at 2027-01-15 07:59:00 UTC; it was 2027-01-15 08:00:00 UTC"

    def test_a_missing_module_is_told_with_those_that_are_granted(self):
        checks = authorise(a_call(), a_key(all_modules=False, module_ids=frozenset({2})), now=NOW).checks
        assert checks[-1].explanation == "GET /customers is GET /customers of customers; the key has leads"

    def test_no_secret_is_in_any_repr(self):
        decision = authorise(a_call(), a_key(), now=NOW)
        shown = repr(decision) + repr(decision.checks) + repr(decision.call.presented)
        assert TOKEN[16:] not in shown
        assert repr(a_secret().digest) not in shown
        assert a_secret().digest.hex() not in shown


@pytest.mark.parametrize(
    ("requested", "path", "query", "route"),
    [
        ("GET", "/customers", "", LISTS),
        ("HEAD", "/customers", "", LISTS),
        ("POST", "/leads", "", ADDS),
        ("POST", "/customers", "", None),
        ("GET", "/nothing", "", None),
        ("OPTIONS", "/customers", "", None),
        ("GET", "/recordings/7", "", None),
        ("", "/customers", "", None),
        # Conditions are read as for the call itself.
        ("GET", "/reports", "menu=1", REPORT),
        ("GET", "/reports", "menu=2", None),
        ("GET", "/reports", "menu=1&menu=2", None),
    ],
)
def test_a_preflight_needs_no_key_for_a_route_that_is_listed(requested, path, query, route):
    table = RouteTable([LISTS, ADDS, RECORDING, REPORT])
    call = a_call(None, method="OPTIONS", path=path, sent_query=query, preflight=requested)
    # That other routes need none, and calls of them a key, changes nothing.
    for unlisted in (True, False):
        api = replace(API, preflight=True, unlisted_allowed=unlisted, routes=table)
        decision = authorise_preflight(call, api, now=NOW)
        assert (decision and decision.route) == route
        if decision:
            assert (decision.allowed, decision.status, decision.reason) == (True, 200, "preflight")
        assert authorise_preflight(call, replace(api, preflight=False), now=NOW) is None
        assert authorise_preflight(replace(call, whoami=True), api, now=NOW) is None
