"""OpenAPI documents become modules and routes; presets are installed once; accounts are given APIs."""

from __future__ import annotations

import pytest

from accounts.permissions import Role
from accounts.policy import Denied
from audit.actor import Actor
from keys import apis
from keys.apis.description import preset, preset_slugs
from keys.models import Api, Enablement, Module, Route
from tests.keys_made import events
from tests.people import a_user, acting, an_account

COMMAND = Actor.command("test")


def test_tags_are_modules_and_paths_are_routes():
    modules = preset("billing").modules

    assert [module.name for module in modules] == ["Customers", "Balance", "Invoices", "Payments", "CDRs"]
    assert [module.slug for module in modules] == ["customers", "balance", "invoices", "payments", "cdrs"]
    assert [route.text for route in modules[1].routes] == [
        "GET /customers/{customer_id}/balance",
        "POST /customers/{customer_id}/balance/adjustments",
    ]


@pytest.mark.parametrize("slug", preset_slugs())
def test_each_route_of_a_preset_is_found_under_its_own_module(slug: str):
    for module in preset(slug).modules:
        assert module.routes


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
