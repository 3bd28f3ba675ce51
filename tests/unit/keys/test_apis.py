"""OpenAPI documents become modules and routes; presets are installed once; accounts are given APIs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.permissions import Role
from accounts.policy import Denied
from audit.actor import Actor
from keys import apis
from keys.apis.document import BadDocument, modules_of
from keys.models import Api, Enablement, Module, Route
from keys.routes import Route as PlainRoute
from keys.routes import RouteTable
from tests.keys_made import events
from tests.people import a_user, acting, an_account

DOCUMENT = yaml.safe_load(Path("keys/presets/billing.openapi.yaml").read_text(encoding="utf-8"))
COMMAND = Actor.command("test")


def altered(**operation: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/customers"]["get"] |= operation
    return document


def test_tags_are_modules_and_paths_are_routes():
    modules = modules_of(DOCUMENT)

    assert [module.name for module in modules] == ["Customers", "Balance", "Invoices", "Payments", "CDRs"]
    assert [module.slug for module in modules] == ["customers", "balance", "invoices", "payments", "cdrs"]
    assert modules[1].routes == (
        ("GET", "/customers/{customer_id}/balance"),
        ("POST", "/customers/{customer_id}/balance/adjustments"),
    )


def test_each_route_of_billing_is_found_under_its_own_module():
    routes = [PlainRoute(n, m.slug, *route) for n, m in enumerate(modules_of(DOCUMENT)) for route in m.routes]
    table = RouteTable(routes)

    for route in routes:
        path = route.template.replace("{customer_id}", "17").replace("{invoice_id}", "a").replace("{payment_id}", "-")
        assert table.match(route.method, path) == route


@pytest.mark.parametrize(
    "document",
    [
        altered(tags=[]),
        altered(tags=["Customers", "Balance"]),
        altered(tags=["Payroll"]),
        altered(responses="none"),
        {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {"customers": 3}},
    ],
)
def test_a_document_that_does_not_say_which_module_a_route_is_in_is_refused(document: dict[str, Any]):
    with pytest.raises(BadDocument):
        modules_of(document)


@pytest.mark.django_db
def test_presets_are_installed_once_with_one_event():
    apis.install_presets()
    apis.install_presets()

    api = Api.objects.get(slug="billing")
    assert (api.name, Module.objects.filter(api=api).count(), Route.objects.filter(module__api=api).count()) == (
        *("Billing", 5, 13),
    )
    (event,) = events("api.added")
    assert (event.actor_kind, event.target_id, event.account_id) == ("command", "billing", None)


@pytest.mark.django_db
def test_an_account_is_given_an_api_once_and_by_no_administrator():
    account = an_account()
    api = Api.objects.get(slug="billing")

    apis.enable(api=api, account=account, by=COMMAND)
    apis.enable(api=api, account=account, by=COMMAND)

    assert Enablement.objects.filter(account=account, api=api).count() == 1
    assert len(events("api.enabled")) == 1
    with pytest.raises(Denied):
        apis.enable(api=api, account=account, by=acting(a_user(account, "Alice", Role.ADMINISTRATOR)))
