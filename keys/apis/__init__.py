"""APIs: an OpenAPI document and a policy for its keys, installation-wide, enabled for each account."""

from __future__ import annotations

from django.db import connection, transaction

from accounts.models import Account
from accounts.permissions import Permission
from accounts.policy import require
from audit.actor import Actor
from audit.events import Target
from audit.record import record
from keys.apis.description import Description, preset, preset_slugs
from keys.models import Api, Enablement, Module, Route


@transaction.atomic
def install_presets() -> None:
    """Add each preset that is not there yet. Those that are there stay as they are: they may have been changed."""
    with connection.cursor() as cursor:
        # Of two nodes that migrate at once, the second waits and finds them there.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('keys.apis.install_presets', 0))")
    there = set(Api.objects.values_list("slug", flat=True))
    for slug in preset_slugs():
        if slug not in there:
            add(slug=slug, description=preset(slug), by=Actor.command("migrate"))


@transaction.atomic
def add(*, slug: str, description: Description, by: Actor) -> Api:
    """Add an API."""
    require(by, Permission.APIS_CHANGE, account=None)
    by.spend_confirmation("api.add", slug)
    api = Api.objects.create(slug=slug, name=description.name, document=description.document, policy=description.rules)
    for position, found in enumerate(description.modules):
        module = Module.objects.create(
            api=api, slug=found.slug, name=found.name, number=found.number, position=position
        )
        Route.objects.bulk_create(Route(module=module, **route._asdict()) for route in found.routes)
    record(
        "api.added",
        by=by,
        account_id=None,
        target=Target("api", api.slug, api.name),
        modules=[module.slug for module in description.modules],
        routes=[route.text for module in description.modules for route in module.routes],
    )
    return api


@transaction.atomic
def enable(*, api: Api, account: Account, by: Actor) -> None:
    """Let the account have keys of the API."""
    require(by, Permission.APIS_CHANGE, account=account)
    by.spend_confirmation("api.enable", f"{account.slug}/{api.slug}")
    _, new = Enablement.objects.get_or_create(account=account, api=api)
    if new:
        target = Target("api", api.slug, api.name)
        record("api.enabled", by=by, account_id=account.pk, target=target, account=account.slug)
