"""OpenAPI documents become modules and routes; presets are installed once; accounts are given APIs."""

from __future__ import annotations

import pytest

from core.actor import Actor
from core.authorization import Denied
from core.permissions import Role
from keys import apis
from keys.apis.description import get_preset, list_preset_slugs
from keys.models import Api, Enablement, Module, Route
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import events

COMMAND = Actor.from_command("test")


def test_tags_are_modules_and_paths_are_routes():
    modules = get_preset("billing").modules

    assert [module.name for module in modules] == ["Customers", "Balance", "Invoices", "Payments", "CDRs"]
    assert [module.slug for module in modules] == ["customers", "balance", "invoices", "payments", "cdrs"]
    assert [route.text for route in modules[1].routes] == [
        "GET /customers/{customer_id}/balance",
        "POST /customers/{customer_id}/balance/adjustments",
    ]


@pytest.mark.parametrize("slug", list_preset_slugs())
def test_each_route_of_a_preset_is_found_under_its_own_module(slug: str):
    for module in get_preset(slug).modules:
        assert module.routes


@pytest.mark.django_db
def test_presets_are_installed_once_with_one_event_each():
    apis.install_presets()
    apis.install_presets()

    api = Api.objects.get(slug="billing")
    assert (api.name, Module.objects.filter(api=api).count(), Route.objects.filter(module__api=api).count()) == (
        *("Billing", 5, 13),
    )
    found = events("api.added")
    assert {(event.actor_kind, event.account_id) for event in found} == {("command", None)}
    assert sorted(event.target_id for event in found) == list_preset_slugs()


@pytest.mark.django_db
def test_a_later_version_brings_its_new_presets_and_leaves_the_others_alone():
    Api.objects.get(slug="lynx").delete()
    Api.objects.filter(slug="billing").update(name="Our billing", document={"changed": True})

    apis.install_presets()

    assert Module.objects.filter(api__slug="lynx").count() == 5
    assert list(Api.objects.filter(slug="billing").values_list("name", "document")) == [
        ("Our billing", {"changed": True})
    ]


@pytest.mark.django_db
def test_numbers_conditions_and_marks_are_stored():
    detailed = Module.objects.get(api__slug="lms-call-logic", slug="detailed-reports")
    summary = Module.objects.get(api__slug="lms-call-logic", slug="summary-reports")

    assert (detailed.number, summary.number) == (101, 102)
    assert detailed.routes.get(template="/reports").conditions == {"menuItemId": "101"}
    assert summary.routes.get(template="/reports").conditions == {"menuItemId": "102"}
    assert list(Route.objects.filter(recording=True).values_list("template", flat=True)) == ["/recordings/{lead_id}"]
    assert [str(route) for route in Route.objects.filter(adds_leads=True)] == ["POST /leads"]


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
